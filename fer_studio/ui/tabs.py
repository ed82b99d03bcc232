"""Sections in tabs. Only the open tab is computed, and its name is part of the page's URL."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import streamlit as st
from streamlit.elements.lib.mutable_tab_container import TabContainer

from fer_studio.ui.persistent_widgets import persist_choice

Content = TypeVar("Content")


def show_tabs(
    sections: Mapping[str, Callable[[Content], None]], content: Content, *, key: str
) -> None:
    """Draw the tabs and the content of the open tab.

    Args:
        sections: The function that draws each section, by title. Each function imports what it
            needs when it is called, so that a page loads only what it shows.
        content: What the page shows, such as an evaluation; passed to the section's function.
        key: The key of the tabs.
    """
    tabs = persistent_tabs(list(sections), key=key)
    opened = next((tab for tab in tabs if tab.open), tabs[0])
    with opened:
        list(sections.values())[tabs.index(opened)](content)


def persistent_tabs(
    titles: Sequence[str], *, key: str, name: str = "tab"
) -> Sequence[TabContainer]:
    """Draw tabs. The open tab is remembered, and its name is part of the page's URL.

    Args:
        titles: The titles, which may begin with an icon.
        key: The key of the tabs.
        name: The name of the parameter in the URL.
    """
    persist_choice(
        key, titles, name=name, noun="tab", write=_name_in_address, describe=_name_in_address
    )
    return st.tabs(titles, key=key, on_change="rerun")


def _name_in_address(title: str) -> str:
    """Return a title as the URL contains it, without the icon: "confusion-matrix"."""
    return re.sub(r":[^:]*:", "", title).strip().lower().replace(" ", "-")
