"""Training curves of one run, and of several runs in comparison."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from fer_core.classes import class_colors
from fer_core.training.run_folder import EpochRecord

if TYPE_CHECKING:
    import plotly.graph_objects as go

#: Maximum number of points per chart. More points cannot be distinguished on a screen.
MAX_POINTS = 400

#: Colors that are readable on white and on black; the line styles differ, too.
_VALIDATION_COLOR = "#2B8CCB"
_SPLIT_COLORS = {"training": "#8A8A8A", "validation": _VALIDATION_COLOR}
_BEST = "#E69F00"

#: Up to this number of epochs, each epoch gets a marker.
_MAX_MARKED = 12

#: Colors of compared runs (Okabe and Ito's palette); further runs use them with other line styles.
_RUN_COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8A8A8A")
_RUN_STYLES = ("solid", "dash", "dot", "dashdot")

ComparedMetric = Literal["validation_accuracy", "validation_macro_f1", "validation_loss", "loss"]

#: Title of each metric for comparing runs, and whether it is a fraction.
COMPARED_METRICS: dict[ComparedMetric, tuple[str, bool]] = {
    "validation_accuracy": ("Validation accuracy", True),
    "validation_macro_f1": ("Validation macro F1", False),
    "validation_loss": ("Validation loss", False),
    "loss": ("Training loss", False),
}


def downsampled(values: Sequence[float | None], max_points: int = MAX_POINTS) -> list[int]:
    """Choose the values of a curve to draw so that its shape is preserved.

    The curve is divided into sections of equal length; the lowest and the highest value of each
    section are kept, and the first and the last value of the curve.

    Args:
        values: The curve, at equal distances; None is a gap.
        max_points: The largest number of values to keep, at least 4.

    Returns:
        Increasing positions in ``values``.
    """
    count = len(values)
    if count <= max_points:
        return list(range(count))
    kept = {0, count - 1}
    sections = (max_points - 2) // 2
    for number in range(sections):
        start, end = number * count // sections, (number + 1) * count // sections
        known = [position for position in range(start, end) if values[position] is not None]
        if known:
            kept.add(min(known, key=lambda position: values[position] or 0.0))
            kept.add(max(known, key=lambda position: values[position] or 0.0))
    return sorted(kept)


@dataclass(frozen=True)
class LiveCurves:
    """A chart that grows: rows of data, and a constant Vega-Lite specification.

    Streamlit redraws a Plotly figure, blank at first, whenever anything in it changes. Here only
    the rows change, and the existing chart is updated without flicker.

    Attributes:
        rows: ``{"epoch", "curve", "value", "is_best", "is_point"}`` for each point of each curve.
        specification: The Vega-Lite specification without data.
    """

    rows: list[dict[str, Any]]
    specification: dict[str, Any]


def loss_curves(epochs: Sequence[EpochRecord], best_epoch: int | None = None) -> LiveCurves:
    """Return training and validation loss per epoch; the best epoch is marked on the latter."""
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
    )


def accuracy_curves(epochs: Sequence[EpochRecord], best_epoch: int | None = None) -> LiveCurves:
    """Return training and validation accuracy by epoch, in percent; the best epoch is marked."""
    curves = {
        "training": [100 * record.accuracy for record in epochs],
        "validation": [100 * record.validation_accuracy for record in epochs],
    }
    return _live_curves(
        epochs, curves, _SPLIT_COLORS, "accuracy (%)", number_format=".1f", best_epoch=best_epoch
    )


def recall_curves(epochs: Sequence[EpochRecord]) -> LiveCurves:
    """Return validation recall per class, in percent; gaps for classes without images."""
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
        scale={"domain": [0, 100]},
    )


def learning_rate_curve(epochs: Sequence[EpochRecord]) -> LiveCurves:
    """Return the learning rate at the end of each epoch, on a logarithmic axis."""
    # A cosine schedule may end at exactly 0, which a logarithmic axis cannot show.
    rates = [record.learning_rate if record.learning_rate > 0 else None for record in epochs]
    return _live_curves(
        epochs,
        {"learning rate": rates},
        {"learning rate": _VALIDATION_COLOR},
        "learning rate",
        number_format=".3~g",
        scale={"type": "log", "nice": False},
    )


def compared_curves(
    runs: Mapping[str, Sequence[EpochRecord]], metric_name: ComparedMetric
) -> go.Figure:
    """Draw one metric of several runs over their epochs.

    Args:
        runs: The epochs of each run by its title.
        metric_name: A key of ``COMPARED_METRICS``.
    """
    title, is_percent = COMPARED_METRICS[metric_name]
    figure = _empty_figure(title.lower(), is_percent=is_percent)
    for number, (name, epochs) in enumerate(runs.items()):
        factor = 100 if is_percent else 1
        style = _RUN_STYLES[number // len(_RUN_COLORS) % len(_RUN_STYLES)]
        line = {"color": _RUN_COLORS[number % len(_RUN_COLORS)], "width": 2, "dash": style}
        _add_curve(
            figure,
            name,
            epochs,
            [factor * getattr(record, metric_name) for record in epochs],
            line=line,
            number_format="%{y:.1f} %" if is_percent else "%{y:.4f}",
        )
    figure.update_layout(height=380)
    return figure


def _empty_figure(quantity: str, *, is_percent: bool = False) -> go.Figure:
    import plotly.graph_objects as go

    figure = go.Figure()
    figure.update_layout(
        height=300,
        margin={"l": 0, "r": 8, "t": 8, "b": 40},
        hovermode="x unified",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        xaxis={"title": {"text": "epoch"}, "rangemode": "tozero", "tickformat": "d"},
        yaxis={
            "title": {"text": f"{quantity} (%)" if is_percent else quantity},
            "automargin": True,
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
    number_format: str,
) -> None:
    import plotly.graph_objects as go

    kept = downsampled(values)
    figure.add_trace(
        go.Scatter(
            x=[epochs[position].epoch for position in kept],
            y=[values[position] for position in kept],
            name=name,
            # A line through a single point is invisible.
            mode="lines+markers" if len(kept) <= _MAX_MARKED else "lines",
            line=line,
            marker={"size": 6},
            hovertemplate=number_format,
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
    scale: dict[str, Any] | None = None,
) -> LiveCurves:
    kept = sorted(
        {
            position
            for values in curves.values()
            for position in downsampled(values, _points_per_curve(curves))
        }
        | ({best_epoch - 1} if best_epoch is not None and best_epoch <= len(epochs) else set())
    )
    rows = [
        {
            "epoch": epochs[position].epoch,
            "curve": name,
            "value": values[position],
            "is_best": epochs[position].epoch == best_epoch and name == "validation",
            # A line through a single point is invisible.
            "is_point": len(epochs) <= _MAX_MARKED,
        }
        for name, values in curves.items()
        for position in kept
    ]
    return LiveCurves(
        rows, _specification(list(curves), colors, quantity, number_format, scale or {})
    )


def _field(name: str) -> str:
    """Return the name of a column for Vega-Lite, where dots and brackets are part of a path."""
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
                "transform": [{"filter": "datum.is_point"}],
                "mark": {"type": "point", "filled": True, "size": 45, "opacity": 1},
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
                    "color": _BEST,
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
                                "field": _field(name),
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
