"""``detectors`` and ``detectors fetch``, with a server on this machine."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from answered import Answered

from fer_core.settings import Settings
from fer_core.vision import detector_files
from fer_core.vision.detector_files import YUNET_FILE_NAME

CONTENT = b"the tests' own detector file"


@pytest.fixture
def requests() -> list[str]:
    return []


@pytest.fixture
def server(requests: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    # On a busy machine, the server may take longer than a user would wait.
    for name in ("_TIMEOUT_SECONDS", "_MAX_DOWNLOAD_SECONDS"):
        monkeypatch.setattr(detector_files, name, 300.0)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(CONTENT)

        def log_message(self, *arguments: object) -> None:
            """Write no log lines into the tests' output."""

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}/file"
        http.shutdown()


@pytest.fixture
def content_is_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detector_files, "YUNET_BYTES", len(CONTENT))
    monkeypatch.setattr(detector_files, "YUNET_SHA256", hashlib.sha256(CONTENT).hexdigest())


@pytest.mark.usefixtures("content_is_expected")
def test_fetch_makes_yunet_the_default_and_downloads_once(
    run: Callable[..., Answered], settings: Settings, server: str, requests: list[str]
) -> None:
    assert run("detectors", "--json").document == [{"name": "haar", "default": True}]
    path = settings.detectors_root / YUNET_FILE_NAME
    first = run("detectors", "fetch", "--url", server, "--json").document
    assert first == {"name": "yunet", "path": str(path), "downloaded": True}
    assert path.read_bytes() == CONTENT
    second = run("detectors", "fetch", "--url", server)
    assert "already present" in second.out
    assert requests == ["/file"]
    assert run("detectors", "--json").document == [
        {"name": "yunet", "default": True},
        {"name": "haar", "default": False},
    ]


def test_a_wrong_checksum_is_one_line_and_stores_nothing(
    run: Callable[..., Answered], settings: Settings, server: str
) -> None:
    refusal = run("detectors", "fetch", "--url", server).refusal
    assert "another file than the YuNet detector" in refusal
    assert not settings.detectors_root.exists()


def test_without_a_network_it_is_one_line(run: Callable[..., Answered]) -> None:
    assert "Connection refused" in run("detectors", "fetch", "--url", "http://127.0.0.1:9/").refusal
