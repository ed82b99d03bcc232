"""Run the action of a button, and show the outcome on the page."""

from __future__ import annotations

import time
from collections.abc import Callable

import streamlit as st

from fer_core.errors import InputError
from fer_core.phrases import as_sentence
from fer_studio.ui.access import require_editor
from fer_studio.ui.text import plain_text

_PROBLEM, _DONE = "action_problem", "action_done"
#: Seconds for which an error stays visible, although its part of the page is redrawn every second.
_PROBLEM_SECONDS = 20.0


def run_action(action: Callable[[], object], done: str = "") -> None:
    """Run an action for an editor and keep its outcome for ``show_outcome``.

    Args:
        action: What the button does; an ``InputError`` becomes the error that is shown.
        done: The message on success; empty for none.
    """
    st.session_state.pop(_PROBLEM, None)
    try:
        require_editor()
        action()
    except InputError as error:
        keep_error(str(error))
    else:
        st.session_state[_DONE] = done


def keep_error(sentence: str) -> None:
    """Keep an error message for ``show_outcome``."""
    st.session_state[_PROBLEM] = (sentence, time.monotonic())


def show_outcome() -> None:
    """Show the outcome of the last action."""
    problem, since = st.session_state.get(_PROBLEM, ("", 0.0))
    if problem and time.monotonic() - since < _PROBLEM_SECONDS:
        st.error(plain_text(as_sentence(problem)), icon=":material/error:")
    done = st.session_state.pop(_DONE, "")
    if done:
        st.toast(plain_text(done), icon=":material/check:")
