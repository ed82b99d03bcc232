"""Metrics per class with intervals, one-vs-rest curves, and metrics by decision threshold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fer_core.charts.labels import height_for, plotly_text
from fer_core.charts.style import (
    LEGEND_BELOW,
    MARGIN,
    ThresholdLine,
    as_percent,
    class_axis,
    class_point,
    diagonal,
    estimate_text,
    lines_by_threshold,
    number_axis,
    percent_axis,
)
from fer_core.classes import class_colors
from fer_core.evaluation.per_class import ClassResult
from fer_core.metrics import ThresholdCurve

if TYPE_CHECKING:
    import plotly.graph_objects as go

Metric = Literal["f1", "precision", "recall"]
METRIC_TITLES: dict[Metric, str] = {"f1": "F1", "precision": "precision", "recall": "recall"}

#: Height of a chart with curves of up to eight classes, in pixels.
_CURVE_HEIGHT = 420


def class_intervals(class_results: Sequence[ClassResult], metric: Metric) -> go.Figure:
    """Plot one metric of all classes as points with intervals.

    Args:
        class_results: The results of all classes, in the order of the classes.
        metric: The metric to plot.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    colors = class_colors(class_result.name for class_result in class_results)
    for class_result in class_results:
        name = plotly_text(class_result.name)
        color = colors[class_result.name]
        estimate = getattr(class_result, metric)
        figure.add_trace(
            class_point(
                name,
                estimate,
                color,
                text="" if estimate.value is None else f"{estimate.value:.2f}",
                hover=f"{name}: {estimate_text(estimate, '.3f')}<br>{class_result.support:,} "
                f"images, {class_result.predicted_count:,} predicted",
            )
        )
    figure.update_layout(
        height=height_for(len(class_results), usual_height=380, per_class=36),
        margin=MARGIN,
        showlegend=False,
        xaxis=number_axis(METRIC_TITLES[metric], 0, 1),
        # The axis leaves space for the number above the uppermost point.
        yaxis=class_axis([class_result.name for class_result in class_results], top=-0.8),
    )
    return figure


def roc_lines(class_results: Sequence[ClassResult]) -> go.Figure:
    """Plot the one-vs-rest ROC curve of each class. The diagonal shows random predictions."""
    import plotly.graph_objects as go

    figure = go.Figure(diagonal("chance"))
    curves = [
        (
            class_result.name,
            class_result.roc.false_positive_rate,
            class_result.roc.true_positive_rate,
            f"area {class_result.auc:.3f}",
        )
        for class_result in class_results
        if class_result.roc is not None
    ]
    hover = "false positive rate %{x:.1f} %, true positive rate %{y:.1f} %"
    _add_curves(figure, curves, class_results, hover)
    return _with_percent_axes(
        figure, "false positive rate", "true positive rate", class_count=len(class_results)
    )


def precision_recall_lines(class_results: Sequence[ClassResult]) -> go.Figure:
    """Plot the one-vs-rest precision-recall curve of each class as steps."""
    import plotly.graph_objects as go

    figure = go.Figure()
    curves = [
        (
            class_result.name,
            class_result.precision_recall.recall,
            class_result.precision_recall.precision,
            f"average {class_result.average_precision:.3f}",
        )
        for class_result in class_results
        if class_result.precision_recall is not None
    ]
    _add_curves(
        figure, curves, class_results, "recall %{x:.1f} %, precision %{y:.1f} %", shape="vh"
    )
    return _with_percent_axes(figure, "recall", "precision", class_count=len(class_results))


def _add_curves(
    figure: go.Figure,
    curves: Sequence[tuple[str, Any, Any, str]],
    class_results: Sequence[ClassResult],
    hover: str,
    *,
    shape: str = "linear",
) -> None:
    """Add the curve of each class.

    Args:
        figure: The figure.
        curves: For each curve: the class, x and y from 0 to 1, and a summary for the legend.
        class_results: The results of all classes. They determine the colors.
        hover: The part of the hover template after the name of the class, with Plotly's ``%{x}``
            and ``%{y}``.
        shape: Plotly's shape of the line.
    """
    import plotly.graph_objects as go

    colors = class_colors(class_result.name for class_result in class_results)
    for name, x, y, summary in curves:
        figure.add_trace(
            go.Scatter(
                x=100 * np.asarray(x),
                y=100 * np.asarray(y),
                mode="lines",
                line={"color": colors[name], "width": 2, "shape": shape},
                name=f"{plotly_text(name)}, {summary}",
                hovertemplate=f"{plotly_text(name)}: {hover}<extra></extra>",
            )
        )


def _with_percent_axes(
    figure: go.Figure, x_title: str, y_title: str, *, class_count: int
) -> go.Figure:
    figure.update_layout(
        # The more classes there are, the more lines the legend below the plot needs.
        height=height_for(class_count, usual_height=_CURVE_HEIGHT, per_class=10),
        margin=MARGIN,
        showlegend=True,
        legend=LEGEND_BELOW,
        xaxis=percent_axis(x_title, -1, 101),
        yaxis=percent_axis(y_title, -1, 102),
    )
    return figure


def threshold_lines(
    curve: ThresholdCurve, class_name: str, threshold: float, classes: Sequence[str]
) -> go.Figure:
    """Plot precision, recall and F1 of one class against the decision threshold.

    Args:
        curve: The values. A line has a gap where its metric is undefined.
        class_name: The class. All three lines have its color and differ in their dashes.
        threshold: The threshold marked by a vertical line, 0 to 1.
        classes: All classes, which determine the colors.
    """
    color = class_colors(classes)[class_name]
    figure = lines_by_threshold(
        as_percent(curve.thresholds),
        [
            ThresholdLine("precision", curve.precision, color, "dash"),
            ThresholdLine("recall", curve.recall, color, "dot"),
            ThresholdLine("F1", curve.f1, color, "solid"),
        ],
        100 * threshold,
        " %{y:.3f} at threshold %{x:.0f} %",
    )
    figure.update_layout(
        xaxis=percent_axis(f"threshold on the probability of {plotly_text(class_name)}"),
        yaxis=number_axis("precision, recall, F1", 0, 1.02),
    )
    return figure
