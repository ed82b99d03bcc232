"""One Chromium and one server for all browser tests, and pages whose errors fail the test."""

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from free_port import free_port
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    ViewportSize,
    expect,
    sync_playwright,
)
from playwright.sync_api import Error as PlaywrightError

from benchmarks.servers import KEEP_SOURCE_POSITIONS
from browser.camera import write_camera_video
from browser.helpers import IDLE, LAST_LINE
from fer_core.settings import PROJECT_ROOT, Settings

_TIMEOUT_MS = 60_000
_HOOKS = Path(__file__).parent / "server_hooks"
#: The last line that a server writes after a signal that asks for its stacks.
_END_OF_STACKS = "end of the stacks"

expect.set_options(timeout=_TIMEOUT_MS)


@dataclass
class Server:
    """A running app.

    Attributes:
        url: Its address.
        settings: Its data folders.
        log_path: The file with its standard output and standard error.
        process: Its process.
    """

    url: str
    settings: Settings
    log_path: Path
    process: "subprocess.Popen[bytes]" = field(repr=False)
    _checked: int = field(default=0, repr=False)

    def wait_until_healthy(self) -> None:
        """Wait until the server answers.

        Raises:
            AssertionError: It ended, or it does not answer.
        """
        deadline = time.monotonic() + 180
        while not _is_healthy(self.url):
            assert self.process.poll() is None, self.log_path.read_text()
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.05)

    def stop(self) -> None:
        """End the process."""
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def stacks(self) -> str:
        """Return the function calls of every thread.

        Raises:
            AssertionError: The server does not write them.
        """
        path = _stacks_path(self.log_path)
        start = path.stat().st_size
        self.process.send_signal(signal.SIGUSR1)
        deadline = time.monotonic() + 60
        while _END_OF_STACKS not in (text := path.read_bytes()[start:].decode()):
            assert time.monotonic() < deadline, text
            time.sleep(0.01)
        return text

    def new_log(self) -> str:
        """Return what was logged since the last call."""
        with self.log_path.open("rb") as log:
            log.seek(self._checked)
            content = log.read()
        self._checked += len(content)
        return content.decode("utf-8", errors="replace")


def _stacks_path(log_path: Path) -> Path:
    return log_path.with_name("stacks.txt")


def _is_healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _new_home(root: Path, write_bundle_folder: Callable[..., Path]) -> Settings:
    settings = Settings(root / "data", root / "runs", root / "models")
    metrics = {"validation": {"accuracy": 0.6253}}
    write_bundle_folder(settings.models_root / "small", metrics=metrics)
    write_bundle_folder(settings.models_root / "other", temperature=3.0)
    (settings.models_root / "default").write_text("small\n")
    return settings


@pytest.fixture(scope="package")
def start_server(
    tmp_path_factory: pytest.TempPathFactory, write_bundle_folder: Callable[..., Path]
) -> Iterator[Callable[..., Server]]:
    """``start_server()``: the app with two small models, started as "streamlit run app.py" does.

    ``start_server(settings)`` uses existing folders, ``options=[…]`` adds command line options, and
    ``waits=False`` returns before the server answers.
    """
    servers: list[Server] = []

    def start(
        settings: Settings | None = None, *, options: Sequence[str] = (), waits: bool = True
    ) -> Server:
        settings = settings or _new_home(tmp_path_factory.mktemp("home"), write_bundle_folder)
        port = free_port()
        log_path = tmp_path_factory.mktemp("server") / "server.log"
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(
                [str(_HOOKS), *filter(None, [os.environ.get("PYTHONPATH")])]
            ),
            "FER_STUDIO_TEST_STACKS": str(_stacks_path(log_path)),
            "FER_STUDIO_TEST_STACKS_END": _END_OF_STACKS,
            "FER_STUDIO_DATA": str(settings.data_root),
            "FER_STUDIO_RUNS": str(settings.runs_root),
            "FER_STUDIO_MODELS": str(settings.models_root),
            "FER_STUDIO_ANALYSES": str(settings.analyses_root),
        }
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "streamlit", "run", "app.py"),
                    *("--server.headless=true", f"--server.port={port}"),
                    # A source file edited during the tests must not be loaded.
                    "--server.fileWatcherType=none",
                    *options,
                ],
                cwd=PROJECT_ROOT,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        server = Server(f"http://localhost:{port}", settings, log_path, process)
        servers.append(server)
        if waits:
            server.wait_until_healthy()
        return server

    yield start
    for server in servers:
        server.stop()
        log = server.new_log()
        assert "Traceback" not in log, log


@pytest.fixture(scope="package")
def server(start_server: Callable[[], Server]) -> Server:
    """The server that the browser tests share. A test that changes its folders restores them."""
    return start_server()


