"""The timeline of a video analysis: a lane per person and class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fer_core.charts.labels import plot_text
from fer_core.classes import class_colors
from fer_core.video.face_table import FaceTable
from fer_core.video.timecode import format_time

if TYPE_CHECKING:
    import plotly.graph_objects as go

#: Maximum number of points of a lane. More cannot be distinguished.
_MAX_POINTS = 600
#: Maximum number of points of a lane that can be clicked, close enough to each other that a click
#: anywhere selects one.
_CLICK_POINTS = 200
_LANE_HEIGHT, _PERSON_GAP, _MARGIN = 26, 34, 84
#: Share of a lane that a probability of 1 fills.
_FILL = 0.86


@dataclass(frozen=True)
class TimelineMarker:
    """A named time.

    Attributes:
        seconds: The time.
        name: Its name.
    """

    seconds: float
    name: str


def downsampled(
    seconds: NDArray[np.float64], values: NDArray[np.float32], start: float, end: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Reduce a curve to the points that a chart can show, and keep its peaks.

    Args:
        seconds: Increasing times, float64 ``[n]``.
        values: 0 to 1, float32 ``[n]``.
        start: The first time that is shown.
        end: The last time that is shown.

    Returns:
        The middles of at most 600 equal parts of the time, and the largest value in each; NaN in
        parts without values. Curves with fewer values are returned as they are.
    """
    inside = (seconds >= start) & (seconds <= end)
    seconds, values = seconds[inside], values[inside]
    if len(seconds) <= _MAX_POINTS:
        return seconds, values.astype(np.float64)
    width = max(end - start, 1e-9) / _MAX_POINTS
    part = np.minimum(((seconds - start) / width).astype(int), _MAX_POINTS - 1)
    peaks = np.full(_MAX_POINTS, -np.inf)
    np.maximum.at(peaks, part, values)
    peaks[np.isinf(peaks)] = np.nan
    middles = start + (np.arange(_MAX_POINTS, dtype=np.float64) + 0.5) * width
    return np.asarray(middles, np.float64), peaks


def timeline_height(persons: int, classes: int) -> int:
    """Return the height of the timeline in pixels."""
    return _MARGIN + persons * (classes * _LANE_HEIGHT + _PERSON_GAP)


