"""``train``: whole trainings of a small network on drawn faces, ended in every way."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fer_core.emotions import EMOTIONS
from fer_core.settings import PROJECT_ROOT

#: 140 images in batches of 4: an epoch takes long enough to be interrupted and not to be waited
#: for.
SMALL = ("--recipe", "three-conv-cnn-adam", "--set", "batch_size=4", "--set", "seed=7")

#: Figures of the machine and not of the training.
TIMINGS = ("seconds", "images_per_second")


def epochs_on_disk(run_folder: Path) -> list[dict[str, Any]]:
    try:
        text = (run_folder / "metrics.jsonl").read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def status(run_folder: Path) -> dict[str, Any]:
    try:
        document = json.loads((run_folder / "status.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    assert isinstance(document, dict)
    return document


def wait_until(
    condition: Callable[[], bool], process: "subprocess.Popen[str]", seconds: float = 300
) -> None:
    """Wait for what a running training is about to do."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "the training is too slow, or hangs"
        time.sleep(0.02)


def without_timings(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in record.items() if name not in TIMINGS} for record in records
    ]


@pytest.fixture
def started(start: Callable) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """As ``start``; processes that a failed test leaves running are ended."""
    processes = []

    def call(*arguments: object, home: Path) -> "subprocess.Popen[str]":
        process = start(*arguments, home=home)
        processes.append(process)
        return process

    yield call
    for process in processes:
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def whole_run(run_process: Callable, kaggle_zip: Path, home: Path) -> Any:
    """Three epochs without an interruption, published, in a separate process."""
    return run_process(
        *("train", *SMALL, "--data", kaggle_zip, "--epochs", 3),
        *("--run-dir", home / "whole", "--publish", "trained", "--json"),
        home=home,
    )


def test_a_training_prints_one_document_and_reports_progress_separately(
    whole_run: Any, home: Path
) -> None:
    document = whole_run.document
    assert document["run_dir"] == str(home / "whole")
    assert (document["state"], document["epochs"]) == ("finished", 3)
    assert 1 <= document["best_epoch"] <= 3
    assert document["bundle"] == str(home / "whole" / "bundle")
    assert document["validation"]["n"] == 28
    assert "epoch 1/3" in whole_run.err
    assert "left" in whole_run.err
    assert "Traceback" not in whole_run.err


def test_the_run_folder_contains_what_the_pages_read(whole_run: Any, home: Path) -> None:
    folder = home / "whole"
    names = {path.name for path in folder.iterdir()}
    assert {"config.json", "status.json", "metrics.jsonl", "train.log", "bundle"} <= names
    setup = json.loads((folder / "config.json").read_text())
    assert setup["recipe"] == "three-conv-cnn-adam"
    assert (setup["config"]["epochs"], setup["config"]["batch_size"]) == (3, 4)
    assert [record["epoch"] for record in epochs_on_disk(folder)] == [1, 2, 3]
    assert status(folder)["state"] == "finished"
    assert "epoch 3/3" in (folder / "train.log").read_text()
    assert not [name for name in names if name.startswith(".")]


def test_the_bundle_is_whole_and_of_the_best_epoch(whole_run: Any, home: Path) -> None:
    folder = home / "whole" / "bundle"
    assert {path.name for path in folder.iterdir()} == {
        "bundle.json",
        "model.onnx",
        "model.keras",
        "calibration.json",
        "predictions.npz",
        "README.md",
    }
    record = json.loads((folder / "bundle.json").read_text())
    best = epochs_on_disk(home / "whole")[whole_run.document["best_epoch"] - 1]
    assert record["training"]["best_epoch"] == best["epoch"]
    assert record["metrics"]["validation"]["accuracy"] == pytest.approx(best["validation_accuracy"])


def test_a_published_training_is_found_by_its_name_and_evaluates_as_recorded(
    whole_run: Any, run_at: Callable, kaggle_zip: Path, home: Path
) -> None:
    document = run_at(
        *("evaluate", "--model", "trained", "--data", kaggle_zip),
        *("--split", "validation", "--json"),
        home=home,
    ).document
    recorded = whole_run.document["validation"]
    assert document["accuracy"] == pytest.approx(recorded["accuracy"], abs=1e-6)
    assert document["loss"] == pytest.approx(recorded["loss"], abs=1e-5)
    assert document["confusion"] == recorded["confusion"]
    assert list(document["per_class"]) == list(EMOTIONS)


