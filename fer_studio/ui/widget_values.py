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

    The value is set if the widget has another value, or if the browser may still be loading the
    code for the widget.

    Until this code has arrived, the browser forgets the values that the script has set (seen in
    Streamlit 1.67). The widget would then show its first option, although the script uses the
    value. For the first seconds, every rerun of the page therefore sets the value again. Later,
    this would undo what the user enters during a rerun.
    """
    first_drawn = st.session_state.setdefault(_FIRST_DRAWN, {}).setdefault(key, time.monotonic())
    may_be_loading = time.monotonic() - first_drawn < _LOADING_SECONDS
    if may_be_loading or key not in st.session_state or st.session_state[key] != value:
        st.session_state[key] = value
