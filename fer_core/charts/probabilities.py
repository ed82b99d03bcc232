"""The seven probabilities of one face."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_core.emotions import EMOTION_COLORS, EMOTIONS

if TYPE_CHECKING:
    import plotly.graph_objects as go


def probability_bars(probability_by_emotion: dict[str, float]) -> go.Figure:
    """Seven horizontal bars, in the emotions' order, each with its probability in percent.

    Args:
        probability_by_emotion: Probabilities from 0 to 1 by emotion.
    """
    import plotly.graph_objects as go

    shares = [100 * probability_by_emotion[emotion] for emotion in EMOTIONS]
    figure = go.Figure(
        go.Bar(
            x=shares,
            y=list(EMOTIONS),
            orientation="h",
            marker_color=[EMOTION_COLORS[emotion] for emotion in EMOTIONS],
            text=[f"{share:.0f} %" for share in shares],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}: %{x:.1f} %<extra></extra>",
        )
    )
    figure.update_layout(
        height=220,
        margin={"l": 0, "r": 8, "t": 4, "b": 36},
        bargap=0.25,
        showlegend=False,
        # A longer axis than 100 % leaves room for the figure beside a full bar.
        xaxis={
            "range": [0, 118],
            "tickvals": [0, 50, 100],
            "ticktext": ["0 %", "50 %", "100 %"],
            "title": {"text": "probability", "standoff": 12},
            "fixedrange": True,
        },
        yaxis={"autorange": "reversed", "ticksuffix": "  ", "fixedrange": True},
    )
    return figure
