"""Servers and browsers for measurements."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from fer_core.settings import PROJECT_ROOT, Settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

#: Selects the app only when the script of the page has finished and the browser has everything.
IDLE = '[data-testid="stApp"][data-test-script-state="notRunning"]'
#: Part of the last text on every page.
LAST_TEXT = "banned in the European Union"

#: A text on the minimal page.
MINIMAL_PAGE_TEXT = "A minimal page"

#: An option of Chromium. Under Playwright, each exception records its stack. Without this option,
#: Chromium would parse the code again to find the lines of the stack, and the code for charts would
#: load half a second more slowly than for a visitor.
KEEP_SOURCE_POSITIONS = "--js-flags=--no-enable-lazy-source-positions"

_START_SECONDS = 60.0
_MINIMAL_PAGE = f"""
import streamlit as st

st.title("Minimal")
st.write({MINIMAL_PAGE_TEXT!r})
st.caption({LAST_TEXT!r})
"""


class PageServer:
    """A running server.

    Attributes:
        url: The address of the measured page.
    """

    def __init__(self, url: str, process: subprocess.Popen[bytes]) -> None:
        self.url = url
        self._process = psutil.Process(process.pid)

    @property
    def memory_megabytes(self) -> float:
        """Resident memory of the server and its child processes."""
        return float(sum(process.memory_info().rss for process in self._processes())) / 2**20

    @property
    def cpu_seconds(self) -> float:
        """CPU time of the server and its child processes."""
        return float(sum(sum(process.cpu_times()[:2]) for process in self._processes()))

    def _processes(self) -> list[Any]:
        return [self._process, *self._process.children(recursive=True)]


def environment_of(settings: Settings) -> dict[str, str]:
    """Return environment variables for a server with the data, runs and models of ``settings``."""
    return os.environ | {
        "FER_STUDIO_DATA": str(settings.data_root),
        "FER_STUDIO_RUNS": str(settings.runs_root),
        "FER_STUDIO_MODELS": str(settings.models_root),
    }


@contextlib.contextmanager
def serve(
    script: str = "app.py",
    *,
    folder: Path = PROJECT_ROOT,
    environment: Mapping[str, str] | None = None,
    path: str = "",
) -> Iterator[PageServer]:
    """Run a Streamlit server for the duration of the block.

    Args:
        script: The main script; by default that of the app.
        folder: Its working directory.
        environment: All environment variables; by default those of this process.
        path: The path of the page.

    Raises:
        TimeoutError: The server ends, or does not answer within a minute. The message contains the
            end of its log.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "streamlit", "run", script),
                *("--server.headless=true", f"--server.port={port}", "--server.address=localhost"),
                *("--server.fileWatcherType=none", "--browser.gatherUsageStats=false"),
            ],
            cwd=folder,
            env=None if environment is None else dict(environment),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            if not _becomes_healthy(f"http://localhost:{port}/_stcore/health", process):
                log.seek(0)
                output = log.read()[-500:].decode(errors="replace")
                raise TimeoutError(f"The server does not answer: {output}")
            yield PageServer(f"http://localhost:{port}{path}", process)
        finally:
            process.terminate()
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def minimal_page() -> Iterator[PageServer]:
    """Run a server with a minimal page: a title and two lines."""
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "minimal.py").write_text(_MINIMAL_PAGE, encoding="utf-8")
        with serve("minimal.py", folder=Path(name)) as server:
            yield server


def _becomes_healthy(url: str, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    return False


def chromium_path() -> str | None:
    """Return the path of Chromium; None if it is not installed."""
    return os.environ.get("FER_STUDIO_CHROMIUM") or shutil.which("chromium")


@contextlib.contextmanager
def open_browser(playwright: Playwright) -> Iterator[Browser]:
    """Open Chromium and load an empty page, because the first page of a browser is slow."""
    browser = playwright.chromium.launch(
        executable_path=chromium_path(), args=["--no-sandbox", KEEP_SOURCE_POSITIONS]
    )
    try:
        page = browser.new_page()
        page.goto("about:blank")
        page.close()
        yield browser
    finally:
        browser.close()
