"""Record the annotated video on the live page: only on request, and for a limited time."""

from __future__ import annotations

import streamlit as st

from fer_core.live.recording import VideoRecording
from fer_studio.ui.access import rerun_if_refused
from fer_studio.ui.address import set_unsaved_results
from fer_studio.ui.downloads import offer_download
from fer_studio.ui.fragments import placed_fragment
from fer_studio.ui.live.durations import duration_text
from fer_studio.ui.live.session import LiveSession
from fer_studio.ui.messages import show_error

#: Key of the toggle that starts and stops the recording.
_TOGGLE = "live_recording"
#: Session state: True if the recording was running when the page was drawn.
_WAS_RUNNING = "live_was_recording"
#: Session state: True if the recording was discarded after the page was drawn.
_DISCARDED = "live_recording_discarded"


def show_video_recording(session: LiveSession, recording: VideoRecording) -> None:
    """Draw the toggle, the length of the running recording, and the finished video."""
    set_unsaved_results("recording", str(hash(recording.result)) if recording.result else "")
    # While a recording runs, its length is refreshed every second.
    refresh = 1.0 if recording.is_running else None
    placed_fragment(_show_recording, run_every=refresh)(session, recording)


def _show_recording(session: LiveSession, recording: VideoRecording) -> None:
    rerun_if_refused("live")
    # The recording also ends at its maximum length, or with the stream; the toggle is then switched
    # off. A toggle that already has the right value is not set, because setting it at every refresh
    # could undo a click that arrives during the refresh.
    if st.session_state.get(_TOGGLE) != recording.is_running:
        st.session_state[_TOGGLE] = recording.is_running
    maximum = duration_text(recording.max_seconds)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.toggle(
            "Record the video",
            key=_TOGGLE,
            on_change=_start_or_stop,
            args=(recording,),
            disabled=not (session.state.is_playing or recording.is_running),
            help=f"Keeps the annotated video, at most {maximum}, in the server's memory until you "
            "discard it or record again. No video is recorded unless this is on.",
        )
        if recording.is_running:
            st.caption(f":red[●] {duration_text(recording.seconds)} of {maximum}")
    if recording.error is not None:
        show_error(recording.error)
    content = recording.result
    if st.session_state.pop(_DISCARDED, False):
        st.rerun()  # only a rerun of the page updates which results are unsaved
    if st.session_state.get(_WAS_RUNNING, False) != recording.is_running:
        # Only a rerun of the page changes the refresh interval of this fragment.
        st.session_state[_WAS_RUNNING] = recording.is_running
        st.rerun()
    if recording.is_running or content is None:
        return
    with st.container(border=True):
        st.video(content, alt=f"The recording, {duration_text(recording.seconds)}")
        with st.container(horizontal=True):
            offer_download(
                f"Video, {len(content) / 1e6:.1f} MB",
                content,
                "live-emotions.mp4",
                key="live_video",
            )
            st.button(
                "Discard",
                key="live_discard",
                icon=":material/delete:",
                on_click=_discard,
                args=(recording,),
            )


def _discard(recording: VideoRecording) -> None:
    recording.discard()
    st.session_state[_DISCARDED] = True


def _start_or_stop(recording: VideoRecording) -> None:
    if st.session_state[_TOGGLE]:
        recording.start()
    else:
        recording.stop()
