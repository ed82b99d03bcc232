"""Recording the annotated video on the live page: only when asked for, and never for long."""

from __future__ import annotations

import streamlit as st

from fer_core.live.recording import VideoRecording
from fer_studio.ui.live.session import LiveSession
from fer_studio.ui.messages import show_error
from fer_studio.ui.text import clock_time

_SWITCH = "live_recording"
_WAS_RUNNING = "live_was_recording"


def show_recording(session: LiveSession, recording: VideoRecording) -> None:
    """Draw the switch, how long it has been on, and what came of it."""
    # A stream that ends also ends the recording, and draws this anew.
    refresh = 1.0 if recording.is_running else None
    st.fragment(_show_recording, run_every=refresh)(session, recording)


def _show_recording(session: LiveSession, recording: VideoRecording) -> None:
    # It ends by itself, too: when it is full, and with the stream.
    st.session_state[_SWITCH] = recording.is_running
    longest = clock_time(recording.longest_seconds)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.toggle(
            "Record the video",
            key=_SWITCH,
            on_change=_switch,
            args=(recording,),
            disabled=not (session.state.is_playing or recording.is_running),
            help=f"Keeps the annotated picture, {longest} minutes at most, in the server's memory "
            "until you download or discard it. Nothing is recorded unless this is on.",
        )
        if recording.is_running:
            st.caption(f":red[●] {clock_time(recording.seconds)} of {longest} minutes")
    if recording.error is not None:
        show_error(recording.error)
    content = recording.result
    if st.session_state.get(_WAS_RUNNING, False) != recording.is_running:
        # How often this refreshes itself is settled where it is drawn with the page.
        st.session_state[_WAS_RUNNING] = recording.is_running
        st.rerun()
    if recording.is_running or content is None:
        return
    with st.container(border=True):
        st.video(content, alt=f"The recording, {clock_time(recording.seconds)} minutes")
        with st.container(horizontal=True):
            st.download_button(
                f"Video, {len(content) / 1e6:.1f} MB",
                content,
                "live-emotions.mp4",
                "video/mp4",
                key="live_video",
                icon=":material/movie:",
                on_click="ignore",
            )
            st.button(
                "Discard it",
                key="live_discard",
                icon=":material/delete:",
                on_click=recording.forget,
            )


def _switch(recording: VideoRecording) -> None:
    if st.session_state[_SWITCH]:
        recording.start()
    else:
        recording.stop()
