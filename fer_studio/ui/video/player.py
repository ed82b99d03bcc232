"""The video player, at the chosen time."""

from __future__ import annotations

import streamlit as st

from fer_core.errors import InputError
from fer_studio.ui.text import plain_text
from fer_studio.ui.video.chosen_time import chosen_time
from fer_studio.ui.video.content import Content, player_file, subtitles_of


def show_player(content: Content) -> None:
    """Draw the player with subtitles, or say why there is none."""
    try:
        path = player_file(content)
    except InputError:
        path = None
    if path is None:
        stored = content.source is not None
        st.info(
            "Browsers cannot play this file. Click on the timeline to see its frames."
            if stored
            else f"{plain_text(content.settings.video)} is not stored any more. Click on the "
            "timeline to see stored pictures.",
            icon=":material/videocam_off:",
        )
        return
    moment = chosen_time(content.key)
    st.video(
        str(path),
        start_time=int(moment if moment is not None else content.limits[0]),
        subtitles={"Emotions": subtitles_of(content)} if len(content.table) else None,
        alt=f"The video {content.settings.video}",
    )
