"""The error of the last action on the video page, shown once in the next run of the page."""

from __future__ import annotations

import logging
from collections.abc import Callable

import streamlit as st

from fer_core.errors import InputError
from fer_studio.ui.messages import show_error

_ERROR = "video_error"
_LOG = logging.getLogger(__name__)


def act(action: Callable[[], object]) -> None:
    """Run an action of a button; keep the message of an ``InputError`` for ``show_feedback``."""
    st.session_state.pop(_ERROR, None)
    try:
        action()
    except InputError as error:
        st.session_state[_ERROR] = str(error)


def show_feedback() -> None:
    """Draw the error of the last action, if it failed."""
    message = st.session_state.pop(_ERROR, None)
    if message is not None:
        show_error(message)
