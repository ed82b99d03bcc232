"""One server and one Chromium for all tests of a file, and a page that notes what goes wrong."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from fer_core.settings import PROJECT_ROOT, Settings

IDLE = '[data-testid="stApp"][data-test-script-state="notRunning"]'
_PATIENCE_MS = 30_000


@dataclass
class Server:
    """A running app.

    Attributes:
        url: Where it answers.
        settings: The folders that it works in.
        log_path: What it wrote on standard output and error.
    """

    url: str
    settings: Settings
    log_path: Path
    process: "subprocess.Popen[bytes]" = field(repr=False)

    def stop(self) -> str:
        """End it.

        Returns:
            Its log.
        """
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        return self.log_path.read_text(encoding="utf-8", errors="replace")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@pytest.fixture(scope="module")
def start_server(
    tmp_path_factory: pytest.TempPathFactory, write_bundle_folder: Callable[..., Path]
) -> Iterator[Callable[..., Server]]:
    """``start_server()``: the app as "streamlit run app.py" starts it, with two small models.

    ``start_server(settings)`` starts it on the folders of an earlier one, ``options=[…]`` with
    further options on the command line.
    """
    servers: list[Server] = []

    def new_home() -> Settings:
        root = tmp_path_factory.mktemp("home")
        settings = Settings(root / "data", root / "runs", root / "models")
        figures = {"validation": {"accuracy": 0.6253}}
        write_bundle_folder(settings.models_root / "small", metrics=figures)
        write_bundle_folder(settings.models_root / "other", temperature=3.0)
        (settings.models_root / "default").write_text("small\n")
        return settings

    def start(settings: Settings | None = None, *, options: Sequence[str] = ()) -> Server:
        settings = settings or new_home()
        port = _free_port()
        environment = os.environ | {
            "FER_STUDIO_DATA": str(settings.data_root),
            "FER_STUDIO_RUNS": str(settings.runs_root),
            "FER_STUDIO_MODELS": str(settings.models_root),
        }
        log_path = tmp_path_factory.mktemp("server") / "server.log"
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "streamlit", "run", "app.py"),
                    *("--server.headless=true", f"--server.port={port}"),
                    # An edit while the tests run would be loaded half way.
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
        deadline = time.monotonic() + 60
        while not _answers(server.url):
            assert process.poll() is None, log_path.read_text()
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.05)
        return server

    yield start
    logs = [server.stop() for server in servers]
    for log in logs:
        assert "Traceback" not in log, log


@pytest.fixture(scope="module")
def server(start_server: Callable[[], Server]) -> Server:
    """The server that the tests of a file share."""
    return start_server()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A Chromium with a made-up camera."""
    path = os.environ.get("FER_STUDIO_CHROMIUM") or shutil.which("chromium")
    if path is None or not Path(path).exists():
        pytest.fail(
            "The browser tests need Chromium: install it (make browser), or name its program in "
            "FER_STUDIO_CHROMIUM."
        )
    # Within a file and no longer: its event loop would be in the way of other tests.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            args=["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"],
        )
        yield browser
        browser.close()


@dataclass
class Trouble:
    """What a page must not do, and did."""

    errors: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        """Note a page's errors and the hosts that it asks."""
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self._on_address(request.url))
        page.on("websocket", lambda connection: self._on_address(connection.url))

    def _on_console(self, message: ConsoleMessage) -> None:
        url = message.location["url"]
        # Behind a page's own address Streamlit looks for its server there first.
        page, separator, _ = urlsplit(url).path.partition("/_stcore/")
        is_streamlits_search = bool(page and separator)
        if message.type == "error" and not is_streamlits_search:
            self.errors.append(f"{message.text} ({url})")

    def _on_address(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob") and parts.hostname != "localhost":
            self.strangers.append(url)


@pytest.fixture
def open_page(chromium: Browser, server: Server) -> Iterator[Callable[..., Page]]:
    """``open_page("/", viewport=…)``: a visitor of their own; errors are told at the end."""
    trouble = Trouble()
    contexts: list[BrowserContext] = []

    def call(path: str = "/", *, at: Server | None = None, **options: object) -> Page:
        options.setdefault("viewport", {"width": 1280, "height": 900})
        context = chromium.new_context(permissions=["camera"], **options)  # type: ignore[arg-type]
        contexts.append(context)
        context.set_default_timeout(_PATIENCE_MS)
        page = context.new_page()
        trouble.watch(page)
        page.goto((at or server).url + path)
        page.get_by_text("banned in the European Union").wait_for()  # the last line
        page.locator(IDLE).wait_for()
        return page

    yield call
    for context in contexts:
        context.close()
    assert trouble.errors == []
    assert trouble.strangers == []
