"""The queue's order and its locks, without real trainings."""

import errno
import importlib.util
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from fer_core import job_process
from fer_core.errors import InputError
from fer_core.processes import LOCK_VARIABLE
from fer_core.recipes import TrainingConfig, validated_config
from fer_core.settings import PROJECT_ROOT, Settings
from fer_core.training.launcher import continue_run, extend_run, launch
from fer_core.training.queue import (
    enqueue,
    move_in_queue,
    pending_runs,
    remove_from_queue,
    start_pending_runs,
)
from fer_core.training.registry import run_summary
from fer_core.training.run_folder import EpochRecord, RunFolder, RunSetup, RunStatus, Tracking

#: Instead of a training: keeps the lock that it was handed until its standard input ends.
HOLDER = """
import sys
from pathlib import Path
from fer_core.training.run_folder import RunFolder
with RunFolder(Path(sys.argv[1])).locked():
    print("held", flush=True)
    sys.stdin.read()
"""


class Spawned:
    """Replaces the start of processes."""

    def __init__(self) -> None:
        self.processes: dict[str, subprocess.Popen[str]] = {}

    def __call__(
        self, module: str, arguments: list[str], settings: Settings, *, lock: int, **_: Any
    ) -> int:
        assert module == "fer_core.training.train_job"
        (path,) = arguments
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, path],
            cwd=PROJECT_ROOT,
            env={"PATH": "", LOCK_VARIABLE: str(lock)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(lock,),
            text=True,
        )
        self.processes[Path(path).name] = process
        return process.pid

    def end(self, name: str) -> None:
        process = self.processes.pop(name)
        process.communicate()


@pytest.fixture
def spawned(monkeypatch: pytest.MonkeyPatch) -> Any:
    stand_in = Spawned()
    monkeypatch.setattr(job_process, "spawn", stand_in)
    yield stand_in
    for name in list(stand_in.processes):
        stand_in.end(name)


def make(settings: Settings, name: str, **config: object) -> RunFolder:
    run = RunFolder(settings.runs_root / name)
    run.create(RunSetup("a", "b", validated_config(config)))
    return run


def names(runs: list[RunFolder]) -> list[str]:
    return [run.path.name for run in runs]


def test_so_many_run_at_a_time_as_are_allowed(settings: Settings, spawned: Spawned) -> None:
    for name in ("a", "b", "c"):
        enqueue(make(settings, name), settings)
    assert names(start_pending_runs(settings)) == ["a"]
    # The lock is handed on: not even before the process has taken it does a second one start.
    assert start_pending_runs(settings) == []
    assert names(pending_runs(settings)) == ["b", "c"]
    spawned.end("a")
    assert names(start_pending_runs(settings)) == ["b"]
    more = Settings(settings.data_root, settings.runs_root, settings.models_root, parallel_runs=2)
    assert names(start_pending_runs(more)) == ["c"]
    assert pending_runs(settings) == []


def test_a_process_that_dies_before_it_holds_the_run_frees_its_place(
    settings: Settings, spawned: Spawned
) -> None:
    for name in ("a", "b"):
        enqueue(make(settings, name), settings)
    start_pending_runs(settings)
    spawned.processes["a"].kill()
    spawned.end("a")
    assert names(start_pending_runs(settings)) == ["b"]


def test_two_starts_at_the_same_moment_start_one(settings: Settings, spawned: Spawned) -> None:
    for name in ("a", "b", "c", "d"):
        enqueue(make(settings, name), settings)
    started: list[str] = []
    barrier = threading.Barrier(4)

    def begin() -> None:
        barrier.wait()
        started.extend(names(start_pending_runs(settings)))

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert started == ["a"]


def test_the_order_can_be_changed(settings: Settings) -> None:
    for name in ("a", "b", "c"):
        enqueue(make(settings, name), settings)
    move_in_queue(RunFolder(settings.runs_root / "c"), settings, 1)
    assert names(pending_runs(settings)) == ["c", "a", "b"]
    move_in_queue(RunFolder(settings.runs_root / "c"), settings, 99)
    move_in_queue(RunFolder(settings.runs_root / "b"), settings, -3)
    assert names(pending_runs(settings)) == ["b", "a", "c"]
    remove_from_queue(RunFolder(settings.runs_root / "a"), settings)
    assert names(pending_runs(settings)) == ["b", "c"]
    for act in (remove_from_queue, lambda run, where: move_in_queue(run, where, 1)):
        with pytest.raises(InputError, match="a is not in the queue"):
            act(RunFolder(settings.runs_root / "a"), settings)


def test_a_run_waits_once_and_not_while_it_is_trained(settings: Settings, tmp_path: Path) -> None:
    run = make(settings, "a")
    with run.locked(), pytest.raises(InputError, match="being trained already"):
        enqueue(run, settings)
    enqueue(run, settings)
    with pytest.raises(InputError, match="is in the queue already"):
        enqueue(run, settings)
    elsewhere = RunFolder(tmp_path / "elsewhere")
    elsewhere.create(RunSetup("a", "b", TrainingConfig()))
    with pytest.raises(InputError, match="is not in"):
        enqueue(elsewhere, settings)


