"""``train``: whole trainings of a small network on drawn faces, ended in every way."""

import io
import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from answered import Answered

from fer_core.__main__ import main
from fer_core.emotions import EMOTIONS
from fer_core.training.launcher import extend_run
from fer_core.training.run_folder import RunFolder
from fer_core.training.time_budget import TimeBudget

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

    def call(*arguments: object, **options: Any) -> "subprocess.Popen[str]":
        process = start(*arguments, **options)
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
def whole_run(kaggle_zip: Path, home: Path) -> Answered:
    """Three epochs without an interruption, published."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name in ("data", "runs", "models"):
            patch.setenv(f"FER_STUDIO_{name.upper()}", str(home / name))
        code = main(
            [
                *("train", *SMALL, "--data", str(kaggle_zip), "--epochs", "3"),
                *("--run-dir", str(home / "whole"), "--publish", "trained", "--json"),
            ]
        )
    return Answered(code, out.getvalue(), err.getvalue())


def test_a_training_prints_one_document_and_reports_progress_separately(
    whole_run: Answered, home: Path
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


def test_the_run_folder_contains_what_the_pages_read(whole_run: Answered, home: Path) -> None:
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


def test_the_bundle_is_whole_and_of_the_best_epoch(whole_run: Answered, home: Path) -> None:
    folder = home / "whole" / "bundle"
    assert {path.name for path in folder.iterdir()} == {
        "bundle.json",
        "model.onnx",
        "model.keras",
        "calibration.json",
        "predictions.npz",
        "image_hashes.npz",
        "metrics.jsonl",
        "README.md",
    }
    record = json.loads((folder / "bundle.json").read_text())
    best = epochs_on_disk(home / "whole")[whole_run.document["best_epoch"] - 1]
    assert record["training"]["best_epoch"] == best["epoch"]
    assert record["metrics"]["validation"]["accuracy"] == pytest.approx(best["validation_accuracy"])


def test_a_published_training_is_found_by_its_name_and_evaluates_as_recorded(
    whole_run: Answered, run_at: Callable, kaggle_zip: Path, home: Path
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
    *,
    whole_run: Answered,
    run_at: Callable,
    kaggle_zip: Path,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    without_onnx: None,
) -> None:
    folder = home / "sliced"
    # However long they take on this machine: two epochs, and no time for a third one.
    answers = iter([True, True, False])
    monkeypatch.setattr(TimeBudget, "is_enough_for", lambda budget, seconds: next(answers))
    monkeypatch.setattr(TimeBudget, "is_used_up", lambda budget: False)
    answer = run_at(
        *("train", *SMALL, "--data", kaggle_zip, "--epochs", 100, "--run-dir", folder),
        *("--minutes", 5, "--json"),
        home=home,
    )
    assert (answer.document["state"], answer.document["epochs"]) == ("stopped", 2)
    assert (folder / "bundle" / "bundle.json").is_file()
    assert f"--resume {folder} --minutes 5" in answer.err
    # The learning rate is constant: the planned number of epochs does not affect the first ones.
    assert without_timings(epochs_on_disk(folder)) == without_timings(
        epochs_on_disk(home / "whole")[:2]
    )


#: What the app needs and a machine that only trains may lack.
NOT_FOR_TRAINING = (
    *("streamlit", "plotly", "pandas", "sklearn", "skimage", "cleanlab", "optuna", "psutil"),
    *("onnx", "onnxruntime", "tf2onnx", "PIL", "kagglehub"),
)


def test_training_needs_only_keras_numpy_opencv_pydantic_and_a_backend_and_ends_on_an_interrupt(
    started: Callable, run_at: Callable, kaggle_zip: Path, home: Path
) -> None:
    folder = home / "runs" / "bare"
    # A module that is None cannot be imported, like one that is not installed.
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({NOT_FOR_TRAINING!r}))\n"
        "from fer_core.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    process = started(
        *("train", *SMALL, "--data", kaggle_zip, "--epochs", 1000),
        *("--run-dir", folder, "--json"),
        home=home,
        program=program,
    )
    wait_until(lambda: len(epochs_on_disk(folder)) >= 2, process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    assert "epoch 2/1000" in err
    document = json.loads(out)
    assert document["state"] == "stopped"
    assert 2 <= document["epochs"] < 1000
    # The bundle holds the best model so far.
    assert document["best_epoch"] <= document["epochs"]
    assert status(folder)["state"] == "stopped"
    assert "run 'models export'" in err
    assert not (folder / "bundle" / "model.onnx").exists()
    before = json.loads((folder / "bundle" / "bundle.json").read_text())

    exported = run_at("models", "export", "bare", home=home)
    assert exported.code == 0, exported.err
    assert (folder / "bundle" / "model.onnx").is_file()
    listed = run_at("models", "--json", home=home).document
    assert "bare" in {model["name"] for model in listed}
    evaluated = run_at(
        *("evaluate", "--model", "bare", "--data", kaggle_zip, "--split", "validation", "--json"),
        home=home,
    ).document
    recorded = before["metrics"]["validation"]
    assert evaluated["loss"] == pytest.approx(recorded["loss"], abs=1e-4)


def test_a_stop_in_the_first_epoch_leaves_no_model_and_can_be_resumed(
    run_at: Callable,
    kaggle_zip: Path,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    without_onnx: None,
) -> None:
    folder = home / "stopped early"
    with monkeypatch.context() as patch:
        patch.setattr("fer_core.training.control.RunControl.should_stop", lambda control: True)
        document = run_at(
            *("train", *SMALL, "--data", kaggle_zip, "--epochs", 1),
            *("--run-dir", folder, "--json"),
            home=home,
        ).document
    assert (document["state"], document["epochs"]) == ("stopped", 0)
    assert (document["best_epoch"], document["bundle"]) == (None, None)
    assert document["validation"] is None
    assert status(folder)["state"] == "stopped"
    assert not (folder / "bundle").exists()
    assert epochs_on_disk(folder) == []

    resumed = run_at("train", "--resume", folder, "--json", home=home).document
    assert (resumed["state"], resumed["epochs"]) == ("finished", 1)
    assert (folder / "bundle" / "bundle.json").is_file()


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
        (("--resume", "nowhere", "--from", "x"), "omit --recipe"),
        ((*SMALL, "--data", "x", "--freeze", "stage1"), "needs --from BUNDLE"),
        (("--from", "nowhere", "--data", "x"), "There is no model 'nowhere'"),
    ],
)
def test_a_training_that_is_not_valid_is_refused_in_one_line(
    run: Callable, arguments: tuple[str, ...], words: str
) -> None:
    assert words in run("train", *arguments).refusal


def test_a_model_without_a_keras_file_is_refused(run: Callable, bundle: Any) -> None:
    refusal = run("train", "--from", "small", "--data", "demo").refusal
    assert "The model 'small' has no model.keras" in refusal


def test_a_training_starts_from_a_model_and_resumes_exactly(
    whole_run: Answered, run_at: Callable, kaggle_zip: Path, home: Path, without_onnx: None
) -> None:
    tuned = ("--from", home / "whole", "--freeze", "stage2", "--data", kaggle_zip)
    tuned += ("--set", "batch_size=16", "--set", "dropout_scale=0.5", "--json")
    answer = run_at("train", *tuned, "--epochs", 2, "--run-dir", home / "tuned", home=home)
    start = answer.document["start"]
    assert (start["model"], start["head"], start["freeze"]) == ("whole", "kept", "stage2")
    assert "starting from whole, its head kept, frozen up to stage2" in answer.err
    setup = json.loads((home / "tuned" / "config.json").read_text())
    assert setup["recipe"] == "three-conv-cnn-adam"
    assert setup["config"]["learning_rate"] == 1e-4
    record = json.loads((home / "tuned" / "bundle" / "bundle.json").read_text())
    assert record["start"] == start == setup["start"] | {"head": "kept"}
    card = (home / "tuned" / "bundle" / "README.md").read_text()
    version = f"`whole`, version {start['digest'][:8]}"
    assert (
        f"the weights of {version} (the last layer kept, frozen up to and including stage2)" in card
    )
    assert "starts from random weights" not in card

    # The same in two parts: the second one does not need the starting model.
    parts = home / "parts"
    run_at("train", *tuned, "--epochs", 1, "--run-dir", parts, home=home)
    extend_run(RunFolder(parts), 2)
    (parts / "start.keras").unlink()
    resumed = run_at("train", "--resume", parts, "--json", home=home).document
    assert resumed["start"] == start
    assert without_timings(epochs_on_disk(parts)) == without_timings(epochs_on_disk(home / "tuned"))

    wrong = (*tuned, "--run-dir", home / "wrong")
    refusal = run_at("train", *wrong, "--freeze", "stage9", home=home).refusal
    assert "choose from stage1, stage2, stage3, dense" in refusal
    refusal = run_at("train", *wrong, "--set", "architecture=plain_eight", home=home).refusal
    assert "keep architecture=three_convolutions" in refusal
    assert not (home / "wrong").exists()


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


def test_a_run_on_a_path_keeps_its_classes_when_it_is_resumed(
    *,
    run: Callable,
    write_files: Callable,
    draw_faces: Callable,
    png: Callable,
    tmp_path: Path,
    without_onnx: None,
) -> None:
    faces = draw_faces([number % 3 for number in range(30)])
    names = ("bored", "focused", "asleep")
    source = write_files(
        {
            f"{names[label]}/{number}.png": png(image)
            for number, (image, label) in enumerate(zip(faces.images, faces.labels, strict=True))
        }
    )
    command = ("train", *SMALL, "--data", source, "--epochs", 1)
    # The folders are not named after emotions.
    assert "with --classes folders" in run(*command, "--run-dir", tmp_path / "failed").err
    own = tmp_path / "own"
    run(*command, "--run-dir", own, "--classes", "folders", "--map", "asleep=bored")
    labels = json.loads((own / "bundle" / "bundle.json").read_text())["labels"]
    assert labels == ["bored", "focused"]
    extend_run(RunFolder(own), 2)
    assert (
        "omit --recipe, --data, --classes"
        in run("train", "--resume", own, "--classes", "folders").refusal
    )
    assert run("train", "--resume", own, "--json").document["epochs"] == 2
