"""Format metrics and their intervals as text."""

from __future__ import annotations

from fer_core.metrics.intervals import Estimate

#: The text for a metric that is None.
UNDEFINED_TEXT = "undefined"


def percent(value: float | None) -> str:
    """Return a share as text, such as ``68.3 %``; ``undefined`` for None."""
    return UNDEFINED_TEXT if value is None else f"{100 * value:.1f} %"


def number(value: float | None) -> str:
    """Return a number as text, such as ``0.656``; ``undefined`` for None."""
    return UNDEFINED_TEXT if value is None else f"{value:.3f}"


def percent_interval(estimate: Estimate) -> str:
    """Return the interval of a share, ``67.1 to 69.5 %``; an empty string if it is undefined."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{100 * estimate.low:.1f} to {100 * estimate.high:.1f} %"


def number_interval(estimate: Estimate) -> str:
    """Return the interval of a number, ``0.641 to 0.670``; an empty string if it is undefined."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{estimate.low:.3f} to {estimate.high:.3f}"
