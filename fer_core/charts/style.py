"""The template of all Plotly charts: colors, margins, legends, axes with units, lines, labels.

Shares are drawn in percent: their values in a chart are 0 to 100, and their texts have the form
"68.3 %". Titles and captions are not part of a figure: the page draws them around it, and adds them
to downloaded pictures. The light or dark theme determines fonts, backgrounds and grid lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fer_core.charts.labels import plotly_texts
from fer_core.metrics import Estimate
from fer_core.metrics.formatting import UNDEFINED_TEXT, percent, percent_interval

if TYPE_CHECKING:
    import plotly.graph_objects as go

#: Color of lines that belong to no class; readable on white and on black.
GRAY = "#8A8A8A"
#: Colors of the first and the second line if the lines do not stand for classes: Okabe and Ito's
#: blue and vermilion.
FIRST_COLOR, SECOND_COLOR = "#0072B2", "#D55E00"

#: Margins in pixels. The right margin leaves space for the last tick label, which extends beyond
#: the end of the axis.
MARGIN = {"l": 0, "r": 24, "t": 12, "b": 44}

#: A legend above the plot.
LEGEND_ABOVE = {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0}
#: A legend below the plot, for long names, which need several lines on a phone.
LEGEND_BELOW = {"orientation": "h", "yanchor": "top", "y": -0.2, "x": 0}


@dataclass(frozen=True, eq=False)
class ThresholdLine:
    """A line of ``lines_by_threshold``.

    Attributes:
        name: Name of the line in the legend.
        values: Values of the line; NaN is a gap.
        color: Color of the line.
        dash: Plotly's name of the line style, such as "dot".
    """

    name: str
    values: Any
    color: str
    dash: str


def percent_axis(title: str, low: float = 0.0, high: float = 100.0) -> dict[str, Any]:
    """Return an axis of shares in percent, by default from 0 to 100."""
    return number_axis(title, low, high) | {"ticksuffix": " %"}


def number_axis(title: str, low: float, high: float) -> dict[str, Any]:
    """Return an axis of plain numbers."""
    return {
        "range": [low, high],
        "title": {"text": title, "standoff": 12},
        "fixedrange": True,
    }


def category_axis(title: str) -> dict[str, Any]:
    """Return a horizontal axis of categories, such as ranges."""
    return {
        "type": "category",
        "title": {"text": title, "standoff": 12},
        "fixedrange": True,
    }


def class_axis(classes: Sequence[str], top: float = -0.5) -> dict[str, Any]:
    """Return a vertical axis of classes, the first at the top.

    Args:
        classes: Class names in order.
        top: Upper end of the axis. The first class is at 0, and each class is 1 high.
    """
    return {
        "type": "category",
        "categoryorder": "array",
        "categoryarray": plotly_texts(classes),
        "range": [len(classes) - 0.5, top],
        "ticksuffix": "  ",
        "fixedrange": True,
    }


def class_point(name: str, estimate: Estimate, color: str, *, text: str, hover: str) -> go.Scatter:
    """Return the value of a class as a point with its interval, or the word "undefined".

    Args:
        name: The class name as ``plotly_text`` returns it.
        estimate: The value of the class.
        color: The color of the class.
        text: The text above the point, if the value is defined; may be empty.
        hover: Hover template.
    """
    import plotly.graph_objects as go

    is_defined = estimate.value is not None
    return go.Scatter(
        x=[estimate.value if is_defined else 0],
        y=[name],
        mode="markers+text" if is_defined else "text",
        marker={"size": 11, "color": color},
        error_x=whiskers([estimate], color),
        text=[text if is_defined else UNDEFINED_TEXT],
        textposition="top center" if is_defined else "middle right",
        cliponaxis=False,
        hovertemplate=f"{hover}<extra></extra>",
    )


def diagonal(name: str = "") -> go.Scatter:
    """Return the dashed line from (0, 0) to (100, 100) percent as a reference for curves."""
    import plotly.graph_objects as go

    return go.Scatter(
        x=[0, 100],
        y=[0, 100],
        mode="lines",
        line={"color": GRAY, "dash": "dash", "width": 1},
        name=name,
        hoverinfo="skip",
    )


def lines_by_threshold(
    thresholds: Sequence[float | None] | NDArray[np.floating[Any]],
    lines: Sequence[ThresholdLine],
    marked_threshold: float,
    hover: str,
) -> go.Figure:
    """Return a figure of values against a threshold; the caller adds the axes.

    Args:
        thresholds: Increasing thresholds in percent, ``[n]``.
        lines: The lines, ``[n]`` values each.
        marked_threshold: The threshold marked by a vertical line, in percent.
        hover: The part of the hover template after the name of a line, with Plotly's ``%{x}`` and
            ``%{y}``.
    """
    import plotly.graph_objects as go

    figure = go.Figure(
        [
            go.Scatter(
                x=thresholds,
                y=line.values,
                mode="lines",
                line={"color": line.color, "dash": line.dash, "width": 2.5},
                name=line.name,
                hovertemplate=f"{line.name}{hover}<extra></extra>",
            )
            for line in lines
        ]
    )
    figure.add_vline(x=marked_threshold, line={"color": GRAY, "width": 2})
    figure.update_layout(height=340, margin=MARGIN, legend=LEGEND_BELOW | {"y": -0.25})
    return figure


def as_percent(values: Iterable[float | None] | NDArray[np.floating[Any]]) -> list[float | None]:
    """Convert shares, 0 to 1, to percent; None and NaN, for undefined shares, are kept."""
    return [None if value is None else 100 * float(value) for value in values]


def percent_whiskers(estimates: Sequence[Estimate], color: str | None = None) -> dict[str, Any]:
    """Return the error bars of shares that are drawn in percent; see ``whiskers``."""
    bars = whiskers(estimates, color)
    return bars | {side: as_percent(bars[side]) for side in ("array", "arrayminus")}


def whiskers(estimates: Sequence[Estimate], color: str | None = None) -> dict[str, Any]:
    """Return error bars from intervals. If an interval is undefined, its bar has the length 0."""

    def length(estimate: Estimate, end: float | None) -> float:
        return 0.0 if estimate.value is None or end is None else abs(end - estimate.value)

    bars: dict[str, Any] = {
        "type": "data",
        "symmetric": False,
        "array": [length(estimate, estimate.high) for estimate in estimates],
        "arrayminus": [length(estimate, estimate.low) for estimate in estimates],
        "thickness": 2,
        "width": 4,
    }
    return bars if color is None else bars | {"color": color}


def estimate_text(estimate: Estimate, format_spec: str) -> str:
    """Return a metric with its interval as text, for hover labels.

    Args:
        estimate: The metric.
        format_spec: Python's format of the numbers, such as ".3f".
    """
    if estimate.value is None:
        return UNDEFINED_TEXT
    value = format(estimate.value, format_spec)
    if estimate.low is None or estimate.high is None:
        return f"{value} (no interval)"
    return f"{value} (95 %: {estimate.low:{format_spec}} to {estimate.high:{format_spec}})"


def percent_text(estimate: Estimate) -> str:
    """Return a share in percent with its interval as text, for hover labels."""
    if estimate.value is None:
        return UNDEFINED_TEXT
    interval = percent_interval(estimate)
    interval_text = f"95 %: {interval}" if interval else "no interval"
    return f"{percent(estimate.value)} ({interval_text})"
