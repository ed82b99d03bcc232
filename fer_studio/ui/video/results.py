"""The results of an analysis: player, timeline, the chosen frame, episodes, persons, downloads."""

from __future__ import annotations

import streamlit as st

from fer_core.errors import InputError
from fer_core.settings import Settings
from fer_core.video.analyses import AnalysisSummary
from fer_studio.ui.access import rerun_if_refused
from fer_studio.ui.address import address_scope
from fer_studio.ui.messages import show_error
from fer_studio.ui.tabs import persistent_tabs
from fer_studio.ui.video.downloads import show_downloads
from fer_studio.ui.video.episodes import show_episodes
from fer_studio.ui.video.feedback import show_feedback
from fer_studio.ui.video.loaded_analysis import load_analysis
from fer_studio.ui.video.markers import show_markers
from fer_studio.ui.video.moment import chosen_moment, show_faces, show_frame
from fer_studio.ui.video.persons import show_persons, show_summary
from fer_studio.ui.video.player import reserve_player, show_player
from fer_studio.ui.video.timeline import show_timeline

#: Width of the player and the frame together, in pixels.
_PICTURES_WIDTH = 992


@st.fragment
def show_results(summary: AnalysisSummary, settings: Settings) -> None:
    """Draw the results as a fragment: a click in them reruns only this part of the page."""
    rerun_if_refused("video")
    show_feedback()
    try:
        with address_scope("video_results"):
            _show(summary, settings)
    except InputError as error:
        show_error(error)


def _show(summary: AnalysisSummary, settings: Settings) -> None:
    analysis = load_analysis(summary)
    if not analysis.all_persons:
        st.info(
            "No face was found. Try the other face detector, or a video in which people look "
            "at the camera.",
            icon=":material/face:",
        )
        show_downloads(analysis, settings)
        return
    # Full-width pictures would push the timeline out of view.
    with st.container(width=_PICTURES_WIDTH):
        left, right = st.columns(2, gap="medium")
    # The player loads slowly. Its place is reserved here, but it is drawn after the frame, the
    # timeline and the faces.
    with left:
        player = reserve_player(analysis)
    moment = chosen_moment(analysis)
    with right:
        show_frame(analysis, moment)
    filters = show_timeline(analysis)
    show_faces(analysis, moment)
    with player:
        show_player(analysis)
    episodes_tab, persons_tab, markers_tab, downloads_tab = persistent_tabs(
        [
            ":material/list: Episodes",
            ":material/group: Persons",
            ":material/bookmark: Markers",
            ":material/download: Downloads",
        ],
        key=f"video_tabs_{analysis.key}",
    )
    with episodes_tab:
        show_episodes(analysis, filters)
    with persons_tab:
        show_summary(analysis, filters)
        show_persons(analysis, settings)
    with markers_tab:
        show_markers(analysis, settings)
    with downloads_tab:
        show_downloads(analysis, settings)
