"""The panel next to the live picture: state of the stream, speed, and predictions per face."""

from __future__ import annotations

from typing import Any

import streamlit as st

from fer_core.charts.live import face_bars, face_height
from fer_core.live.processor import LiveProcessor
from fer_core.live.snapshot import LiveSnapshot
from fer_core.vision.face import Face
from fer_studio.ui.access import leave_if_refused
from fer_studio.ui.live.session import LiveSession
from fer_studio.ui.messages import show_error
from fer_studio.ui.text import plain_text

_MAX_FACES = 4
_REFRESH_SECONDS = 2.0
#: Seconds after which help is shown. Browsers connect within two seconds and give up after half a
#: minute.
_SLOW_CONNECTION_SECONDS = 8.0
_STALLED_SECONDS = 3.0
_NO_FACE_SECONDS = 4.0
#: Minimum frame rate at which motion looks smooth.
_SMOOTH_FRAMES_PER_SECOND = 20.0
#: Above this share of busy time, the processing of frames limits the frame rate.
_BUSY_SHARE = 0.7


def show_predictions(session: LiveSession, processor: LiveProcessor) -> None:
    """Draw the predictions; they refresh automatically while a stream is active."""
    refresh = _REFRESH_SECONDS if session.is_active else None
    st.fragment(_show_predictions, run_every=refresh)(session, processor)


def speed_text(snapshot: LiveSnapshot) -> str:
    """Return the frame rate and what it means, such as "29 fps, smooth"."""
    rate, milliseconds = snapshot.frames_per_second, snapshot.frame_milliseconds
    if rate is None or milliseconds is None:
        return "Measuring the frame rate…"
    if rate >= _SMOOTH_FRAMES_PER_SECOND:
        verdict = "smooth"
    elif rate * milliseconds / 1000 < _BUSY_SHARE:
        verdict = "slow: limited by camera, connection or server load"
    else:
        verdict = "slow: this server skips frames"
    return f"{rate:.0f} fps, {verdict}"


def _show_predictions(session: LiveSession, processor: LiveProcessor) -> None:
    leave_if_refused("live")
    snapshot = processor.snapshot()
    is_playing = session.state.is_playing
    _show_state(session, snapshot)
    if session.problem is not None:
        st.error(
            f"{plain_text(session.problem)} Until then the previous one is used.",
            icon=":material/error:",
        )
    if snapshot.error is not None:
        show_error(snapshot.error)
    if not is_playing:
        return
    _show_speed(snapshot)
    for face in snapshot.faces[:_MAX_FACES]:
        _show_face(face, processor.controls.minimum_confidence)
    if len(snapshot.faces) > _MAX_FACES:
        st.caption(f"And {len(snapshot.faces) - _MAX_FACES} more, in the picture and below.")


def _show_state(session: LiveSession, snapshot: LiveSnapshot) -> None:
    """Draw one sentence: the state of the stream, and what to do next."""
    if session.state.is_playing:
        _show_playing(snapshot)
        return
    connecting = session.connecting_seconds
    if connecting is not None and connecting < _SLOW_CONNECTION_SECONDS:
        st.info("Connecting…", icon=":material/sync:")
    elif connecting is not None or session.has_failed_to_connect:
        st.warning(
            _connection_advice(session.ice_servers),
            title="No connection",
            icon=":material/wifi_off:",
        )
    else:
        st.info(
            "Press **Start** and allow the camera when the browser asks. Every face is then marked "
            "with its emotion, and its probabilities appear here.",
            icon=":material/videocam:",
        )


def _show_playing(snapshot: LiveSnapshot) -> None:
    seconds_since_frame = snapshot.seconds_since_frame
    seconds_without_face = snapshot.seconds_without_face
    if seconds_since_frame is None or seconds_since_frame > _STALLED_SECONDS:
        st.warning(
            "The camera sends no pictures. Switch it on below the picture, or press Stop and then "
            "Start.",
            icon=":material/videocam_off:",
        )
    elif seconds_without_face is not None and seconds_without_face > _NO_FACE_SECONDS:
        st.info(
            f"No face for {seconds_without_face:.0f} s. Look at the camera with light on your "
            "face, come closer, or try another detector above.",
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
            "The camera works, but browser and app cannot connect to each other. If there is a "
            "firewall or a router between them, the administrator of this app should configure a "
            "TURN server in FER_STUDIO_ICE_SERVERS or .streamlit/secrets.toml (docs/deploying.md). "
            "Snapshots work without it."
        )
    urls = plain_text(", ".join(url for server in servers for url in server["urls"]))
    return (
        f"Browser and app cannot connect to each other through {urls}. The administrator of this "
        "app should check its address, user name and password, and that browser and app can reach "
        "it (docs/deploying.md). Snapshots work without it."
    )


def _show_speed(snapshot: LiveSnapshot) -> None:
    st.markdown(f"**{speed_text(snapshot)}**")
    # One text instead of several metrics: each refresh of those delays the browser's video.
    with st.expander("Details"):
        st.markdown(
            f"- Processing per frame: {_milliseconds(snapshot.frame_milliseconds)} (median), "
            f"{_milliseconds(snapshot.slow_frame_milliseconds)} (95th percentile)\n"
            f"- Of this, classification: {_milliseconds(snapshot.network_milliseconds)}\n"
            f"- Face detection in the background: "
            f"{_milliseconds(snapshot.detection_milliseconds)}, "
            f"{_rate(snapshot.detections_per_second)}; faces are tracked in between\n"
            f"- Skipped frames: {snapshot.frames_dropped:,}; a frame is skipped if the previous "
            "ones are still being processed, so that the picture is not delayed"
        )


def _rate(per_second: float | None) -> str:
    if per_second is None or per_second < 1:
        return "less than once per second"
    return f"{per_second:.0f} times per second"


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} ms"


def _show_face(face: Face, minimum_confidence: float) -> None:
    probability_by_class = face.probability_by_class()
    with st.container(border=True):
        mark = "" if face.is_confident(minimum_confidence) else " (uncertain)"
        st.markdown(f"**{face.track_id}: {plain_text(face.label)} {100 * face.score:.0f} %**{mark}")
        st.echarts_chart(
            face_bars(probability_by_class),
            height=face_height(len(face.classes)),
            key=f"live_bars_{face.track_id}",
            alt=f"Probabilities of person {face.track_id}: "
            + ", ".join(
                f"{name} {100 * probability:.0f} %"
                for name, probability in probability_by_class.items()
            ),
        )
