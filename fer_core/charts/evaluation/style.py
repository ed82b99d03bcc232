"""Shared colors, margins, axes and labels of the evaluation charts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fer_core.charts.labels import plot_texts
from fer_core.metrics import Estimate

#: Color of lines that belong to no class; readable on white and on black.
GRAY = "#8A8A8A"
#: Colors of the first and second line that is not a class: Okabe and Ito's blue and vermilion.
FIRST, SECOND = "#0072B2", "#D55E00"

#: Margins in pixels. The right one leaves space for the last tick label, which exceeds the axis.
MARGIN = {"l": 0, "r": 24, "t": 12, "b": 44}


def percent_axis(title: str, low: float = 0.0, high: float = 1.0) -> dict[str, Any]:
    """Return an axis of shares, labeled in percent."""
    return {
        "range": [low, high],
        "tickformat": ".0%",
        "title": {"text": title, "standoff": 12},
        "fixedrange": True,
    }


def number_axis(title: str, low: float, high: float) -> dict[str, Any]:
    """Return an axis of plain numbers."""
    return {
        "range": [low, high],
        "title": {"text": title, "standoff": 12},
        "fixedrange": True,
    }


def class_axis(classes: Sequence[str], top: float = -0.5) -> dict[str, Any]:
    """Return a vertical axis of classes, the first at the top.

    Args:
        classes: Class names in order.
        top: Upper end of the axis; the first class is at 0.
    """
    return {
        "type": "category",
        "categoryorder": "array",
        "categoryarray": plot_texts(classes),
        "range": [len(classes) - 0.5, top],
        "ticksuffix": "  ",
        "fixedrange": True,
    }


def whiskers(estimates: Sequence[Estimate], color: str | None = None) -> dict[str, Any]:
    """Return error bars from intervals; length 0 where an interval is undefined."""

    def reach(estimate: Estimate, end: float | None) -> float:
        return 0.0 if estimate.value is None or end is None else abs(end - estimate.value)

    bars: dict[str, Any] = {
        "type": "data",
        "symmetric": False,
        "array": [reach(estimate, estimate.high) for estimate in estimates],
        "arrayminus": [reach(estimate, estimate.low) for estimate in estimates],
        "thickness": 2,
        "width": 4,
    }
    return bars if color is None else bars | {"color": color}


def estimate_text(estimate: Estimate, pattern: str) -> str:
    """Return a metric with its interval as text, for hover labels."""
    if estimate.value is None:
        return "undefined"
    value = format(estimate.value, pattern)
    if estimate.low is None or estimate.high is None:
        return f"{value} (no interval)"
    return f"{value} (95 %: {estimate.low:{pattern}} to {estimate.high:{pattern}})"
