"""Actions of buttons, and their outcomes, which the next run of the page shows."""

from __future__ import annotations

import time
from collections.abc import Callable

import streamlit as st

from fer_core.errors import InputError
from fer_core.phrases import as_sentence
from fer_studio.ui.access import require_editor
from fer_studio.ui.text import plain_text

#: Session keys of the error and of the success message of the last action.
_PROBLEM, _SUCCESS = "action_problem", "action_done"
#: Seconds for which an error stays visible, although the part of the page that shows it is redrawn
#: every second while a training runs.
_PROBLEM_SECONDS = 20.0


def run_action(action: Callable[[], object], success_message: str = "") -> None:
    """Run an action for an editor and keep its outcome for ``show_outcome``.

    Args:
        action: What the button does; an ``InputError`` becomes the error that is shown.
        success_message: Shown if the action succeeds; empty to show nothing.
    """
    st.session_state.pop(_PROBLEM, None)
    try:
        require_editor()
        action()
    except InputError as error:
        keep_error(str(error))
    else:
        st.session_state[_SUCCESS] = success_message


def keep_error(sentence: str) -> None:
    """Keep an error message for ``show_outcome``."""
    st.session_state[_PROBLEM] = (sentence, time.monotonic())


def show_outcome() -> None:
    """Show the outcome of the last action."""
    problem, since = st.session_state.get(_PROBLEM, ("", 0.0))
    if problem and time.monotonic() - since < _PROBLEM_SECONDS:
        st.error(plain_text(as_sentence(problem)), icon=":material/error:")
    success_message = st.session_state.pop(_SUCCESS, "")
    if success_message:
        st.toast(plain_text(success_message), icon=":material/check:")
