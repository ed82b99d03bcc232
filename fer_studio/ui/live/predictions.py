"""Beside the picture: what is going on, how quick it is, and what each face shows."""

from __future__ import annotations

from typing import Any

import streamlit as st

from fer_core.charts.live import FACE_HEIGHT, face_bars
from fer_core.live.processor import LiveProcessor
from fer_core.live.snapshot import LiveSnapshot
from fer_core.vision.face import Face
from fer_studio.ui.access import leave_if_refused
from fer_studio.ui.live.session import LiveSession
from fer_studio.ui.messages import show_error
from fer_studio.ui.text import plain_text

_MOST_FACES = 4
_REFRESH_SECONDS = 2.0
#: Browsers find the way in two seconds, and give up after half a minute.
_PATIENCE_SECONDS = 8.0
_STANDSTILL_SECONDS = 3.0
_FACELESS_SECONDS = 4.0


def show_predictions(session: LiveSession, processor: LiveProcessor) -> None:
    """Draw the readings; while there is a stream they refresh themselves."""
    refresh = _REFRESH_SECONDS if session.is_active else None
    st.fragment(_show_predictions, run_every=refresh)(session, processor)


def _show_predictions(session: LiveSession, processor: LiveProcessor) -> None:
    leave_if_refused("live")
    snapshot = processor.snapshot()
    is_playing = session.state.is_playing
    _show_state(session, snapshot)
    if session.problem is not None:
        st.error(
            f"{plain_text(session.problem)} Until then the one before goes on.",
            icon=":material/error:",
        )
    if snapshot.error is not None:
        show_error(snapshot.error)
    if not is_playing:
        return
    _show_speed(snapshot)
    for face in snapshot.faces[:_MOST_FACES]:
        _show_face(face, processor.controls.minimum_confidence)
    if len(snapshot.faces) > _MOST_FACES:
        st.caption(f"And {len(snapshot.faces) - _MOST_FACES} more, on the picture and below.")


def _show_state(session: LiveSession, snapshot: LiveSnapshot) -> None:
    """One sentence: where things stand, and what to do next."""
    state = session.state
    if state.is_playing:
        _show_playing(snapshot)
        return
    connecting = session.connecting_seconds
    if connecting is not None and connecting < _PATIENCE_SECONDS:
        st.info("Connecting…", icon=":material/sync:")
    elif connecting is not None or session.has_failed_to_connect:
        st.warning(
            _connection_advice(session.ice_servers),
            title="No connection",
            icon=":material/wifi_off:",
        )
    else:
        st.info(
            "Press **Start** and allow the camera when the browser asks. Every face then carries "
            "its emotion, and its probabilities appear here.",
            icon=":material/videocam:",
        )


def _show_playing(snapshot: LiveSnapshot) -> None:
    still = snapshot.seconds_since_frame
    faceless = snapshot.seconds_without_face
    if still is None or still > _STANDSTILL_SECONDS:
        st.warning(
            "No pictures arrive from the camera. Switch it on below the picture, or press Stop and "
            "then Start.",
            icon=":material/videocam_off:",
        )
    elif faceless is not None and faceless > _FACELESS_SECONDS:
        st.info(
            f"No face for {faceless:.0f} s. Look at the camera with light on your face, come "
            "closer, or try the other detector in the sidebar.",
            icon=":material/face:",
        )
    else:
        faces = len(snapshot.faces)
        size = f"{snapshot.width} by {snapshot.height} pixels"
        st.success(
            f"{faces or 'No'} face{'' if faces == 1 else 's'}, {size}",
            icon=":material/videocam:",
        )


def _connection_advice(servers: list[dict[str, Any]]) -> str:
    if not servers:
        return (
            "The camera works, but browser and app find no way to each other. If there is a "
            "firewall or a router between them, whoever runs the app should name a TURN server in "
            "FER_STUDIO_ICE_SERVERS or .streamlit/secrets.toml (docs/deploying.md). Snapshots work "
            "without."
        )
    urls = plain_text(", ".join(url for server in servers for url in server["urls"]))
    return (
        f"Browser and app find no way to each other with {urls}. Whoever runs the app should check "
        "its address, user name and password, and that browser and app can reach it "
        "(docs/deploying.md). Snapshots work without."
    )


def _show_speed(snapshot: LiveSnapshot) -> None:
    often = snapshot.detections_per_second
    times = "" if often is None else f" {often:.0f} times a second"
    # One line, and no metrics side by side: each refresh of those keeps a browser from showing
    # frames for so long that the video suffers from being measured.
    st.markdown(
        f"**{_number(snapshot.frames_per_second)}** frames per second, "
        f"**{_milliseconds(snapshot.frame_milliseconds)}** work per frame (95 % under "
        f"{_milliseconds(snapshot.slow_frame_milliseconds)}; network "
        f"{_milliseconds(snapshot.network_milliseconds)}), detection "
        f"**{_milliseconds(snapshot.detection_milliseconds)}**{times}, "
        f"**{snapshot.frames_dropped:,}** frames dropped",
        help="Work per frame is the server's, median of the last frames; reading all faces with "
        "the network is part of it. Detection goes on beside the frames, and faces are followed in "
        "between. Frames are dropped when the one before took too long, so that the picture does "
        "not lag.",
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} ms"


def _show_face(face: Face, minimum_confidence: float) -> None:
    probability_by_class = face.probability_by_class()
    with st.container(border=True):
        mark = "" if face.is_confident(minimum_confidence) else " (uncertain)"
        st.markdown(f"**{face.track_id}: {face.label} {100 * face.score:.0f} %**{mark}")
        st.echarts_chart(
            face_bars(probability_by_class),
            height=FACE_HEIGHT,
            key=f"live_bars_{face.track_id}",
            alt=f"Probabilities of person {face.track_id}: "
            + ", ".join(
                f"{name} {100 * probability:.0f} %"
                for name, probability in probability_by_class.items()
            ),
        )
