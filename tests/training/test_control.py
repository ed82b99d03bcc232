"""Stop, pause, resume, kill, delete and label: accepted and refused requests."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import asdict
from pathlib import Path

import pytest

from fer_core import bundle as bundle_module
from fer_core.bundle import find_bundle, publish_bundle, set_default_bundle
from fer_core.errors import InputError
from fer_core.processes import is_process_alive
from fer_core.recipes import TrainingConfig
from fer_core.settings import Settings
from fer_core.training.control import (
    Control,
    RunControl,
    RunLabel,
    is_active,
    kill_run,
    read_control,
    read_label,
    request_pause,
    request_resume,
    request_stop,
    write_label,
)
from fer_core.training.run_deletion import delete_run
from fer_core.training.run_folder import RunFolder, RunSetup, RunStatus

#: Holds a run like a training, reports it, and starts a child process.
HOLDER = """
import subprocess, sys, time
from pathlib import Path
from fer_core.training.run_folder import RunFolder, RunStatus
run = RunFolder(Path(sys.argv[1]))
with run.locked():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    run.write_status(RunStatus("running", str(child.pid), epoch=2, epochs=3, step=1, steps=9))
    time.sleep(600)
"""


class Clock:
    """A clock that advances while the code sleeps, and runs actions at given times."""

    def __init__(self) -> None:
        self.now = 100.0
        self.at: list[tuple[float, Callable[[], object]]] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for moment, action in [entry for entry in self.at if entry[0] <= self.now]:
            self.at.remove((moment, action))
            action()


@pytest.fixture
def run(settings: Settings) -> RunFolder:
    folder = RunFolder(settings.runs_root / "one")
    folder.create(RunSetup("a", "b", TrainingConfig()))
    return folder


@pytest.fixture
def holder(run: RunFolder) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(run.path)], start_new_session=True
    )
    deadline = time.monotonic() + 120
    while run.read_status() is None:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    yield process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def ask(run: RunFolder, request: str, requested: float | None = None) -> None:
    control = Control(request, time.time() if requested is None else requested)  # type: ignore[arg-type]
    (run.path / "control.json").write_text(json.dumps(asdict(control)))


def test_a_stop_request_reaches_the_training(run: RunFolder) -> None:
    stop = threading.Event()
    control = RunControl(run, stop, clock=(clock := Clock()), sleep=clock.sleep)
    assert not control.should_stop()
    ask(run, "stop")
    clock.now += 1
    assert control.should_stop() and not control.is_pruned
    control.discard_request()
    assert read_control(run) is None


def test_a_prune_request_stops_the_run_as_pruned(run: RunFolder) -> None:
    control = RunControl(run, threading.Event())
    ask(run, "prune")
    assert control.should_stop() and control.is_pruned


def test_a_request_from_before_the_run_was_taken_is_not_for_it(run: RunFolder) -> None:
    ask(run, "stop")
    with run.locked():
        assert not RunControl(run, threading.Event()).should_stop()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"request": "stop"}', '{"requested": 1e12}'])
def test_a_torn_request_is_none(run: RunFolder, content: str) -> None:
    (run.path / "control.json").write_text(content)
    assert not RunControl(run, threading.Event()).should_stop()


def test_a_pause_is_not_part_of_durations_and_keeps_the_heartbeat(run: RunFolder) -> None:
    clock = Clock()
    control = RunControl(run, threading.Event(), clock=clock, sleep=clock.sleep)
    run.write_status(RunStatus("running", "epoch 2/3", epoch=2, epochs=3, step=4, steps=9))
    seen: list[RunStatus | None] = []
    clock.at = [
        (110.0, lambda: seen.append(run.read_status())),
        (150.0, lambda: seen.append(run.read_status())),
        (160.0, lambda: ask(run, "resume")),
    ]
    ask(run, "pause")
    assert not control.should_stop()
    assert clock.now >= 160
    assert control.clock() == pytest.approx(100, abs=0.5)
    first, second = seen
    assert first is not None and second is not None
    assert (first.state, first.step) == ("paused", 4)
    assert "paused in epoch 2/3" in first.message
    assert second.updated > first.updated
    after = run.read_status()
    assert after is not None and after.state == "running"


def test_a_request_of_an_earlier_version_is_understood(run: RunFolder) -> None:
    ask(run, "go on")
    control = read_control(run)
    assert control is not None and control.request == "resume"


@pytest.mark.parametrize("how", ["signal", "request"])
def test_a_paused_training_can_be_stopped(run: RunFolder, how: str) -> None:
    clock, stop = Clock(), threading.Event()
    control = RunControl(run, stop, clock=clock, sleep=clock.sleep)
    ask(run, "pause")
    clock.at = [(120.0, stop.set if how == "signal" else lambda: ask(run, "stop"))]
    assert control.should_stop()


@pytest.mark.parametrize("request_", [request_stop, request_pause, request_resume, kill_run])
def test_requests_to_an_inactive_run_are_refused(
    run: RunFolder, request_: Callable[[RunFolder], None]
) -> None:
    with pytest.raises(InputError, match="The run one is not running"):
        request_(run)
    assert read_control(run) is None


def test_a_process_that_holds_a_run_is_found_controlled_and_killed_with_its_children(
    run: RunFolder, holder: "subprocess.Popen[bytes]", settings: Settings
) -> None:
    assert is_active(run)
    status = run.read_status()
    assert status is not None
    child = int(status.message)
    request_pause(run)
    control = read_control(run)
    assert control is not None and control.request == "pause"
    with pytest.raises(InputError, match="being trained; stop or kill it first"):
        delete_run(run, settings)
    kill_run(run)
    assert holder.wait(timeout=120) == -signal.SIGKILL
    assert not is_active(run)
    deadline = time.monotonic() + 120
    while is_process_alive(child, None) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_process_alive(child, None)


def test_a_number_that_another_process_has_reused_is_not_killed(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fer_core.training.control._START_TIMEOUT_SECONDS", 0.1)
    run.write_status(RunStatus("running", "x", process_id=os.getpid(), process_started=12345.0))
    with run.locked(), pytest.raises(InputError, match="did not write its process ID"):
        kill_run(run)


def test_a_run_is_deleted_whole_and_only_in_runs(
    run: RunFolder, settings: Settings, tmp_path: Path
) -> None:
    delete_run(run, settings)
    assert list(settings.runs_root.iterdir()) == []
    with pytest.raises(InputError, match="The run one does not exist"):
        delete_run(run, settings)
    for elsewhere in (tmp_path, settings.runs_root, settings.runs_root / ".queue"):
        elsewhere.mkdir(exist_ok=True)
        with pytest.raises(InputError, match="is not in"):
            delete_run(RunFolder(elsewhere), settings)
        assert elsewhere.is_dir()


def test_a_run_whose_model_is_the_default_model_is_not_deleted(
    run: RunFolder, settings: Settings, write_bundle_folder: Callable[..., Path]
) -> None:
    write_bundle_folder(run.bundle_path)
    set_default_bundle("one", settings)
    with pytest.raises(InputError, match="is in the folder of the run one; publish"):
        delete_run(run, settings)
    assert find_bundle(None, settings).folder == run.bundle_path
    # A published model of the same name is the default instead.
    publish_bundle(run.bundle_path, settings, name="one")
    delete_run(run, settings)
    assert find_bundle(None, settings).folder == settings.models_root / "one"


def test_a_run_that_becomes_the_default_model_meanwhile_is_not_deleted(
    run: RunFolder,
    settings: Settings,
    write_bundle_folder: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The other thread has found the bundle, and has not written its name when deletion starts."""
    write_bundle_folder(run.bundle_path)
    is_found, may_write = threading.Event(), threading.Event()
    write = bundle_module.write_text

    def late(path: Path, text: str) -> None:
        is_found.set()
        may_write.wait(180)
        write(path, text)

    monkeypatch.setattr(bundle_module, "write_text", late)
    with ThreadPoolExecutor(2) as pool:
        change = pool.submit(set_default_bundle, "one", settings)
        assert is_found.wait(180)
        deletion = pool.submit(delete_run, run, settings)
        # It waits: a folder that was deleted would disappear within this time.
        assert not wait([deletion], timeout=0.2).done
        may_write.set()
        change.result()
        with pytest.raises(InputError, match="The default model is in"):
            deletion.result()
    assert find_bundle(None, settings).folder == run.bundle_path


def test_a_run_is_deleted_where_the_models_folder_cannot_be_written(
    run: RunFolder, settings: Settings
) -> None:
    settings.models_root.write_text("a file")
    delete_run(run, settings)
    assert not run.path.exists()


def test_a_label_is_read_back(run: RunFolder) -> None:
    assert read_label(run) == RunLabel()
    write_label(run, RunLabel("  my\n best ", "two\nlines "))
    assert read_label(run) == RunLabel("my best", "two\nlines")
    with pytest.raises(InputError, match="may have up to 80 characters"):
        write_label(run, RunLabel("x" * 81))
    (run.path / "label.json").write_text("[3]")
    assert read_label(run) == RunLabel()
