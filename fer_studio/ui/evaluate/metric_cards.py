"""Cards that show a metric: the title, the value, and the interval of the value below it."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from fer_core.metrics import Estimate
from fer_core.metrics.formatting import number, number_interval, percent, percent_interval
from fer_studio.ui.metrics import METRIC_HEIGHT_WITH_DELTA


def show_share(
    title: str,
    estimate: Estimate,
    hint: str | None = None,
    *,
    width: int | Literal["stretch"] = "stretch",
) -> None:
    """Draw the card of a share of the images, in percent.

    Args:
        title: The name of the metric.
        estimate: The share, 0 to 1, and its interval; both may be undefined.
        hint: The tooltip; None for no tooltip.
        width: The width of the card in pixels; by default, the card is as wide as possible.
    """
    _show(title, percent(estimate.value), percent_interval(estimate), hint, width)


def show_number(title: str, estimate: Estimate, hint: str | None = None) -> None:
    """Draw the card of a number with its interval, as wide as possible.

    Args:
        title: The name of the metric.
        estimate: The number and its interval; both may be undefined.
        hint: The tooltip; None for no tooltip.
    """
    _show(title, number(estimate.value), number_interval(estimate), hint, "stretch")


def _show(
    title: str, value: str, interval: str, hint: str | None, width: int | Literal["stretch"]
) -> None:
    st.metric(
        title,
        value,
        # The second line of a metric shows the interval instead of a change.
        delta=interval or None,
        delta_color="off",
        delta_arrow="off",
        border=True,
        height=METRIC_HEIGHT_WITH_DELTA,
        help=hint,
        width=width,
    )
