"""Two models side by side: their difference per emotion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from fer_core.charts.evaluation.style import GREY, MARGIN, emotion_axis, in_words, whiskers
from fer_core.emotions import EMOTION_COLORS, EMOTIONS
from fer_core.evaluation.comparison import Comparison

if TYPE_CHECKING:
    import plotly.graph_objects as go


def difference_intervals(comparison: Comparison, figure_name: Literal["recall", "f1"]) -> go.Figure:
    """The second model's figure less the first's, per emotion, with paired intervals.

    Args:
        comparison: What is drawn; right of zero the second model is better.
        figure_name: Which figure.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    reach = 0.05
    for one in comparison.per_class:
        emotion = EMOTIONS[one.emotion]
        color = EMOTION_COLORS[emotion]
        estimate = one.recall_difference if figure_name == "recall" else one.f1_difference
        is_defined = estimate.value is not None
        ends = (estimate.value, estimate.low, estimate.high)
        reach = max([reach, *[abs(end) for end in ends if end is not None]])
        figure.add_trace(
            go.Scatter(
                x=[estimate.value if is_defined else 0],
                y=[emotion],
                mode="markers" if is_defined else "text",
                marker={"size": 11, "color": color},
                error_x=whiskers([estimate], color),
                text=["" if is_defined else "undefined"],
                textposition="middle right",
                hovertemplate=f"{emotion}: {in_words(estimate, '+.3f')}<br>"
                f"{one.support:,} images<extra></extra>",
            )
        )
    figure.add_vline(x=0, line={"color": GREY})
    title = {"recall": "recall", "f1": "F1"}[figure_name]
    figure.update_layout(
        height=340,
        margin=MARGIN,
        showlegend=False,
        xaxis={
            # Zero in the middle: to the left the first model, to the right the second.
            "range": [-1.1 * reach, 1.1 * reach],
            "tickformat": "+.2f",
            "title": {
                "text": f"difference in {title}: right of 0 the second is better",
                "standoff": 12,
            },
            "fixedrange": True,
        },
        yaxis=emotion_axis(),
    )
    return figure
