"""The layout of the live page."""

from __future__ import annotations

import streamlit as st

from fer_studio.ui.live.predictions import show_predictions, show_problem
from fer_studio.ui.live.record import show_session_record
from fer_studio.ui.live.recording import show_video_recording
from fer_studio.ui.live.session import LiveSession
from fer_studio.ui.live.snapshots import show_snapshots
from fer_studio.ui.live.stream import (
    may_use_camera,
    show_help,
    show_insecure_address,
    show_stream,
)
from fer_studio.ui.persistent_widgets import persistent_segments

_VIDEO, _SNAPSHOTS = "Video", "Snapshots"


def show_live(session: LiveSession) -> None:
    """Draw the camera, the predictions and the record, which all need a model."""
    processor = session.processor
    assert processor is not None  # the page checks for a model first
    url = st.context.url
    if url is not None and not may_use_camera(url):
        show_insecure_address(url)
        return
    # assets/live.css gives the container the height of the placeholder that browsers show first.
    with st.container(key="live_mode_place"):
        mode = persistent_segments(
            "Camera",
            [_VIDEO, _SNAPSHOTS],
            key="live_mode",
            name="camera",
            write=str.lower,
            label_visibility="collapsed",
            help="Snapshots work where the video cannot connect.",
        )
    session.takes_snapshots = mode == _SNAPSHOTS
    if session.takes_snapshots:
        show_problem(session)
        show_snapshots(session)
    else:
        picture, predictions = st.columns([3, 2])
        with picture:
            show_stream(session)
        # On a phone, columns are below each other: the predictions come directly after the picture.
        with predictions:
            show_predictions(session, processor)
            show_video_recording(session, processor.video_recording)
            show_help()
            st.caption(
                ":material/lock: The camera's frames are sent to the machine that runs this app, "
                "analyzed in its memory and not stored, unless you record the video."
            )
    show_session_record(session, processor.session_record)
