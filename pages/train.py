"""Train: configure, launch, watch, compare and search."""

import streamlit as st

from fer_studio.ui.frame import open_page, show_responsible_use

open_page("train")
VIEWS = ("New training", "Runs", "Compare", "Search")
view = st.segmented_control(
    "Section",
    VIEWS,
    default=VIEWS[0],
    required=True,
    key="view",
    bind="query-params",
    label_visibility="collapsed",
)

# Imported after the first elements of the page; only what the chosen section needs.
from fer_studio.ui.train.sections import show_section

show_section(view)
show_responsible_use()
