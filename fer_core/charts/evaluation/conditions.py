"""Accuracy by the state of the pictures: as they are, and spoiled on purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_core.charts.evaluation.style import FIRST, GREY, MARGIN, in_words, percent_axis, whiskers
from fer_core.evaluation.robustness import RobustnessCurve
from fer_core.evaluation.slices import Slicing

if TYPE_CHECKING:
    import plotly.graph_objects as go


def slice_points(slicing: Slicing, overall: float) -> go.Figure:
    """Accuracy on each slice with its interval.

    Args:
        slicing: What is drawn.
        overall: Accuracy on all images, 0 to 1: a dashed line.
    """
    import plotly.graph_objects as go

    names = [_range_in_words(one.low, one.high) for one in slicing.slices]
    figure = go.Figure(
        go.Scatter(
            x=names,
            y=[one.accuracy.value for one in slicing.slices],
            error_y=whiskers([one.accuracy for one in slicing.slices], FIRST),
            mode="markers",
            marker={"size": 10, "color": FIRST},
            customdata=[(f"{one.n:,}", in_words(one.accuracy, ".1%")) for one in slicing.slices],
            hovertemplate=f"{slicing.title.lower()} %{{x}}: %{{customdata[1]}} of "
            "%{customdata[0]} images<extra></extra>",
        )
    )
    figure.add_hline(y=overall, line={"color": GREY, "dash": "dash"})
    figure.update_layout(
        height=300,
        margin=MARGIN,
        showlegend=False,
        xaxis={
            "type": "category",
            "tickangle": 0,
            "title": {"text": slicing.unit or slicing.title.lower(), "standoff": 12},
            "fixedrange": True,
        },
        yaxis=percent_axis("accuracy"),
    )
    return figure


def _range_in_words(low: float, high: float) -> str:
    first, last = (f"{value:,.0f}" if high >= 10 else f"{value:.2g}" for value in (low, high))
    # On two lines, so that five of them stand side by side in a narrow chart.
    return first if first == last else f"{first}<br>to {last}"


def robustness_lines(curve: RobustnessCurve) -> go.Figure:
    """Accuracy over the strength of one corruption, with intervals; untouched pictures first.

    The strengths stand side by side, from harmless to severe, whichever way their numbers run.
    """
    import plotly.graph_objects as go

    figure = go.Figure(
        go.Scatter(
            x=[f"{point.strength:g}" for point in curve.points],
            y=[point.accuracy.value for point in curve.points],
            error_y=whiskers([point.accuracy for point in curve.points], FIRST),
            mode="lines+markers",
            line={"color": FIRST, "width": 2},
            marker={"size": 8, "color": FIRST},
            customdata=[in_words(point.accuracy, ".1%") for point in curve.points],
            hovertemplate="%{x}: %{customdata}<extra></extra>",
        )
    )
    untouched = curve.points[0].accuracy.value
    if untouched is not None:
        figure.add_hline(y=untouched, line={"color": GREY, "dash": "dash"})
    figure.update_layout(
        height=260,
        margin=MARGIN,
        showlegend=False,
        xaxis={
            "type": "category",
            "title": {"text": curve.unit, "standoff": 12},
            "fixedrange": True,
        },
        yaxis=percent_axis("accuracy"),
    )
    return figure
