"""The timeline: one lane per person and emotion. A click chooses a time."""

from __future__ import annotations

import streamlit as st

from fer_core.charts.video import TimelineMarker, emotion_lanes
from fer_studio.ui.charts import show_chart
from fer_studio.ui.video.chosen_time import choose_time, chosen_time
from fer_studio.ui.video.filters import Filters
from fer_studio.ui.video.loaded_analysis import LoadedAnalysis, summaries_of


def show_timeline(analysis: LoadedAnalysis, filters: Filters) -> None:
    """Draw the timeline."""
    if not filters.persons or not filters.classes:
        st.info("Choose at least one person and one class in the filters.")
        return
    titles = {person: analysis.titles[person] for person in filters.persons}
    figure = emotion_lanes(
        analysis.table,
        titles,
        filters.classes,
        filters.limits,
        markers=[TimelineMarker(marker.seconds, marker.name) for marker in analysis.edits.markers],
        current=chosen_time(analysis.key),
    )
    chart_key = f"video_timeline_{analysis.key}"
    show_chart(
        figure,
        title="Emotions over time",
        key=chart_key,
        alt=_description(analysis, filters),
        caption="Click on a lane to see that time. The height of a lane shows the smoothed "
        "probability.",
        on_select=lambda: _choose(analysis.key, chart_key),
        selection_mode="points",
    )


def _choose(key: str, chart_key: str) -> None:
    points = st.session_state[chart_key]["selection"]["points"]
    if points:
        choose_time(key, float(points[0]["x"]))


def _description(analysis: LoadedAnalysis, filters: Filters) -> str:
    parts = []
    for summary in summaries_of(analysis, filters.threshold):
        if summary.person in filters.persons:
            label = max(summary.shares, key=lambda name: summary.shares[name])
            share = 100 * summary.shares[label]
            parts.append(f"{analysis.edits.title(summary.person)}: {label} {share:.0f} % of time")
    return "Emotions over time. " + "; ".join(parts)
