"""Time from the start of a server to the first useful content, in a real browser."""

from __future__ import annotations

import statistics
import time

from benchmarks.browser_times import shown_seconds, watch
from benchmarks.measurement import Measurement, print_table
from benchmarks.servers import IDLE, chromium_path, open_browser, serve

_STARTS = 4
_WARM_VISITS = 3
_FIELD = "upload field"


def measure() -> list[Measurement]:
    """Measure the seconds until the server responds, and from the request to the upload field."""
    if chromium_path() is None:
        return [Measurement("first screen", "not measured", "Chromium is not installed")]
    from playwright.sync_api import sync_playwright

    server_seconds: list[float] = []
    first_seconds: list[float] = []
    later_seconds: list[float] = []
    with sync_playwright() as playwright, open_browser(playwright) as browser:
        for _ in range(_STARTS):
            start = time.perf_counter()
            with serve() as server:
                server_seconds.append(time.perf_counter() - start)
                for number in range(1 + _WARM_VISITS):
                    # A new context has an empty cache, like the browser of a new visitor.
                    context = browser.new_context()
                    watch(context, {_FIELD: '[data-testid="stFileUploader"]'})
                    page = context.new_page()
                    page.goto(f"{server.url}/analyze")
                    seconds = shown_seconds(page, _FIELD)
                    (later_seconds if number else first_seconds).append(seconds)
                    page.locator(IDLE).wait_for()
                    context.close()
    return [
        Measurement(
            "from the command to the first response of the server",
            f"{statistics.median(server_seconds):.2f} s",
        ),
        Measurement(
            "upload field on screen, fresh server",
            f"{statistics.median(first_seconds):.2f} s",
            f"warm server {statistics.median(later_seconds):.2f} s",
        ),
    ]


if __name__ == "__main__":
    print_table(measure())
