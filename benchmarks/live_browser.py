"""Servers, and browser tabs with a simulated camera, to measure live streams in Chromium."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.live_probe import PROBE, Playback, playback
from benchmarks.servers import IDLE, PageServer, chromium_path, serve
from fer_core.settings import load_settings
from fer_core.vision.detector_files import YUNET_FILE_NAME

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Frame, Page, Playwright

_COMPONENT = 'iframe[title="streamlit_webrtc.component.webrtc_streamer"]'
_TIMEOUT_SECONDS = 40.0
#: A stream counts as playing after this many new frames, if more arrive in the following seconds.
_START_FRAMES = 10
_RECHECK_SECONDS, _RECHECK_FRAMES = 2.0, 4

#: The fastest possible page: it returns the frames of the camera unchanged.
_MINIMAL_PAGE = """
import streamlit as st
from streamlit_webrtc import WebRtcMode, webrtc_streamer

context = st.session_state.get("minimal")
if context is not None:
    # Without this reset, streamlit-webrtc may mistake quick script runs for a change of page and
    # end the stream.
    context._last_rendered_run_count = None
webrtc_streamer(
    key="minimal",
    mode=WebRtcMode.SENDRECV,
    rtc_configuration={"iceServers": []},
    media_stream_constraints={
        "video": {
            "width": {"ideal": 640}, "height": {"ideal": 480}, "frameRate": {"ideal": 30}
        },
        "audio": False,
    },
    video_frame_callback=lambda frame: frame,
)
"""


@contextlib.contextmanager
def app_server(yunet: Path | None = None) -> Iterator[PageServer]:
    """Run the app with the models of the checkout.

    Args:
        yunet: YuNet's file, used as if it had been downloaded; None uses the file in the
            checkout, if there is one.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = os.environ | {
            "FER_STUDIO_DATA": str(folder / "data"),
            "FER_STUDIO_RUNS": str(folder / "runs"),
        }
        # STUN and TURN servers are not part of the measurement.
        environment.pop("FER_STUDIO_ICE_SERVERS", None)
        if yunet is not None:
            models = folder / "models"
            shutil.copytree(load_settings().models_root, models)
            (models / "detectors").mkdir(exist_ok=True)
            shutil.copy(yunet, models / "detectors" / YUNET_FILE_NAME)
            environment["FER_STUDIO_MODELS"] = str(models)
        with serve(environment=environment, path="/live") as server:
            yield server


@contextlib.contextmanager
def minimal_server() -> Iterator[PageServer]:
    """Run a server with a page that returns frames unchanged."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "minimal.py").write_text(_MINIMAL_PAGE, encoding="utf-8")
        with serve("minimal.py", folder=folder, path="/") as server:
            yield server


@contextlib.contextmanager
def open_browser_with_camera(playwright: Playwright, camera: Path) -> Iterator[Browser]:
    """Open a Chromium whose camera plays a file.

    Args:
        playwright: Playwright.
        camera: A file written by ``write_camera_file``.
    """
    browser = playwright.chromium.launch(
        executable_path=chromium_path(),
        args=[
            "--no-sandbox",
            "--disable-gpu",
            "--use-fake-ui-for-media-stream",
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-video-capture={camera}",
        ],
    )
    try:
        # The first page of a browser is slow and is not part of the measurement.
        page = browser.new_page()
        page.goto("about:blank")
        page.close()
        yield browser
    finally:
        _close(browser)


class Tab:
    """A tab with one stream.

    Attributes:
        page: The page in the tab.
    """

    def __init__(self, page: Page) -> None:
        self.page = page

    def start(self) -> None:
        """Click Start as soon as the page is complete, and wait until the stream plays.

        Raises:
            TimeoutError: The stream does not play, or stops after its first frames.
        """
        button = self.page.frame_locator(_COMPONENT).first.get_by_role(
            "button", name=re.compile(r"^\s*start\s*$", re.IGNORECASE)
        )
        button.wait_for()
        self.page.locator(IDLE).wait_for()
        button.click()
        self._wait("no moving picture", lambda: self._new_frame_count() >= _START_FRAMES)
        count = self._new_frame_count()
        self.page.wait_for_timeout(1000 * _RECHECK_SECONDS)
        if self._new_frame_count() - count < _RECHECK_FRAMES:
            raise TimeoutError("the picture stopped moving")

    def wait_for_annotations(self) -> float:
        """Return the seconds from the click on Start to the first annotated frame.

        Raises:
            TimeoutError: No annotated frame is displayed in time.
        """
        self._wait("no annotated frame", lambda: self.is_annotated)
        return self._seconds_since_click("firstAnnotated")

    @property
    def first_frame_seconds(self) -> float:
        """Seconds from the click on Start to the first displayed frame."""
        return self._seconds_since_click("firstShown")

    @property
    def is_annotated(self) -> bool:
        """True if an annotated frame was displayed."""
        return self._probe_value("firstAnnotated") is not None

    def stop_comparing(self) -> None:
        """Stop the search for annotations, which takes time in the browser."""
        self._frame().evaluate("liveProbe.isComparing = false")

    def now(self) -> float:
        """Return the time of the tab's clock in milliseconds."""
        return float(self._frame().evaluate("performance.now()"))

    def playback_since(self, start: float) -> Playback:
        """Return the playback of the stream from a given time until now."""
        sent, shown, end = self._frame().evaluate(
            "[liveProbe.sent, liveProbe.shown, performance.now()]"
        )
        return playback(sent, shown, start, end)

    def _wait(self, problem: str, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(problem)
            self.page.wait_for_timeout(50)

    def _new_frame_count(self) -> int:
        """Return the number of new frames so far."""
        return int(
            self._frame().evaluate(
                "liveProbe.shown.filter(([, n], i, all) => !i || all[i - 1][1] !== n).length"
            )
        )

    def _probe_value(self, name: str) -> Any:
        return self._frame().evaluate(f"liveProbe.{name}")

    def _seconds_since_click(self, name: str) -> float:
        return float(self._probe_value(name) - self._probe_value("clicked")) / 1000

    def _frame(self) -> Frame:
        frame = self.page.locator(_COMPONENT).first.element_handle().content_frame()
        assert frame is not None  # it is an iframe
        return frame


@contextlib.contextmanager
def open_tab(browser: Browser, url: str) -> Iterator[Tab]:
    """Open a page in a new browser context."""
    context = browser.new_context(permissions=["camera"], viewport={"width": 1280, "height": 1000})
    try:
        context.set_default_timeout(1000 * _TIMEOUT_SECONDS)
        context.add_init_script(PROBE)
        page = context.new_page()
        page.goto(url)
        yield Tab(page)
    finally:
        _close(context)


def _close(opened: Browser | BrowserContext) -> None:
    from playwright.sync_api import Error as BrowserError

    # If the browser died, the original error is the one to report.
    with contextlib.suppress(BrowserError):
        opened.close()
