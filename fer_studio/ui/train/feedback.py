"""Run the actions of buttons, and show their outcomes when the page is drawn again."""

from __future__ import annotations

import time
from collections.abc import Callable

import streamlit as st

from fer_core.errors import InputError
from fer_core.phrases import as_sentence
from fer_studio.ui.access import require_editor
from fer_studio.ui.text import plain_text

#: Session keys of the error and of the success message of the latest action.
_ERROR, _SUCCESS = "action_error", "action_success"
#: Seconds for which an error stays visible. To show an error only once would not be enough: while a
#: training runs, the part of the page that shows errors is drawn again every second.
_ERROR_SECONDS = 20.0


def run_action(action: Callable[[], object], success_message: str = "") -> None:
    """Run an action if the visitor is an editor, and keep the outcome for ``show_outcome``.

    Args:
        action: What the button does; the message of an ``InputError`` is shown as an error.
        success_message: Shown if the action succeeds; empty to show nothing.
    """
    st.session_state.pop(_ERROR, None)
    try:
        require_editor()
        action()
    except InputError as error:
        keep_error(str(error))
    else:
        st.session_state[_SUCCESS] = success_message


def keep_error(message: str) -> None:
    """Keep an error message for ``show_outcome``."""
    st.session_state[_ERROR] = (message, time.monotonic())


def show_outcome() -> None:
    """Show the outcome of the latest action: an error for a while, a success message once."""
    error, since = st.session_state.get(_ERROR, ("", 0.0))
    if error and time.monotonic() - since < _ERROR_SECONDS:
        st.error(plain_text(as_sentence(error)), icon=":material/error:")
    success_message = st.session_state.pop(_SUCCESS, "")
    if success_message:
        st.toast(plain_text(success_message), icon=":material/check:")
