"""Figures as text: values, intervals, and what is undefined."""

from __future__ import annotations

from fer_core.metrics import Estimate

UNDEFINED = "undefined"


def percent(value: float | None) -> str:
    """A share as text, such as ``68.3 %``."""
    return UNDEFINED if value is None else f"{100 * value:.1f} %"


def number(value: float | None) -> str:
    """A plain figure as text, such as ``0.656``."""
    return UNDEFINED if value is None else f"{value:.3f}"


def percent_interval(estimate: Estimate) -> str:
    """The interval of a share; empty where there is none."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{100 * estimate.low:.1f} to {100 * estimate.high:.1f} %"


def number_interval(estimate: Estimate) -> str:
    """The interval of a plain figure; empty where there is none."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{estimate.low:.3f} to {estimate.high:.3f}"
