"""The picture of the live page: the webcam's stream, or what stands in its way."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

import streamlit as st

from fer_core.errors import InputError
from fer_studio.ui.ice import load_ice_servers
from fer_studio.ui.live.session import STREAM_KEY, LiveSession
from fer_studio.ui.messages import show_error
from fer_studio.ui.text import plain_text
from fer_studio.ui.webrtc import show_webcam


def may_use_camera(url: str | None) -> bool:
    """Whether browsers let a page at this address use the camera.

    Args:
        url: The page's address as the browser knows it; None if it is not known.
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
    """Say why there can be no camera at this address, and what to do."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    st.error(
        f"This page was opened as {plain_text(f'{parts.scheme}://{parts.netloc}')}, and browsers "
        "let pages use the camera on HTTPS or on localhost only. On the machine that runs the app, "
        f"open {plain_text(f'http://localhost{port}/live')}; from elsewhere, put the app behind "
        "HTTPS as docs/deploying.md tells.",
        title="No camera at this address",
        icon=":material/no_encryption:",
    )


def show_stream(session: LiveSession) -> None:
    """Draw the webcam's picture with its buttons, and what to do when it does not start."""
    session.ice_servers = []
    try:
        session.ice_servers = load_ice_servers()
    except InputError as error:
        st.warning(
            f"{plain_text(str(error))} Until then only browsers on this machine or in its network "
            "can connect.",
            icon=":material/warning:",
        )
    try:
        show_webcam(
            STREAM_KEY,
            session.make_channel,
            ice_servers=session.ice_servers,
            on_change=session.note_change,
        )
    except InputError as error:
        show_error(error)
    with st.expander("If the picture does not start", icon=":material/help:"):
        st.markdown(_HELP)


#: The words in quotes are those that browsers put into the red message above the buttons.
_HELP = """
**Nothing happens, or "NotAllowedError"**: the browser or the system denies the camera. Click the
camera sign beside the address, allow it, and press Start again. On macOS and Windows the browser
itself also needs permission, in the system's privacy settings.

**"NotFoundError"**: there is no camera. Connect one, and press Start again.

**"NotReadableError"**: another program uses the camera. Close it (a video call, mostly), or pick
another camera with the button "Choose camera".

**"mediaDevices is undefined"**: browsers give the camera to pages on HTTPS or localhost only.

**"Connection is taking longer than expected"**: the camera works, but browser and app find no way
to each other, mostly because of a firewall or a router between them. Whoever runs the app names a
TURN server: docs/deploying.md tells how. Until then, switch to "Snapshots" above: they need no such
connection.
"""
