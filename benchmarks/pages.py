"""Each page in a real browser: time to the first content, to the complete page, and of a click.

One server, the pages in the order of the navigation, and its memory after each of them. A minimal
Streamlit page is measured alternately, for comparison. ``python -m benchmarks.pages``.
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
    BARE_WORDS,
    IDLE,
    LAST_WORDS,
    bare_page,
    chromium_path,
    environment_of,
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
_BARE = "a bare page"
_PATIENCE_MILLISECONDS = 120_000


@dataclass(frozen=True)
class _Visit:
    """Seconds of one visit.

    Attributes:
        painted: From the request to the title and the first element.
        whole: From the request to the last element of the page.
        answered: From the first click to its result; 0 if nothing is clicked.
    """

    painted: float
    whole: float
    answered: float = 0.0


def _sample(page: Page) -> None:
    page.get_by_role("button", name="Try a sample picture").click()
    page.get_by_alt_text("What the network saw of face 1").wait_for()


def _snapshots(page: Page) -> None:
    page.get_by_role("radio", name="Snapshots").click()
    page.get_by_test_id("stCameraInput").wait_for()


def _look(page: Page) -> None:
    page.get_by_role("tab", name="Browse images").click()
    page.locator('[data-testid="stMain"] img').locator("visible=true").first.wait_for()


def _length(page: Page) -> None:
    page.get_by_role("tab", name="Length and arithmetic").click()
    page.get_by_label("Batch size", exact=True).locator("visible=true").first.wait_for()


def _confusion(page: Page) -> None:
    page.get_by_role("tab", name="Confusion").click()
    page.get_by_test_id("stDataFrame").locator("visible=true").first.wait_for()


#: By page: a description of the first click, and the click itself, which waits for its result.
_CLICKS: dict[str, tuple[str, Callable[[Page], None]]] = {
    "analyze": ("the sample picture's face", _sample),
    "live": ("another way of looking", _snapshots),
    "dataset": ("the gallery", _look),
    "train": ("other settings", _length),
    "evaluate": ("the confusion matrix", _confusion),
}


def measure() -> list[Measurement]:
    """First content, complete page and first click of every page, and the server's memory."""
    if chromium_path() is None:
        return [Measurement("pages", "not measured", "Chromium is not installed")]
    from playwright.sync_api import sync_playwright

    visits: dict[str, list[_Visit]] = defaultdict(list)
    held: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        settings = replace(
            load_settings(), data_root=Path(folder) / "data", runs_root=Path(folder) / "runs"
        )
        _write_faces(settings.data_root / "faces")
        with (
            serve(environment=environment_of(settings)) as server,
            bare_page() as bare,
            sync_playwright() as playwright,
            open_browser(playwright) as browser,
        ):
            started = server.memory_megabytes
            context = browser.new_context(viewport={"width": 1280, "height": 900})
            context.set_default_timeout(_PATIENCE_MILLISECONDS)
            # Alternating: the speed of the machine varies. The first round has a fresh server.
            for _ in range(_ROUNDS + 1):
                for name, (_, click) in _CLICKS.items():
                    visits[name].append(_visit(context, f"{server.url}/{name}", "h1", click))
                    held.setdefault(name, server.memory_megabytes)
                visits[_BARE].append(_visit(context, bare.url, f"text={BARE_WORDS}"))
            at_last = server.memory_megabytes
    memory = ", ".join(f"{name} {megabytes:.0f}" for name, megabytes in held.items())
    return [
        *(one for name in _CLICKS for one in _figures(name, visits[name], visits[_BARE])),
        Measurement(
            "memory of the app, each page visited in turn",
            f"{held[next(reversed(held))]:.0f} MB",
            f"before {started:.0f}; {memory}; after {_ROUNDS} more rounds {at_last:.0f} MB",
        ),
    ]


def _visit(
    context: BrowserContext, url: str, first: str, click: Callable[[Page], None] | None = None
) -> _Visit:
    page = context.new_page()
    try:
        start = time.perf_counter()
        page.goto(url)
        page.locator(first).first.wait_for()
        painted = time.perf_counter() - start
        page.get_by_text(LAST_WORDS).wait_for()
        whole = time.perf_counter() - start
        if click is None:
            return _Visit(painted, whole)
        page.locator(IDLE).wait_for()
        start = time.perf_counter()
        click(page)
        return _Visit(painted, whole, time.perf_counter() - start)
    finally:
        page.close()


def _figures(name: str, visits: list[_Visit], bare: list[_Visit]) -> list[Measurement]:
    fresh, warm = visits[0], visits[1:]
    painted = statistics.median(one.painted for one in warm)
    whole = statistics.median(one.whole for one in warm)
    answered = statistics.median(one.answered for one in warm)
    floor = statistics.median(one.painted for one in bare[1:])
    return [
        Measurement(
            f"{name}: first paint",
            f"{painted:.2f} s",
            f"{_BARE} {floor:.2f} s ({painted / floor:.1f} times); fresh server "
            f"{fresh.painted:.2f} s",
        ),
        Measurement(
            f"{name}: whole page",
            f"{whole:.2f} s",
            f"{whole / floor:.1f} times {_BARE}; fresh server {fresh.whole:.2f} s",
        ),
        Measurement(
            f"{name}: first click ({_CLICKS[name][0]})",
            f"{answered:.2f} s",
            f"fresh server {fresh.answered:.2f} s",
        ),
    ]


def _write_faces(folder: Path, count: int = 2100) -> None:
    """A dataset of noise, which is drawn as fast as faces."""
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
