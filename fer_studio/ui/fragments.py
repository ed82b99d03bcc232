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

    This works around a defect seen in Streamlit 1.67. If a refresh of the fragment is requested
    just before the whole page reruns, it begins directly after this rerun. Streamlit then discards
    the elements of the fragment that the rerun has drawn but not yet sent to the browser. If all of
    them are discarded, the elements below the fragment move up to its position, and the refreshed
    fragment replaces the first of these. That element is missing until the next rerun of the page.
    Here, the fragment is alone in a container, so there are no elements below it that it could
    replace.

    Args:
        draw: Draws the fragment.
        run_every: Seconds between two refreshes; None if the fragment does not refresh itself.
    """
    fragment = st.fragment(draw, run_every=run_every)

    def draw_in_container(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        with st.container():
            fragment(*args, **kwargs)

    return draw_in_container
