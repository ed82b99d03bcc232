"""Sections in tabs; only the open one is computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import streamlit as st

Content = TypeVar("Content")


def show_tabs(
    sections: Mapping[str, Callable[[Content], None]], content: Content, *, key: str
) -> None:
    """Draw the tabs and the content of the open one.

    Args:
        sections: The function that draws each section, by title. Each one imports what it needs
            when it is called, so that a page loads only what it shows.
        content: What the page shows, such as an evaluation; passed to the section's function.
        key: The key of the tabs.
    """
    tabs = st.tabs(list(sections), key=key, on_change="rerun")
    opened = next((tab for tab in tabs if tab.open), tabs[0])
    with opened:
        list(sections.values())[tabs.index(opened)](content)
