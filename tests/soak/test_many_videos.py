"""Recordings in worker processes, of which no row is lost when workers and drivers are killed."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest

from fer_core.bundle import Bundle
from fer_core.settings import PROJECT_ROOT, Settings
from fer_core.video.sample import sample_path

pytestmark = pytest.mark.soak

_COUNT = 8


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Copies of the sample recording, and one that is cut off."""
    folder = tmp_path / "clips"
    folder.mkdir()
    content = sample_path().read_bytes()
    for number in range(_COUNT):
        (folder / f"{number:02}.mp4").write_bytes(content)
    (folder / "cut.mp4").write_bytes(content[: len(content) // 2])
    return folder


def rows_by_name(out: Path) -> dict[str, list[dict[str, Any]]]:
    """The rows of each video, without its path and name."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in pq.read_table(out).to_pylist():
        del row["video"]
        rows.setdefault(Path(row.pop("file")).name, []).append(row)
    return rows


def test_killed_workers_and_a_killed_driver_change_no_table(
    clips: Path,
    bundle: Bundle,
    settings: Settings,
    tmp_path: Path,
    run: Callable[..., Any],
) -> None:
    out, temporary = tmp_path / "out", tmp_path / "temporary"
    temporary.mkdir()
    command = [sys.executable, "-m", "fer_core", "video", str(clips), "--out", str(out)]
    command += ["--model", "small", "--every", "10/s", "--workers", "2"]
    environment = os.environ | {
        "FER_STUDIO_MODELS": str(settings.models_root),
        "TMPDIR": str(temporary),
    }

    def start() -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            command, cwd=PROJECT_ROOT, env=environment, stderr=subprocess.DEVNULL
        )

    def parts() -> list[Path]:
        return sorted(out.glob("part-*.parquet"))

    def workers(driver: "subprocess.Popen[bytes]") -> list[psutil.Process]:
        return [
            child
            for child in psutil.Process(driver.pid).children()
            if "spawn_main" in " ".join(child.cmdline())
        ]

    def wait_for_parts(driver: "subprocess.Popen[bytes]", count: int) -> None:
        while len(parts()) < count:
            assert driver.poll() is None
            time.sleep(0.02)

    driver = start()
    wait_for_parts(driver, 1)
    workers(driver)[0].kill()
    wait_for_parts(driver, 3)
    orphans = workers(driver)
    driver.kill()
    driver.wait()
    finished = {path: path.stat().st_mtime_ns for path in parts()}
    assert 3 <= len(finished) < _COUNT
    # The workers end with their driver, although they are in the middle of a video.
    assert not psutil.wait_procs(orphans, timeout=10)[1]
    assert start().wait() == 0
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    assert not list(temporary.iterdir())
    found = rows_by_name(out)
    assert list(found) == [*(f"{number:02}.mp4" for number in range(_COUNT)), "cut.mp4"]
    assert all(found[name] == found["00.mp4"] for name in list(found)[:-1])
    assert "cut.mp4 ends early" in found["cut.mp4"][0]["notes"][0]
    single = tmp_path / "single"
    answer = run(
        *("video", clips / "00.mp4", "--model", "small", "--every", "10/s", "--out", single)
    )
    assert answer.code == 0, answer.err
    table = pq.read_table(single / "00" / "faces.parquet").drop_columns(["video"])
    many = [{name: row[name] for name in table.column_names} for row in found["00.mp4"]]
    assert many == table.to_pylist()
    assert {row["person"] for row in many} > {1}