def test_torn_entries_and_deleted_runs_do_not_stop_the_queue(
    settings: Settings, spawned: Spawned
) -> None:
    for name in ("a", "b"):
        enqueue(make(settings, name), settings)
    (settings.runs_root / ".queue" / "gone.json").write_text(json.dumps({"order": 0}))
    for torn in ("[" * 10_000, '{"order": 1' + "0" * 400 + "}", "{"):
        (settings.runs_root / ".queue" / "a.json").write_text(torn)
        assert names(pending_runs(settings)) == ["gone", "b", "a"]
    assert names(start_pending_runs(settings)) == ["b"]
    assert names(pending_runs(settings)) == ["a"]


def test_a_run_whose_log_cannot_be_written_fails_with_the_reason_and_the_next_one_starts(
    settings: Settings, spawned: Spawned
) -> None:
    """Issue 18, row 8: it used to keep every run behind it waiting forever."""
    for name in ("a", "b"):
        enqueue(make(settings, name, epochs=3), settings)
    (settings.runs_root / "a" / "train.log").mkdir()
    assert names(start_pending_runs(settings)) == ["b"]
    assert pending_runs(settings) == []
    failed = run_summary(settings.runs_root / "a", settings)
    assert failed.state == "failed"
    assert failed.reason.startswith("The run could not be started: ")
    assert "train.log cannot be written (Is a directory)" in failed.reason
    # It can be continued once the cause is removed.
    spawned.end("b")
    (settings.runs_root / "a" / "train.log").rmdir()
    enqueue(RunFolder(settings.runs_root / "a"), settings)
    assert names(start_pending_runs(settings)) == ["a"]


@pytest.mark.parametrize("what", ["disk", "process"])
def test_what_concerns_every_run_leaves_the_queue_as_it_is(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC if what == "disk" else errno.EAGAIN, "refused", "train.log")

    for name in ("a", "b"):
        enqueue(make(settings, name), settings)
    monkeypatch.setattr(job_process, "spawn", refuse)
    if what == "disk":
        monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(InputError, match="The run a cannot be started"):
        start_pending_runs(settings)
    assert names(pending_runs(settings)) == ["a", "b"]
    assert RunFolder(settings.runs_root / "a").read_status() is None


def test_a_move_changes_one_file_as_long_as_there_is_a_number_between(settings: Settings) -> None:
    for name in ("a", "b", "c"):
        enqueue(make(settings, name), settings)
    files = {name: settings.runs_root / ".queue" / f"{name}.json" for name in "abc"}
    before = {name: path.read_bytes() for name, path in files.items()}
    move_in_queue(RunFolder(settings.runs_root / "c"), settings, 2)
    assert names(pending_runs(settings)) == ["a", "c", "b"]
    assert [name for name, path in files.items() if path.read_bytes() != before[name]] == ["c"]
    for turn in range(120):  # more often than a number can be halved
        name = "bc"[turn % 2]
        move_in_queue(RunFolder(settings.runs_root / name), settings, 2)
        assert names(pending_runs(settings)) == ["a", name, "cb"[turn % 2]]


def test_an_empty_queue_writes_nothing(settings: Settings) -> None:
    assert start_pending_runs(settings) == []
    assert not settings.runs_root.exists()


def test_a_launch_refuses_what_cannot_run_before_it_makes_a_folder(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    setup = RunSetup("a", "nowhere", TrainingConfig())
    with pytest.raises(InputError, match="no dataset and no path"):
        launch(setup, settings)
    tracked = RunSetup("a", str(tmp_path), TrainingConfig(), Tracking(mlflow_uri="x"))
    with monkeypatch.context() as patch:
        installed = importlib.util.find_spec
        patch.setattr(
            importlib.util, "find_spec", lambda name: None if name == "mlflow" else installed(name)
        )
        with pytest.raises(
            InputError, match="Logging to MLflow needs mlflow, which is not installed"
        ):
            launch(tracked, settings)
    monkeypatch.setattr("fer_core.training.resource_errors._OTHER_BYTES", 10**18)
    with pytest.raises(InputError, match="MB left and the run needs about"):
        launch(RunSetup("a", str(tmp_path), TrainingConfig()), settings)
    assert not settings.runs_root.exists()


def finished(settings: Settings, done: int, **config: object) -> RunFolder:
    run = make(settings, "done", **config)
    for epoch in range(1, done + 1):
        run.append_epoch(EpochRecord(epoch, 1, 0.5, float(epoch), 0.5, 0.5, {}, 0.001, 100, 1))
    run.write_status(RunStatus("finished", "done"))
    return run


def test_more_epochs_are_recorded(settings: Settings, spawned: Spawned) -> None:
    run = finished(settings, 3, epochs=3)
    with pytest.raises(InputError, match="is complete after 3 epochs"):
        continue_run(run, settings)
    with pytest.raises(InputError, match="has 3 finished epochs"):
        continue_run(run, settings, epochs=2)
    continue_run(run, settings, epochs=5)
    setup = run.read_setup()
    assert setup.config.epochs == 5
    assert [(c.after_epoch, c.changes) for c in setup.changes] == [(3, {"epochs": [3, 5]})]
    assert list(spawned.processes) == ["done"]


def test_more_epochs_switch_off_an_early_stopping_that_had_ended_the_run(
    settings: Settings,
) -> None:
    run = finished(settings, 3, epochs=10, early_stopping_patience=2)
    extend_run(run, 12)
    config = run.read_setup().config
    assert (config.epochs, config.early_stopping_patience) == (12, None)
    (change,) = run.read_setup().changes
    assert change.changes == {"epochs": [10, 12], "early_stopping_patience": [2, None]}
