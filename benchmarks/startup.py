"""From a fresh server to something useful on the screen, in a real browser."""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request

from benchmarks.measurement import Measurement

_STARTS = 3


def measure() -> list[Measurement]:
    """Seconds from the browser's request to the upload field, on fresh servers and warm ones."""
    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("FER_STUDIO_CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        return [Measurement("first screen", "not measured", "Chromium is not installed")]
    fresh: list[float] = []
    warm: list[float] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        # The browser's own first page is slow; it is not what is measured.
        browser.new_page().goto("about:blank")
        for _ in range(_STARTS):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            server = subprocess.Popen(
                [
                    *(sys.executable, "-m", "streamlit", "run", "app.py"),
                    *("--server.headless=true", f"--server.port={port}"),
                ],
                stdout=subprocess.DEVNULL,
            )
            try:
                wait_for(f"http://localhost:{port}/_stcore/health")
                for durations in (fresh, warm):
                    page = browser.new_page()
                    start = time.perf_counter()
                    page.goto(f"http://localhost:{port}/")
                    page.wait_for_selector('[data-testid="stFileUploader"]')
                    durations.append(time.perf_counter() - start)
                    page.wait_for_selector('[data-test-script-state="notRunning"]')
                    page.close()
            finally:
                server.terminate()
                server.wait()
        browser.close()
    return [
        Measurement(
            "upload field on screen, fresh server",
            f"{statistics.median(fresh):.2f} s",
            f"warm server {statistics.median(warm):.2f} s",
        )
    ]


def wait_for(url: str) -> None:
    """Wait until an address answers."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.05)
    raise TimeoutError(f"{url} does not answer")
