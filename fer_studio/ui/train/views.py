"""The sections of the train page and their selection.

In the session and in the address of the page, the selected section is called ``view``.
"""

from __future__ import annotations

import streamlit as st

from fer_studio.ui.persistent_widgets import persistent_segments

#: Names of two values: the title of the selected section, and the ID of the run that the section
#: "Runs" shows. Each name is both a session key and the name of a parameter in the address.
VIEW, RUN = "view", "run"

NEW_TRAINING, RUNS, COMPARE, SEARCH, MODELS = "New training", "Runs", "Compare", "Search", "Models"


def choose_view() -> str:
    """Draw the selection of a section and return its title."""
    return persistent_segments(
        "Section",
        (NEW_TRAINING, RUNS, COMPARE, SEARCH, MODELS),
        key=VIEW,
        name=VIEW,
        write=lambda title: title.lower().replace(" ", "-"),
        label_visibility="collapsed",
    )


def open_run(run_id: str) -> None:
    """Show a run in the section "Runs"; the callback of a button."""
    st.session_state[RUN] = run_id
    st.session_state[VIEW] = RUNS
