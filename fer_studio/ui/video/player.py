"""The video player, which starts at the chosen time."""

from __future__ import annotations

import streamlit as st

from fer_core.errors import InputError
from fer_studio.ui.text import plain_text
from fer_studio.ui.video.chosen_time import chosen_time
from fer_studio.ui.video.loaded_analysis import LoadedAnalysis, player_file, subtitles_of


def show_player(analysis: LoadedAnalysis) -> None:
    """Draw the player with subtitles, or say why there is none."""
    try:
        path = player_file(analysis)
    except InputError:
        path = None
    if path is None:
        is_stored = analysis.source is not None
        st.info(
            "Browsers cannot play this file. Click on the timeline to see its frames."
            if is_stored
            else f"{plain_text(analysis.settings.video)} is not stored any more. Click on the "
            "timeline to see stored pictures.",
            icon=":material/videocam_off:",
        )
        return
    moment = chosen_time(analysis.key)
    st.video(
        str(path),
        start_time=int(moment if moment is not None else analysis.limits[0]),
        subtitles={"Emotions": subtitles_of(analysis)} if len(analysis.table) else None,
        alt=f"The video {analysis.settings.video}",
    )
