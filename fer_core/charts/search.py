"""Charts of a hyperparameter search: its progress, and the effect of the settings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fer_core.charts.labels import plotly_text, plotly_texts
from fer_core.charts.style import FIRST_COLOR, GRAY, LEGEND_ABOVE, MARGIN, SECOND_COLOR
from fer_core.recipes import setting_fields
from fer_core.training.search import StudySummary, TrialSummary

if TYPE_CHECKING:
    import plotly.graph_objects as go

#: Color scale from the worst to the best value. It is readable on white and on black, also for
#: color-blind people.
_COLOR_SCALE = [[0.0, "#B8B8B8"], [0.5, "#56B4E9"], [1.0, "#0072B2"]]
_HEIGHT = 340

#: For each metric that a search can optimize (the setting ``monitor`` of the search): its title,
#: and True if it is drawn in percent.
MONITOR_TITLES = {
    "accuracy": ("validation accuracy", True),
    "macro_f1": ("validation macro F1", False),
    "loss": ("validation loss", False),
}


def chart_names(study: StudySummary) -> list[str]:
    """Return the names of the charts for which a search has enough trials.

    Returns:
        Some of *history*, *importance*, *parallel*, *slice* and *curves*, in this order. For each
        of them, this module has a function, such as ``history_chart``.
    """
    has_finished = bool(_finished(study))
    has_curves = any(trial.state in ("running", "finished", "pruned") for trial in study.trials)
    return [
        name
        for name, is_possible in (
            ("history", has_finished),
            ("importance", study.has_importances),
            ("parallel", has_finished),
            ("slice", has_finished),
            ("curves", has_curves),
        )
        if is_possible
    ]


def _finished(study: StudySummary) -> list[TrialSummary]:
    return [
        trial for trial in study.trials if trial.state == "finished" and trial.value is not None
    ]


def history_chart(study: StudySummary) -> go.Figure:
    """Draw the metric of each finished trial, and the best metric so far.

    The metric of a trial (``TrialSummary.value``) is the one that the search optimizes.
    """
    import plotly.graph_objects as go

    finished = _finished(study)
    best_of = min if study.setup.monitor == "loss" else max
    metrics = [_metric(trial, study) for trial in finished]
    best_metrics = [best_of(metrics[: index + 1]) for index in range(len(metrics))]
    numbers = [trial.number for trial in finished]
    pruned = [
        trial for trial in study.trials if trial.state == "pruned" and trial.value is not None
    ]
    hover = f"trial %{{x}}: {_hover_metric(study)}<extra></extra>"
    figure = go.Figure(
        [
            go.Scatter(
                x=numbers,
                y=best_metrics,
                name="best so far",
                mode="lines",
                line={"color": SECOND_COLOR, "width": 2, "shape": "hv"},
                hovertemplate=f"best so far: {_hover_metric(study)}<extra></extra>",
            ),
            go.Scatter(
                x=[trial.number for trial in pruned],
                y=[_metric(trial, study) for trial in pruned],
                name="ended early",
                mode="markers",
                marker={"color": GRAY, "size": 8, "symbol": "circle-open"},
                hovertemplate=hover,
            ),
            go.Scatter(
                x=numbers,
                y=metrics,
                name="finished",
                mode="markers",
                marker={"color": FIRST_COLOR, "size": 9},
                hovertemplate=hover,
            ),
        ]
    )
    figure.update_layout(
        height=_HEIGHT,
        margin=MARGIN,
        legend=LEGEND_ABOVE,
        xaxis={
            "title": {"text": "trial"},
            "tickformat": "d",
            # The axis is half a trial longer at both ends, so that no marker is cut.
            "range": [-0.5, max(trial.number for trial in study.trials) + 0.5],
        },
        yaxis=_metric_axis(study),
    )
    return figure


def importance_chart(importances: dict[str, float]) -> go.Figure:
    """Draw how important each setting is for the metric; see ``study_importances``."""
    import plotly.graph_objects as go

    ordered = sorted(importances.items(), key=lambda pair: pair[1])
    figure = go.Figure(
        go.Bar(
            x=[100 * share for _, share in ordered],
            y=plotly_texts(_labels()[name] for name, _ in ordered),
            orientation="h",
            marker={"color": FIRST_COLOR},
            text=[f"{100 * share:.1f} %" for _, share in ordered],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}: %{x:.1f} %<extra></extra>",
        )
    )
    figure.update_layout(
        height=max(90 + 40 * len(ordered), 180),
        margin={**MARGIN, "r": 64},
        xaxis={
            "title": {"text": "relative importance"},
            "range": [0, 100],
            "ticksuffix": " %",
        },
        yaxis={"ticksuffix": "  "},
    )
    return figure


def parallel_chart(study: StudySummary) -> go.Figure:
    """Draw each finished trial as a line through its setting values and its metric."""
    import plotly.graph_objects as go

    finished = _finished(study)
    title, is_percent = MONITOR_TITLES[study.setup.monitor]
    metrics = [_metric(trial, study) for trial in finished]
    dimensions = [
        *(_dimension(name, study, finished) for name in _sampled_settings(study, finished)),
        {
            "label": f"{title} (%)" if is_percent else title,
            "values": metrics,
            "tickformat": ".1f" if is_percent else ".3f",
        },
    ]
    figure = go.Figure(
        go.Parcoords(
            dimensions=dimensions,
            line={
                "color": metrics,
                "colorscale": _COLOR_SCALE,
                "reversescale": study.setup.monitor == "loss",
            },
            labelfont={"size": 13},
        )
    )
    figure.update_layout(height=_HEIGHT + 40, margin={"l": 64, "r": 64, "t": 56, "b": 24})
    return figure


def _dimension(name: str, study: StudySummary, finished: Sequence[TrialSummary]) -> dict[str, Any]:
    """Return the axis of one setting in the chart of parallel coordinates."""
    values = [trial.values.get(name) for trial in finished]
    label = plotly_text(_labels()[name])
    if not _is_number(values):
        texts = sorted({_text(value) for value in values})
        return {
            "label": label,
            "values": [texts.index(_text(value)) for value in values],
            "tickvals": list(range(len(texts))),
            "ticktext": plotly_texts(texts),
        }
    numbers = [float(value) for value in values if value is not None]
    if not _is_log(name, study):
        return {"label": label, "values": numbers}
    # Parallel coordinates have no logarithmic axes, so the logarithms are drawn, with five ticks.
    low, high = min(map(math.log10, numbers)), max(map(math.log10, numbers))
    ticks = [low + (high - low) * index / 4 for index in range(5)]
    return {
        "label": label,
        "values": [math.log10(value) for value in numbers],
        "tickvals": ticks,
        "ticktext": [f"{10**tick:.2g}" for tick in ticks],
    }


def slice_chart(study: StudySummary) -> go.Figure:
    """Draw the metric of each finished trial against the value of each setting."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    finished = _finished(study)
    names = _sampled_settings(study, finished)
    figure = make_subplots(
        rows=1, cols=max(len(names), 1), shared_yaxes=True, horizontal_spacing=0.03
    )
    for column, name in enumerate(names, start=1):
        trials = [trial for trial in finished if name in trial.values]
        values = [trial.values[name] for trial in trials]
        is_number = _is_number(values)
        label = plotly_text(_labels()[name])
        figure.add_trace(
            go.Scatter(
                x=values if is_number else plotly_texts(map(_text, values)),
                y=[_metric(trial, study) for trial in trials],
                mode="markers",
                marker={
                    "color": [
                        SECOND_COLOR if trial.number == study.best_trial else FIRST_COLOR
                        for trial in trials
                    ],
                    "size": 9,
                    "opacity": 0.85,
                },
                customdata=[trial.number for trial in trials],
                hovertemplate=f"trial %{{customdata}}<br>{label} %{{x}}<br>{_hover_metric(study)}"
                "<extra></extra>",
            ),
            row=1,
            col=column,
        )
        is_log = is_number and _is_log(name, study)
        figure.update_xaxes(
            title={"text": label},
            type="log" if is_log else "linear" if is_number else "category",
            # One tick for each power of 10, written as 0.001 instead of 1m.
            **({"dtick": 1, "exponentformat": "none"} if is_log else {}),
            row=1,
            col=column,
        )
    figure.update_yaxes(_metric_axis(study), row=1, col=1)
    figure.update_layout(height=_HEIGHT, margin=MARGIN, showlegend=False)
    return figure


