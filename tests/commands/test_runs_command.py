"""``runs``, ``search`` and ``train --queue`` on real processes, ended in every way."""

import importlib.util
import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer_core.settings import Settings
from fer_core.training.control import is_active, kill_run
from fer_core.training.queue import active_runs, pending_runs, remove_from_queue
from fer_core.training.run_folder import RunFolder

SMALL = ("--recipe", "three-conv-cnn-adam", "--set", "batch_size=4", "--set", "seed=7")
TIMINGS = {"seconds", "images_per_second"}


@pytest.fixture(autouse=True)
def _nothing_is_left_running(settings: Settings) -> Iterator[None]:
    yield
    for waiting in pending_runs(settings):
        remove_from_queue(waiting, settings)
    for active in active_runs(settings):
        kill_run(active)


def wait_until(condition: Callable[[], Any], what: str, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def figures(folder: RunFolder) -> list[dict[str, Any]]:
    """Each epoch's metrics, as the pages read them, without what depends on the machine."""
    return [
        {name: value for name, value in asdict(epoch).items() if name not in TIMINGS}
        for epoch in folder.read_epochs()
    ]


def launched(run: Callable, data: object, *arguments: object) -> RunFolder:
    return RunFolder(
        Path(
            run("train", *SMALL, "--data", data, "--queue", "--json", *arguments).document[
                "run_dir"
            ]
        )
    )


def state(run: Callable, folder: RunFolder) -> dict[str, Any]:
    document = run("runs", "show", folder.path.name, "--json").document
    assert isinstance(document, dict)
    return document


def wait_for_state(run: Callable, folder: RunFolder, expected: str) -> dict[str, Any]:
    """Wait until a run's process has written this state, and return what ``runs show`` says."""

    def is_written() -> bool:  # reading one small file; the command reads many
        status = folder.read_status()
        return status is not None and status.state == expected

    wait_until(is_written, f"{folder.path.name} is not {expected}")
    if expected != "paused":
        wait_until(lambda: not is_active(folder), "its process did not end")
    document = state(run, folder)
    assert document["state"] == expected
    return document


def test_runs_wait_for_each_other_are_paused_stopped_killed_and_continued(
    run: Callable, kaggle_zip: Path, settings: Settings, tmp_path: Path
) -> None:
    """In one test, because each process of a training takes seconds to start."""
    first = launched(run, kaggle_zip, "--epochs", 1000, "--tensorboard")
    second = launched(run, kaggle_zip, "--epochs", 1000)
    third = launched(run, kaggle_zip, "--epochs", 1)
    assert [one.path.name for one in active_runs(settings)] == [first.path.name]
    assert run("runs", "queue", "--json").document["waiting"] == [second.path.name, third.path.name]
    run("runs", "queue", "--move", third.path.name, "--to", 1)
    assert run("runs", "queue", "--json").document["waiting"] == [third.path.name, second.path.name]
    run("runs", "queue", "--remove", third.path.name)
    assert state(run, third)["state"] == "new"

    wait_until(lambda: len(first.read_epochs()) >= 1, "no epoch came")
    assert state(run, first)["state"] == "running"
    run("runs", "pause", first.path.name)
    wait_for_state(run, first, "paused")
    before = len(first.read_epochs())
    run("runs", "go-on", first.path.name)
    wait_until(lambda: len(first.read_epochs()) > before, "it did not go on")

    run("runs", "stop", first.path.name)
    assert wait_for_state(run, first, "stopped")["has_bundle"]
    assert list((first.path / "tensorboard").rglob("events.out.tfevents.*"))
    assert not (first.path / "control.json").exists()

    # The end of the one begins the other, without anybody else.
    killed = second
    wait_until(lambda: len(killed.read_epochs()) >= 1, "the next one did not begin")
    run("runs", "pause", killed.path.name)
    wait_for_state(run, killed, "paused")
    status = killed.read_status()
    assert status is not None
    os.kill(status.process_id, signal.SIGKILL)
    wait_until(lambda: not is_active(killed), "it lives")
    dead = state(run, killed)
    assert dead["state"] == "failed"
    assert "process crashed" in dead["reason"]
    assert "request at least" in run("runs", "continue", killed.path.name, "--epochs", 0).refusal
    with (killed.path / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 9, "lo')  # a process killed while writing leaves an incomplete line

    # The learning rate is constant: so many epochs and one more are the same as all at once.
    epochs = len(killed.read_epochs()) + 1
    run("runs", "continue", killed.path.name, "--epochs", epochs)
    wait_for_state(run, killed, "finished")
    log = (killed.path / "train.log").read_text()
    assert log.count(f"epoch {epochs}/{epochs}:") == 1  # not once more from standard error
    arguments = ("--data", kaggle_zip, "--epochs", epochs, "--run-dir", tmp_path / "whole")
    assert run("train", *SMALL, *arguments, "--json").document["epochs"] == epochs
    lines = figures(killed)
    assert [line["epoch"] for line in lines] == list(range(1, epochs + 1))
    assert lines == figures(RunFolder(tmp_path / "whole"))
    (change,) = killed.read_setup().changes
    assert change.changes == {"epochs": [1000, epochs]}
    refusal = run("runs", "continue", killed.path.name).refusal
    assert f"is complete after {epochs} epochs" in refusal
    listed = {one["id"]: one["state"] for one in run("runs", "--json").document}
    assert listed[first.path.name] == "stopped"
    assert listed[killed.path.name] == "finished"


def test_a_failed_write_reports_what_is_saved_and_other_data_are_refused(
    run: Callable, tmp_path: Path, settings: Settings, draw_faces: Callable, png: Callable
) -> None:
    """Each time, the run is resumed after its first epoch."""
    data = tmp_path / "faces"
    faces = draw_faces([number % 7 for number in range(56)])
    for number, image in enumerate(faces.images):
        path = data / ("train" if number < 42 else "validation") / "happy" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(image))
    folder = RunFolder(settings.runs_root / "one")
    arguments = ("--data", data, "--epochs", 1, "--run-dir", folder.path, "--json")
    assert run("train", *SMALL, *arguments).document["state"] == "finished"
    assert state(run, folder)["state"] == "finished"
    run("runs", "extend", folder.path, "--epochs", 2)
    # A folder has the path of the checkpoint.
    checkpoint = folder.path / "checkpoint-00002.npz"
    checkpoint.mkdir()
    (checkpoint / "x").write_text("x")
    assert run("train", "--resume", folder.path).code == 2
    document = state(run, folder)
    assert document["state"] == "failed"
    assert "epoch 1 is saved" in document["reason"]
    assert "ended: " in document["log"]

    shutil.rmtree(checkpoint)
    (data / "train" / "happy" / "0.png").write_bytes(png(np.full((48, 48), 9, np.uint8)))
    changed = run("train", "--resume", folder.path)
    assert (changed.code, "has changed since this run was launched" in changed.err) == (2, True)
    assert len(folder.read_epochs()) == 1
    shutil.rmtree(data)
    gone = run("train", "--resume", folder.path)
    assert (gone.code, "no dataset and no path" in gone.err) == (2, True)
    status = folder.read_status()
    assert status is not None and status.state == "failed"


def test_runs_are_labelled_and_deleted(
    run: Callable, settings: Settings, write_bundle_folder: Callable[..., Path]
) -> None:
    assert "There are no runs" in run("runs").out
    (settings.runs_root / "x").mkdir(parents=True)
    (settings.runs_root / "x" / "config.json").write_text(
        '{"recipe": "of another time", "data": "faces", "config": {}}'
    )
    run("runs", "label", "x", "--name", "baseline", "--note", "the first")
    run("runs", "label", "x", "--note", "still the first")
    document = run("runs", "show", "x", "--json").document
    assert (document["name"], document["note"]) == ("baseline", "still the first")
    assert document["recipe"] == "of another time"
    assert "baseline" in run("runs", "list").out
    assert "x" in run("runs", "stop", "x").refusal
    write_bundle_folder(settings.runs_root / "x" / "bundle")
    run("models", "default", "x")
    assert "The default model is in the folder of the run x" in run("runs", "delete", "x").refusal
    (settings.models_root / "default").unlink()
    run("runs", "delete", "x")
    assert run("runs", "--json").document == []
    assert "There is no run 'x'" in run("runs", "delete", "x").refusal


def test_what_cannot_be_queued_is_refused(
    run: Callable,
    kaggle_zip: Path,
    tmp_path: Path,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    installed = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "mlflow" else installed(name)
    )
    arguments = ("train", *SMALL, "--data", kaggle_zip, "--queue")
    assert "--run-dir" in run(*arguments, "--run-dir", tmp_path / "r").refusal
    assert "mlflow" in run(*arguments, "--mlflow", "http://localhost:1").refusal
    assert "--resume" in run("train", "--resume", "x", "--tensorboard").refusal
    assert run("runs", "--json").document == []


def test_runs_that_cannot_be_written_are_reported(
    run: Callable, settings: Settings, kaggle_zip: Path
) -> None:
    settings.runs_root.write_text("a file where a folder should be")
    refusal = run("train", *SMALL, "--data", kaggle_zip, "--queue").refusal
    assert "No run can be created in" in refusal and "check its permissions" in refusal


def test_a_search_trains_its_trials_as_runs(
    run: Callable, kaggle_zip: Path, settings: Settings
) -> None:
    space = json.dumps([{"field": "learning_rate", "low": 1e-4, "high": 1e-2, "log": True}])
    arguments = ("--recipe", "three-conv-cnn-adam", "--data", kaggle_zip, "--epochs", 1)
    document = run(
        *("search", "start", "rates", *arguments, "--space", space),
        *("--trials", 1, "--monitor", "macro_f1", "--json"),
    ).document
    assert (document["state"], document["finished"]) == ("finished", 1)
    runs = run("runs", "--json").document
    assert {(one["study"], one["state"]) for one in runs} == {("rates", "finished")}
    best = max(runs, key=lambda one: one["macro_f1"])
    assert document["best_trial"] == best["trial"]
    assert document["best_value"] == pytest.approx(best["macro_f1"])
    assert best["config"]["learning_rate"] == document["best_values"]["learning_rate"]
    assert "rates" in run("search").out
    assert "complete" in run("search", "resume", "rates", "--background").refusal


def test_a_search_that_is_not_valid_is_refused(run: Callable, kaggle_zip: Path) -> None:
    start = ("search", "start", "x", "--recipe", "three-conv-cnn-adam", "--data", kaggle_zip)
    assert "list in JSON" in run(*start, "--space", "{").refusal
    assert "list of objects" in run(*start, "--space", "[3]").refusal
    assert "'colour' cannot be searched" in run(*start, "--space", '[{"field": "colour"}]').refusal
    assert "There is no search 'x'" in run("search", "resume", "x").refusal
    assert run("search", "--json").document == []


def test_an_estimate_is_honest_and_remembered(
    run: Callable, kaggle_zip: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("train", *SMALL, "--data", kaggle_zip, "--epochs", 10, "--estimate", "--json")
    document = run(*arguments).document
    assert document["parameters"] == 355_847
    assert (document["training_images"], document["validation_images"]) == (140, 28)
    assert document["memory_bytes"] > 50_000_000
    assert document["seconds"] > 10 * document["seconds_per_epoch"] > 0
    assert document["in_words"].startswith("about ")
    assert run("runs", "--json").document == []
    # The second one measures nothing.
    monkeypatch.delattr("fer_core.training.estimate._run_measurement")
    again = run(*arguments).document
    assert again["images_per_second"] == document["images_per_second"]
