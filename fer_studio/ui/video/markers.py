"""Named markers on the timeline."""

from __future__ import annotations

import streamlit as st

from fer_core.settings import Settings
from fer_core.video.edits import MAX_NAME_LENGTH
from fer_core.video.timecode import format_time
from fer_studio.ui.text import plain_text
from fer_studio.ui.video.chosen_time import chosen_time, set_chosen_time
from fer_studio.ui.video.loaded_analysis import LoadedAnalysis
from fer_studio.ui.video.persons import change_edits


def show_markers(analysis: LoadedAnalysis, settings: Settings) -> None:
    """Draw the field for a new marker, and the markers."""
    key = analysis.key
    seconds = chosen_time(key)
    if seconds is None:
        seconds = analysis.limits[0]
    # The key changes with the number of markers, so that the field is empty after each change.
    name_key = f"video_marker_{key}_{len(analysis.edits.markers)}"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(
            f"New marker at {format_time(seconds, 1)}",
            key=name_key,
            max_chars=MAX_NAME_LENGTH,
            placeholder="question 3",
            width=260,
        )
        st.button(
            "Add marker",
            key=f"video_add_marker_{key}",
            icon=":material/bookmark_add:",
            on_click=_add,
            args=(key, seconds, name_key, settings),
        )
    if not analysis.edits.markers:
        st.caption(
            "A marker is a named time of the video: click on the timeline, then enter a name for "
            "this time. The JSON download contains the markers."
        )
    for index, marker in enumerate(analysis.edits.markers):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                f"{format_time(marker.seconds, 1)}  {plain_text(marker.name)}",
                key=f"video_go_{key}_{index}",
                type="tertiary",
                icon=":material/bookmark:",
                on_click=set_chosen_time,
                args=(key, marker.seconds),
            )
            st.button(
                "Remove",
                key=f"video_remove_{key}_{index}",
                type="tertiary",
                icon=":material/close:",
                on_click=_remove,
                args=(key, index, settings),
            )


def _add(analysis_id: str, seconds: float, name_key: str, settings: Settings) -> None:
    name = str(st.session_state[name_key])
    change_edits(analysis_id, settings, lambda edits: edits.with_marker(seconds, name))


def _remove(analysis_id: str, index: int, settings: Settings) -> None:
    change_edits(analysis_id, settings, lambda edits: edits.without_marker(index))
