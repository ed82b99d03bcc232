"""The dataset page on FER2013, in a real browser: seconds per click, and memory of the server.

``python -m benchmarks.dataset_page fer2013.zip``
"""

from __future__ import annotations

import argparse
import functools
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measurement import Measurement, print_table
from benchmarks.servers import (
    IDLE,
    LAST_TEXT,
    chromium_path,
    environment_of,
    open_browser,
    serve,
)
from fer_core.dataset.store import import_dataset
from fer_core.settings import load_settings

if TYPE_CHECKING:
    from playwright.sync_api import Page

_REPEATS = 5


def measure(data: Path) -> list[Measurement]:
    """Import a dataset into empty folders, open the page and click through it."""
    from playwright.sync_api import sync_playwright

    if chromium_path() is None:
        return [Measurement("dataset page", "not measured", "Chromium is not installed")]
    with tempfile.TemporaryDirectory() as folder:
        settings = replace(load_settings(), data_root=Path(folder) / "data")
        import_dataset(data, settings, name="faces")
        with (
            serve(environment=environment_of(settings), path="/dataset") as server,
            sync_playwright() as playwright,
            open_browser(playwright) as browser,
        ):
            page = browser.new_page(viewport={"width": 1440, "height": 1000})
            page.set_default_timeout(120_000)
            page.goto(server.url)
            page.get_by_text(LAST_TEXT).wait_for()
            _wait_until_stable(page)
            results = _click_through(page)
            results.append(
                Measurement(
                    "memory of the server, all tabs opened",
                    f"{server.memory_megabytes:.0f} MB",
                    "limit 1,000 MB",
                )
            )
    return results


def _click_through(page: Page) -> list[Measurement]:
    def open_tab(name: str) -> None:
        page.get_by_role("tab", name=name).click()
        _wait_until_stable(page)

    def go_to_page(number: int) -> None:
        pages = page.get_by_test_id("stPagination").locator("visible=true").first
        pages.get_by_role("button", name=f"Page {number}", exact=True).click()

    results = []
    for name in ("Browse images", "Clean up", "Annotator votes", "Audit", "Overview"):
        open_tab(name)  # the first visit computes the content
    # Clicks are timed when the search for near-duplicates in the background has finished.
    open_tab("Audit")
    while page.get_by_test_id("stProgress").count():
        page.wait_for_timeout(500)
    for name in ("Browse images", "Clean up", "Annotator votes", "Audit"):
        results.append(
            _timed(
                page,
                f"open {name}",
                functools.partial(_click_tab, page, name),
                functools.partial(_click_tab, page, "Overview"),
            )
        )
    open_tab("Browse images")
    results.append(_timed(page, "next gallery page", lambda: go_to_page(2), lambda: go_to_page(1)))
    open_tab("Audit")
    results.append(_timed(page, "select a face", lambda: _toggle(page), lambda: _toggle(page)))
    return results


def _click_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def _toggle(page: Page) -> None:
    # The input itself is covered by its decoration, so select with the keyboard.
    page.get_by_role("main").get_by_role("checkbox", name="·").nth(1).press("Space")


def _timed(
    page: Page,
    name: str,
    action: Callable[[], None],
    undo: Callable[[], None],
) -> Measurement:
    """Measure the median time from a click until the page is idle again."""
    durations = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        action()
        _wait_until_idle(page)
        durations.append(time.perf_counter() - start)
        undo()
        _wait_until_stable(page)
    return Measurement(name, f"{statistics.median(durations):.2f} s", "limit 0.5 s")


def _wait_until_idle(page: Page) -> None:
    """Give the script 50 ms to start, and wait until it has finished."""
    page.wait_for_timeout(50)
    page.locator(IDLE).wait_for()


def _wait_until_stable(page: Page) -> None:
    """Wait like ``_wait_until_idle``, but leave more time for a rerun that starts late."""
    page.wait_for_timeout(300)
    page.locator(IDLE).wait_for()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="FER2013 as a zip, csv or folder")
    print_table(measure(parser.parse_args().data))


if __name__ == "__main__":
    main()