def test_a_training_for_some_minutes_begins_like_an_uninterrupted_one(
    whole_run: Any, run_at: Callable, kaggle_zip: Path, home: Path
) -> None:
    folder = home / "sliced"
    new = (
        *(*SMALL, "--data", kaggle_zip, "--epochs", 10_000, "--run-dir", folder),
        # Otherwise a fast machine stops early, before its time is up.
        *("--set", "early_stopping_patience=none"),
    )
    # Far too short for an epoch: refused, and the run can be continued.
    answer = run_at("train", *new, "--minutes", 0.001, home=home)
    assert answer.code == 2
    assert "No epoch was finished in 0.001 minutes" in answer.err.strip().splitlines()[-1]
    assert epochs_on_disk(folder) == []
    # Long enough for an epoch and the export of the model on this machine, as it is busy now.
    minutes = 0.05
    while answer.code == 2 and "No epoch was finished" in answer.err and minutes < 6:
        minutes *= 2
        answer = run_at(
            *("train", "--resume", folder, "--minutes", f"{minutes:.2f}", "--json"), home=home
        )
    assert answer.document["state"] == "stopped"
    assert 0 < answer.document["epochs"] < 10_000
    assert (folder / "bundle" / "model.onnx").is_file()
    # The learning rate is constant: the planned number of epochs does not affect the first ones.
    common = min(3, answer.document["epochs"])
    assert without_timings(epochs_on_disk(folder)[:common]) == without_timings(
        epochs_on_disk(home / "whole")[:common]
    )


#: What the app needs and a machine that only trains may lack.
NOT_FOR_TRAINING = (
    *("streamlit", "plotly", "pandas", "sklearn", "skimage", "cleanlab", "optuna", "psutil"),
    *("onnx", "onnxruntime", "tf2onnx", "PIL", "kagglehub"),
)


