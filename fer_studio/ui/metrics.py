"""Rows of metrics that keep their place while the page loads."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

#: Heights in pixels of a metric with a border: with a value only, and with a second line below it.
#: With a fixed height, the browser reserves the space of a metric while it loads the code for it.
METRIC_HEIGHT = 108
METRIC_HEIGHT_WITH_DELTA = 136

#: Minimum width of a metric in pixels: two metrics fit next to each other on a phone.
_MIN_WIDTH = 140


def metric_grid(column_count: int) -> DeltaGenerator:
    """Return a container for metrics of equal width, which has fewer columns if space is short.

    The widths do not depend on the metrics, so that no metric moves while the browser loads the
    others.
    """
    return st.grid(column_count, min_column_width=_MIN_WIDTH)
