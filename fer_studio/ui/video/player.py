"""The video player, which starts at the chosen time."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from fer_core.errors import InputError
from fer_studio.ui.text import plain_text
from fer_studio.ui.video.chosen_time import chosen_time
from fer_studio.ui.video.loaded_analysis import LoadedAnalysis, player_file, subtitles_of
from fer_studio.ui.video.picture_place import picture_place


def reserve_player(analysis: LoadedAnalysis) -> DeltaGenerator:
    """Draw an empty container for the player, and return it.

    If there is a player, the container has the aspect ratio of the video. Below it, a caption says
    what the percentages in the subtitles are.
    """
    if _playable_file(analysis) is None:
        return st.container()
    place = picture_place(analysis, "player")
    if len(analysis.table):
        st.caption("Subtitles: smoothed probabilities, averaged over each period")
    return place


def show_player(analysis: LoadedAnalysis) -> None:
    """Draw the player with subtitles, or say why there is none."""
    path = _playable_file(analysis)
    if path is None:
        is_stored = analysis.source is not None
        st.info(
            "This file cannot be played here. Click on the timeline to see its frames."
            if is_stored
            else f"{plain_text(analysis.settings.video)} is no longer stored. Click on the "
            "timeline to see stored pictures.",
            icon=":material/videocam_off:",
        )
        return
    seconds = chosen_time(analysis.key)
    st.video(
        str(path),
        start_time=int(seconds if seconds is not None else analysis.limits[0]),
        subtitles={"Emotions": subtitles_of(analysis)} if len(analysis.table) else None,
        alt=f"The video {analysis.settings.video}",
    )


def _playable_file(analysis: LoadedAnalysis) -> Path | None:
    """Return the file that the player plays; None if there is none, or if it cannot be read."""
    try:
        return player_file(analysis)
    except InputError:
        return None
