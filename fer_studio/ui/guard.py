"""Sections that run on their own, and say in one sentence when something stands in their way."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeVar

import streamlit as st

from fer_core.errors import InputError
from fer_studio.ui.access import leave_if_refused
from fer_studio.ui.messages import show_error

Shown = TypeVar("Shown")


def section(draw: Callable[[Shown], None]) -> Callable[[Shown], None]:
    """Make a section a fragment that shows an ``InputError`` as its sentence.

    A click inside it runs this section alone, so that nobody else could catch what is raised.

    Args:
        draw: Draws it, given what the page is about.
    """

    @st.fragment
    @functools.wraps(draw)
    def guarded(shown: Shown) -> None:
        leave_if_refused("evaluate")
        try:
            draw(shown)
        except InputError as error:
            show_error(error)

    return guarded
