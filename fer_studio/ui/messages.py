"""How pages say what went wrong."""

from __future__ import annotations

import streamlit as st

from fer_studio.ui.text import plain_text


def show_error(error: Exception | str) -> None:
    """Show an ``InputError``, or the sentence that was kept of one, as it is written."""
    st.error(plain_text(str(error)), icon=":material/error:")
