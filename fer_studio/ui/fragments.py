"""Fragments that refresh themselves without replacing the elements below them."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec

import streamlit as st

Parameters = ParamSpec("Parameters")


def placed_fragment(
    draw: Callable[Parameters, None], *, run_every: float | None = None
) -> Callable[Parameters, None]:
    """Turn a function into a fragment whose refreshes cannot replace the elements below it.

    If the browser requests a refresh just before a run of the whole page, the refresh begins
    directly after that run. Streamlit then drops those elements of the fragment that the run has
    drawn but not yet sent to the browser. If the run has sent none of them, the browser moves the
    elements below the fragment up, and the refreshed fragment replaces the first of these elements.
    The replaced element is missing until the page runs again (seen in Streamlit 1.67). A fragment
    with its own container has no elements below it in this container.

    Args:
        draw: Draws the fragment.
        run_every: Seconds between two refreshes; None if the fragment does not refresh itself.
    """
    fragment = st.fragment(draw, run_every=run_every)

    def draw_in_container(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        with st.container():
            fragment(*args, **kwargs)

    return draw_in_container
