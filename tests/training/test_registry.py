"""The actual states of runs, which may differ from their files."""

import json
import os
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.processes import is_process_alive
from fer_core.recipes import validated_config
from fer_core.settings import Settings
from fer_core.training import registry
from fer_core.training.control import RunLabel, write_label
from fer_core.training.queue import enqueue
from fer_core.training.registry import (
    find_run,
    list_runs,
    log_tail,
    read_run_epochs,
    run_summary,
)
from fer_core.training.run_folder import EpochRecord, RunFolder, RunSetup, RunStatus

GONE = {"process_id": 2**22 - 1, "process_started": 1.0}


def record(epoch: int, accuracy: float = 0.5, loss: float = 1.0) -> EpochRecord:
    return EpochRecord(
        epoch, 1.5, 0.25, loss, accuracy, accuracy / 2, dict.fromkeys(EMOTIONS, 0.5), 0.001, 90, 2.0
    )


def make(settings: Settings, name: str, *, epochs: int = 0, **config: object) -> RunFolder:
    run = RunFolder(settings.runs_root / name)
    run.create(RunSetup("gone-recipe", "faces", validated_config(config)))
    if epochs:
        lines = (json.dumps(asdict(record(number))) for number in range(1, epochs + 1))
        (run.path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    return run


def test_no_runs_are_no_error(settings: Settings) -> None:
    assert list_runs(settings) == []


def test_a_summary_gives_the_best_epochs_figures(settings: Settings) -> None:
    run = make(settings, "one", monitor="accuracy", epochs=0, seed=9)
    for epoch, accuracy in ((1, 0.4), (2, 0.6), (3, 0.6), (4, 0.5)):
        run.append_epoch(record(epoch, accuracy))
    run.write_status(RunStatus("finished", "done", **GONE))
    write_label(run, RunLabel("mine", "a note"))
    (one,) = list_runs(settings)
    assert (one.id, one.title, one.note, one.state) == ("one", "mine", "a note", "finished")
    assert (one.epoch, one.epochs, one.best_epoch) == (4, 50, 2)
    assert (one.validation_accuracy, one.macro_f1, one.seconds) == (0.6, 0.3, 8.0)
    assert (one.recipe, one.data, one.seed, one.has_bundle) == ("gone-recipe", "faces", 9, False)
    assert one.can_continue and not one.is_active
    assert json.loads(json.dumps(one.to_json()))["best_epoch"] == 2


def test_a_change_is_visible_at_once(settings: Settings) -> None:
    run = make(settings, "one", epochs=2)
    assert list_runs(settings)[0].epoch == 2
    run.append_epoch(record(3, loss=0.25))
    assert (list_runs(settings)[0].epoch, list_runs(settings)[0].best_epoch) == (3, 3)
    write_label(run, RunLabel("later"))
    assert list_runs(settings)[0].title == "later"


def test_a_status_of_an_ended_process_is_corrected(settings: Settings) -> None:
    run = make(settings, "one", epochs=1)
    run.write_status(
        RunStatus("running", "epoch 2/50", epoch=2, epochs=50, step=3, steps=9, **GONE)
    )
    (run.path / "train.log").write_text("2026-01-02T03:04:05 begins\nSegmentation fault\n")
    one = run_summary(run.path, settings)
    assert one.state == "failed"
    assert "crashed in epoch 2/50" in one.reason
    assert "Segmentation fault" in one.reason
    assert one.started == datetime(2026, 1, 2, 3, 4, 5).astimezone(UTC)


@pytest.mark.parametrize("answers", [(False, False), (True, False, False, False)])
def test_a_run_that_ends_while_its_files_are_read_did_not_crash(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, answers: tuple[bool, ...]
) -> None:
    """It reports its end and releases its lock just before the first check that finds it free."""
    run = make(settings, "one", epochs=1)
    run.write_status(RunStatus("running", "epoch 2/50", epoch=2, epochs=50, step=3, steps=9))
    left = iter(answers)

    def is_active(_: RunFolder) -> bool:
        answer = next(left)
        if not answer:
            run.write_status(RunStatus("finished", "done", **GONE))
        return answer

    monkeypatch.setattr(registry, "is_active", is_active)
    assert run_summary(run.path, settings).state == "finished"


def test_a_killed_run_and_a_restarted_machine_are_reported(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make(settings, "one")
    run.write_status(RunStatus("paused", "x", epoch=1, epochs=3, steps=9, **GONE))
    later = datetime.now(UTC) + timedelta(seconds=5)
    monkeypatch.setattr("fer_core.training.registry._boot_time", lambda: later)
    assert "The machine was restarted in epoch 1/3" in run_summary(run.path, settings).reason
    (run.path / "control.json").write_text('{"request": "kill", "requested": 5}')
    assert "killed on request in epoch 1/3" in run_summary(run.path, settings).reason


def test_a_full_disk_is_reported(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make(settings, "one")
    run.write_status(RunStatus("running", "x", epoch=1, epochs=3, steps=9, **GONE))
    monkeypatch.setattr("fer_core.training.registry._FULL_DISK_BYTES", 10**18)
    one = run_summary(run.path, settings)
    assert one.state == "failed" and "the disk is full" in one.reason


def test_a_held_run_is_alive(settings: Settings) -> None:
    run = make(settings, "one")
    with run.locked():
        # Held, and what its status says is of an earlier process.
        run.write_status(RunStatus("failed", "an old reason", **GONE))
        assert run_summary(run.path, settings).state == "starting"
        run.write_status(RunStatus("running", "epoch 1/50"))
        one = run_summary(run.path, settings)
        assert (one.state, one.reason, one.is_unresponsive) == ("running", "epoch 1/50", False)
        run.write_status(RunStatus("paused", "paused in epoch 1"))
        assert run_summary(run.path, settings).state == "paused"
        old = (datetime.now(UTC) - timedelta(minutes=7)).isoformat()
        run.write_status(RunStatus("running", "epoch 1/50", updated=old))
        one = run_summary(run.path, settings)
        assert one.is_unresponsive and "no report for 7 min" in one.reason
    assert run_summary(run.path, settings).state == "failed"


def test_new_queued_and_never_started_runs(settings: Settings) -> None:
    run, other = make(settings, "one"), make(settings, "two")
    assert run_summary(run.path, settings).state == "new"
    enqueue(other, settings)
    enqueue(run, settings)
    one = run_summary(run.path, settings)
    assert (one.state, one.queue_position) == ("queued", 2)
    third = make(settings, "three")
    (third.path / "train.log").write_text("ImportError: no module\n")
    summary = run_summary(third.path, settings)
    assert summary.state == "failed" and "ImportError: no module" in summary.reason


def test_foreign_and_damaged_folders_appear_with_a_sentence(settings: Settings) -> None:
    make(settings, "good", epochs=2)
    for name, content in (
        ("torn", '{"recipe": "x", "da'),
        ("edited", '{"recipe": "x", "data": "y", "config": {"epochs": "many"}}'),
        ("list", "[1, 2]"),
        ("tracking", '{"recipe": "x", "data": "y", "config": {}, "tracking": {"colour": 1}}'),
    ):
        (settings.runs_root / name).mkdir()
        (settings.runs_root / name / "config.json").write_text(content)
    (settings.runs_root / "foreign").mkdir()
    (settings.runs_root / "foreign" / "holiday.txt").write_text("x")
    (settings.runs_root / "young").mkdir()  # being made at this moment
    (settings.runs_root / "a file").write_text("x")
    (settings.runs_root / ".hidden").mkdir()
    runs = {one.id: one for one in list_runs(settings)}
    assert set(runs) == {"good", "torn", "edited", "list", "tracking", "foreign"}
    for name in set(runs) - {"good"}:
        assert runs[name].state == "damaged"
        assert str(settings.runs_root / name) in runs[name].reason
        assert not runs[name].can_continue
        json.dumps(runs[name].to_json())


@pytest.mark.parametrize(
    "content",
    [
        '{"state": "running", "message": 3}',
        '{"state": "flying", "message": ""}',
        '{"state": "running", "message": "", "epoch": "two"}',
        '{"state": "running", "message": "", "updated": "yesterday"}',
        '{"state": "running", "message": "", "seconds_left": "soon"}',
    ],
)
def test_an_edited_status_counts_as_none(settings: Settings, content: str) -> None:
    run = make(settings, "one")
    (run.path / "status.json").write_text(content)
    assert run_summary(run.path, settings).state == "new"


@pytest.mark.parametrize(
    "changes",
    [{"validation_loss": "low"}, {"validation_recall": []}, {"seconds": None}, {"accuracy": True}],
)
def test_an_edited_epoch_is_left_out(settings: Settings, changes: dict[str, object]) -> None:
    run = make(settings, "one", epochs=1)
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(asdict(record(2)) | changes) + "\n")
    assert run_summary(run.path, settings).epoch == 1


def test_epochs_are_read_incrementally_and_a_rewritten_file_again(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for epoch in (1, 2):
        run.append_epoch(record(epoch))
    assert [one.epoch for one in read_run_epochs(tmp_path)] == [1, 2]
    line = json.dumps(asdict(record(3)))
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write(line[:30])
    assert len(read_run_epochs(tmp_path)) == 2
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write(line[30:] + "\n")
    assert list(read_run_epochs(tmp_path)) == run.read_epochs()
    assert len(read_run_epochs(tmp_path)) == 3
    (tmp_path / "metrics.jsonl").write_text(json.dumps(asdict(record(1, 0.125))) + "\n")
    assert [one.validation_accuracy for one in read_run_epochs(tmp_path)] == [0.125]
    (tmp_path / "metrics.jsonl").unlink()
    assert read_run_epochs(tmp_path) == ()


def test_what_has_not_changed_is_not_read_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pages list the runs every second; what is counted here does not depend on the machine."""
    lines: list[str] = []
    setups: list[RunFolder] = []
    read_line, read_setup = registry.epoch_record, RunFolder.read_setup

    def count_line(line: str) -> EpochRecord | None:
        if line:
            lines.append(line)
        return read_line(line)

    def count_setup(run: RunFolder) -> RunSetup:
        setups.append(run)
        return read_setup(run)

    monkeypatch.setattr(registry, "epoch_record", count_line)
    monkeypatch.setattr(RunFolder, "read_setup", count_setup)
    for number in range(20):
        run = make(settings, f"run-{number:03}", epochs=50)
        run.write_status(RunStatus("finished", "done", **GONE))
    long = make(settings, "long", epochs=1000)
    assert len(list_runs(settings)) == 21
    assert (len(lines), len(setups)) == (20 * 50 + 1000, 21)
    assert len(list_runs(settings)) == 21
    assert (len(lines), len(setups)) == (20 * 50 + 1000, 21)
    long.append_epoch(record(1001))
    assert len(read_run_epochs(long.path)) == 1001
    assert len(lines) == 20 * 50 + 1001


def test_the_newest_run_comes_first(settings: Settings) -> None:
    for name, moment in (("old", 1_000_000), ("new", 3_000_000), ("middle", 2_000_000)):
        os.utime(make(settings, name).path / "config.json", (moment, moment))
    assert [one.id for one in list_runs(settings)] == ["new", "middle", "old"]


def test_the_logs_end(tmp_path: Path) -> None:
    assert log_tail(tmp_path) == ""
    (tmp_path / "train.log").write_text("\n".join(f"line {n}" for n in range(20_000)))
    assert log_tail(tmp_path, 2) == "line 19998\nline 19999"
    assert log_tail(tmp_path, 10**6).startswith("line ")


def test_the_log_shows_no_messages_of_libraries_and_no_call_stacks(tmp_path: Path) -> None:
    lines = [
        "2026-11-28 16:24:00.123456: I tensorflow/core/util/port.cc:153] oneDNN is on.",
        "To enable the following instructions: AVX2 FMA, rebuild TensorFlow.",
        "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
        "E0000 00:00:1764346.1 77 cuda_dnn.cc:8310] Unable to register cuDNN factory",
        "W1128 16:24:00.000001 77 gpu_device.cc:2431] TensorFlow was not built with CUDA",
        "2026-11-28T16:24:00 plain-nine on fer2013",
        "Traceback (most recent call last):",
        '  File "/srv/app/fer_core/training/fit.py", line 10, in fit',
        "    step()",
        "MemoryError: cannot allocate",
        "2026-11-28 16:25:00.123456: F tensorflow/core/platform/env.cc:390] no threads",
        "",
    ]
    (tmp_path / "train.log").write_text("\n".join(lines))
    assert log_tail(tmp_path).splitlines() == [lines[5], lines[9], lines[10]]


def test_a_run_is_found_by_name_and_path(settings: Settings, tmp_path: Path) -> None:
    run = make(settings, "one")
    assert find_run("one", settings).path == run.path
    assert find_run(str(run.path), settings).path == run.path.resolve()
    for nothing in ("", "two", "../elsewhere", str(tmp_path / "nowhere")):
        with pytest.raises(InputError, match="There is no run"):
            find_run(nothing, settings)


def test_a_runs_status_keeps_the_datas_fingerprint(settings: Settings) -> None:
    run = make(settings, "one")
    run.write_status(replace(RunStatus("running", "x"), fingerprint="f" * 64))
    run.write_status(RunStatus("failed", "y"))
    status = run.read_status()
    assert status is not None and (status.state, status.fingerprint) == ("failed", "f" * 64)


@pytest.mark.parametrize("process_id", [-5, 2**40, 2**70])
def test_a_number_that_is_not_a_process_is_not_alive(process_id: int) -> None:
    assert not is_process_alive(process_id, None)
