"""Times that the browser itself measures.

Playwright checks a condition after 0, 20, 50, 100 and 100 milliseconds, and then every 500. Its
waits are therefore too coarse for times of about a second. ``browser_times.js`` checks at every
animation frame.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Locator, Page

_SCRIPT = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")

#: A window of layout shifts ends after a second without a shift, at the latest after five seconds.
_SHIFT_GAP_MILLISECONDS, _SHIFT_WINDOW_MILLISECONDS = 1000, 5000


def watch(context: BrowserContext, selectors: Mapping[str, str]) -> None:
    """Measure all pages that are opened in a browser context from now on.

    Args:
        context: The browser context.
        selectors: By name, a CSS selector, or an XPath expression that begins with "//".
    """
    context.add_init_script(_SCRIPT.replace("SELECTORS", json.dumps(dict(selectors))))


def shown_seconds(page: Page, name: str) -> float:
    """Wait for an element; return the seconds from the request for the page until it was visible.

    Args:
        page: A page of a watched context.
        name: The name of the element's selector.
    """
    handle = page.wait_for_function("name => window.benchmark.shown[name]", arg=name)
    return float(handle.json_value())


@dataclass(frozen=True)
class ClickTimes:
    """Seconds from a click to its result.

    Attributes:
        answered: Until the script of the page had run, so that its texts were visible.
        settled: Until no visible element was still loading. The browser loads the code for each
            kind of element, such as charts or tables, when a tab shows it for the first time.
    """

    answered: float
    settled: float


def click_times(page: Page, target: Locator) -> ClickTimes:
    """Click an element that reruns the page, and wait for the result."""
    target.click()
    page.wait_for_function("window.benchmark.settled !== null")
    times = page.evaluate("window.benchmark")
    return ClickTimes(times["answered"], times["settled"])


def layout_shift(page: Page) -> float:
    """Return the cumulative layout shift of a page as defined by web.dev/articles/cls."""
    shifts: list[list[float]] = page.evaluate("window.benchmark.shifts")
    worst = total = 0.0
    window_start = last_time = float("-inf")
    for time, value in shifts:
        gap, window = time - last_time, time - window_start
        if gap > _SHIFT_GAP_MILLISECONDS or window > _SHIFT_WINDOW_MILLISECONDS:
            window_start, total = time, 0.0
        last_time = time
        total += value
        worst = max(worst, total)
    return worst
