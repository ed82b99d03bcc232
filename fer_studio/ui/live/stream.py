"""The picture of the live page: the webcam stream, or the reason why it is not available."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

import streamlit as st

from fer_core.errors import InputError
from fer_studio.ui.access import rerun_if_refused
from fer_studio.ui.ice import load_ice_servers
from fer_studio.ui.live.session import STREAM_KEY, LiveSession
from fer_studio.ui.messages import show_error
from fer_studio.ui.text import plain_text
from fer_studio.ui.webrtc import show_webcam


def may_use_camera(url: str | None) -> bool:
    """Return True if browsers allow a page at this address to use the camera.

    Args:
        url: The page's address in the browser; None if unknown, which counts as allowed.
    """
    if not url:
        return True
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https" or host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def show_insecure_address(url: str) -> None:
    """Explain why the camera is not available at this address, and what to do."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    st.error(
        f"This page was opened as {plain_text(f'{parts.scheme}://{parts.netloc}')}, and browsers "
        "allow the camera only on HTTPS or localhost. On the machine that runs the app, open "
        f"{plain_text(f'http://localhost{port}/live')}; for other machines, serve the app over "
        "HTTPS (docs/deploying.md).",
        title="No camera at this address",
        icon=":material/no_encryption:",
    )


def show_stream(session: LiveSession) -> None:
    """Draw the webcam's picture with its buttons."""
    session.ice_servers = []
    try:
        session.ice_servers = load_ice_servers()
    except InputError as error:
        st.warning(
            f"{plain_text(str(error))} Until then, only browsers on the app's machine or in its "
            "network can connect.",
            icon=":material/warning:",
        )
    session.is_drawing_page = True
    _show_webcam(session)
    session.is_drawing_page = False


def show_help() -> None:
    """Draw help for errors of the camera and of the connection."""
    with st.expander("If the picture does not start", icon=":material/help:"):
        st.markdown(_HELP)


# A fragment: the component sends its first state a moment after it is drawn. If this message reran
# the whole page, the rerun would replace a page change that the user has just requested.
@st.fragment
def _show_webcam(session: LiveSession) -> None:
    rerun_if_refused("live")
    try:
        show_webcam(
            STREAM_KEY,
            session.make_channel,
            ice_servers=session.ice_servers,
            on_change=session.on_state_change,
        )
    except InputError as error:
        show_error(error)
    # A click outside this fragment could be lost: if the component sends a message just after the
    # click, the browser combines both into one request, which reruns only this fragment (seen in
    # Streamlit 1.67). Each message that arrives while no stream is active therefore reruns the
    # whole page. While a stream is active, its next change of state reruns the page.
    is_message_when_idle = not session.is_drawing_page and not session.is_active
    if session.has_new_state or is_message_when_idle:
        session.has_new_state = False
        st.rerun()  # other parts of the page depend on the stream's state


#: Help for errors of the camera and of the connection. The bold terms in quotes appear in the
#: browser's red message above the buttons.
_HELP = """
**Nothing happens, or "NotAllowedError"**: the browser or the system denies the camera. Click the
camera icon next to the address, allow it, and press Start again. On macOS and Windows the browser
also needs permission in the system's privacy settings.

**"NotFoundError"**: no camera was found. Connect one, and press Start again.

**"NotReadableError"**: another program, such as a video call, uses the camera. Close it, or select
another camera with "Choose camera".

**"mediaDevices is undefined"**: browsers allow the camera only on HTTPS or localhost.

**"Connection is taking longer than expected"**: the camera works, but browser and app cannot
connect to each other, usually because of a firewall or a router. The app's administrator should
configure a TURN server (docs/deploying.md). Until then, switch to "Snapshots" above, which need no
such connection.
"""
