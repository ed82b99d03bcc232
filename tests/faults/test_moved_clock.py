"""The system clock is set back by an hour or forward by a day while the program runs."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from fer_core.dataset.finding_cache import cached_arrays
from fer_core.recipes import TrainingConfig
from fer_core.settings import Settings
from fer_core.training import run_folder
from fer_core.training.control import RunControl, kill_run, request_stop
from fer_core.training.registry import run_summary
from fer_core.training.run_folder import RunFolder, RunSetup, new_run_folder

HOUR, DAY = 3600.0, 24 * 3600.0

#: A process that looks like a training: it holds the run's lock and has written a status.
TRAINER = """
import sys, time
from pathlib import Path
from fer_core.training.run_folder import RunFolder, RunStatus
run = RunFolder(Path(sys.argv[1]))
with run.locked():
    run.write_status(RunStatus("running", "training", epoch=1, epochs=5, step=1, steps=9))
    time.sleep(600)
"""


@pytest.fixture
def run(settings: Settings) -> RunFolder:
    folder = RunFolder(settings.runs_root / "one")
    folder.create(RunSetup("a", "b", TrainingConfig()))
    return folder


@pytest.fixture
def trainer(run: RunFolder) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen([sys.executable, "-c", TRAINER, str(run.path)])
    deadline = time.monotonic() + 120
    while run.read_status() is None:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """``set_clock(-3600)``: move the clock and, as the system does, the boot time."""
    real, real_boot = time.time, psutil.boot_time()

    def call(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: real() + seconds)
        for module in (psutil, psutil._psplatform):
            monkeypatch.setattr(module, "boot_time", lambda: real_boot + seconds)
        monkeypatch.setattr(psutil._psplatform, "BOOT_TIME", real_boot + seconds, raising=False)

    return call


@pytest.mark.parametrize("seconds", [-HOUR, DAY])
def test_a_running_training_is_recognized_and_can_be_killed(
    run: RunFolder,
    trainer: "subprocess.Popen[bytes]",
    settings: Settings,
    set_clock: Callable[[float], None],
    seconds: float,
) -> None:
    set_clock(seconds)
    assert run_summary(run.path, settings).state == "running"
    kill_run(run)
    assert trainer.wait(timeout=120) < 0
    assert "killed on request" in run_summary(run.path, settings).reason


@pytest.mark.parametrize("seconds", [-HOUR, DAY])
def test_a_request_with_another_time_stamp_is_accepted(
    run: RunFolder, set_clock: Callable[[float], None], seconds: float
) -> None:
    with run.locked():
        control = RunControl(run, threading.Event())
        set_clock(seconds)
        request_stop(run)
        assert control.should_stop()


def test_runs_started_in_the_same_second_have_different_folders(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Stopped":
            return cls(2026, 1, 1, 12, tzinfo=tz)

    monkeypatch.setattr(run_folder, "datetime", Stopped)
    names = [new_run_folder("recipe", settings).path.name for _ in range(3)]
    assert names == [f"20260101-120000-recipe{end}" for end in ("", "-2", "-3")]


def test_a_new_cache_file_is_kept_when_older_ones_are_dated_in_the_future(tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text("{}")
    asked = []

    def make() -> dict[str, Any]:
        asked.append(1)
        return {"a": np.arange(3)}

    for number in range(3):
        cached_arrays(tmp_path, "kind", f"early-{number}", make)
        path = tmp_path / "findings" / f"kind-early-{number}.npz"
        os.utime(path, (time.time() + DAY, time.time() + DAY))
    for _ in range(2):
        cached_arrays(tmp_path, "kind", "now", make)
    assert len(asked) == 4
    assert len(list((tmp_path / "findings").iterdir())) == 3
