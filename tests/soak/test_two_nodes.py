"""Photos, videos and a search on a real Ray cluster of two nodes; nodes and workers are killed."""

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from fer_core.bundle import Bundle
from fer_core.commands.many_files import LazyFileEntries
from fer_core.scale.inputs import list_items
from fer_core.scale.job_folder import JobFolder
from fer_core.scale.options import ScaleOptions
from fer_core.scale.photos import photo_work
from fer_core.scale.runner import run_job
from fer_core.settings import PROJECT_ROOT, Settings
from fer_core.video.sample import sample_path
from fer_core.vision.sample import sample_picture

pytestmark = pytest.mark.soak
_PORT = 6397


def start_node(*arguments: str) -> "subprocess.Popen[bytes]":
    ray = Path(sys.executable).with_name("ray")
    options = ("--num-cpus=1", "--disable-usage-stats", "--object-store-memory=100000000")
    return subprocess.Popen(
        [str(ray), "start", "--block", *options, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def kill_tree(process: "subprocess.Popen[bytes]") -> None:
    try:
        everyone = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return
    for one in everyone:
        one.kill()
    process.kill()
    process.wait()


@pytest.fixture
def two_nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator["subprocess.Popen[bytes]"]:
    """A cluster of two nodes; the value is the process of the second one."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    head = start_node("--head", f"--port={_PORT}", "--include-dashboard=false")
    second = None
    try:
        alive_nodes(1)
        second = start_node(f"--address=127.0.0.1:{_PORT}")
        alive_nodes(2)
        yield second
    finally:
        for process in (second, head):
            if process is not None:
                kill_tree(process)


def alive_nodes(count: int) -> None:
    """Wait until the cluster has so many nodes."""
    program = (
        f"import ray; ray.init('127.0.0.1:{_PORT}', logging_level='ERROR');"
        "print(sum(one['Alive'] for one in ray.nodes()))"
    )
    for _ in range(60):
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env=os.environ | {"RAY_AUTH_MODE": "disabled"},
        )
        if done.stdout.strip() == str(count):
            return
        time.sleep(1)
    raise AssertionError(f"the cluster has not {count} nodes: {done.stdout} {done.stderr[-500:]}")


def test_a_killed_node_changes_no_row(
    two_nodes: "subprocess.Popen[bytes]",
    bundle: Bundle,
    settings: Settings,
    tmp_path: Path,
    run: Callable[..., Any],
) -> None:
    (settings.models_root / "default").write_text("small\n")
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(120):
        (folder / f"{number:03}.png").write_bytes(sample_picture()[1])
    (folder / "words.png").write_bytes(b"no picture")
    expected = run("classify", folder, "--json").document["files"]
    out = JobFolder(str(tmp_path / "out"))
    killed: list[int] = []

    def kill_one_node(done: int, total: int) -> None:
        if not killed and done > 16:
            killed.append(done)
            kill_tree(two_nodes)

    result = run_job(
        photo_work(settings),
        [str(folder)],
        list_items([str(folder)]),
        out,
        ScaleOptions(
            backend="ray", address=f"127.0.0.1:{_PORT}", files_per_task=4, files_per_part=50
        ),
        report=kill_one_node,
    )
    assert killed
    rows = list(LazyFileEntries(out, result.record))
    assert Counter(row["file"] for row in rows) == Counter(file["file"] for file in expected)
    assert rows == expected


def test_videos_of_a_killed_node_are_analyzed_again(
    two_nodes: "subprocess.Popen[bytes]",
    bundle: Bundle,
    settings: Settings,
    tmp_path: Path,
    run: Callable[..., Any],
) -> None:
    folder, out = tmp_path / "clips", tmp_path / "out"
    folder.mkdir()
    for number in range(6):
        (folder / f"{number}.mp4").write_bytes(sample_path().read_bytes())
    (folder / "broken.mp4").write_bytes(b"no video")
    command = ("video", folder, "--model", "small", "--every", "5/s", "--json", "--out")
    expected = run(*command, tmp_path / "single").document["videos"]

    def kill_node() -> None:
        while len(list(out.glob("part-*.parquet"))) < 2:
            time.sleep(0.02)
        kill_tree(two_nodes)

    killing = threading.Thread(target=kill_node, daemon=True)
    killing.start()
    document = run(*command, out, "--on", f"127.0.0.1:{_PORT}").document
    killing.join(1)
    assert not killing.is_alive()
    for entry in (*document["videos"], *expected):
        del entry["out"]
    assert document["videos"] == expected
    assert document["summary"]["errors"] == 1


def search_actors() -> list[psutil.Process]:
    """The workers of searches on Ray, which sets the titles of their processes."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if "_SearchActor.work" in " ".join((process.info["cmdline"] or [])[:1])
    ]


@pytest.mark.usefixtures("two_nodes")
def test_a_search_trains_on_the_cluster_and_in_a_process_that_joins(
    settings: Settings, tmp_path: Path, run: Callable[..., Any]
) -> None:
    storage = ("--storage", f"sqlite:///{tmp_path / 'shared.db'}")
    command = [
        *(sys.executable, "-m", "fer_core", "search", "start", "rates", *storage),
        *("--recipe", "three-conv-cnn-adam", "--data", "demo", "--epochs", "1", "--trials", "6"),
        *("--space", '[{"field": "learning_rate", "low": 1e-4, "high": 1e-2, "log": true}]'),
        *("--on", f"127.0.0.1:{_PORT}", "--workers", "2"),
    ]
    with subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.DEVNULL) as start:
        while True:
            assert start.poll() is None
            time.sleep(0.2)
            shown = run("search", "show", "rates", "--json")
            if shown.code == 0 and shown.document["running"] == 2:
                break
        interrupted = {trial["worker"]: trial for trial in shown.document["trials"]}
        killed = search_actors()[0]
        name = next(name for name in interrupted if name.endswith(f" {killed.pid}"))
        killed.kill()
        joined = run("search", "join", "rates", *storage, "--json").document
        assert start.wait(300) == 0
    document = run("search", "show", "rates", "--json").document
    assert (document["state"], document["finished"], joined["finished"]) == ("finished", 6, 6)
    workers = {trial["worker"] for trial in document["trials"]}
    assert name not in workers
    assert any(one.endswith(f" {os.getpid()}") for one in workers)
    # The trial of the killed worker was trained by another one, with the same values.
    values = [trial["values"] for trial in document["trials"]]
    assert interrupted[name]["values"] in values
