"""Measure pages in a real browser: time to first content, complete page and first click.

The home page and the video page are not measured. One server shows the other pages in the order of
the navigation, and its memory is read after each page. A minimal Streamlit page is measured
alternately, for comparison. ``python -m benchmarks.pages``.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.measurement import Measurement, print_table
from benchmarks.servers import (
    IDLE,
    LAST_TEXT,
    MINIMAL_PAGE_TEXT,
    chromium_path,
    environment_of,
    minimal_page,
    open_browser,
    serve,
)
from fer_core.dataset.face_set import FACE_SIZE, FaceSet
from fer_core.dataset.store import _save
from fer_core.emotions import EMOTIONS
from fer_core.settings import load_settings

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

_ROUNDS = 4
_MINIMAL = "minimal page"
_TIMEOUT_MILLISECONDS = 120_000


@dataclass(frozen=True)
class _Visit:
    """Seconds of one visit.

    Attributes:
        first_content: From the request to the title; on the minimal page, to its text.
        complete_page: From the request to the last element of the page.
        first_click: From the first click to its result; 0 if nothing is clicked.
    """

    first_content: float
    complete_page: float
    first_click: float = 0.0


def _sample(page: Page) -> None:
    page.get_by_role("button", name="Try a sample picture").click()
    page.get_by_alt_text("The network's input for face 1").wait_for()


def _snapshots(page: Page) -> None:
    page.get_by_role("radio", name="Snapshots").click()
    page.get_by_test_id("stCameraInput").wait_for()


def _browse_images(page: Page) -> None:
    page.get_by_role("tab", name="Browse images").click()
    page.locator('[data-testid="stMain"] img').locator("visible=true").first.wait_for()


def _advanced(page: Page) -> None:
    page.get_by_role("radio", name="Advanced").click()
    page.get_by_text("Batch size, seed, precision").wait_for()


def _confusion(page: Page) -> None:
    page.get_by_role("tab", name="Confusion").click()
    page.get_by_role("gridcell", name="predicted as").first.wait_for()


#: By page: a description of the first click, and the click itself, which waits for its result.
_CLICKS: dict[str, tuple[str, Callable[[Page], None]]] = {
    "analyze": ("sample picture analyzed", _sample),
    "live": ("snapshot mode", _snapshots),
    "dataset": ("gallery", _browse_images),
    "train": ("advanced settings", _advanced),
    "evaluate": ("confusion matrix", _confusion),
}


def measure() -> list[Measurement]:
    """Measure the pages in ``_CLICKS``, and the memory of their server."""
    if chromium_path() is None:
        return [Measurement("pages", "not measured", "Chromium is not installed")]
    from playwright.sync_api import sync_playwright

    visits: dict[str, list[_Visit]] = defaultdict(list)
    memory_after: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        settings = replace(
            load_settings(), data_root=Path(folder) / "data", runs_root=Path(folder) / "runs"
        )
        _write_faces(settings.data_root / "faces")
        with (
            serve(environment=environment_of(settings)) as server,
            minimal_page() as minimal,
            sync_playwright() as playwright,
            open_browser(playwright) as browser,
        ):
            memory_at_start = server.memory_megabytes
            context = browser.new_context(viewport={"width": 1280, "height": 900})
            context.set_default_timeout(_TIMEOUT_MILLISECONDS)
            # The pages alternate, because the speed of the machine varies. The first round has a
            # fresh server.
            for _ in range(_ROUNDS + 1):
                for name, (_, click) in _CLICKS.items():
                    visits[name].append(_visit(context, f"{server.url}/{name}", "h1", click))
                    memory_after.setdefault(name, server.memory_megabytes)
                visits[_MINIMAL].append(_visit(context, minimal.url, f"text={MINIMAL_PAGE_TEXT}"))
            last_memory = server.memory_megabytes
    memory = ", ".join(f"{name} {megabytes:.0f}" for name, megabytes in memory_after.items())
    return [
        *(
            measurement
            for name in _CLICKS
            for measurement in _measurements(name, visits[name], visits[_MINIMAL])
        ),
        Measurement(
            "memory of the app after visiting these pages once",
            f"{memory_after[next(reversed(memory_after))]:.0f} MB",
            f"at start {memory_at_start:.0f}; {memory}; "
            f"after {_ROUNDS} more rounds {last_memory:.0f} MB",
        ),
    ]


def _visit(
    context: BrowserContext, url: str, selector: str, click: Callable[[Page], None] | None = None
) -> _Visit:
    page = context.new_page()
    try:
        start = time.perf_counter()
        page.goto(url)
        page.locator(selector).first.wait_for()
        first_content = time.perf_counter() - start
        page.get_by_text(LAST_TEXT).wait_for()
        complete_page = time.perf_counter() - start
        if click is None:
            return _Visit(first_content, complete_page)
        page.locator(IDLE).wait_for()
        start = time.perf_counter()
        click(page)
        return _Visit(first_content, complete_page, time.perf_counter() - start)
    finally:
        page.close()


def _measurements(name: str, visits: list[_Visit], minimal: list[_Visit]) -> list[Measurement]:
    first_visit, warm_visits = visits[0], visits[1:]
    first_content = statistics.median(visit.first_content for visit in warm_visits)
    complete_page = statistics.median(visit.complete_page for visit in warm_visits)
    first_click = statistics.median(visit.first_click for visit in warm_visits)
    minimal_seconds = statistics.median(visit.first_content for visit in minimal[1:])
    return [
        Measurement(
            f"{name}: first content",
            f"{first_content:.2f} s",
            f"{_MINIMAL} {minimal_seconds:.2f} s ({first_content / minimal_seconds:.1f} times); "
            f"fresh server {first_visit.first_content:.2f} s",
        ),
        Measurement(
            f"{name}: complete page",
            f"{complete_page:.2f} s",
            f"{complete_page / minimal_seconds:.1f} times {_MINIMAL}; "
            f"fresh server {first_visit.complete_page:.2f} s",
        ),
        Measurement(
            f"{name}: first click ({_CLICKS[name][0]})",
            f"{first_click:.2f} s",
            f"fresh server {first_visit.first_click:.2f} s",
        ),
    ]


def _write_faces(folder: Path, count: int = 2100) -> None:
    """Write a dataset of random images; the page needs as much time for them as for faces."""
    generator = np.random.default_rng(0)
    folder.mkdir(parents=True)
    faces = FaceSet(
        images=generator.integers(0, 256, (count, FACE_SIZE, FACE_SIZE), dtype=np.uint8),
        labels=(np.arange(count) % len(EMOTIONS)).astype(np.int8),
        splits=(np.arange(count) // len(EMOTIONS) % 3).astype(np.int8),
        names=tuple(f"{number}.png" for number in range(count)),
    )
    _save(faces, folder, {"source": "noise"})


if __name__ == "__main__":
    print_table(measure())
