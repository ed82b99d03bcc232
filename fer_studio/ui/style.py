"""Styles of single containers for which Streamlit has no setting."""

from __future__ import annotations

import streamlit as st


def style_container(key: str, css: str) -> None:
    """Style a container.

    Call this function inside the container. It draws an empty element with the styles. If the
    container has a gap between its elements, this element adds a visible gap.

    Args:
        key: The key of the container.
        css: Declarations, such as "min-height: 100px;".
    """
    # st.html is not suitable: the browser loads it later than the elements around it, and these
    # elements would move when the style arrives.
    st.markdown(f"<style>.st-key-{key} {{ {css} }}</style>", unsafe_allow_html=True)
