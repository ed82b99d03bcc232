"""Photos, videos and results in a local S3 server (moto, in an environment of its own)."""

import socket
import subprocess
import time
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.fs
import pytest

from fer_core.bundle import Bundle
from fer_core.scale import stores
from fer_core.settings import Settings
from fer_core.video.sample import sample_path
from fer_core.vision.sample import sample_picture

pytestmark = pytest.mark.soak

#: Its dependencies contradict those of this project, so that it is not in its requirements.
_MOTO = "moto[s3,server]==5.2.5"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an empty S3 server."""
    environment = tmp_path_factory.mktemp("moto")
    venv.create(environment, with_pip=True)
    install = [environment / "bin" / "pip", "install", "--quiet", _MOTO]
    subprocess.run(install, check=True, timeout=600)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [environment / "bin" / "moto_server", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            assert process.poll() is None
            time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[pyarrow.fs.S3FileSystem]:
    """The server with photos in ``s3://bucket/photos``; the client of this process is new."""
    for name, value in {
        "AWS_ENDPOINT_URL": server,
        "AWS_ACCESS_KEY_ID": "user",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    stores._file_system.cache_clear()
    client = pyarrow.fs.S3FileSystem(
        endpoint_override=server.removeprefix("http://"), scheme="http", allow_bucket_creation=True
    )
    client.create_dir("bucket")
    photos = {f"{number:02}.png": sample_picture()[1] for number in range(10)}
    for name, content in (photos | {"words.jpg": b"no picture", ".hidden": b"x"}).items():
        with client.open_output_stream(f"bucket/photos/{name}") as file:
            file.write(content)
    yield client
    stores._file_system.cache_clear()


def test_photos_and_results_in_an_object_store(
    bucket: pyarrow.fs.S3FileSystem, run: Callable[..., Any], bundle: Bundle, settings: Settings
) -> None:
    (settings.models_root / "default").write_text("small\n")
    command = ("classify", "s3://bucket/photos", "--out", "s3://bucket/results", "--part-files", 4)
    document = run(*command, "--workers", 2, "--json").document
    assert [file["file"] for file in document["files"]] == [
        *(f"s3://bucket/photos/{number:02}.png" for number in range(10)),
        "s3://bucket/photos/words.jpg",
    ]
    assert document["summary"] == {"files": 11, "rows": 11, "faces": 10, "errors": 1, "parts": 3}
    assert run(*command, "--json").document == document
    bucket.delete_file("bucket/results/part-00001.parquet")
    with bucket.open_output_stream("bucket/photos/05.png") as file:
        file.write(b"other content")
    again = run(*command, "--json").document["files"]
    assert "was changed after the job listed it" in again[5]["error"]
    assert again[:5] == document["files"][:5]
    assert len(run("classify", "s3://bucket/photos/0[1-3]*.png", "--json").document["files"]) == 3


def test_videos_and_results_in_an_object_store(
    bucket: pyarrow.fs.S3FileSystem,
    run: Callable[..., Any],
    bundle: Bundle,
    tmp_path: Path,
) -> None:
    contents = {"talk.mp4": sample_path().read_bytes(), "bad.mp4": b"no video", "notes.txt": b"x"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        with bucket.open_output_stream(f"bucket/clips/{name}") as file:
            file.write(content)
    options = ("--model", "small", "--every", "5/s", "--to", "4", "--json", "--out")
    local = run("video", tmp_path, *options, tmp_path / "out").document["videos"]
    command = ("video", "s3://bucket/clips", *options, "s3://bucket/faces")
    document = run(*command).document
    assert [entry["file"] for entry in document["videos"]] == [
        "s3://bucket/clips/bad.mp4",
        "s3://bucket/clips/talk.mp4",
    ]
    assert document["videos"][1]["out"] == "s3://bucket/faces/part-00001.parquet"
    for entry in (*document["videos"], *local):
        del entry["file"], entry["out"]
    assert [entry["persons"] for entry in document["videos"]] == [
        entry["persons"] for entry in local
    ]
    assert document["videos"][1] == local[1]
    assert run(*command).document["summary"] == document["summary"]


@pytest.mark.usefixtures("bucket")
def test_a_store_that_cannot_be_used_is_reported_in_one_line(
    run: Callable[..., Any],
    bundle: Bundle,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (settings.models_root / "default").write_text("small\n")
    out = ("--out", tmp_path / "out")
    assert "There are no files at s3://none/" in run("classify", "s3://none/photos", *out).refusal
    assert (
        "There are no files at s3://bucket/none"
        in run("classify", "s3://bucket/none", *out).refusal
    )
    photos = "s3://bucket/photos"
    assert "cannot be stored in" in run("classify", photos, "--out", "s3://none/x").refusal
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    stores._file_system.cache_clear()
    assert "the store cannot be reached" in run("classify", photos, *out).refusal
