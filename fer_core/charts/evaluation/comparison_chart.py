"""The differences between two models per class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from fer_core.charts.labels import height_for, plotly_text
from fer_core.charts.style import (
    GRAY,
    MARGIN,
    class_axis,
    class_point,
    estimate_text,
)
from fer_core.classes import class_colors
from fer_core.evaluation.model_comparison import Comparison

if TYPE_CHECKING:
    import plotly.graph_objects as go


def difference_intervals(comparison: Comparison, metric: Literal["recall", "f1"]) -> go.Figure:
    """Plot the second model's metric minus the first model's per class, with paired intervals.

    Args:
        comparison: The comparison of the two models.
        metric: The metric to plot.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    # The axis covers at least -0.05 to 0.05.
    extent = 0.05
    colors = class_colors(class_comparison.name for class_comparison in comparison.per_class)
    for class_comparison in comparison.per_class:
        name = plotly_text(class_comparison.name)
        color = colors[class_comparison.name]
        estimate = (
            class_comparison.recall_difference
            if metric == "recall"
            else class_comparison.f1_difference
        )
        values = (estimate.value, estimate.low, estimate.high)
        extent = max([extent, *[abs(value) for value in values if value is not None]])
        figure.add_trace(
            class_point(
                name,
                estimate,
                color,
                text="",
                hover=f"{name}: {estimate_text(estimate, '+.3f')}<br>"
                f"{class_comparison.support:,} images",
            )
        )
    figure.add_vline(x=0, line={"color": GRAY})
    title = {"recall": "recall", "f1": "F1"}[metric]
    figure.update_layout(
        height=height_for(len(comparison.per_class), usual_height=340, per_class=30),
        margin=MARGIN,
        showlegend=False,
        xaxis={
            # The axis is symmetric. On the left of 0 the first model is better, on the right the
            # second model.
            "range": [-1.1 * extent, 1.1 * extent],
            "tickformat": "+.2f",
            "title": {
                "text": f"difference in {title} (above 0: second model is better)",
                "standoff": 12,
            },
            "fixedrange": True,
        },
        yaxis=class_axis([class_comparison.name for class_comparison in comparison.per_class]),
    )
    return figure
