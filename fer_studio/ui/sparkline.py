"""Small curves without axes."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import streamlit as st


def show_sparkline(values: Sequence[float], *, alt: str) -> None:
    """Draw a curve as wide as its container; ``assets/app.css`` styles it.

    ``st.metric`` can draw a curve, too, but for a screen reader this curve is an image without a
    name.

    Args:
        values: The values of the curve, at equal horizontal distances; at least two.
        alt: What a screen reader says about the curve.
    """
    # Not ``st.html``, which the browser loads later than the elements around it.
    st.markdown(
        f'<svg class="fer-sparkline" role="img" aria-label="{escape(alt)}" viewBox="0 0 100 100" '
        f'preserveAspectRatio="none"><polyline points="{sparkline_points(values)}"/></svg>',
        unsafe_allow_html=True,
    )


def sparkline_points(values: Sequence[float]) -> str:
    """Return the points of a curve in a square of 100 by 100, the highest value at the top.

    A constant curve is in the middle.
    """
    low, high = min(values), max(values)
    return " ".join(
        f"{100 * number / (len(values) - 1):.4g},"
        f"{100 * (high - value) / (high - low) if high > low else 50:.4g}"
        for number, value in enumerate(values)
    )
