"""The panel next to the live picture: state of the stream, speed, and predictions per face."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any, Literal

import streamlit as st

from fer_core.classes import class_colors
from fer_core.live.processor import LiveProcessor
from fer_core.live.snapshot import LiveSnapshot
from fer_core.phrases import counted
from fer_core.vision.face import Face
from fer_studio.ui.access import rerun_if_refused
from fer_studio.ui.fragments import placed_fragment
from fer_studio.ui.live.session import LiveSession
from fer_studio.ui.messages import show_error
from fer_studio.ui.text import plain_text

#: Maximum number of faces in the list below the card of the first face.
_MAX_LISTED_FACES = 4
#: Maximum number of bars in the card. If there are more classes, the most probable ones are shown.
_MAX_BARS = 8
#: Heights in pixels of the card without bars, and of one bar. ``assets/live.css`` has about the
#: same heights.
_CARD_HEIGHT, _BAR_HEIGHT = 138, 28
#: Seconds between two refreshes of state and speed. They change slowly, and each refresh of their
#: elements delays the browser's video.
_STATE_REFRESH_SECONDS = 2.0
#: Seconds between two refreshes of the predictions: the interval at which ``LiveProcessor`` changes
#: them.
_PREDICTIONS_REFRESH_SECONDS = 0.19
#: Seconds of a blank picture after which the camera is regarded as off. Some cameras send dark
#: pictures when they start.
_BLANK_SECONDS = 1.5
#: Seconds of connecting after which help is shown. Browsers usually connect within two seconds and
#: give up after half a minute.
_SLOW_CONNECTION_SECONDS = 8.0
#: Seconds without a new frame after which the stream is regarded as interrupted.
_STALLED_SECONDS = 3.0
#: Seconds without a face after which advice is shown.
_NO_FACE_SECONDS = 4.0
#: Minimum frame rate at which motion looks smooth.
_SMOOTH_FRAMES_PER_SECOND = 20.0
#: If the processing of frames takes more than this share of the time, it limits the frame rate.
_BUSY_SHARE = 0.7


def show_predictions(session: LiveSession, processor: LiveProcessor) -> None:
    """Draw the predictions and the state; they refresh automatically while a stream is active."""
    refresh_seconds = _PREDICTIONS_REFRESH_SECONDS if session.state.is_playing else None
    # Before a stream plays, the container has the height of the card, so that the elements below do
    # not move when the browser has loaded the card. assets/live.css alone is not enough, because
    # browsers load it late. While a stream plays, the height is not fixed, because the list of
    # further faces may follow below the card.
    bar_count = min(len(session.classes), _MAX_BARS)
    height: Literal["content"] | int = (
        "content" if session.state.is_playing else _CARD_HEIGHT + _BAR_HEIGHT * bar_count
    )
    with st.container(key=f"live_card_{bar_count}", height=height, border=False):
        placed_fragment(_show_faces, run_every=refresh_seconds)(session, processor)
    refresh_seconds = _STATE_REFRESH_SECONDS if session.is_active else None
    placed_fragment(_show_state_and_speed, run_every=refresh_seconds)(session, processor)


def speed_text(snapshot: LiveSnapshot) -> str:
    """Return the frame rate and how smooth it is, such as "29 fps, smooth"."""
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


def _show_faces(session: LiveSession, processor: LiveProcessor) -> None:
    """Draw the predictions of the faces in the latest frame."""
    rerun_if_refused("live")
    is_playing = session.state.is_playing
    faces = processor.snapshot().faces if is_playing else ()
    text = "No face in the picture" if is_playing else "The emotion of every face appears here"
    # One element of plain text and bars: a chart takes too long to draw five times a second.
    st.html(faces_html(faces, session.classes, empty_text=text))


def _show_state_and_speed(session: LiveSession, processor: LiveProcessor) -> None:
    rerun_if_refused("live")
    snapshot = processor.snapshot()
    _show_state(session, snapshot)
    show_problem(session)
    if snapshot.error is not None:
        show_error(snapshot.error)
    # Always drawn, so that nothing moves when a stream starts.
    with st.expander("Speed"):
        if session.state.is_playing:
            _show_speed(snapshot)
        else:
            st.markdown("Frame rate and processing times are measured while the camera runs.")


def show_problem(session: LiveSession) -> None:
    """Say why the selected model or detector is not in use; draw nothing if it is in use."""
    if session.problem is not None:
        st.error(
            f"{plain_text(session.problem)} The previous model and detector stay in use.",
            icon=":material/error:",
        )


def _show_state(session: LiveSession, snapshot: LiveSnapshot) -> None:
    """Draw one message: the state of the stream and, if necessary, what to do next."""
    connecting = session.connecting_seconds
    if session.state.is_playing:
        _show_playing(snapshot)
    elif connecting is not None and connecting < _SLOW_CONNECTION_SECONDS:
        st.info("Connecting…", icon=":material/sync:")
    elif connecting is not None or session.has_failed_to_connect:
        st.warning(
            _connection_advice(session.ice_servers),
            title="No connection",
            icon=":material/wifi_off:",
        )
    else:
        st.info(
            "Press **Start** and allow the camera.",
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
        # The text has one line, like the message before the start, so that nothing moves.
        face_count = len(snapshot.faces)
        text = counted(face_count, "face") if face_count else "No faces"
        text += f", {snapshot.width} by {snapshot.height} pixels"
        if snapshot.frames_per_second is not None:
            text += f", {snapshot.frames_per_second:.0f} fps"
        st.success(text, icon=":material/videocam:")


def _connection_advice(servers: list[dict[str, Any]]) -> str:
    if not servers:
        return (
            "The camera works, but browser and app cannot connect to each other. If there is a "
            "firewall or a router between them, the administrator of this app should configure a "
            "TURN server in FER_STUDIO_ICE_SERVERS or .streamlit/secrets.toml (docs/deploying.md). "
            "Snapshots work without this connection."
        )
    urls = plain_text(", ".join(url for server in servers for url in server["urls"]))
    return (
        f"Browser and app cannot connect to each other through {urls}. The administrator of this "
        "app should check the address, user name and password of this server, and that browser and "
        "app can reach the server (docs/deploying.md). Snapshots work without this connection."
    )


def _show_speed(snapshot: LiveSnapshot) -> None:
    # One text, not several metrics, because each refreshed element delays the browser's video.
    st.markdown(
        f"**{speed_text(snapshot)}**\n\n"
        f"- Processing per frame: {_milliseconds(snapshot.frame_milliseconds)} (median), "
        f"{_milliseconds(snapshot.slow_frame_milliseconds)} (95th percentile)\n"
        f"- Of this, classification: {_milliseconds(snapshot.network_milliseconds)}\n"
        f"- Face detection in the background: "
        f"{_milliseconds(snapshot.detection_milliseconds)}, "
        f"{rate_text(snapshot.detections_per_second)}; faces are tracked in between\n"
        f"- Skipped frames: {snapshot.dropped_frame_count:,}; a frame is skipped if earlier frames "
        "are still being processed, so that the picture is not delayed"
    )


def rate_text(per_second: float | None) -> str:
    """Return how often something happens, such as "6 times per second".

    Args:
        per_second: The rate; None if there were too few events to measure it.
    """
    if per_second is None or per_second < 1:
        return "less than once per second"
    times = round(per_second)
    return "once per second" if times == 1 else f"{times} times per second"


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} ms"


def faces_html(faces: Sequence[Face], classes: Sequence[str], *, empty_text: str) -> str:
    """Return the predictions as HTML: a large card for the first face, lines for other faces.

    Without a face, the card has the same size and empty bars. ``assets/live.css`` has the styles.

    Args:
        faces: Classified faces with track ids.
        classes: The names of the model's classes.
        empty_text: The text of the card without a face.
    """
    if not faces:
        bars = "".join(_bar(name, None, "") for name in classes[:_MAX_BARS])
        return (
            '<div class="live-face" data-testid="live-faces">'
            f"<span>{html.escape(empty_text)}</span>"
            f'<div class="live-emotion"><strong>&ndash;</strong></div>{bars}</div>'
        )
    other_faces = "".join(
        f"<li{_color_style(face)}>Person {face.track_id}: {html.escape(face.description)}</li>"
        for face in faces[1 : _MAX_LISTED_FACES + 1]
    )
    if len(faces) > _MAX_LISTED_FACES + 1:
        other_faces += f"<li>And {len(faces) - _MAX_LISTED_FACES - 1} more in the picture</li>"
    if other_faces:
        other_faces = f'<ul class="live-others">{other_faces}</ul>'
    return f'<div data-testid="live-faces">{_card(faces[0])}{other_faces}</div>'


def _card(face: Face) -> str:
    headline, detail = _headline(face)
    colors = class_colors(face.classes)
    probabilities = face.probability_by_class()
    names = face.classes
    if len(names) > _MAX_BARS:
        names = tuple(sorted(names, key=lambda name: -probabilities[name])[:_MAX_BARS])
    bars = "".join(
        _bar(name, None if face.is_too_small else probabilities[name], colors[name])
        for name in names
    )
    return (
        f'<div class="live-face"{_color_style(face)}><span>Person {face.track_id}</span>'
        f'<div class="live-emotion"><strong>{html.escape(headline)}</strong>'
        f"{html.escape(detail)}</div>{bars}</div>"
    )


def _headline(face: Face) -> tuple[str, str]:
    """Return the two texts of a card: the result in large type, and the line below it."""
    if face.is_confident:
        return face.label, f"{100 * face.score:.0f} % confidence"
    headline, _, detail = face.description.partition(": ")
    return headline, detail


def _color_style(face: Face) -> str:
    if not face.is_confident:
        return ""
    return f' style="--emotion: {class_colors(face.classes)[face.label]}"'


def _bar(name: str, probability: float | None, color: str) -> str:
    """Return a line with a name, a bar and a percentage; the bar is empty without a probability."""
    if probability is None:
        bar, text = "", "&ndash;"
    else:
        percent = f"{100 * probability:.0f}"
        bar = f'<span style="width: {percent}%; background: {color}"></span>'
        text = f"{percent} %"
    return (
        f'<div class="live-bar"><span>{html.escape(name)}</span><span>{bar}</span>'
        f"<span>{text}</span></div>"
    )
