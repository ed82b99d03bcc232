"""The entries of the home page: what a visitor can start with."""

from __future__ import annotations

import streamlit as st

from fer_studio.ui.access import admission

#: The page, icon, title and description of each card.
_ENTRIES = (
    (
        "analyze",
        ":material/image:",
        "Analyze photos",
        "Every face with its emotions and probabilities, as a picture and as a table.",
    ),
    (
        "live",
        ":material/videocam:",
        "Use the webcam",
        "The emotion of every face in real time, and a table of the results to download.",
    ),
    (
        "video",
        ":material/movie:",
        "Analyze a video",
        "The emotions of every person over time, with a timeline and an annotated video.",
    ),
    (
        "train",
        ":material/model_training:",
        "Train a model",
        "Use your own faces, FER2013 or the demo set, and publish the best model.",
    ),
)
_CARDS_PER_ROW = 2
#: Height of a card in pixels.
_CARD_HEIGHT = 112


def show_entries() -> None:
    """Draw a card for each entry that the visitor may use."""
    visitor = admission()
    allowed = [entry for entry in _ENTRIES if visitor.may_open(entry[0])]
    for start in range(0, len(allowed), _CARDS_PER_ROW):
        for column, entry in zip(
            st.columns(_CARDS_PER_ROW), allowed[start : start + _CARDS_PER_ROW], strict=False
        ):
            page, icon, title, description = entry
            with column.container(border=True, height=_CARD_HEIGHT, gap="xsmall"):
                st.page_link(f"pages/{page}.py", label=f"**{title}**", icon=icon)
                st.caption(description)
