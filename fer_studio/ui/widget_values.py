"""Values that the script sets for widgets."""

from __future__ import annotations

import time
from typing import Any

import streamlit as st

#: Session state: when each widget was drawn for the first time, by key, as ``time.monotonic()``.
_FIRST_DRAWN = "_widgets_first_drawn"
#: How long the browser may take to load the code of a widget.
_LOADING_SECONDS = 15.0


def set_widget_value(key: str, value: Any) -> None:
    """Set the value of the widget that is drawn next.

    It is only set if the widget has another value or may still be loading.

    The browser loads the code for a kind of widget when it shows the first one. If the script runs
    again before the code has arrived, the browser only knows what the last run has sent. Unless
    that run set the value, the widget shows its own default, such as the first option, while the
    script goes on with the value that an earlier run set (seen in Streamlit 1.67). The value is
    therefore set in every run at first. Later, this would undo what the user enters during a run.
    """
    first_drawn = st.session_state.setdefault(_FIRST_DRAWN, {}).setdefault(key, time.monotonic())
    may_be_loading = time.monotonic() - first_drawn < _LOADING_SECONDS
    if may_be_loading or key not in st.session_state or st.session_state[key] != value:
        st.session_state[key] = value
