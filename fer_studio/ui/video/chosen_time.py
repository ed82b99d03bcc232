"""The time that the user chose by a click on the timeline, on an episode or on a marker."""

from __future__ import annotations

import streamlit as st


def chosen_time(key: str) -> float | None:
    """Return the chosen time of an analysis in seconds; None before the first choice.

    Args:
        key: The ID of the analysis.
    """
    value: float | None = st.session_state.get(f"video_time_{key}")
    return value


def choose_time(key: str, seconds: float) -> None:
    """Choose a time of an analysis."""
    st.session_state[f"video_time_{key}"] = seconds
