"""The dataset page on FER2013, in a real browser: seconds per click, and memory of the server.

``python -m benchmarks.dataset_page fer2013.zip``
"""

from __future__ import annotations

import argparse
import functools
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measurement import Measurement, print_table
from benchmarks.startup import wait_for
from fer_core.dataset.store import import_dataset
from fer_core.settings import load_settings

if TYPE_CHECKING:
    from playwright.sync_api import Page

_IDLE = '[data-testid="stApp"][data-test-script-state="notRunning"]'
_REPEATS = 5


def measure(data: Path) -> list[Measurement]:
    """Import a dataset into an empty home, open the page on it and click through it."""
    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("FER_STUDIO_CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        return [Measurement("dataset page", "not measured", "Chromium is not installed")]
    with tempfile.TemporaryDirectory() as folder:
        settings = replace(load_settings(), data_root=Path(folder) / "data")
        import_dataset(data, settings, name="faces")
        with _server(settings.data_root) as (process, url), sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1440, "height": 1000})
            page.set_default_timeout(120_000)
            page.goto(f"{url}/dataset")
            page.get_by_text("banned in the European Union").wait_for()
            _settle(page)
            results = _click_through(page)
            results.append(
                Measurement(
                    "memory of the server, all sections opened",
                    f"{_memory(process.pid) / 2**20:.0f} MB",
                    "bound 1,000 MB",
                )
            )
            browser.close()
    return results


def _click_through(page: Page) -> list[Measurement]:
    def tab(name: str) -> None:
        page.get_by_role("tab", name=name).click()
        _settle(page)

    def turn(label: str) -> None:
        page.get_by_role("button", name=label, exact=True).first.click()

    results = []
    for name in ("Look", "Remedies", "Votes", "Audit", "Overview"):
        tab(name)  # the first time, what it shows is computed
    # Near-duplicates are looked for in the background; clicks are timed when all is quiet.
    tab("Audit")
    while page.get_by_test_id("stProgress").count():
        page.wait_for_timeout(500)
    for name in ("Look", "Remedies", "Votes", "Audit"):
        results.append(
            _timed(
                page,
                f"open {name}",
                functools.partial(_open, page, name),
                functools.partial(_open, page, "Overview"),
            )
        )
    tab("Look")
    results.append(_timed(page, "turn a page of the gallery", lambda: turn("2"), lambda: turn("1")))
    tab("Audit")
    results.append(_timed(page, "choose a face", lambda: _toggle(page), lambda: _toggle(page)))
    return results


def _open(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def _toggle(page: Page) -> None:
    page.locator('[data-testid="stCheckbox"] label').nth(1).click()


def _timed(
    page: Page,
    what: str,
    action: Callable[[], None],
    back: Callable[[], None],
) -> Measurement:
    """The median time from a click until the page is at rest again."""
    durations = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        action()
        _rest(page)
        durations.append(time.perf_counter() - start)
        back()
        _settle(page)
    return Measurement(what, f"{statistics.median(durations):.2f} s", "bound 0.5 s")


def _rest(page: Page) -> None:
    """Wait until the script has begun, if it does within 50 ms, and ended."""
    page.wait_for_timeout(50)
    page.locator(_IDLE).wait_for()


def _settle(page: Page) -> None:
    page.wait_for_timeout(300)
    page.locator(_IDLE).wait_for()


def _memory(process_id: int) -> int:
    """Bytes of memory that a process holds (Linux)."""
    for line in Path(f"/proc/{process_id}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("the system does not tell a process's memory")


@contextmanager
def _server(data_root: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "streamlit", "run", "app.py"),
            *("--server.headless=true", f"--server.port={port}"),
        ],
        env=os.environ | {"FER_STUDIO_DATA": str(data_root)},
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for(f"http://localhost:{port}/_stcore/health")
        yield process, f"http://localhost:{port}"
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="FER2013 as a zip, csv or folder")
    print_table(measure(parser.parse_args().data))


if __name__ == "__main__":
    main()
