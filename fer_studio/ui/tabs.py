"""Sections behind tabs, of which only the open one is computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import streamlit as st

Shown = TypeVar("Shown")


def show_tabs(sections: Mapping[str, Callable[[Shown], None]], shown: Shown, *, key: str) -> None:
    """Draw the tabs and what is in the open one.

    Args:
        sections: By title, what draws it. Each imports what it needs when it is called, so that a
            page waits for nothing that it does not show.
        shown: What the page is about.
        key: Of the tabs.
    """
    tabs = st.tabs(list(sections), key=key, on_change="rerun")
    opened = next((tab for tab in tabs if tab.open), tabs[0])
    with opened:
        list(sections.values())[tabs.index(opened)](shown)
