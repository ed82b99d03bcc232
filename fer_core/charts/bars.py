"""One horizontal bar per answer: the form that several charts have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fer_core.emotions import EMOTION_COLORS

if TYPE_CHECKING:
    import plotly.graph_objects as go

#: The color of answers that are not emotions.
_GRAY = "#B8B8B8"

#: An axis of percentages, longer than 100 % to leave room for the figure beside a full bar.
PERCENT_AXIS = {
    "range": [0, 118],
    "tickvals": [0, 50, 100],
    "ticktext": ["0 %", "50 %", "100 %"],
}


def horizontal_bars(
    values: Mapping[str, float],
    texts: Sequence[str],
    hover: str,
    *,
    height: int,
    margin: Mapping[str, int],
    axis: Mapping[str, Any],
    gap: float = 0.25,
) -> go.Figure:
    """Bars from the top down, each in its emotion's colour and with its figure at its end.

    Args:
        values: By emotion, or another answer, in the order to draw them in.
        texts: What stands at the end of each bar.
        hover: What hovering says, with Plotly's ``%{x}`` and ``%{y}``.
        height: In pixels.
        margin: In pixels by side.
        axis: Range, ticks and title of the values' axis.
        gap: Between bars, as a share of one's place.
    """
    import plotly.graph_objects as go

    figure = go.Figure(
        go.Bar(
            x=list(values.values()),
            y=list(values),
            orientation="h",
            marker_color=[answer_color(answer) for answer in values],
            text=list(texts),
            textposition="outside",
            cliponaxis=False,
            hovertemplate=f"{hover}<extra></extra>",
        )
    )
    figure.update_layout(
        height=height,
        margin=dict(margin),
        bargap=gap,
        showlegend=False,
        xaxis={**axis, "fixedrange": True},
        yaxis={"autorange": "reversed", "ticksuffix": "  ", "fixedrange": True},
    )
    return figure


def answer_color(answer: str) -> str:
    """Return the color of an emotion or of another answer, as ``#RRGGBB``."""
    return EMOTION_COLORS.get(answer, _GRAY)
