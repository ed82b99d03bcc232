"""The browser's webcam through streamlit-webrtc; no other file imports that package.

The component has no option for its appearance. ``assets/webcam_frame.css`` styles its elements by
their class names; if a later version changes these names, the component gets its original look.

This file uses two private attributes of streamlit-webrtc, as of version 0.79.0:

- ``_last_rendered_run_count``: streamlit-webrtc mistakes several quick reruns, such as those of
  refreshing fragments, for a page change and stops the stream (since 0.72.1). The browser then says
  "connected" and shows no picture. The value None means "unknown" and prevents this mistake.
- ``_SERVER_GLOBAL_RELAY_ATTR_NAME_``: the name of the attribute of Streamlit's runtime that
  contains the relay of all streams. This file replaces it with a ``NewestFrameRelay``, because
  the default relay keeps every frame for an encoder that falls behind.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.runtime import Runtime
from streamlit_webrtc import WebRtcMode, webrtc_streamer
from streamlit_webrtc.config import Translations
from streamlit_webrtc.relay import _SERVER_GLOBAL_RELAY_ATTR_NAME_

from fer_core.errors import InputError, first_line
from fer_studio.ui.video_channel import NewestFrameRelay, VideoChannel

logger = logging.getLogger(__name__)

#: Texts that replace the component's own texts.
_TRANSLATIONS: Translations = {
    "start": "Start",
    "stop": "Stop",
    "select_device": "Choose camera",
    "turn_camera_on": "Switch the camera on",
    "turn_camera_off": "Switch the camera off",
    "select_camera": "Choose camera",
    "media_api_not_available": "Browsers allow cameras only over HTTPS or on localhost: open "
    "the page there",
    "device_ask_permission": "Allow the camera when the browser asks",
    "device_not_available": "No camera available: connect one, or close the program that uses it",
    "device_access_denied": "The browser denied access to the camera: allow it next to the address "
    "and try again",
}


_ASSETS = Path(__file__).parent / "assets"
_FRAME_CSS = (_ASSETS / "webcam_frame.css").read_text(encoding="utf-8")
_add_styles = st.components.v2.component(
    "fer_studio_webcam_frame",
    js=(_ASSETS / "webcam_frame.js").read_text(encoding="utf-8"),
    isolate_styles=False,
)

#: The interpreter's thread switch interval in seconds. The processing of a frame acquires the
#: interpreter lock about twelve times. While a page is drawn, each acquisition waits for one switch
#: interval. With the default of 5 ms, these waits together would be longer than the time between
#: two frames.
_THREAD_SWITCH_SECONDS = 0.0005


@dataclass(frozen=True)
class StreamState:
    """The state that the browser reports for its stream.

    Attributes:
        is_playing: True if the stream is connected.
        is_connecting: True if the browser has the camera and is connecting to the server.
    """

    is_playing: bool = False
    is_connecting: bool = False


def show_webcam(
    key: str,
    make_channel: Callable[[], VideoChannel],
    *,
    ice_servers: list[dict[str, Any]],
    on_change: Callable[[], None],
) -> None:
    """Draw the webcam with its buttons and show the frames that the channel returns.

    ``assets/live.css`` defines the size of the picture, which is the same before, during and after
    a stream.

    Args:
        key: Key of the component; also the argument of ``stream_state``.
        make_channel: Creates a channel, which processes the frames of one connection.
        ice_servers: Servers as returned by ``load_ice_servers``; may be empty if browser and app
            can connect directly, for example on localhost.
        on_change: Called when the state of the stream changes, also when it begins to connect.

    Raises:
        InputError: The connection that the browser requests cannot be set up.
    """
    _replace_relay()
    sys.setswitchinterval(_THREAD_SWITCH_SECONDS)
    _forget_run_count(key)
    # Every rerun of the page creates a channel, but the component uses only the channel that it
    # gets when a connection starts.
    channel = make_channel()
    with st.container(key="webcam"), st.container(key="webcam_stage", gap=None):
        _add_styles(key=f"{key}_styles", data={"css": _FRAME_CSS})
        _draw_component(key, channel, ice_servers, on_change)


def _draw_component(
    key: str,
    channel: VideoChannel,
    ice_servers: list[dict[str, Any]],
    on_change: Callable[[], None],
) -> None:
    try:
        webrtc_streamer(
            key=key,
            mode=WebRtcMode.SENDRECV,
            # An empty list means no servers; None would mean public servers on the internet.
            rtc_configuration={"iceServers": ice_servers},
            media_stream_constraints={
                "video": {
                    "width": {"ideal": 640},
                    "height": {"ideal": 480},
                    "frameRate": {"ideal": 30},
                },
                "audio": False,
            },
            sink_video_track=channel,
            source_video_track=channel.output,
            sendback_audio=False,
            video_html_attrs={
                "autoPlay": True,
                # The controls are for full screen. Their buttons to save the video and to change
                # the speed are removed, because they do not work with a stream.
                "controls": True,
                "controlsList": "nodownload noplaybackrate noremoteplayback",
                "muted": True,
                "playsInline": True,
                "style": {"width": "100%"},
            },
            translations=_TRANSLATIONS,
            on_change=on_change,
        )
    except Exception as error:
        # streamlit-webrtc may raise any exception when it reads the browser's connection offer.
        # Streamlit's exceptions that stop or rerun a script do not derive from Exception.
        logger.exception("A connection could not be set up")
        raise InputError(
            f"The connection to the camera could not be set up ({first_line(error)}); press Stop, "
            "then Start."
        ) from error


def stream_state(key: str) -> StreamState:
    """Return the state of the component with this key in the current session."""
    context = st.session_state.get(key)
    if context is None:
        return StreamState()
    return StreamState(is_playing=context.state.playing, is_connecting=context.state.signalling)


def _forget_run_count(key: str) -> None:
    """Prevent streamlit-webrtc from mistaking quick reruns for a page change."""
    context = st.session_state.get(key)
    if context is not None:
        context._last_rendered_run_count = None


def _replace_relay() -> None:
    """Make a ``NewestFrameRelay`` the relay that all streams of this server share.

    Do nothing if this has already been done.
    """
    runtime = Runtime.instance()
    if not isinstance(getattr(runtime, _SERVER_GLOBAL_RELAY_ATTR_NAME_, None), NewestFrameRelay):
        setattr(runtime, _SERVER_GLOBAL_RELAY_ATTR_NAME_, NewestFrameRelay())
