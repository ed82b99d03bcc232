"""Fragments that refresh themselves, and stay in their place."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec

import streamlit as st

Parameters = ParamSpec("Parameters")


def placed_fragment(
    draw: Callable[Parameters, None], *, run_every: float | None = None
) -> Callable[Parameters, None]:
    """Turn a function into a fragment whose refreshes cannot replace the elements below it.

    A refresh that the browser requested before a run of the whole page begins directly after that
    run. Streamlit then drops what the run has drawn for the fragment and not yet sent. If that is
    all of it, the browser moves the elements below the fragment up, and draws the refreshed
    fragment over the first of them, which is missing until the page runs again (seen in Streamlit
    1.67). In a container of its own, a fragment has no elements below it.

    Args:
        draw: Draws the fragment.
        run_every: Seconds between two refreshes; None if the fragment does not refresh itself.
    """
    fragment = st.fragment(draw, run_every=run_every)

    def draw_in_container(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        with st.container():
            fragment(*args, **kwargs)

    return draw_in_container
