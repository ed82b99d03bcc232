"""A choice that is part of the page's address, so that a reload or a link leads back to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st


def choose_by_address(
    label: str,
    options: Sequence[str],
    *,
    key: str,
    title: Callable[[str], str] = str,
    hint: str | None = None,
) -> str:
    """A list of choices, of which the address holds the plain one.

    Streamlit's own binding would hold the title, which changes when a run is given a name.

    Args:
        label: Of the list.
        options: At least one; the first is chosen unless the session or the address names another.
        key: In the session and in the address.
        title: What an option is called.
        hint: Help.
    """
    if st.session_state.get(key) not in options:
        named = st.query_params.get(key)
        st.session_state[key] = named if named in options else options[0]
    chosen: str = st.selectbox(label, options, key=key, format_func=title, help=hint)
    if st.query_params.get(key) != chosen:
        st.query_params[key] = chosen
    return chosen
