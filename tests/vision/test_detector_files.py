"""YuNet's file: identified by its checksum, stored completely or not at all."""

import contextlib
import hashlib
import os
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from fer_core.errors import InputError
from fer_core.settings import Settings
from fer_core.vision import detector_files
from fer_core.vision.detect import make_detector
from fer_core.vision.detector_files import (
    YUNET_BYTES,
    YUNET_FILE_NAME,
    detector_names,
    download_yunet,
    is_yunet_available,
    yunet_path,
)

GOOD = bytes(range(256)) * 40


@pytest.fixture
def roots(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "data", tmp_path / "runs", tmp_path / "models")


@pytest.fixture
def good_is_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Expect the tests' own content instead of the detector, which is not in the repository."""
    monkeypatch.setattr(detector_files, "YUNET_BYTES", len(GOOD))
    monkeypatch.setattr(detector_files, "YUNET_SHA256", hashlib.sha256(GOOD).hexdigest())


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        bodies = {
            "/good": GOOD,
            "/wrong": bytes(len(GOOD)),
            "/short": GOOD[:-1],
            "/long": GOOD + b"!" * 5_000_000,
        }
        if self.path == "/slow":
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                while True:
                    self.wfile.write(b"!")
            return
        body = bodies.get(self.path)
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.end_headers()
        # The client stops when it has read enough.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Keep the tests' output quiet."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


def test_the_path_is_in_the_detectors_folder(roots: Settings) -> None:
    assert yunet_path(roots) == roots.models_root / "detectors" / YUNET_FILE_NAME


def test_a_missing_or_wrong_file_is_not_available(roots: Settings) -> None:
    assert not is_yunet_available(roots)
    yunet_path(roots).parent.mkdir(parents=True)
    yunet_path(roots).write_bytes(b"short")
    assert not is_yunet_available(roots)
    yunet_path(roots).write_bytes(bytes(YUNET_BYTES))
    assert not is_yunet_available(roots)
    assert detector_names(roots) == ("haar",)
    with pytest.raises(InputError, match=r"is damaged or of another version .*copy the file there"):
        make_detector("yunet", roots)


def test_a_folder_with_the_files_name_is_not_available(roots: Settings) -> None:
    yunet_path(roots).mkdir(parents=True)
    assert not is_yunet_available(roots)


@pytest.mark.usefixtures("good_is_expected")
def test_a_replaced_file_is_detected(roots: Settings) -> None:
    path = yunet_path(roots)
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(len(GOOD)))
    assert not is_yunet_available(roots)
    # As a download does. The file may have the same time of modification.
    good = path.with_name("good")
    good.write_bytes(GOOD)
    os.utime(good, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    good.replace(path)
    assert is_yunet_available(roots)


@pytest.mark.usefixtures("good_is_expected")
def test_download(roots: Settings, server: str) -> None:
    path = download_yunet(roots, f"{server}/good")
    assert path == yunet_path(roots)
    assert path.read_bytes() == GOOD
    assert is_yunet_available(roots)
    assert [file.name for file in path.parent.iterdir()] == [YUNET_FILE_NAME]


@pytest.mark.usefixtures("good_is_expected")
@pytest.mark.parametrize("path", ["wrong", "short", "long"])
def test_other_content_is_not_stored(roots: Settings, server: str, path: str) -> None:
    with pytest.raises(InputError, match="another file"):
        download_yunet(roots, f"{server}/{path}")
    assert not roots.detectors_root.exists()


def test_the_servers_error_is_in_the_message(roots: Settings, server: str) -> None:
    with pytest.raises(InputError, match=r"404 .*copy it into .*detectors"):
        download_yunet(roots, f"{server}/absent")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/refused", "not a url", "http://["])
def test_no_connection(roots: Settings, url: str) -> None:
    with pytest.raises(InputError, match=r"could not be downloaded.*copy it into") as caught:
        download_yunet(roots, url)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("good_is_expected")
def test_a_folder_that_cannot_be_written(tmp_path: Path, server: str) -> None:
    (tmp_path / "models").write_text("a file where the folder should be")
    roots = Settings(tmp_path, tmp_path, tmp_path / "models")
    with pytest.raises(InputError, match="cannot be stored in"):
        download_yunet(roots, f"{server}/good")


def test_a_download_that_never_ends_is_stopped(
    roots: Settings, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detector_files, "_MAX_DOWNLOAD_SECONDS", -1.0)
    with pytest.raises(InputError, match="not complete after"):
        download_yunet(roots, f"{server}/slow")


def test_a_server_that_does_not_answer_times_out(
    roots: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert detector_files._TIMEOUT_SECONDS == 5.0
    monkeypatch.setattr(detector_files, "_TIMEOUT_SECONDS", 0.05)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(InputError, match="timed out"):
            download_yunet(roots, f"http://127.0.0.1:{silent.getsockname()[1]}/")
