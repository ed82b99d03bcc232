"""Record the annotated video on the live page: only on request, and for a limited time."""

from __future__ import annotations

import streamlit as st

from fer_core.live.recording import VideoRecording
from fer_studio.ui.access import leave_if_refused
from fer_studio.ui.address import set_unsaved_results
from fer_studio.ui.downloads import offer_download
from fer_studio.ui.fragments import placed_fragment
from fer_studio.ui.live.durations import duration_text
from fer_studio.ui.live.session import LiveSession
from fer_studio.ui.messages import show_error

#: Session state: the state of the switch.
_SWITCH = "live_recording"
#: Session state: True if the recording was running when the page was drawn.
_WAS_RUNNING = "live_was_recording"
#: Session state: True if the recording was discarded after the page was drawn.
_CHANGED = "live_recording_changed"


def show_video_recording(session: LiveSession, recording: VideoRecording) -> None:
    """Draw the switch, the recording's length, and the finished video."""
    set_unsaved_results("recording", str(hash(recording.result) if recording.result else ""))
    # The recording also ends with the stream, whose end reruns the page.
    refresh = 1.0 if recording.is_running else None
    placed_fragment(_show_recording, run_every=refresh)(session, recording)


def _show_recording(session: LiveSession, recording: VideoRecording) -> None:
    leave_if_refused("live")
    # The switch follows the recording, which also ends at its maximum length or with the stream.
    # Only another value is set: a refresh that began before a click would undo the click.
    if st.session_state.get(_SWITCH) != recording.is_running:
        st.session_state[_SWITCH] = recording.is_running
    maximum = duration_text(recording.max_seconds)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.toggle(
            "Record the video",
            key=_SWITCH,
            on_change=_switch,
            args=(recording,),
            disabled=not (session.state.is_playing or recording.is_running),
            help=f"Keeps the annotated video, at most {maximum}, in the server's memory until you "
            "download or discard it. Nothing is recorded unless this is on.",
        )
        if recording.is_running:
            st.caption(f":red[●] {duration_text(recording.seconds)} of {maximum}")
    if recording.error is not None:
        show_error(recording.error)
    content = recording.result
    if st.session_state.pop(_CHANGED, False):
        st.rerun()  # the page sets which results are unsaved
    if st.session_state.get(_WAS_RUNNING, False) != recording.is_running:
        # A rerun of the page sets the refresh interval of this fragment.
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
    st.session_state[_CHANGED] = True


def _switch(recording: VideoRecording) -> None:
    if st.session_state[_SWITCH]:
        recording.start()
    else:
        recording.stop()
