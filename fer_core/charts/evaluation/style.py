"""What the charts of an evaluation have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fer_core.emotions import EMOTIONS
from fer_core.metrics import Estimate

#: For what belongs to no emotion; readable on white and on black.
GREY = "#8A8A8A"
#: Okabe and Ito's blue and vermilion: a first and a second thing that are no emotions.
FIRST, SECOND = "#0072B2", "#D55E00"

#: On the right there is room for the half of the last number that stands beyond the axis.
MARGIN = {"l": 0, "r": 24, "t": 12, "b": 44}


def percent_axis(title: str, low: float = 0.0, high: float = 1.0) -> dict[str, Any]:
    """An axis of shares, labelled in percent."""
    return {
        "range": [low, high],
        "tickformat": ".0%",
        "title": {"text": title, "standoff": 12},
        "fixedrange": True,
    }


def number_axis(title: str, low: float, high: float) -> dict[str, Any]:
    """An axis of plain numbers."""
    return {
        "range": [low, high],
        "title": {"text": title, "standoff": 12},
        "fixedrange": True,
    }


def emotion_axis(top: float = -0.5) -> dict[str, Any]:
    """An axis of the seven emotions, from the top down.

    Args:
        top: Where it ends; the uppermost emotion stands at 0.
    """
    return {
        "type": "category",
        "categoryorder": "array",
        "categoryarray": list(EMOTIONS),
        "range": [len(EMOTIONS) - 0.5, top],
        "ticksuffix": "  ",
        "fixedrange": True,
    }


def whiskers(estimates: Sequence[Estimate], color: str | None = None) -> dict[str, Any]:
    """Error bars from intervals; none where an interval is undefined."""

    def reach(estimate: Estimate, end: float | None) -> float:
        return 0.0 if estimate.value is None or end is None else abs(end - estimate.value)

    bars: dict[str, Any] = {
        "type": "data",
        "symmetric": False,
        "array": [reach(one, one.high) for one in estimates],
        "arrayminus": [reach(one, one.low) for one in estimates],
        "thickness": 2,
        "width": 4,
    }
    return bars if color is None else bars | {"color": color}


def in_words(estimate: Estimate, pattern: str) -> str:
    """A figure with its interval, for people who point at it."""
    if estimate.value is None:
        return "undefined"
    value = format(estimate.value, pattern)
    if estimate.low is None or estimate.high is None:
        return f"{value} (no interval)"
    return f"{value} (95 %: {estimate.low:{pattern}} to {estimate.high:{pattern}})"
