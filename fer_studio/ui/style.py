"""Styles of single containers, where Streamlit has no setting."""

from __future__ import annotations

import streamlit as st


def style_container(key: str, css: str) -> None:
    """Style a container; must be called in it, and the container should have no gap.

    Args:
        key: Its key.
        css: Declarations, such as "min-height: 100px;".
    """
    # Not ``st.html``, which the browser loads later than the elements around it: with a style that
    # comes late, they would move.
    st.markdown(f"<style>.st-key-{key} {{ {css} }}</style>", unsafe_allow_html=True)
