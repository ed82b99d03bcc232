"""The browser's webcam, through streamlit-webrtc: the only file that knows that package.

What is private in it and used here nevertheless, all seen in version 0.79.0:

- ``_last_rendered_run_count``: a burst of quick script runs, such as fragments that refresh
  themselves, is taken for a change of page, and the running stream is stopped (since 0.72.1). The
  browser then says "connected" and shows nothing. None means "not known", and nothing is stopped.
- The relay that all streams share is an attribute of Streamlit's runtime. Ours takes its place,
  because the usual one keeps every frame for an encoder that falls behind.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import streamlit as st
from streamlit.runtime import Runtime
from streamlit_webrtc import WebRtcMode, webrtc_streamer
from streamlit_webrtc.config import Translations
from streamlit_webrtc.relay import _SERVER_GLOBAL_RELAY_ATTR_NAME_

from fer_core.errors import InputError, first_line
from fer_studio.ui.video_channel import NewestFrameRelay, VideoChannel

logger = logging.getLogger(__name__)

#: What the component says itself, in place of terms that only programmers know.
_TRANSLATIONS: Translations = {
    "select_device": "Choose camera",
    "media_api_not_available": "This page may not use cameras: open it over HTTPS, or on localhost",
    "device_ask_permission": "Allow the camera in the browser's question",
    "device_not_available": "No camera can be used: connect one, or close the program that uses it",
    "device_access_denied": "The browser denies this page the camera: allow it beside the address "
    "and try again",
}


#: A frame passes the interpreter's lock a dozen times, and whenever a page's script runs meanwhile
#: each passage waits for its turn: 5 ms by default, which is a frame's whole time in the end.
_SWITCH_SECONDS = 0.0005


@dataclass(frozen=True)
class StreamState:
    """What the browser says about its stream.

    Attributes:
        is_playing: Whether it is connected.
        is_connecting: Whether it has the camera and looks for the way to the server.
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
    """Draw the webcam with its buttons; its picture goes through a channel and comes back.

    Args:
        key: Of the component; ``stream_state`` takes the same.
        make_channel: Makes what a connection goes through.
        ice_servers: As ``load_ice_servers`` gives them; none is right on localhost.
        on_change: Called when the stream starts or ends.

    Raises:
        InputError: The connection that the browser asks for cannot be set up.
    """
    _share_newest_frames_only()
    sys.setswitchinterval(_SWITCH_SECONDS)
    _forget_run_count(key)
    # Only the one that a connection begins with is ever started.
    channel = make_channel()
    try:
        webrtc_streamer(
            key=key,
            mode=WebRtcMode.SENDRECV,
            # An empty list, never None: that would mean public servers on the internet.
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
                # For the whole screen; a stream can neither be saved nor played faster.
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
        # Whatever the browser's offer makes the package raise; Streamlit's own signals to stop or
        # run again are no Exceptions.
        logger.exception("A connection could not be set up")
        raise InputError(
            f"The connection to the camera could not be set up ({first_line(error)}); press Stop, "
            "then Start."
        ) from error


def stream_state(key: str) -> StreamState:
    """The state of the component with this key, in this session."""
    context = st.session_state.get(key)
    if context is None:
        return StreamState()
    return StreamState(is_playing=context.state.playing, is_connecting=context.state.signalling)


def _forget_run_count(key: str) -> None:
    """Keep quick script runs from being taken for a change of page."""
    context = st.session_state.get(key)
    if context is not None:
        context._last_rendered_run_count = None


def _share_newest_frames_only() -> None:
    runtime = Runtime.instance()
    if not isinstance(getattr(runtime, _SERVER_GLOBAL_RELAY_ATTR_NAME_, None), NewestFrameRelay):
        setattr(runtime, _SERVER_GLOBAL_RELAY_ATTR_NAME_, NewestFrameRelay())
