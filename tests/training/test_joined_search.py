"""A search in a shared storage: a second process works on it, and may die."""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fer_core.errors import InputError
from fer_core.recipes import TrainingConfig
from fer_core.settings import PROJECT_ROOT, Settings
from fer_core.training import search, search_worker
from fer_core.training.run_folder import EpochRecord, RunFolder, RunSetup, RunStatus
from fer_core.training.search import (
    StudySetup,
    create_study,
    join_study,
    stop_search,
    study_setup,
    study_summary,
)
from fer_core.training.search_space import search_space
from fer_core.training.search_worker import run_search

SPACE = [{"field": "learning_rate", "low": 1e-4, "high": 1e-2, "log": True}]

#: A worker on "another machine": other folders. Its first trial lasts until the file "go" exists.
OTHER_MACHINE = """
import sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_joined_search import finished_run
from fer_core.settings import Settings
from fer_core.training import search, search_worker
root = Path(sys.argv[1])
settings = Settings(root / "data", root / "runs", root / "models")
def launch(one, where, **_):
    (root / "busy").touch()
    while not (root / "go").exists():
        time.sleep(0.02)
    return finished_run(one, where)
search_worker.launch = launch
search.join_study("first", sys.argv[2], settings)
search_worker.run_search("first", settings)
"""


def finished_run(one: RunSetup, where: Settings) -> RunFolder:
    run = RunFolder(where.runs_root / f"trial-{one.trial}")
    run.create(one)
    run.append_epoch(EpochRecord(1, 1, 0.5, 0.5, one.config.learning_rate, 0.5, {}, 0.001, 100, 1))
    run.write_status(RunStatus("finished", "done"))
    return run


@pytest.fixture
def storage(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'shared.db'}"


def setup(data: Path, storage: str | None, **changes: Any) -> StudySetup:
    values: dict[str, Any] = {
        "name": "first",
        "recipe": "three-conv-cnn-adam",
        "data": str(data),
        "config": TrainingConfig(architecture="three_convolutions", epochs=1),
        "space": search_space(SPACE),
        "trials": 4,
        "storage": storage,
    }
    return study_setup(values | changes)


@contextmanager
def other_machine(root: Path, storage: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A second worker, which is busy with its first trial."""
    root.mkdir()
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            OTHER_MACHINE.format(tests=str(Path(__file__).parent)),
            str(root),
            storage,
        ],
        cwd=PROJECT_ROOT,
    )
    try:
        deadline = time.monotonic() + 300
        while not (root / "busy").exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        yield process
    finally:
        process.kill()
        process.wait()


def test_two_processes_share_the_trials(
    settings: Settings, tmp_path: Path, storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_study(setup(tmp_path, storage), settings)
    with other_machine(tmp_path / "other", storage) as process:
        seen = study_summary("first", settings)
        name = f"{platform.node()} {process.pid}"
        assert [worker.name for worker in seen.workers] == [name]
        launched: list[int | None] = []

        def launch(one: RunSetup, where: Settings, **_: object) -> RunFolder:
            launched.append(one.trial)
            if len(launched) == 3:
                (tmp_path / "other" / "go").touch()
            return finished_run(one, where)

        monkeypatch.setattr(search_worker, "launch", launch)
        summary = run_search("first", settings)
        assert process.wait(300) == 0
    assert (summary.state, summary.finished, len(summary.trials)) == ("finished", 4, 4)
    assert launched == [1, 2, 3]
    here = f"{platform.node()} {os.getpid()}"
    assert [trial.worker for trial in summary.trials] == [name, here, here, here]
    assert len({trial.values["learning_rate"] for trial in summary.trials}) == 4
    # The other worker reports its end after its last trial, perhaps later than this worker returns.
    document = json.loads(json.dumps(study_summary("first", settings).to_json()))
    assert document["trials"][0]["worker"] == name
    assert document["workers"] == []
    # The second machine knows the study by its name as well.
    root = tmp_path / "other"
    there = study_summary("first", Settings(root / "data", root / "runs", root / "models"))
    assert there.finished == 4


def test_the_trial_of_a_killed_worker_is_retried_on_another_machine(
    settings: Settings, tmp_path: Path, storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_HEARTBEAT_SECONDS", 1)
    monkeypatch.setattr(search, "_GRACE_SECONDS", 2)
    create_study(setup(tmp_path, storage, trials=2), settings)
    with other_machine(tmp_path / "other", storage) as process:
        process.kill()
        process.wait()
        left = study_summary("first", settings)
        monkeypatch.setattr(
            search_worker, "launch", lambda one, where, **_: finished_run(one, where)
        )
        summary = run_search("first", settings)
    assert left.running == 1
    assert (summary.finished, summary.running, len(summary.trials)) == (2, 0, 2)
    # The retry comes before or after the second trial, depending on when it is found.
    assert left.trials[0].values in [trial.values for trial in summary.trials]
    assert {trial.worker for trial in summary.trials} == {f"{platform.node()} {os.getpid()}"}


def test_workers_on_other_machines_are_seen_and_cannot_be_stopped_here(
    settings: Settings, tmp_path: Path, storage: str
) -> None:
    one = setup(tmp_path, storage)
    create_study(one, settings)
    study = search.open_study(one, settings)
    trial = study.ask()
    trial.set_user_attr(search.WORKER_ATTRIBUTE, "lab-2 17")
    search.report_worker(study, "lab-2 17")
    search.report_worker(study, "lab-3 18")
    study.set_user_attr("seen lab-4 19", time.time() - 1000)
    summary = study_summary("first", settings)
    assert summary.state == "running"
    assert [(worker.name, worker.trial) for worker in summary.workers] == [
        ("lab-2 17", 0),
        ("lab-3 18", None),
    ]
    with pytest.raises(InputError, match=r"running on other machines \(lab-2 17, lab-3 18\)"):
        stop_search("first", settings)
    for name in ("lab-2 17", "lab-3 18"):
        search.report_worker(study, name, is_alive=False)
    assert study_summary("first", settings).state == "stopped"


def test_a_study_that_cannot_be_joined_is_refused(
    settings: Settings,
    tmp_path: Path,
    storage: str,
    run: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "faces").mkdir()
    create_study(setup(tmp_path / "faces", storage), settings)
    root = tmp_path / "other"
    there = Settings(root / "data", root / "runs", root / "models")
    with pytest.raises(InputError, match=r"no study 'second' in sqlite.*; studies there: first"):
        join_study("second", storage, there)
    with pytest.raises(InputError, match="cannot be a name"):
        join_study("../first", storage, there)
    assert "cannot be used" in run("search", "join", "first", "--storage", "none://here").refusal
    refusal = run(
        "search", "join", "first", "--storage", "sqlite:////no/such/folder/study.db"
    ).refusal
    assert "The storage sqlite:////no/such/folder/study.db cannot be used" in refusal
    monkeypatch.setitem(sys.modules, "psycopg", None)  # as if it was not installed
    refusal = run("search", "join", "first", "--storage", "postgresql://host/studies").refusal
    assert "install the client of the database, for PostgreSQL with 'pip install" in refusal
    assert join_study("first", storage, there).storage == storage
    assert join_study("first", storage, there).trials == 4
    local = Settings(tmp_path / "l", tmp_path / "l", tmp_path / "l")
    create_study(setup(tmp_path / "faces", None, trials=9), local)
    with pytest.raises(InputError, match="Another study on this machine is called 'first'"):
        join_study("first", storage, local)
    (tmp_path / "faces").rmdir()
    with pytest.raises(InputError, match="no dataset and no path"):
        join_study("first", storage, settings)
