"""Training curves of one run, and of several runs in comparison."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from fer_core.charts.labels import plotly_text
from fer_core.charts.style import LEGEND_ABOVE, MARGIN
from fer_core.classes import class_colors
from fer_core.training.run_folder import EpochRecord
from fer_core.training.seed_groups import spread_by_epoch

if TYPE_CHECKING:
    import plotly.graph_objects as go

#: Maximum number of points of a curve. More points cannot be distinguished on a screen. All curves
#: of a live chart have points at the same epochs: at most this many, and the best epoch.
MAX_POINTS = 400

#: Colors of the curves, readable on white and on black. The line styles of the curves differ, too.
_VALIDATION_COLOR = "#2B8CCB"
_SPLIT_COLORS = {"training": "#8A8A8A", "validation": _VALIDATION_COLOR}
_BEST_COLOR = "#E69F00"

#: Hides the symbols of a layer from screen readers, which would announce them as a group without a
#: name. Screen readers read the alternative text of the chart instead.
_HIDDEN_FROM_SCREEN_READERS: dict[str, Any] = {"aria": False}

#: Up to this number of epochs, each epoch gets a marker.
_MAX_MARKED_EPOCHS = 12

_LOG_SCALE: dict[str, Any] = {"type": "log", "nice": False}
#: Opacity of the unsmoothed curve behind a smoothed curve, and of the band of a standard deviation.
_RAW_OPACITY, _BAND_OPACITY = 0.25, 0.2

#: Colors of compared runs (Okabe and Ito's palette). Further runs have the same colors with other
#: line styles.
_RUN_COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8A8A8A")
_RUN_STYLES = ("solid", "dash", "dot", "dashdot")

ComparedMetric = Literal["validation_accuracy", "validation_macro_f1", "validation_loss", "loss"]

#: For each metric by which runs are compared: its title, and True if it is drawn in percent.
COMPARED_METRICS: dict[ComparedMetric, tuple[str, bool]] = {
    "validation_accuracy": ("Validation accuracy", True),
    "validation_macro_f1": ("Validation macro F1", False),
    "validation_loss": ("Validation loss", False),
    "loss": ("Training loss", False),
}


def downsampled_indices(values: Sequence[float | None], max_points: int = MAX_POINTS) -> list[int]:
    """Return the indices of values that preserve the shape of a curve.

    The curve is divided into sections of equal length. The result contains the lowest and the
    highest value of each section, and the first and the last value of the curve.

    Args:
        values: The curve, at equally spaced epochs; None is a gap.
        max_points: Maximum number of indices, at least 4.

    Returns:
        Increasing indices into ``values``.
    """
    count = len(values)
    if count <= max_points:
        return list(range(count))
    indices = {0, count - 1}
    section_count = (max_points - 2) // 2
    for section in range(section_count):
        start, end = section * count // section_count, (section + 1) * count // section_count
        known = [index for index in range(start, end) if values[index] is not None]
        if known:
            indices.add(min(known, key=lambda index: values[index] or 0.0))
            indices.add(max(known, key=lambda index: values[index] or 0.0))
    return sorted(indices)


def smoothed(values: Sequence[float | None], smoothing: float) -> list[float | None]:
    """Return the exponential moving average of a curve, without bias towards 0 at its start.

    Args:
        values: The curve; None is a gap, also in the result.
        smoothing: The weight of the earlier values, from 0 (no smoothing) to below 1.
    """
    # ``average`` starts at 0, and ``weight`` is the weight that this start value still has in
    # ``average``. The division by ``1 - weight`` removes its influence.
    average, weight = 0.0, 1.0
    result: list[float | None] = []
    for value in values:
        if value is None:
            result.append(None)
            continue
        average = smoothing * average + (1 - smoothing) * value
        weight *= smoothing
        result.append(average / (1 - weight))
    return result


@dataclass(frozen=True)
class LiveCurves:
    """A chart that grows while a training runs.

    If anything in a Plotly figure changes, Streamlit draws the figure anew, and it is blank for a
    moment. In this chart only the rows change, so that the browser updates the existing chart
    without flicker.

    Attributes:
        rows: A dictionary for each point of each curve, with the keys ``epoch``, ``curve``,
            ``value``, ``is_best`` (True at the best epoch on the validation curve) and
            ``has_marker``. If the curves are smoothed, ``raw`` is the value before smoothing.
        specification: The Vega-Lite specification without data; new epochs do not change it.
    """

    rows: list[dict[str, Any]]
    specification: dict[str, Any]


def loss_curves(
    epochs: Sequence[EpochRecord],
    best_epoch: int | None = None,
    *,
    smoothing: float = 0.0,
    is_log: bool = False,
) -> LiveCurves:
    """Return a live chart of training and validation loss by epoch.

    A marker on the validation loss shows the best epoch.

    Args:
        epochs: The finished epochs.
        best_epoch: Number of the epoch to mark, from 1; None for no marker.
        smoothing: See ``smoothed``.
        is_log: True for a logarithmic axis.
    """
    curves = {
        "training": [record.loss for record in epochs],
        "validation": [record.validation_loss for record in epochs],
    }
    return _live_curves(
        epochs,
        curves,
        _SPLIT_COLORS,
        "loss (cross-entropy)",
        number_format=".4f",
        best_epoch=best_epoch,
        smoothing=smoothing,
        scale=_LOG_SCALE if is_log else None,
    )


def accuracy_curves(
    epochs: Sequence[EpochRecord], best_epoch: int | None = None, *, smoothing: float = 0.0
) -> LiveCurves:
    """Return a live chart of training and validation accuracy by epoch, in percent.

    A marker on the validation accuracy shows the best epoch. The arguments are those of
    ``loss_curves``.
    """
    curves = {
        "training": [100 * record.accuracy for record in epochs],
        "validation": [100 * record.validation_accuracy for record in epochs],
    }
    return _live_curves(
        epochs,
        curves,
        _SPLIT_COLORS,
        "accuracy (%)",
        number_format=".1f",
        best_epoch=best_epoch,
        smoothing=smoothing,
    )


def recall_curves(epochs: Sequence[EpochRecord], *, smoothing: float = 0.0) -> LiveCurves:
    """Return a live chart of validation recall per class, in percent; undefined values are gaps."""
    curves: dict[str, list[float | None]] = {}
    classes = list(dict.fromkeys(name for record in epochs for name in record.validation_recall))
    for name in classes:
        recalls = [record.validation_recall.get(name) for record in epochs]
        curves[name] = [None if recall is None else 100 * recall for recall in recalls]
    return _live_curves(
        epochs,
        curves,
        class_colors(classes),
        "recall (%)",
        number_format=".0f",
        smoothing=smoothing,
        scale={"domain": [0, 100]},
    )


def learning_rate_curve(epochs: Sequence[EpochRecord]) -> LiveCurves:
    """Return a live chart of the learning rate at the end of each epoch, on a logarithmic axis."""
    # A cosine schedule may end at exactly 0, which a logarithmic axis cannot show.
    rates = [record.learning_rate if record.learning_rate > 0 else None for record in epochs]
    return _live_curves(
        epochs,
        {"learning rate": rates},
        {"learning rate": _VALIDATION_COLOR},
        "learning rate",
        number_format=".3~g",
        scale=_LOG_SCALE,
    )


def compared_curves(
    runs: Mapping[str, Sequence[EpochRecord]],
    metric_name: ComparedMetric,
    *,
    smoothing: float = 0.0,
    is_log: bool = False,
) -> go.Figure:
    """Draw one metric of several runs over their epochs.

    Args:
        runs: The epochs of each run by its title.
        metric_name: A key of ``COMPARED_METRICS``.
        smoothing: See ``smoothed``. The unsmoothed curve is drawn behind the smoothed curve.
        is_log: True for a logarithmic axis.
    """
    title, is_percent = COMPARED_METRICS[metric_name]
    figure = _empty_figure(title.lower(), is_percent=is_percent, is_log=is_log)
    factor = 100 if is_percent else 1
    hover_template = _hover_template(is_percent=is_percent)
    for number, (name, epochs) in enumerate(runs.items()):
        values = [factor * getattr(record, metric_name) for record in epochs]
        if smoothing:
            _add_curve(
                figure, name, epochs, values, line=_run_line(number, width=1), hover_template=None
            )
        _add_curve(
            figure,
            name,
            epochs,
            smoothed(values, smoothing),
            line=_run_line(number),
            hover_template=hover_template,
        )
    figure.update_layout(height=380)
    return figure


def grouped_curves(
    groups: Mapping[str, Sequence[Sequence[EpochRecord]]],
    metric_name: ComparedMetric,
    *,
    smoothing: float = 0.0,
    is_log: bool = False,
) -> go.Figure:
    """Draw the mean of a metric over the runs of each group, with a band of ± 1 standard deviation.

    The runs of a group differ only in their seeds. The curve of a group ends at the last epoch that
    all its runs have finished. A group of one run has no band.

    Args:
        groups: For the title of each group, the epochs of each of its runs.
        metric_name: A key of ``COMPARED_METRICS``.
        smoothing: See ``smoothed``. Means and deviations are smoothed.
        is_log: True for a logarithmic axis.
    """
    title, is_percent = COMPARED_METRICS[metric_name]
    figure = _empty_figure(title.lower(), is_percent=is_percent, is_log=is_log)
    factor = 100 if is_percent else 1
    for number, (name, runs) in enumerate(groups.items()):
        spreads = spread_by_epoch(runs, lambda record: factor * float(getattr(record, metric_name)))
        longest_run = max(runs, key=len, default=())
        means = smoothed([spread.mean for spread in spreads], smoothing)
        deviations = smoothed([spread.deviation or 0.0 for spread in spreads], smoothing)
        if any(deviations):
            _add_band(
                figure, longest_run, means, deviations, _run_line(number)["color"], is_log=is_log
            )
        _add_curve(
            figure,
            name,
            longest_run[: len(means)],
            means,
            line=_run_line(number),
            hover_template=_hover_template(is_percent=is_percent),
        )
    figure.update_layout(height=380)
    return figure


def accuracy_lines(epochs: Sequence[EpochRecord]) -> go.Figure:
    """Return a Plotly figure of training and validation accuracy, in percent, for the report."""
    return _training_and_validation_figure(
        epochs,
        "accuracy",
        {
            "training": [100 * record.accuracy for record in epochs],
            "validation": [100 * record.validation_accuracy for record in epochs],
        },
        is_percent=True,
    )


def loss_lines(epochs: Sequence[EpochRecord]) -> go.Figure:
    """Return a Plotly figure of training and validation loss, for the report."""
    return _training_and_validation_figure(
        epochs,
        "loss (cross-entropy)",
        {
            "training": [record.loss for record in epochs],
            "validation": [record.validation_loss for record in epochs],
        },
        is_percent=False,
    )


def _training_and_validation_figure(
    epochs: Sequence[EpochRecord],
    quantity: str,
    curves: Mapping[str, Sequence[float]],
    *,
    is_percent: bool,
) -> go.Figure:
    figure = _empty_figure(quantity, is_percent=is_percent, is_log=False)
    for name, values in curves.items():
        dash = "dot" if name == "training" else "solid"
        _add_curve(
            figure,
            name,
            epochs,
            values,
            line={"color": _SPLIT_COLORS[name], "width": 2, "dash": dash},
            hover_template=_hover_template(is_percent=is_percent),
        )
    return figure


def _run_line(number: int, width: int = 2) -> dict[str, Any]:
    """Return color, width and style of the line of a compared run."""
    style = _RUN_STYLES[number // len(_RUN_COLORS) % len(_RUN_STYLES)]
    return {"color": _RUN_COLORS[number % len(_RUN_COLORS)], "width": width, "dash": style}


def _hover_template(*, is_percent: bool) -> str:
    return "%{y:.1f} %" if is_percent else "%{y:.4f}"


def _empty_figure(quantity: str, *, is_percent: bool, is_log: bool) -> go.Figure:
    import plotly.graph_objects as go

    figure = go.Figure()
    figure.update_layout(
        height=300,
        margin=MARGIN,
        hovermode="x unified",
        legend=LEGEND_ABOVE,
        xaxis={"title": {"text": "epoch"}, "tickformat": "d"},
        yaxis={
            "title": {"text": f"{quantity} (%)" if is_percent else quantity},
            "automargin": True,
            "type": "log" if is_log else "linear",
        },
    )
    return figure


def _add_curve(
    figure: go.Figure,
    name: str,
    epochs: Sequence[EpochRecord],
    values: Sequence[float | None],
    *,
    line: dict[str, Any],
    hover_template: str | None,
) -> None:
    """Add a curve to a figure.

    If ``hover_template`` is None, the curve is an unsmoothed curve in the background: it is faint,
    has no hover text and is not in the legend.
    """
    import plotly.graph_objects as go

    indices = downsampled_indices(values)
    is_background = hover_template is None
    # Short curves get markers, because a curve of one point would be invisible without a marker.
    has_markers = len(indices) <= _MAX_MARKED_EPOCHS and not is_background
    figure.add_trace(
        go.Scatter(
            x=[epochs[index].epoch for index in indices],
            y=[values[index] for index in indices],
            name=plotly_text(name),
            mode="lines+markers" if has_markers else "lines",
            line=line,
            marker={"size": 6},
            opacity=_RAW_OPACITY if is_background else 1,
            hovertemplate=hover_template,
            hoverinfo="skip" if is_background else None,
            showlegend=not is_background,
        )
    )


def _add_band(
    figure: go.Figure,
    epochs: Sequence[EpochRecord],
    means: Sequence[float | None],
    deviations: Sequence[float | None],
    color: str,
    *,
    is_log: bool,
) -> None:
    """Add the area between mean - deviation and mean + deviation.

    On a logarithmic axis, which has no place for zero and negative values, the area ends at a tenth
    of the mean at the latest.
    """
    import plotly.graph_objects as go

    epoch_numbers = [record.epoch for record in epochs[: len(means)]]
    pairs = [
        (mean or 0.0, deviation or 0.0) for mean, deviation in zip(means, deviations, strict=True)
    ]
    upper = [mean + deviation for mean, deviation in pairs]
    lower = [max(mean - deviation, mean / 10 if is_log else -math.inf) for mean, deviation in pairs]
    figure.add_trace(
        go.Scatter(
            # The outline of the area: the upper edge, and back along the lower edge.
            x=[*epoch_numbers, *reversed(epoch_numbers)],
            y=[*upper, *reversed(lower)],
            name="± standard deviation",
            fill="toself",
            fillcolor=color,
            opacity=_BAND_OPACITY,
            line={"width": 0},
            mode="lines",
            hoverinfo="skip",
            showlegend=False,
        )
    )


def _live_curves(
    epochs: Sequence[EpochRecord],
    curves: Mapping[str, Sequence[float | None]],
    colors: Mapping[str, str],
    quantity: str,
    *,
    number_format: str,
    best_epoch: int | None = None,
    smoothing: float = 0.0,
    scale: dict[str, Any] | None = None,
) -> LiveCurves:
    """Return a live chart of curves, one for each entry of ``curves``."""
    smoothed_curves = {name: smoothed(values, smoothing) for name, values in curves.items()}
    # All curves have points at the same epochs. These include the best epoch, if it is shown.
    indices = sorted(
        {
            index
            for values in curves.values()
            for index in downsampled_indices(values, _points_per_curve(curves))
        }
        | ({best_epoch - 1} if best_epoch is not None and best_epoch <= len(epochs) else set())
    )
    rows = [
        {
            "epoch": epochs[index].epoch,
            "curve": name,
            "value": smoothed_curves[name][index],
            "is_best": epochs[index].epoch == best_epoch and name == "validation",
            # Short curves get markers, because a curve of one point would be invisible without a
            # marker.
            "has_marker": len(epochs) <= _MAX_MARKED_EPOCHS,
        }
        | ({"raw": values[index]} if smoothing else {})
        for name, values in curves.items()
        for index in indices
    ]
    specification = _specification(list(curves), colors, quantity, number_format, scale or {})
    if smoothing:
        _add_raw_curves(specification)
    return LiveCurves(rows, specification)


def _add_raw_curves(specification: dict[str, Any]) -> None:
    """Add the unsmoothed curves to a Vega-Lite specification.

    They are drawn behind the smoothed curves. The marker of the best epoch moves to the unsmoothed
    curve.
    """
    line, _, best_marker, _ = specification["layer"]
    raw_values = {**line["encoding"]["y"], "field": "raw"}
    best_marker["encoding"] = {"y": raw_values}
    encoding = {**line["encoding"], "y": raw_values}
    mark = {**line["mark"], "strokeWidth": 1, "opacity": _RAW_OPACITY}
    specification["layer"].insert(0, {"mark": mark, "encoding": encoding})


def _escaped_field(name: str) -> str:
    """Escape the name of a field for Vega-Lite, which reads dots and brackets as a path."""
    return re.sub(r"""([\\.\[\]'"])""", r"\\\1", name)


def _points_per_curve(curves: Mapping[str, Sequence[float | None]]) -> int:
    return max(MAX_POINTS // len(curves), 4)


def _specification(
    names: list[str],
    colors: Mapping[str, str],
    quantity: str,
    number_format: str,
    scale: dict[str, Any],
) -> dict[str, Any]:
    """Return the Vega-Lite specification.

    The chart has lines, markers, a marker of the best epoch, and a tooltip for each epoch.
    """
    value = {
        "field": "value",
        "type": "quantitative",
        "title": quantity,
        "scale": {"zero": False, **scale},
        "axis": {"tickCount": 5, **({"format": "~g"} if scale.get("type") == "log" else {})},
    }
    color = {
        "field": "curve",
        "type": "nominal",
        "scale": {"domain": names, "range": [colors[name] for name in names]},
        "legend": None
        if len(names) == 1
        else {
            "orient": "top",
            "title": None,
            "columns": 4,
            "symbolType": "stroke",
            "symbolStrokeWidth": 3,
            # Without this, the lines in the legend are as faint as the unsmoothed curves.
            "symbolOpacity": 1,
        },
    }
    dash = {
        "field": "curve",
        "type": "nominal",
        "scale": {
            "domain": names,
            "range": [[3, 3] if name == "training" else [1, 0] for name in names],
        },
        "legend": None,
    }
    # The pivoted data have one row per epoch with the values of all curves, for the tooltip.
    pivot = {"pivot": "curve", "value": "value", "groupby": ["epoch"]}
    return {
        "height": 290,
        "encoding": {
            "x": {
                "field": "epoch",
                "type": "quantitative",
                "title": "epoch",
                "scale": {"zero": False, "nice": False, "padding": 8},
                "axis": {"tickMinStep": 1, "format": ",d", "grid": False},
            }
        },
        "layer": [
            {
                "mark": {"type": "line", "strokeWidth": 2},
                "encoding": {"y": value, "color": color, "strokeDash": dash},
            },
            {
                "transform": [{"filter": "datum.has_marker"}],
                "mark": {
                    "type": "point",
                    "filled": True,
                    "size": 45,
                    "opacity": 1,
                    **_HIDDEN_FROM_SCREEN_READERS,
                },
                "encoding": {"y": value, "color": color},
            },
            {
                "transform": [{"filter": "datum.is_best"}],
                "mark": {
                    "type": "point",
                    "shape": "diamond",
                    "filled": True,
                    "size": 150,
                    "opacity": 1,
                    "color": _BEST_COLOR,
                    **_HIDDEN_FROM_SCREEN_READERS,
                },
                "encoding": {"y": value},
            },
            {
                "transform": [pivot],
                "mark": {"type": "rule", "color": "#8A8A8A"},
                "params": [
                    {
                        "name": "hovered",
                        "select": {
                            "type": "point",
                            "fields": ["epoch"],
                            "nearest": True,
                            "on": "pointerover",
                            "clear": "pointerout",
                        },
                    }
                ],
                "encoding": {
                    "opacity": {
                        "condition": {"param": "hovered", "empty": False, "value": 0.6},
                        "value": 0,
                    },
                    "tooltip": [
                        {"field": "epoch", "type": "quantitative", "title": "epoch"},
                        *(
                            {
                                "field": _escaped_field(name),
                                "type": "quantitative",
                                "format": number_format,
                                "title": name,
                            }
                            for name in names
                        ),
                    ],
                },
            },
        ],
    }
