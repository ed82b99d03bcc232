"""The sections "Runs" and "Compare" before the first training: a text and a button."""

from __future__ import annotations

import streamlit as st

from fer_studio.ui.train.views import NEW_TRAINING, VIEW


def show_no_runs(text: str) -> None:
    """Draw the text, and the button that opens the form of a new training.

    Args:
        text: What the section shows once there is a run; Markdown.
    """
    with st.container(border=True):
        st.markdown(text)
        st.button(NEW_TRAINING, key="first_training", icon=":material/add:", on_click=_open_form)


def _open_form() -> None:
    st.session_state[VIEW] = NEW_TRAINING
