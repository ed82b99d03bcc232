"""Error messages on pages."""

from __future__ import annotations

import streamlit as st

from fer_studio.ui.text import plain_text


def show_error(error: Exception | str) -> None:
    """Show an ``InputError``, or the stored message of one, as it is."""
    st.error(plain_text(str(error)), icon=":material/error:")
