"""The selection of a section of the train page; imports nothing that is slow to load."""

from __future__ import annotations

from fer_studio.ui.kept import kept_segments

_VIEWS = ("New training", "Runs", "Compare", "Search", "Models")


def choose_view() -> str:
    """Draw the selection and return the title of the section."""
    return kept_segments(
        "Section",
        _VIEWS,
        key="view",
        name="view",
        write=lambda title: title.lower().replace(" ", "-"),
        label_visibility="collapsed",
    )
