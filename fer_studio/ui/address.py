"""A selection that is part of the page's address, so that reloads and links restore it."""

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
    """Draw a select box whose value is stored in the address.

    Streamlit's own binding would store the title, which changes when a run is renamed.

    Args:
        label: The label of the select box.
        options: At least one; the first is the default unless the session or the address has
            another one.
        key: The key in the session and in the address.
        title: Returns the title of an option.
        hint: The help text.
    """
    if st.session_state.get(key) not in options:
        named = st.query_params.get(key)
        st.session_state[key] = named if named in options else options[0]
    chosen: str = st.selectbox(label, options, key=key, format_func=title, help=hint)
    if st.query_params.get(key) != chosen:
        st.query_params[key] = chosen
    return chosen
