"""Accuracy by an image score, such as the brightness, and under image corruptions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_core.charts.style import (
    FIRST_COLOR,
    GRAY,
    MARGIN,
    as_percent,
    category_axis,
    percent_axis,
    percent_text,
    percent_whiskers,
)
from fer_core.evaluation.breakdowns import RobustnessCurve, Slicing

if TYPE_CHECKING:
    import plotly.graph_objects as go


def slice_points(slicing: Slicing, overall: float) -> go.Figure:
    """Plot the accuracy on each slice with its confidence interval.

    Args:
        slicing: The slices.
        overall: Accuracy on all images, 0 to 1, drawn as a dashed line.
    """
    import plotly.graph_objects as go

    names = [_range_text(score_slice.low, score_slice.high) for score_slice in slicing.slices]
    figure = go.Figure(
        go.Scatter(
            x=names,
            y=as_percent(score_slice.accuracy.value for score_slice in slicing.slices),
            error_y=percent_whiskers(
                [score_slice.accuracy for score_slice in slicing.slices], FIRST_COLOR
            ),
            mode="markers",
            marker={"size": 10, "color": FIRST_COLOR},
            customdata=[
                (f"{score_slice.n:,}", percent_text(score_slice.accuracy))
                for score_slice in slicing.slices
            ],
            hovertemplate=f"{slicing.title.lower()} %{{x}}: %{{customdata[1]}} of "
            "%{customdata[0]} images<extra></extra>",
        )
    )
    figure.add_hline(y=100 * overall, line={"color": GRAY, "dash": "dash"})
    figure.update_layout(
        height=300,
        margin=MARGIN,
        showlegend=False,
        xaxis=category_axis(slicing.unit or slicing.title.lower()) | {"tickangle": 0},
        yaxis=percent_axis("accuracy"),
    )
    return figure


def _range_text(low: float, high: float) -> str:
    low_text, high_text = (
        f"{value:,.0f}" if high >= 10 else f"{value:.2g}" for value in (low, high)
    )
    # The text has two lines, so that five labels fit side by side in a narrow chart.
    return low_text if low_text == high_text else f"{low_text}<br>to {high_text}"


def robustness_lines(curve: RobustnessCurve) -> go.Figure:
    """Plot accuracy with confidence intervals against the strength of a corruption.

    The strengths are drawn as categories, from the unchanged images to the most severe corruption.
    They are not drawn as numbers, because in some units a smaller number is more severe.
    """
    import plotly.graph_objects as go

    figure = go.Figure(
        go.Scatter(
            x=[f"{point.strength:g}" for point in curve.points],
            y=as_percent(point.accuracy.value for point in curve.points),
            error_y=percent_whiskers([point.accuracy for point in curve.points], FIRST_COLOR),
            mode="lines+markers",
            line={"color": FIRST_COLOR, "width": 2},
            marker={"size": 8, "color": FIRST_COLOR},
            customdata=[percent_text(point.accuracy) for point in curve.points],
            hovertemplate="%{x}: %{customdata}<extra></extra>",
        )
    )
    unchanged = curve.points[0].accuracy.value
    if unchanged is not None:
        figure.add_hline(y=100 * unchanged, line={"color": GRAY, "dash": "dash"})
    figure.update_layout(
        height=260,
        margin=MARGIN,
        showlegend=False,
        xaxis=category_axis(curve.unit),
        yaxis=percent_axis("accuracy"),
    )
    return figure
