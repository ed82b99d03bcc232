"""The style of curves, which the sections "Runs" and "Compare" share."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from fer_studio.ui.persistent_widgets import persistent_slider, persistent_toggle

#: Maximum weight of the earlier values. With a weight of 1, later values would have no effect.
_MAX_SMOOTHING = 0.95


@dataclass(frozen=True)
class CurveStyle:
    """The style of curves.

    Attributes:
        smoothing: Weight of the earlier values in the moving average; 0 for no smoothing.
        is_log: True for a logarithmic axis.
    """

    smoothing: float
    is_log: bool


def choose_curve_style(log_label: str = "Logarithmic axis") -> CurveStyle:
    """Draw a slider and a toggle; return the style that the user chose.

    The values of both widgets are part of the page's address.

    Args:
        log_label: The label of the toggle.
    """
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        smoothing = persistent_slider(
            "Smoothing",
            0.0,
            _MAX_SMOOTHING,
            key="smoothing",
            name="smoothing",
            default=0.0,
            step=0.05,
            width=180,
            help="The weight of earlier epochs in an exponential moving average; 0 for no "
            "smoothing. A curve of a single run also shows its values before smoothing.",
        )
        is_log = persistent_toggle(log_label, key="log_axis", name="log")
    return CurveStyle(smoothing, is_log)
