"""The timeline: one lane per person and emotion. A click or the arrow keys choose a time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from fer_core.charts.video import PersonLanes, lanes_csv, time_ticks
from fer_core.classes import class_colors
from fer_studio.ui.charts import chart_frame
from fer_studio.ui.video.chosen_time import chosen_time, set_chosen_time
from fer_studio.ui.video.filters import Filters, choose_filters
from fer_studio.ui.video.loaded_analysis import LoadedAnalysis, lanes_of, summaries_of

_SCRIPT = (Path(__file__).parents[1] / "assets" / "emotion_timeline.js").read_text(encoding="utf-8")
_STYLE = (Path(__file__).parents[1] / "assets" / "emotion_timeline.css").read_text(encoding="utf-8")
#: Heights in pixels: of a lane, of the name above the lanes of a person, and of the space above and
#: below all lanes. The component gets them with its data.
_LANE_HEIGHT, _PERSON_HEIGHT, _TOP, _BOTTOM = 26, 30, 22, 44

_component = st.components.v2.component(
    "fer_studio_emotion_timeline",
    html='<div class="emotion-timeline">\n</div>',
    css=_STYLE,
    js=_SCRIPT,
    # Without isolation, the chart is part of the page itself. The script that downloads a picture
    # of the chart could not find an isolated chart.
    isolate_styles=False,
)


def show_timeline(analysis: LoadedAnalysis) -> Filters:
    """Draw the curves of the persons and classes that the filters show; return the filters."""
    chart_key = f"video_timeline_{analysis.key}"
    lanes: list[PersonLanes] = []
    with chart_frame(
        "Emotions over time",
        key=chart_key,
        table=lambda: lanes_csv(lanes, filters.classes),
        caption="Click on a lane to see that time. The height of a lane shows the smoothed "
        "probability.",
    ) as controls:
        filters = choose_filters(analysis, controls)
        if filters.persons and filters.classes:
            titles = {person: analysis.titles[person] for person in filters.persons}
            lanes = lanes_of(analysis, titles, tuple(filters.classes), filters.limits)
            _show_lanes(analysis, filters, lanes, chart_key)
        else:
            st.info("Choose at least one person and one class in the filters.")
    return filters


def _show_lanes(
    analysis: LoadedAnalysis, filters: Filters, lanes: list[PersonLanes], chart_key: str
) -> None:
    color_by_class = class_colors(analysis.table.classes)
    colors = {name: color_by_class[name] for name in filters.classes}

    def choose() -> None:
        # The time is checked, because a client can send any value.
        time = st.session_state[chart_key].time
        if isinstance(time, int | float) and math.isfinite(time):
            start, end = filters.limits
            set_chosen_time(analysis.key, min(max(float(time), start), end))

    # The height reserves the space of the timeline until the browser has loaded it.
    with st.container(
        key=f"{chart_key}_place",
        gap=None,
        height=timeline_height(len(lanes), len(filters.classes)),
        border=False,
    ):
        _component(
            key=chart_key,
            data=timeline_data(lanes, colors, filters.limits)
            | {
                "label": _description(analysis, filters),
                "markers": [
                    {"seconds": marker.seconds, "name": marker.name}
                    for marker in analysis.edits.markers
                    if filters.limits[0] <= marker.seconds <= filters.limits[1]
                ],
                "current": chosen_time(analysis.key),
            },
            on_time_change=choose,
        )


def timeline_height(person_count: int, class_count: int) -> int:
    """Return the height in pixels of a timeline with these numbers of persons and classes."""
    return _TOP + person_count * (_PERSON_HEIGHT + class_count * _LANE_HEIGHT) + _BOTTOM


def timeline_data(
    lanes: Sequence[PersonLanes], colors: Mapping[str, str], limits: tuple[float, float]
) -> dict[str, Any]:
    """Return curves, colors, axis and sizes in the format that ``emotion_timeline.js`` expects.

    Args:
        lanes: The curves of each person, from the top.
        colors: The color of each class, in the order of the classes in ``PersonLanes.values``.
        limits: First and last time in seconds.
    """
    return {
        "limits": list(limits),
        "ticks": [{"seconds": seconds, "text": text} for seconds, text in time_ticks(*limits)],
        "sizes": {
            "lane": _LANE_HEIGHT,
            "person": _PERSON_HEIGHT,
            "top": _TOP,
            "bottom": _BOTTOM,
            "height": timeline_height(len(lanes), len(colors)),
        },
        "classes": [{"name": name, "color": color} for name, color in colors.items()],
        "persons": [
            {
                "title": person.title,
                "step": person.step,
                "seconds": np.round(person.seconds, 3).tolist(),
                "values": [
                    [None if math.isnan(value) else round(value, 3) for value in curve]
                    for curve in person.values.T.tolist()
                ],
            }
            for person in lanes
        ],
    }


def _description(analysis: LoadedAnalysis, filters: Filters) -> str:
    """Return what a screen reader says: the most frequent class of each person."""
    parts = []
    for summary in summaries_of(analysis, filters.threshold):
        if summary.person in filters.persons:
            label = max(summary.shares, key=lambda name: summary.shares[name])
            title, percent = analysis.edits.title(summary.person), 100 * summary.shares[label]
            parts.append(f"{title}: {label} {percent:.0f} % of the time")
    return "Emotions over time. " + "; ".join(parts)