def test_training_needs_only_keras_numpy_opencv_pydantic_and_a_backend(
    run_at: Callable, kaggle_zip: Path, home: Path
) -> None:
    folder = home / "runs" / "bare"
    # A module that is None cannot be imported, like one that is not installed.
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({NOT_FOR_TRAINING!r}))\n"
        "from fer_core.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    homes = {f"FER_STUDIO_{room.upper()}": str(home / room) for room in ("data", "runs", "models")}
    done = subprocess.run(
        [
            *(sys.executable, "-c", program, "train", *SMALL, "--data", str(kaggle_zip)),
            *("--epochs", "1", "--run-dir", str(folder)),
        ],
        cwd=PROJECT_ROOT,
        env=os.environ | homes,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "to be completed by 'models export'" in done.stderr
    assert not (folder / "bundle" / "model.onnx").exists()
    before = json.loads((folder / "bundle" / "bundle.json").read_text())
    exported = run_at("models", "export", "bare", home=home)
    assert exported.code == 0, exported.err
    assert (folder / "bundle" / "model.onnx").is_file()
    evaluated = run_at(
        *("evaluate", "--model", "bare", "--data", kaggle_zip, "--split", "validation", "--json"),
        home=home,
    ).document
    recorded = before["metrics"]["validation"]
    assert evaluated["loss"] == pytest.approx(recorded["loss"], abs=1e-4)


def test_an_interrupt_ends_cleanly_with_the_best_model_so_far(
    started: Callable, run_at: Callable, kaggle_zip: Path, home: Path
) -> None:
    folder = home / "runs" / "interrupted"
    process = started(
        *("train", *SMALL, "--data", kaggle_zip, "--epochs", 1000),
        *("--run-dir", folder, "--json"),
        home=home,
    )
    wait_until(lambda: len(epochs_on_disk(folder)) >= 2, process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    document = json.loads(out)
    assert document["state"] == "stopped"
    assert 2 <= document["epochs"] < 1000
    assert document["best_epoch"] <= document["epochs"]
    assert status(folder)["state"] == "stopped"
    assert (folder / "bundle" / "model.onnx").is_file()
    listed = run_at("models", "--json", home=home).document
    assert "interrupted" in {model["name"] for model in listed}


def test_a_stop_in_the_first_epoch_leaves_no_model_and_can_be_resumed(
    started: Callable, run_at: Callable, kaggle_zip: Path, home: Path
) -> None:
    folder = home / "stopped early"
    process = started(
        *("train", *SMALL, "--set", "batch_size=1", "--data", kaggle_zip, "--epochs", 1),
        *("--run-dir", folder, "--json"),
        home=home,
    )
    wait_until(lambda: status(folder).get("step", 0) >= 1, process)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    document = json.loads(out)
    assert (document["state"], document["epochs"]) == ("stopped", 0)
    assert (document["best_epoch"], document["bundle"]) == (None, None)
    assert document["validation"] is None
    assert status(folder)["state"] == "stopped"
    assert not (folder / "bundle").exists()
    assert epochs_on_disk(folder) == []

    resumed = run_at("train", "--resume", folder, "--json", home=home).document
    assert (resumed["state"], resumed["epochs"]) == ("finished", 1)
    assert (folder / "bundle" / "model.onnx").is_file()


def test_a_run_folder_is_used_once(
    run: Callable, tmp_path: Path, kaggle_zip: Path, draw_faces: Callable
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text("{}")
    refusal = run("train", *SMALL, "--data", kaggle_zip, "--run-dir", tmp_path / "mine").refusal
    assert "already contains a run" in refusal


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "--recipe"),
        (("--recipe", "three-conv-cnn-adam"), "--data"),
        (("--recipe", "alchemy", "--data", "x"), "alchemy"),
        ((*SMALL, "--data", "x", "--set", "colour=3"), "colour"),
        ((*SMALL, "--data", "x", "--set", "epochs"), "KEY=VALUE"),
        ((*SMALL, "--data", "x", "--set", "learning_rate=fast"), "learning_rate"),
        ((*SMALL, "--data", "x", "--set", "learning_rate=nan"), "learning_rate"),
        ((*SMALL, "--data", "x", "--epochs", "0"), "epochs"),
        ((*SMALL, "--data", "x", "--minutes", "0"), "--minutes should be above 0"),
        ((*SMALL, "--data", "x", "--minutes", "soon"), "--minutes"),
        ((*SMALL, "--data", "x", "--minutes", "9", "--queue"), "omit --run-dir, --minutes"),
        (("--resume", "nowhere"), "nowhere"),
        (("--resume", "nowhere", "--epochs", "3"), "--resume"),
    ],
)
def test_a_training_that_is_not_valid_is_refused_in_one_line(
    run: Callable, arguments: tuple[str, ...], words: str
) -> None:
    assert words in run("train", *arguments).refusal


def test_a_name_that_is_taken_is_refused_before_the_training(
    run: Callable, bundle: Any, kaggle_zip: Path
) -> None:
    assert "small" in run("train", *SMALL, "--data", kaggle_zip, "--publish", "small").refusal


@pytest.mark.parametrize("name", ["../outside", "default", "detectors"])
def test_a_name_that_no_model_can_have_is_refused_before_the_training(
    run: Callable, kaggle_zip: Path, name: str
) -> None:
    assert name in run("train", *SMALL, "--data", kaggle_zip, "--publish", name).refusal


def test_data_that_are_not_there_leave_no_run_behind(run: Callable, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    arguments = ("--recipe", "three-conv-cnn-adam", "--data", "mistyped", "--run-dir", folder)
    assert "There is no dataset and no path 'mistyped'" in run("train", *arguments).refusal
    assert not folder.exists()


def test_votes_that_the_data_lack_are_missed_before_the_run(
    run: Callable, kaggle_zip: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    arguments = (*SMALL, "--data", kaggle_zip, "--set", "targets=votes_distribution")
    refusal = run("train", *arguments, "--run-dir", folder).refusal
    assert "needs annotator votes" in refusal and "choose targets=labels" in refusal
    assert not folder.exists()
