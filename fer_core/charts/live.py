"""Charts of a live session: current faces, emotions over time, and shares of time.

Unlike the other charts these are option objects of Apache ECharts, which draws on a canvas. They
are redrawn every few seconds next to a running video; each redraw with Plotly blocks the browser's
video for a tenth of a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_core.charts.labels import height_for
from fer_core.classes import class_colors
from fer_core.live.session_record import RecordRows

#: The argument of Streamlit's ``echarts_chart``: https://echarts.apache.org/en/option.html
ChartOption = dict[str, Any]

#: Minimum pause after which the curves have a gap, because the person was not in the picture.
_GAP_SECONDS = 1.5
#: Maximum number of points per curve. More points are indistinguishable and slow to draw.
_MAX_POINTS = 120
_PERCENT = "%.0f %%"
#: Color of the time in which the class was uncertain; no class has this gray.
_UNSURE_COLOR = "#C9C9C9"
_LEGEND = {"top": 0, "left": 0, "type": "scroll", "icon": "roundRect"}

# Sizes in pixels.
_TIMELINE_HEIGHT, _TIMELINE_GAP = 110, 34
_LEGEND_HEIGHT, _AXIS_HEIGHT, _BAR_HEIGHT = 40, 46, 44
_FACE_HEIGHT, _FACE_BAR_HEIGHT = 200, 20


def face_bars(probability_by_class: Mapping[str, float]) -> ChartOption:
    """Return a horizontal bar per class with its probability in percent.

    Args:
        probability_by_class: Probabilities from 0 to 1, from the top down.
    """
    colors = class_colors(probability_by_class)
    return {
        "animation": False,
        "grid": {"left": 4, "right": 44, "top": 4, "bottom": 4, "containLabel": True},
        "xAxis": _percent_axis(name="probability", interval=50),
        "yAxis": {"type": "category", "inverse": True, "data": list(probability_by_class)},
        "tooltip": {"trigger": "item", "valueFormatter": "%.1f %%"},
        "series": [
            {
                "type": "bar",
                "name": "probability",
                "barCategoryGap": "25%",
                "data": [
                    {
                        "value": _percent(probability),
                        "itemStyle": {"color": colors[name]},
                        "label": {
                            "show": True,
                            "position": "right",
                            "formatter": f"{100 * probability:.0f} %",
                        },
                    }
                    for name, probability in probability_by_class.items()
                ],
            }
        ],
    }


def face_height(class_count: int) -> int:
    """Return the height of ``face_bars`` in pixels."""
    return height_for(class_count, _FACE_HEIGHT, _FACE_BAR_HEIGHT)


def persons_seen_last(rows: RecordRows, max_count: int) -> list[int]:
    """Return the persons of the latest rows, ordered by number.

    Args:
        rows: Rows of the record.
        max_count: Maximum number of persons.
    """
    numbers, first_from_end = np.unique(rows.persons[::-1], return_index=True)
    latest = numbers[np.argsort(first_from_end)][:max_count]
    return sorted(int(number) for number in latest)


def timeline_height(persons: int) -> int:
    """Return the height of ``emotion_timeline`` in pixels."""
    bands = max(persons, 1)
    return _LEGEND_HEIGHT + bands * (_TIMELINE_HEIGHT + _TIMELINE_GAP) + _AXIS_HEIGHT


def emotion_timeline(
    rows: RecordRows, persons: list[int], *, end: float, span: float = 120.0
) -> ChartOption:
    """Return the probabilities over time, stacked to 100 %, with one band per person.

    Args:
        rows: Rows of the record.
        persons: The persons to draw, from the top; empty for axes without data.
        end: The latest time shown, in seconds since the start of the record.
        span: Length of the axis in seconds.
    """
    start = max(end - span, 0.0)
    bands = max(len(persons), 1)
    tops = [
        _LEGEND_HEIGHT + _TIMELINE_GAP + band * (_TIMELINE_HEIGHT + _TIMELINE_GAP)
        for band in range(bands)
    ]
    colors = class_colors(rows.classes)
    series = [
        {
            "type": "line",
            "name": emotion,
            "stack": f"person {person}",
            "xAxisIndex": band,
            "yAxisIndex": band,
            "showSymbol": False,
            "lineStyle": {"width": 0},
            "itemStyle": {"color": colors[emotion]},
            "areaStyle": {"opacity": 1, "color": colors[emotion]},
            "emphasis": {"disabled": True},
            "data": points,
        }
        for band, person in enumerate(persons)
        for emotion, points in _curves(rows, person).items()
    ]
    return {
        "animation": False,
        "legend": _LEGEND | {"data": list(rows.classes)},
        "tooltip": {"trigger": "axis", "valueFormatter": _PERCENT, "confine": True},
        "title": [
            {
                "text": f"Person {person}",
                "left": 0,
                "top": top - 24,
                "textStyle": {"fontSize": 13},
            }
            for person, top in zip(persons, tops, strict=False)
        ],
        "grid": [{"left": 48, "right": 16, "top": top, "height": _TIMELINE_HEIGHT} for top in tops],
        "xAxis": [
            {
                "type": "value",
                "gridIndex": band,
                "min": round(start, 1),
                "max": round(start + span, 1),
                "axisLabel": {"formatter": "{value} s", "showMinLabel": start == 0.0},
                "name": "seconds since the first face" if band == bands - 1 else "",
                "nameLocation": "middle",
                "nameGap": 28,
                "splitLine": {"show": False},
                "axisPointer": {"label": {"precision": 0}},
            }
            for band in range(bands)
        ],
        "yAxis": [_percent_axis(interval=50) | {"gridIndex": band} for band in range(bands)],
        "series": series,
    }


def _curves(rows: RecordRows, person: int) -> dict[str, list[list[float]]]:
    """Return a person's points per emotion, downsampled, and 0 while the person was absent."""
    is_person = rows.persons == person
    seconds: NDArray[np.float64] = rows.seconds[is_person]
    percents = 100.0 * rows.probabilities[is_person]
    step = max(-(-len(seconds) // _MAX_POINTS), 1)
    # Steps are counted from the end, so that the latest point is always shown.
    seconds, percents = seconds[::-step][::-1], percents[::-step][::-1]
    zeros = np.zeros(len(rows.classes))
    for gap in (np.flatnonzero(np.diff(seconds) > _GAP_SECONDS) + 1)[::-1]:
        edges = [seconds[gap - 1], seconds[gap]]
        seconds = np.insert(seconds, gap, edges)
        percents = np.insert(percents, gap, [zeros, zeros], axis=0)
    return {
        emotion: [
            [round(float(moment), 1), round(float(percent), 1)]
            for moment, percent in zip(seconds, percents[:, index], strict=True)
        ]
        for index, emotion in enumerate(rows.classes)
    }


def shares_height(persons: int) -> int:
    """Return the height of ``emotion_shares`` in pixels."""
    return _LEGEND_HEIGHT + persons * _BAR_HEIGHT + _AXIS_HEIGHT


def emotion_shares(shares: dict[int, dict[str, float]]) -> ChartOption:
    """Return a bar per person: the share of time in which each emotion was shown.

    Args:
        shares: By person and class, 0 to 1; the shares of one person sum to 1. The last one is the
            time in which the class was uncertain, in gray.
    """
    names = list(next(iter(shares.values()), {}))
    colors = {**class_colors(names[:-1]), **dict.fromkeys(names[-1:], _UNSURE_COLOR)}
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
                        "value": _percent(share[emotion]),
                        # A narrow segment has no space for a label.
                        "label": {
                            "show": share[emotion] >= 0.08,
                            "formatter": f"{100 * share[emotion]:.0f} %",
                            "color": "#000000",
                        },
                    }
                    for share in shares.values()
                ],
            }
            for emotion in names
        ],
    }


def _percent(share: float) -> float:
    return round(100 * share, 1)


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
