"""The panel next to the live picture: state of the stream, speed, and predictions per face."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import streamlit as st

from fer_core.classes import class_colors
from fer_core.live.processor import LiveProcessor
from fer_core.live.snapshot import LiveSnapshot
from fer_core.vision.face import Face
from fer_studio.ui.access import leave_if_refused
from fer_studio.ui.live.session import LiveSession
from fer_studio.ui.messages import show_error
from fer_studio.ui.text import plain_text

_MAX_FACES = 4
#: State and speed change slowly; each refresh of their elements delays the browser's video.
_REFRESH_SECONDS = 2.0
#: The interval at which new predictions are drawn into the picture.
_CARD_SECONDS = 0.19
#: The camera is regarded as off after this time; at the start some send a dark picture.
_BLANK_SECONDS = 1.5
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
    is_active = session.is_active
    refresh = _REFRESH_SECONDS if is_active else None
    st.fragment(_show_stream, run_every=refresh)(session, processor)
    refresh = _CARD_SECONDS if session.state.is_playing else None
    st.fragment(_show_faces, run_every=refresh)(session, processor)


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


def _show_stream(session: LiveSession, processor: LiveProcessor) -> None:
    leave_if_refused("live")
    snapshot = processor.snapshot()
    is_playing = session.state.is_playing
    _show_state(session, snapshot)
    if session.problem is not None:
        st.error(
            f"{plain_text(session.problem)} The previous one stays in use.",
            icon=":material/error:",
        )
    if snapshot.error is not None:
        show_error(snapshot.error)
    if is_playing:
        _show_speed(snapshot)


def _show_faces(session: LiveSession, processor: LiveProcessor) -> None:
    """Draw the predictions that are in the picture, five times a second."""
    leave_if_refused("live")
    # One element of plain text and bars: a chart takes too long to draw five times a second.
    st.html(_cards(processor.snapshot().faces if session.state.is_playing else ()))


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
    elif snapshot.seconds_blank > _BLANK_SECONDS:
        st.warning(
            "The camera is off or covered: its picture shows nothing. Switch it on, open its "
            "cover, or choose another camera below the picture.",
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


def _cards(faces: Sequence[Face]) -> str:
    """Return the cards of the first faces as HTML: result and a bar for each class."""
    if not faces:
        # An element without content would be removed, and the cards below would move.
        return "<div></div>"
    cards = [_card(face) for face in faces[:_MAX_FACES]]
    if len(faces) > _MAX_FACES:
        cards.append(f"<p>And {len(faces) - _MAX_FACES} more, in the picture and below.</p>")
    return f'<div data-testid="live-faces">{"".join(cards)}</div>'


def _card(face: Face) -> str:
    title = f"<strong>{face.track_id}: {html.escape(face.description)}</strong>"
    bars = "" if face.is_too_small else "".join(_bars(face))
    return (
        '<div style="border: 1px solid #8A8A8A66; border-radius: 0.5rem; padding: 0.6rem 0.8rem; '
        f'margin-bottom: 0.6rem">{title}{bars}</div>'
    )


def _bars(face: Face) -> list[str]:
    colors = class_colors(face.classes)
    return [
        '<div style="display: flex; align-items: center; gap: 0.5rem; font-size: 0.875rem">'
        f'<span style="width: 5.5rem; overflow: hidden; text-overflow: ellipsis">'
        f"{html.escape(name)}</span>"
        '<span style="flex: 1; background: #8A8A8A33; height: 0.7rem">'
        f'<span style="display: block; height: 100%; width: {100 * probability:.0f}%; '
        f'background: {colors[name]}"></span></span>'
        f'<span style="width: 2.8rem; text-align: right">{100 * probability:.0f} %</span></div>'
        for name, probability in face.probability_by_class().items()
    ]
