"""The class probabilities of one face."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from fer_core.charts.bars import PERCENT_AXIS, horizontal_bars
from fer_core.charts.labels import height_for
from fer_core.classes import class_colors

if TYPE_CHECKING:
    import plotly.graph_objects as go


def probability_bars(probability_by_class: Mapping[str, float]) -> go.Figure:
    """Return a horizontal bar per class with its probability in percent.

    Args:
        probability_by_class: Probabilities from 0 to 1; the first class is at the top.
    """
    percentages = {name: 100 * share for name, share in probability_by_class.items()}
    return horizontal_bars(
        percentages,
        [f"{percentage:.1f} %" for percentage in percentages.values()],
        "%{y}: %{x:.1f} %",
        colors=class_colors(probability_by_class),
        height=height_for(len(percentages), usual_height=220, per_class=22),
        margin={"l": 0, "r": 8, "t": 4, "b": 36},
        axis={**PERCENT_AXIS, "title": {"text": "probability", "standoff": 12}},
    )