def curves_chart(study: StudySummary, curves: dict[int, dict[int, float]]) -> go.Figure:
    """Draw the metric of each trial by epoch, with the best trial in front.

    Args:
        study: The search.
        curves: For each trial number, the metric by epoch; see ``study_curves``.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    states = {trial.number: trial.state for trial in study.trials}
    hover_metric = _hover_metric(study)
    # False is sorted before True, so the best trial is the last one, which is drawn in front.
    for number in sorted(curves, key=lambda number: number == study.best_trial):
        points = sorted(curves[number].items())
        is_best = number == study.best_trial
        figure.add_trace(
            go.Scatter(
                x=[epoch for epoch, _ in points],
                y=[_factor(study) * metric for _, metric in points],
                name=f"trial {number}" + (", the best" if is_best else ""),
                mode="lines+markers" if len(points) == 1 else "lines",
                line={
                    "color": SECOND_COLOR if is_best else GRAY,
                    "width": 3 if is_best else 1.5,
                    "dash": "dot" if states.get(number) == "pruned" else "solid",
                },
                opacity=1 if is_best else 0.6,
                showlegend=is_best,
                hovertemplate=f"trial {number}, epoch %{{x}}: {hover_metric}<extra></extra>",
            )
        )
    figure.update_layout(
        height=_HEIGHT,
        margin=MARGIN,
        legend=LEGEND_ABOVE,
        showlegend=True,
        xaxis={"title": {"text": "epoch"}, "tickformat": "d"},
        yaxis=_metric_axis(study),
    )
    return figure


def _metric(trial: TrialSummary, study: StudySummary) -> float:
    """Return the metric of a finished or pruned trial in the unit in which it is drawn."""
    assert trial.value is not None
    return trial.value * _factor(study)


def _factor(study: StudySummary) -> int:
    """Return the factor by which metrics are multiplied: 100 if they are drawn in percent."""
    _, is_percent = MONITOR_TITLES[study.setup.monitor]
    return 100 if is_percent else 1


def _hover_metric(study: StudySummary) -> str:
    title, is_percent = MONITOR_TITLES[study.setup.monitor]
    return f"{title} %{{y:.1f}} %" if is_percent else f"{title} %{{y:.4f}}"


def _metric_axis(study: StudySummary) -> dict[str, Any]:
    title, is_percent = MONITOR_TITLES[study.setup.monitor]
    return {
        "title": {"text": title, "standoff": 12},
        "ticksuffix": " %" if is_percent else "",
        "automargin": True,
    }


def _sampled_settings(study: StudySummary, trials: Sequence[TrialSummary]) -> list[str]:
    """Return the settings that at least one trial has sampled, in the order of the search space."""
    return [
        parameter.field
        for parameter in study.setup.space.parameters
        if any(parameter.field in trial.values for trial in trials)
    ]


def _is_log(name: str, study: StudySummary) -> bool:
    """Return True if the search samples a setting on a logarithmic scale."""
    return any(
        parameter.field == name and parameter.log for parameter in study.setup.space.parameters
    )


def _is_number(values: Sequence[Any]) -> bool:
    """Return True if all values are numbers.

    None is not a number: it stands for a setting that has no effect in one of the trials.
    """
    return all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value).replace("_", " ")


def _labels() -> dict[str, str]:
    return {entry.name: entry.label for entry in setting_fields()}
