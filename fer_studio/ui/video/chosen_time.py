"""The time that the user chose, by a click on the timeline, an episode or a marker."""

from __future__ import annotations

import streamlit as st


def chosen_time(analysis_id: str) -> float | None:
    """Return the chosen time of an analysis in seconds; None before the first choice."""
    seconds: float | None = st.session_state.get(f"video_time_{analysis_id}")
    return seconds


def set_chosen_time(analysis_id: str, seconds: float) -> None:
    """Set the chosen time of an analysis."""
    st.session_state[f"video_time_{analysis_id}"] = seconds
