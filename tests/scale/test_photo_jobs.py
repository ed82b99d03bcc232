"""Many photos: the rows of ``classify``, on worker processes and on Ray."""

import io
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import grpc
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from fer_core.bundle import Bundle
from fer_core.errors import InputError
from fer_core.scale import ray_pool
from fer_core.scale.inputs import Item, list_items
from fer_core.scale.photos import PhotoWork, photo_work
from fer_core.settings import Settings
from fer_core.vision.sample import sample_picture

RECIPE = "three-conv-cnn-adam"


def crop(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (48, 48), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def photos(write_files: Callable[..., Path], bundle: Bundle, settings: Settings) -> Path:
    """A folder with a face, face crops, and files that are no pictures."""
    (settings.models_root / "default").write_text("small\n")
    files = {f"crops/{number:02}.png": crop(number) for number in range(70)}
    files |= {"astronaut.png": sample_picture()[1], "words.jpg": b"no picture", "empty.png": b""}
    return write_files(files, "photos")


def test_worker_processes_give_the_document_of_classify(
    photos: Path, run: Callable[..., Any], tmp_path: Path
) -> None:
    expected = run("classify", photos, "--json").document
    out = tmp_path / "out"
    command = ("classify", photos, "--out", out, "--workers", 2, "--part-files", 40, "--json")
    document = run(*command).document
    assert document["files"] == expected["files"]
    assert list(document["files"][0]) == ["file", "width", "height", "faces", "error"]
    assert document["out"] == str(out)
    assert document["summary"] == {"files": 73, "rows": 73, "faces": 71, "errors": 2, "parts": 2}
    table = pq.read_table(out / "part-00001.parquet")
    assert table.num_rows == 33
    assert table.schema.field("faces").type.value_type.field("score").type == "float"
    text = run(*command[:-1]).out
    assert text.splitlines() == [
        "73 files with 71 faces; 2 could not be read",
        f"2 parts in {out}",
        "73 files were already processed",
    ]
    assert "another job, with whole True" in run(*command, "--whole").refusal.replace(
        "None instead of ", ""
    )


@pytest.mark.soak
def test_a_new_ray_on_this_machine_gives_the_document_of_classify(
    photos: Path, run: Callable[..., Any], tmp_path: Path
) -> None:
    expected = run("classify", photos, "--json").document
    answer = run("classify", photos, "--out", tmp_path / "out", "--on", "ray", "--json")
    assert answer.document["files"] == expected["files"]


def test_patterns_and_lists_without_a_folder_for_the_results(
    photos: Path, run: Callable[..., Any], tmp_path: Path
) -> None:
    expected = run("classify", photos / "crops", "--json").document
    assert run("classify", f"{photos}/crops/*.png", "--json").document == expected
    files = tmp_path / "list.txt"
    files.write_text(f"{photos}/astronaut.png\n{tmp_path}/gone.png\n")
    found, gone = run("classify", "--files-from", files, "--json").document["files"]
    assert (len(found["faces"]), gone["error"]) == (1, "gone.png does not exist; check the path.")
    text = run("classify", "--files-from", files).out
    assert "astronaut.png: 1 face\n" in text


@pytest.fixture
def work(photos: Path, settings: Settings) -> PhotoWork:
    return photo_work(settings)


def test_faces_of_several_files_share_calls_of_the_network(
    photos: Path, work: PhotoWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = work.open(threads=1, memory_bytes=2**31)
    calls: list[int] = []
    predict = worker._analyzer.predictor.probabilities

    def counted(crops: Any) -> Any:
        calls.append(len(crops))
        return predict(crops)

    monkeypatch.setattr(worker._analyzer.predictor, "probabilities", counted)
    rows = worker.rows(list(list_items([str(photos)])))
    assert len(rows) == 73
    assert calls == [64, 7]


def test_a_network_that_fails_for_one_face_affects_its_file_only(
    photos: Path, work: PhotoWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = work.open(threads=1, memory_bytes=2**31)
    predict = worker._analyzer.predictor.probabilities
    broken = np.asarray(Image.open(photos / "crops" / "05.png"))

    def failing(crops: Any) -> Any:
        if any(np.array_equal(one, broken) for one in crops):
            raise InputError("The model returns values that are not probabilities.")
        return predict(crops)

    monkeypatch.setattr(worker._analyzer.predictor, "probabilities", failing)
    rows = worker.rows(list(list_items([str(photos / "crops")])))
    assert [number for number, row in enumerate(rows) if row["error"]] == [5]
    assert (rows[5]["width"], rows[5]["faces"]) == (48, [])


def test_a_picture_of_unknown_size_has_a_limit(
    work: PhotoWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = fsspec.filesystem("memory")
    store.pipe_file("/bucket/large.png", sample_picture()[1])
    monkeypatch.setattr("fer_core.vision.picture_files.MAX_PICTURE_BYTES", 1000)
    worker = work.open(threads=1, memory_bytes=2**31)
    (row,) = worker.rows([Item("memory://bucket/large.png")])
    assert row["error"].startswith("large.png is larger than")
    store.rm("/bucket", recursive=True)


def test_files_that_cannot_be_read_are_rows_with_a_message(photos: Path, work: PhotoWork) -> None:
    path = photos / "astronaut.png"
    (item,) = list_items([str(path)])
    path.write_bytes(path.read_bytes() + b"more")
    worker = work.open(threads=1, memory_bytes=2**31)
    items = [item, Item(str(photos)), replace(item, file=str(photos / "gone.png"))]
    assert [row["error"] for row in worker.rows(items)] == [
        "astronaut.png was changed after the job listed it; classify it again.",
        "photos is not a file; check the path.",
        "gone.png does not exist; check the path.",
    ]
    small = work.open(threads=1, memory_bytes=352 * 2**20)
    (row,) = small.rows([Item(str(path))])
    assert row["error"].startswith("astronaut.png needs 35")
    assert "more than the 352 MB of a worker; raise --worker-memory" in row["error"]


def test_another_model_is_another_job(
    work: PhotoWork, settings: Settings, bundle: Bundle, write_bundle_folder: Callable[..., Path]
) -> None:
    assert photo_work(settings).description() == work.description()
    (bundle.folder / "calibration.json").write_text('{"temperature": 2.0}')
    assert photo_work(settings).description()["files"] != work.description()["files"]
    assert photo_work(settings, whole=True).description()["whole"] is True


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "needs at least one PATH, or a list"),
        (("{photos}/*.gif",), "No file matches"),
        (("{photos}", "--out", "{photos}"), "is not empty and contains no job"),
        (("{photos}", "--on", "moon"), "--on should be local, ray"),
        (("{photos}", "--out", "{new}", "--workers", "0"), "workers should be at least 1"),
        (("{photos}", "--out", "{new}", "--model", "none"), "There is no model 'none'"),
        (("{photos}/words.jpg", "--out", "{new}"), "words.jpg"),
        (("{photos}", "--out", "{photos}/words.jpg"), "cannot be stored in"),
        (("nothing://x",), "are not supported"),
    ],
)
def test_an_invalid_job_is_refused_in_one_line(
    photos: Path, run: Callable[..., Any], tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    places = {"photos": photos, "new": tmp_path / "new"}
    assert words in run("classify", *[one.format(**places) for one in arguments]).refusal


def test_without_the_extra_the_message_names_it(
    photos: Path, run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    out = ("--out", tmp_path / "out")
    space = '[{"field": "learning_rate", "low": 1e-4, "high": 1e-2}]'
    for command in (
        ("classify", photos, *out, "--on", "ray"),
        ("classify", "gs://bucket/photos"),
        ("video", photos / "astronaut.png", *out, "--on", "ray"),
        ("video", "gs://bucket/videos", "--out", tmp_path / "other"),
        *(
            ("search", *one, "--on", "ray")
            for one in (
                ("start", "new", "--recipe", RECIPE, "--data", "demo", "--space", space),
                ("resume", "new"),
            )
        ),
    ):
        assert "requirements-scale.txt" in run(*command).refusal
    assert run("search", "list", "--json").document == []
    assert not (tmp_path / "out").exists()


def test_an_unreachable_cluster_is_reported_within_ten_seconds(
    photos: Path, run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray itself, which is never called here, would retry for minutes."""

    def called(**_: object) -> None:
        raise AssertionError("Ray was called")

    monkeypatch.setattr("ray.init", called)
    out = tmp_path / "out"
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # no other program can listen there meanwhile
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        refusal = run("classify", photos, "--out", out, "--on", address).refusal
    assert f"The Ray cluster at {address} cannot be reached (Connection refused)" in refusal
    # Something else that never answers.
    assert ray_pool._CONNECT_SECONDS + ray_pool._CHANNEL_SECONDS < 10
    monkeypatch.setattr(ray_pool, "_CHANNEL_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        refusal = run("classify", photos, "--out", out, "--on", address).refusal
        assert f"The Ray cluster at {address} does not answer within" in refusal


def test_a_cluster_with_another_token_is_reported_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that answers as a cluster with the token "right"."""
    # On a busy machine, the server may take longer than a user would wait.
    for name in ("_CONNECT_SECONDS", "_CHANNEL_SECONDS"):
        monkeypatch.setattr(ray_pool, name, 300.0)

    class Cluster(grpc.GenericRpcHandler):
        def service(self, details: Any) -> Any:
            headers = dict(details.invocation_metadata)

            def answer(_: bytes, context: Any) -> bytes:
                if headers.get("authorization") != "Bearer right":
                    context.abort(grpc.StatusCode.UNAUTHENTICATED, "InvalidAuthToken")
                return b""

            return grpc.unary_unary_rpc_method_handler(answer)

    server = grpc.server(ThreadPoolExecutor(1), handlers=[Cluster()])
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    for mode, token, is_accepted in (
        ("disabled", "right", False),
        ("token", "wrong", False),
        ("token", "right\n", True),
    ):
        monkeypatch.setenv("RAY_AUTH_MODE", mode)
        (tmp_path / "token").write_text(token)
        if is_accepted:
            ray_pool.check_answer(address)
        else:
            with pytest.raises(InputError, match="does not accept this process; check that this"):
                ray_pool.check_answer(address)
    server.stop(None).wait()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            RuntimeError("Version mismatch: The cluster was started with:\n    Ray: 2.9.0\n"),
            "has another version of Ray or Python than this machine",
        ),
        (
            ConnectionError("initialization failure\nmore"),
            r"cannot be used (initialization failure",
        ),
    ],
)
def test_a_cluster_with_other_versions_is_refused(
    error: Exception, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(**_: object) -> None:
        raise error

    monkeypatch.setattr("ray.init", failing)
    monkeypatch.setattr(ray_pool, "check_answer", lambda _: None)
    monkeypatch.setattr("ray._private.services.find_node_ids", lambda: {"a node"})
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        pytest.raises(InputError) as caught,
    ):
        ray_pool.connect(f"127.0.0.1:{listener.getsockname()[1]}")
    assert words in str(caught.value)


def test_a_machine_that_is_not_a_node_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray itself would search for a node for a minute."""
    monkeypatch.setattr(ray_pool, "check_answer", lambda _: None)
    monkeypatch.setattr("ray._private.services.find_node_ids", set)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(InputError, match=r"is not a node of .*; give ray://127\.0\.0\.1:10001"):
            ray_pool.connect(address)
