"""Horizontal bar charts with one bar per class or annotator answer, such as "unknown"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fer_core.charts.labels import plotly_texts

if TYPE_CHECKING:
    import plotly.graph_objects as go

#: The color of answers that are not classes.
ANSWER_GRAY = "#B8B8B8"

#: An axis of shares in percent. It extends beyond 100 %, so that the text next to a full bar fits.
PERCENT_AXIS = {
    "range": [0, 118],
    "dtick": 50,
    "ticksuffix": " %",
}


def horizontal_bars(
    values: Mapping[str, float],
    texts: Sequence[str],
    hover: str,
    *,
    colors: Mapping[str, str],
    height: int,
    margin: Mapping[str, int],
    axis: Mapping[str, Any],
    gap: float = 0.25,
) -> go.Figure:
    """Return a chart of horizontal bars, with a text at the end of each bar.

    Args:
        values: Values by class or answer, from the top down.
        texts: The text at the end of each bar.
        hover: Hover template with Plotly's ``%{x}`` and ``%{y}``.
        colors: Colors by class; bars without a color are gray.
        height: Height of the chart in pixels.
        margin: Margins in pixels, by side.
        axis: Range, ticks and title of the value axis.
        gap: Gap between bars, as a share of the space of one bar.
    """
    import plotly.graph_objects as go

    figure = go.Figure(
        go.Bar(
            x=list(values.values()),
            y=plotly_texts(values),
            orientation="h",
            marker_color=[colors.get(answer, ANSWER_GRAY) for answer in values],
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
