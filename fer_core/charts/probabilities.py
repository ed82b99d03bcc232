"""The seven probabilities of one face."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_core.charts.bars import PERCENT_AXIS, horizontal_bars
from fer_core.emotions import EMOTIONS

if TYPE_CHECKING:
    import plotly.graph_objects as go


def probability_bars(probability_by_emotion: dict[str, float]) -> go.Figure:
    """Seven horizontal bars, in the emotions' order, each with its probability in percent.

    Args:
        probability_by_emotion: Probabilities from 0 to 1 by emotion.
    """
    shares = {emotion: 100 * probability_by_emotion[emotion] for emotion in EMOTIONS}
    return horizontal_bars(
        shares,
        [f"{share:.0f} %" for share in shares.values()],
        "%{y}: %{x:.1f} %",
        height=220,
        margin={"l": 0, "r": 8, "t": 4, "b": 36},
        axis={**PERCENT_AXIS, "title": {"text": "probability", "standoff": 12}},
    )
