"""Links to the pages that use a model."""

from __future__ import annotations

import streamlit as st

from fer_studio.ui.access import admission

#: Page, label and icon of each link.
_LINKS = (
    ("live", "Try on my webcam", ":material/videocam:"),
    ("analyze", "Analyze a photo", ":material/image:"),
    ("evaluate", "Evaluate", ":material/analytics:"),
)


def show_model_links(name: str) -> None:
    """Draw links to the pages that the visitor may open, with this model selected."""
    visitor = admission()
    for page, label, icon in _LINKS:
        if visitor.may_open(page):
            st.page_link(
                f"pages/{page}.py",
                label=label,
                icon=icon,
                query_params={"model": name},
                width="content",
            )