@pytest.fixture(scope="package")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A Chromium whose camera plays ``camera.camera_frames()``."""
    path = os.environ.get("FER_STUDIO_CHROMIUM") or shutil.which("chromium")
    if path is None or not Path(path).exists():
        pytest.fail(
            "The browser tests need Chromium: install it (make browser), or set "
            "FER_STUDIO_CHROMIUM to its path."
        )
    video = tmp_path_factory.mktemp("camera") / "camera.y4m"
    write_camera_video(video)
    # Ends with the package: Playwright's event loop would disturb other tests.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            args=[
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-video-capture={video}",
                "--autoplay-policy=no-user-gesture-required",
                KEEP_SOURCE_POSITIONS,
            ],
        )
        yield browser
        browser.close()


@dataclass
class PageErrors:
    """Errors of pages, and requests that left this machine."""

    errors: list[str] = field(default_factory=list)
    foreign_urls: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        """Record the errors and requests of a page."""
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self._on_url(request.url))
        page.on("websocket", lambda connection: self._on_url(connection.url))

    def _on_console(self, message: ConsoleMessage) -> None:
        url = message.location["url"]
        # On a deep link, Streamlit first looks for its server below the page's address.
        page, separator, _ = urlsplit(url).path.partition("/_stcore/")
        is_server_search = bool(page and separator)
        if message.type == "error" and not is_server_search:
            self.errors.append(f"{message.text} ({url})")

    def _on_url(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob") and parts.hostname != "localhost":
            self.foreign_urls.append(url)


_has_failed = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember a failed test, so that its pages can be printed before they are closed."""
    report = yield
    if call.when == "call" and report.failed:
        item.stash[_has_failed] = True
    return report


#: In a browser that saves data, the app does not load the code for charts in the background. That
#: takes a second of processor time per page; tests/browser/test_navigation.py checks it.
_SAVE_DATA = "Object.defineProperty(navigator.connection, 'saveData', { value: true })"


class Visitors:
    """Browser contexts that are used again, because a browser that knows the app loads it faster.

    A context keeps its cache from test to test. Its cookies, its storage and its pages are deleted
    after each test. An empty page stays open: without it the browser would start a new process for
    the next page and compile the app's code again, which takes most of the time of loading a page.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._idle: dict[str, list[BrowserContext]] = {}
        self._used: list[tuple[str, BrowserContext]] = []
        self._empty_pages: dict[BrowserContext, Page] = {}

    @property
    def used(self) -> list[BrowserContext]:
        """The contexts that the current test uses."""
        return [context for _, context in self._used]

    def take(
        self, options: dict[str, Any], *, is_first_visit: bool, saves_data: bool
    ) -> BrowserContext:
        """Return a context that the current test does not use yet.

        Args:
            options: The options of the context.
            is_first_visit: True for a context with an empty cache.
            saves_data: True for a browser that saves data.
        """
        key = repr((sorted(options.items()), saves_data))
        idle = self._idle.setdefault(key, [])
        if idle and not is_first_visit:
            context = idle.pop()
        else:
            context = self._browser.new_context(**options)
            if saves_data:
                context.add_init_script(_SAVE_DATA)
            self._empty_pages[context] = context.new_page()
        context.set_default_timeout(_TIMEOUT_MS)
        context.grant_permissions(["camera"])
        self._used.append((key, context))
        return context

    def release(self, servers: Sequence[Server]) -> None:
        """Close the pages of the current test and delete what they stored for these servers."""
        for key, context in self._used:
            empty_page = self._empty_pages[context]
            if empty_page.is_closed():  # the test has closed the context
                del self._empty_pages[context]
                continue
            for page in context.pages:
                if page is not empty_page:
                    page.close()
            context.clear_cookies()
            storage = context.new_cdp_session(empty_page)
            for server in servers:
                storage.send(
                    "Storage.clearDataForOrigin",
                    {"origin": server.url, "storageTypes": "local_storage,indexeddb"},
                )
            storage.detach()
            self._idle[key].append(context)
        self._used.clear()


@pytest.fixture(scope="package")
def visitors(chromium: Browser) -> Visitors:
    """The contexts that the tests share."""
    return Visitors(chromium)


def _print_text(context: BrowserContext) -> None:
    for page in context.pages:
        with suppress(PlaywrightError):
            print(f"{page.url} showed:\n{page.locator('body').inner_text(timeout=5000)}\n")


@pytest.fixture
def open_page(
    visitors: Visitors, server: Server, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Page]]:
    """``open_page("/", viewport=…)``: the page for another visitor; its errors fail the test.

    ``at=server`` opens it on another server, and ``is_first_visit=True`` in a browser that has
    nothing of the app in its cache. ``saves_data=False`` lets the app load the code for charts in
    the background. After a failed test, the text of its pages is printed.
    """
    observed = PageErrors()
    servers = [server]

    def call(
        path: str = "/",
        *,
        at: Server | None = None,
        is_first_visit: bool = False,
        saves_data: bool = True,
        viewport: ViewportSize | None = None,
        **options: object,
    ) -> Page:
        options.setdefault("reduced_motion", "reduce")  # animations take processor time
        context = visitors.take(options, is_first_visit=is_first_visit, saves_data=saves_data)
        page = context.new_page()
        page.set_viewport_size(viewport or {"width": 1280, "height": 900})
        observed.watch(page)
        if at is not None and at not in servers:
            servers.append(at)
        page.goto((at or server).url + path)
        page.get_by_text(LAST_LINE).wait_for()
        page.locator(IDLE).wait_for()
        return page

    yield call
    if request.node.stash.get(_has_failed, False):
        for context in visitors.used:
            _print_text(context)
    visitors.release(servers)
    assert observed.errors == []
    assert observed.foreign_urls == []
    for used in servers:
        log = used.new_log()
        assert "Traceback" not in log, log