def emotion_lanes(
    table: FaceTable,
    titles: Mapping[int, str],
    classes: Sequence[str],
    limits: tuple[float, float],
    *,
    markers: Sequence[TimelineMarker] = (),
    current: float | None = None,
) -> go.Figure:
    """Return the smoothed probabilities over time, one lane per person and class.

    A click selects a point whose ``customdata`` is the time in seconds, the person and the class.

    Args:
        table: The rows.
        titles: The persons to draw, from the top, with their names.
        classes: The classes to draw.
        limits: First and last time in seconds.
        markers: Named times, drawn as lines.
        current: The chosen time.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    ticks: dict[float, str] = {}
    start, end = limits
    colors = class_colors(table.classes)
    person_height = len(classes) + _PERSON_GAP / _LANE_HEIGHT
    for index, (person, title) in enumerate(titles.items()):
        rows = table.of_person(person)
        top = -index * person_height
        figure.add_annotation(
            x=0,
            y=top + 0.25,
            xref="paper",
            xanchor="left",
            yanchor="bottom",
            text=f"<b>{plot_text(title)}</b>",
            showarrow=False,
            font={"size": 13},
        )
        for lane, label in enumerate(classes):
            base = top - lane - 1
            ticks[base + _FILL / 2] = label
            values = rows.smoothed[:, rows.classes.index(label)]
            curve = downsampled(rows.seconds, values, start, end)
            _add_lane(figure, *curve, base, colors[label])
            figure.add_trace(_click_points(rows, values, limits, base, (person, title, label)))
    lowest = -len(titles) * person_height + 0.6
    for marker in markers:
        if start <= marker.seconds <= end:
            _add_line(figure, marker.seconds, lowest, "dot", plot_text(marker.name))
    if current is not None and start <= current <= end:
        _add_line(figure, current, lowest, "solid", format_time(current, 1))
    figure.update_layout(
        height=timeline_height(len(titles), len(classes)),
        margin={"l": 8, "r": 12, "t": 34, "b": 44},
        showlegend=False,
        hovermode="closest",
        hoverdistance=16,
        clickmode="event+select",
        dragmode=False,
        xaxis=_time_axis(start, end),
        yaxis={
            "range": [lowest, 1.0],
            "tickvals": list(ticks),
            "ticktext": [f"{plot_text(name)}  " for name in ticks.values()],
            "fixedrange": True,
            "showgrid": False,
            "zeroline": False,
        },
    )
    return figure


def _add_lane(
    figure: go.Figure,
    seconds: NDArray[np.float64],
    values: NDArray[np.float64],
    base: float,
    color: str,
) -> None:
    """Draw a filled curve on a base line, interrupted where the person is absent."""
    import plotly.graph_objects as go

    steps = np.diff(seconds)
    usual_step = float(np.median(steps)) if len(steps) else 0.0
    half_step = max(usual_step, 0.02) / 2
    # Arrays, because Plotly checks every element of a list. NaN separates the parts, each of which
    # is closed on its own.
    x: list[NDArray[np.float64]] = [np.zeros(0)]
    y: list[NDArray[np.float64]] = [np.zeros(0)]
    for part in np.split(
        np.arange(len(seconds)), np.flatnonzero(steps > 4 * usual_step + 1e-6) + 1
    ):
        for run in _without_nan(part, values):
            times, heights = seconds[run], base + _FILL * values[run]
            x.append(
                np.concatenate([[times[0] - half_step], times, [times[-1] + half_step, np.nan]])
            )
            y.append(np.concatenate([[base], heights, [base, np.nan]]))
    figure.add_trace(
        go.Scatter(
            x=np.round(np.concatenate(x), 3),
            y=np.round(np.concatenate(y), 3),
            mode="lines",
            line={"width": 1, "color": color},
            fill="toself",
            fillcolor=color,
            hoverinfo="skip",
        )
    )


def _without_nan(part: NDArray[np.intp], values: NDArray[np.float64]) -> list[NDArray[np.intp]]:
    """Return the runs of indices whose values are numbers."""
    is_number = ~np.isnan(values[part])
    ends = np.flatnonzero(np.diff(is_number.astype(int))) + 1
    return [run for run in np.split(part, ends) if len(run) and not np.isnan(values[run[0]])]


def _click_points(
    rows: FaceTable,
    values: NDArray[np.float32],
    limits: tuple[float, float],
    base: float,
    lane: tuple[int, str, str],
) -> Any:
    """Return invisible points over the whole lane, so that a click anywhere in it selects one."""
    import plotly.graph_objects as go

    person, title, label = lane
    start, end = limits
    count = min(_CLICK_POINTS, max(2 * len(rows), 60))
    times = np.linspace(start, end, count)
    following = np.clip(np.searchsorted(rows.seconds, times), 0, max(len(rows) - 1, 0))
    earlier = np.maximum(following - 1, 0)
    is_nearer = np.abs(rows.seconds[earlier] - times) < np.abs(rows.seconds[following] - times)
    nearest = np.where(is_nearer, earlier, following)
    usual_step = float(np.median(rows.duration)) if len(rows) else 0.0
    is_present = np.abs(rows.seconds[nearest] - times) <= max(
        usual_step, (end - start) / (count - 1)
    )
    texts = [
        f"{plot_text(title)}, {format_time(float(moment), 1)}<br>{plot_text(label)}: "
        + (f"{100 * float(values[row]):.0f} %" if present else "not seen")
        for moment, row, present in zip(times, nearest, is_present, strict=True)
    ]
    hidden = {"marker": {"opacity": 0}}
    return go.Scatter(
        x=np.round(times, 3),
        y=np.full(count, round(base + _FILL / 2, 3)),
        mode="markers",
        marker={"size": 12, "opacity": 0, "color": class_colors(rows.classes)[label]},
        selected=hidden,
        unselected=hidden,
        customdata=np.array([[round(float(moment), 3), person, label] for moment in times], object),
        text=np.array(texts, object),
        hovertemplate="%{text}<extra></extra>",
    )


def _add_line(figure: go.Figure, seconds: float, lowest: float, dash: str, text: str) -> None:
    figure.add_shape(
        type="line",
        x0=seconds,
        x1=seconds,
        y0=lowest,
        y1=0.9,
        line={"width": 1.5, "dash": dash, "color": "#7A7A7A"},
    )
    figure.add_annotation(
        x=seconds, y=1.0, yanchor="bottom", text=text, showarrow=False, font={"size": 11}
    )


def _time_axis(start: float, end: float) -> dict[str, Any]:
    """Return an axis with round times as minutes and seconds."""
    span = max(end - start, 0.5)
    candidates = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
    step = next((seconds for seconds in candidates if span / seconds <= 8), 3600)
    ticks = np.arange(np.ceil(start / step) * step, end + 1e-9, step)
    digits = 1 if step < 1 else 0
    return {
        "range": [start, start + span],
        "tickvals": np.round(ticks, 3).tolist(),
        "ticktext": [format_time(float(tick), digits) for tick in ticks],
        "title": {"text": "time (minutes:seconds)", "standoff": 8},
        "fixedrange": True,
        "zeroline": False,
    }
