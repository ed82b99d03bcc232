"""The decorator of page sections: it makes them fragments and shows invalid input as a message."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeVar

import streamlit as st

from fer_core.errors import InputError
from fer_studio.ui.access import rerun_if_refused
from fer_studio.ui.address import address_scope
from fer_studio.ui.messages import show_error

Content = TypeVar("Content")


def section(draw: Callable[[Content], None]) -> Callable[[Content], None]:
    """Turn a section into a fragment that shows an ``InputError`` as a message.

    The selections in the section become part of the page's address. A click inside the section
    reruns only the section, so the exception must be caught here.

    Args:
        draw: Draws the section; its argument is the content of the page.
    """

    @st.fragment
    @functools.wraps(draw)
    def guarded(content: Content) -> None:
        # Only the evaluate page and the dataset page use this decorator. The dataset page requires
        # a higher role, which a further decorator of its sections checks.
        rerun_if_refused("evaluate")
        try:
            with address_scope(draw.__name__):
                draw(content)
        except InputError as error:
            show_error(error)

    return guarded
