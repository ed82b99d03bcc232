"""Charts of a live session: emotions over time, and shares of time.

The charts are redrawn every few seconds next to a running video. Each redraw with Plotly would
block the video in the browser for a tenth of a second. Therefore, unlike the other charts, these
charts are option objects of Apache ECharts, which draws on a canvas.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_core.classes import class_colors
from fer_core.live.session_record import RecordRows

#: The argument of Streamlit's ``echarts_chart``: https://echarts.apache.org/en/option.html
ChartOption = dict[str, Any]

#: If there are no rows of a person for longer than this, the person was not in the picture, and the
#: curves have a gap.
_GAP_SECONDS = 1.5
#: Possible lengths of the timeline in seconds. The first length that covers the whole session is
#: used. If the session is longer than two minutes, its last two minutes are shown.
_SPANS = (15.0, 30.0, 60.0, 120.0)
#: Maximum number of points per curve. More points are indistinguishable and slow to draw.
_MAX_POINTS = 120
#: Maximum number of classes in the timeline. Each class has a lane: a horizontal strip with its
#: curve.
_MAX_LANES = 8
#: Share of a lane's height that a probability of 1 fills.
_LANE_SHARE = 0.9
#: Format of the numbers in tooltips.
_PERCENT_FORMAT = "%.0f %%"
#: Color of the time in which the class was uncertain. No class has this color.
_UNCERTAIN_COLOR = "#C9C9C9"
_LEGEND = {"top": 0, "left": 0, "type": "scroll", "icon": "roundRect"}

# Sizes in pixels.
_TITLE_HEIGHT, _LANE_HEIGHT = 30, 30
_LEGEND_HEIGHT, _AXIS_HEIGHT, _BAR_HEIGHT = 40, 46, 44
# Sizes in percent of the width.
_NAMES_WIDTH, _COLUMN_GAP = 12, 3


def persons_seen_last(rows: RecordRows, max_count: int) -> list[int]:
    """Return the numbers of the persons who were seen last, in increasing order.

    Args:
        rows: Rows of the record of the session.
        max_count: Maximum number of persons.
    """
    numbers, distances_from_end = np.unique(rows.persons[::-1], return_index=True)
    seen_last = numbers[np.argsort(distances_from_end)][:max_count]
    return sorted(int(number) for number in seen_last)


def lane_names(rows: RecordRows) -> tuple[str, ...]:
    """Return the classes of the timeline's lanes, in the order of ``rows.classes``.

    If there are more than ``_MAX_LANES`` classes, those with the highest mean probability are
    chosen, or the first ones if there are no rows.
    """
    if len(rows.classes) <= _MAX_LANES or not len(rows):
        return rows.classes[:_MAX_LANES]
    means = rows.probabilities.mean(axis=0)
    highest = set(np.argsort(-means, kind="stable")[:_MAX_LANES].tolist())
    return tuple(name for index, name in enumerate(rows.classes) if index in highest)


def timeline_height(class_count: int) -> int:
    """Return the height of ``emotion_timeline`` in pixels.

    Args:
        class_count: The number of classes of the model.
    """
    return _TITLE_HEIGHT + min(class_count, _MAX_LANES) * _LANE_HEIGHT + _AXIS_HEIGHT


def timeline_span(end: float) -> float:
    """Return the length of the timeline in seconds: one of ``_SPANS``.

    Args:
        end: The latest time to show, in seconds since the start of the record.
    """
    return next((span for span in _SPANS if end <= span), _SPANS[-1])


def emotion_timeline(rows: RecordRows, persons: list[int], *, end: float) -> ChartOption:
    """Return the timeline of the probabilities: a lane for each class, a column for each person.

    Args:
        rows: Rows of the record of the session.
        persons: The numbers of the persons to draw, from the left; at least one.
        end: The latest time to show, in seconds since the start of the record.
    """
    span = timeline_span(end)
    start = max(end - span, 0.0)
    names = lane_names(rows)
    colors = class_colors(rows.classes)
    width = (100 - _NAMES_WIDTH) / len(persons)
    columns = range(len(persons))
    left_edges = [_NAMES_WIDTH + column * width for column in columns]
    return {
        "animation": False,
        "tooltip": {
            "trigger": "axis",
            "axisPointer": {"type": "line"},
            "valueFormatter": _PERCENT_FORMAT,
            "confine": True,
        },
        "title": [
            {
                "text": f"Person {person}",
                "left": f"{left:.1f}%",
                "top": 4,
                "textStyle": {"fontSize": 13},
            }
            for person, left in zip(persons, left_edges, strict=True)
        ],
        "grid": [
            {
                "left": f"{left:.1f}%",
                "width": f"{width - _COLUMN_GAP:.1f}%",
                "top": _TITLE_HEIGHT,
                "height": len(names) * _LANE_HEIGHT,
            }
            for left in left_edges
        ],
        "xAxis": [
            {
                "type": "value",
                "gridIndex": column,
                "min": round(start, 1),
                "max": round(start + span, 1),
                "interval": span / 3,
                # If the axis does not start at 0, its start is between two regular labels, and
                # the label of the start could overlap one of them.
                "axisLabel": {"formatter": "{value} s", "showMinLabel": start == 0.0},
                "name": "seconds since the first face" if column == 0 else "",
                "nameLocation": "middle",
                "nameGap": 28,
                "splitLine": {"show": False},
                "axisPointer": {"label": {"precision": 0}},
            }
            for column in columns
        ],
        # Each person has two axes: a visible one with the names of the lanes, and a hidden one for
        # the curves. On the hidden axis each lane is 1 high, and the last lane begins at 0.
        "yAxis": [
            axis
            for column in columns
            for axis in (
                {
                    "type": "category",
                    "gridIndex": column,
                    "data": list(names),
                    "inverse": True,
                    "axisLine": {"show": False},
                    "axisTick": {"show": False},
                    "axisLabel": {"show": column == 0, "interval": 0},
                    "splitLine": {"show": True},
                },
                {
                    "type": "value",
                    "gridIndex": column,
                    "min": 0,
                    "max": len(names),
                    "show": False,
                },
            )
        ],
        "series": [
            {
                "type": "line",
                "name": name,
                "xAxisIndex": column,
                "yAxisIndex": 2 * column + 1,
                "showSymbol": False,
                "lineStyle": {"width": 1.5},
                "itemStyle": {"color": colors[name]},
                "areaStyle": {
                    "opacity": 0.5,
                    "color": colors[name],
                    # The area is filled from the bottom of the lane.
                    "origin": len(names) - 1 - lane,
                },
                "emphasis": {"disabled": True},
                # A point consists of time, position and probability. The tooltip shows the
                # probability.
                "encode": {"x": 0, "y": 1, "tooltip": [2]},
                "data": points,
            }
            for column, person in enumerate(persons)
            for lane, (name, points) in enumerate(_curves(rows, person, names).items())
        ],
    }


def _curves(
    rows: RecordRows, person: int, names: tuple[str, ...]
) -> dict[str, list[list[float | None]]]:
    """Return a person's points for each lane, downsampled, with gaps while the person was absent.

    A point consists of the time, the position on an axis from 0 to the number of lanes, and the
    probability in percent.
    """
    is_person = rows.persons == person
    seconds: NDArray[np.float64] = rows.seconds[is_person]
    percentages = 100.0 * rows.probabilities[is_person]
    # The number of gaps before each row. It is computed from all rows, because downsampling
    # lengthens the time between rows.
    gap_counts = np.cumsum(np.diff(seconds, prepend=seconds[:1]) > _GAP_SECONDS, dtype=np.int64)
    step = max(math.ceil(len(seconds) / _MAX_POINTS), 1)
    # Steps are counted from the end, so that the latest point is always shown.
    seconds, percentages = seconds[::-step][::-1], percentages[::-step][::-1]
    gap_counts = gap_counts[::-step][::-1]
    first_after_gap = set((np.flatnonzero(np.diff(gap_counts)) + 1).tolist())
    curves: dict[str, list[list[float | None]]] = {}
    for lane, name in enumerate(names):
        bottom = len(names) - 1 - lane
        points: list[list[float | None]] = []
        for index, percentage in enumerate(percentages[:, rows.classes.index(name)].tolist()):
            time = round(float(seconds[index]), 1)
            if index in first_after_gap:
                points.append([time, None, None])
            position = round(bottom + _LANE_SHARE * percentage / 100, 3)
            points.append([time, position, round(percentage, 1)])
        curves[name] = points
    return curves


def shares_height(person_count: int) -> int:
    """Return the height of ``emotion_shares`` in pixels."""
    return _LEGEND_HEIGHT + person_count * _BAR_HEIGHT + _AXIS_HEIGHT


def emotion_shares(shares: dict[int, dict[str, float]]) -> ChartOption:
    """Return a chart with a bar per person: the share of time in which each emotion was shown.

    Args:
        shares: Shares of time by person and class, 0 to 1; the shares of one person sum to 1. The
            last entry of each person is the share of time in which the class was uncertain, drawn
            in gray.
    """
    names = list(next(iter(shares.values()), {}))
    colors = {**class_colors(names[:-1]), **dict.fromkeys(names[-1:], _UNCERTAIN_COLOR)}
    return {
        "animation": False,
        "legend": _LEGEND,
        "tooltip": {"trigger": "item", "valueFormatter": "%.1f %%", "confine": True},
        "grid": {
            "left": 4,
            "right": 24,
            "top": _LEGEND_HEIGHT,
            "bottom": 24,
            "containLabel": True,
        },
        "xAxis": _percent_axis(name="share of time", interval=25),
        "yAxis": {
            "type": "category",
            "inverse": True,
            "data": [f"Person {person}" for person in shares],
        },
        "series": [
            {
                "type": "bar",
                "name": emotion,
                "stack": "time",
                "barWidth": "60%",
                "itemStyle": {"color": colors[emotion]},
                "data": [
                    {
                        "value": round(100 * person_shares[emotion], 1),
                        # A narrow segment has no space for a label.
                        "label": {
                            "show": person_shares[emotion] >= 0.08,
                            "formatter": f"{100 * person_shares[emotion]:.0f} %",
                            "color": "#000000",
                        },
                    }
                    for person_shares in shares.values()
                ],
            }
            for emotion in names
        ],
    }


def _percent_axis(*, name: str = "", interval: int) -> ChartOption:
    return {
        "type": "value",
        "min": 0,
        "max": 100,
        "interval": interval,
        "axisLabel": {"formatter": "{value} %"},
        "name": name,
        "nameLocation": "middle",
        "nameGap": 28,
    }
