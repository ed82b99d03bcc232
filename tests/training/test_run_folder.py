"""A run's folder after crashes and with damaged files."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.recipes import TrainingConfig, recipe_by_name, setting_fields
from fer_core.training.run_folder import EpochRecord, RunFolder, RunSetup, RunStatus

SETUP = RunSetup(
    "four-block-cnn-step-schedule", "faces", recipe_by_name("four-block-cnn-step-schedule").config
)


def record(epoch: int, loss: float = 1.5) -> EpochRecord:
    return EpochRecord(
        epoch=epoch,
        loss=1.0,
        accuracy=0.5,
        validation_loss=loss,
        validation_accuracy=0.25,
        validation_macro_f1=0.125,
        validation_recall=dict.fromkeys(EMOTIONS, 0.5) | {"disgust": None},
        learning_rate=0.001,
        images_per_second=100.0,
        seconds=2.0,
    )


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "runs" / "one")
    folder.create(SETUP)
    return folder


def test_the_setup_is_read_back_unchanged(run: RunFolder) -> None:
    assert run.read_setup() == SETUP


def test_a_folder_holds_one_run(run: RunFolder) -> None:
    with pytest.raises(InputError, match="already contains a run; continue it with --resume"):
        run.create(replace(SETUP, data="other"))
    assert run.read_setup().data == "faces"


def test_an_empty_folder_may_be_named_and_a_file_may_not(tmp_path: Path) -> None:
    RunFolder(tmp_path).create(SETUP)
    assert RunFolder(tmp_path).read_setup() == SETUP
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(InputError, match=r"cannot be written .* --run-dir"):
        RunFolder(file).create(SETUP)


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"contains no run \(config.json is missing\)"):
        RunFolder(tmp_path).read_setup()


@pytest.mark.parametrize("content", [b"", b"{", b"null", b"[]", b'{"recipe": "x"}', b"\x80"])
def test_a_damaged_configuration_is_reported(run: RunFolder, content: bytes) -> None:
    (run.path / "config.json").write_bytes(content)
    with pytest.raises(InputError, match=r"config.json is damaged") as caught:
        run.read_setup()
    assert "\n" not in str(caught.value)


def test_a_configuration_of_another_version_is_reported(run: RunFolder) -> None:
    path = run.path / "config.json"
    values = json.loads(path.read_text())
    values["config"]["colour"] = "red"
    path.write_text(json.dumps(values))
    with pytest.raises(
        InputError, match=r"config.json is not a valid configuration: .colour. is not a setting"
    ):
        run.read_setup()


def test_finished_epochs_are_read_back_in_order(run: RunFolder) -> None:
    assert run.read_epochs() == []
    for epoch in (1, 2, 3):
        run.append_epoch(record(epoch))
    assert run.read_epochs() == [record(1), record(2), record(3)]
    first = (run.path / "metrics.jsonl").read_text().splitlines()[0]
    assert first.startswith('{"epoch": 1, ')


@pytest.mark.parametrize("torn_at", [1, 20, -2, -1])
def test_a_torn_last_line_is_dropped_and_the_next_one_is_whole(
    run: RunFolder, torn_at: int
) -> None:
    for epoch in (1, 2):
        run.append_epoch(record(epoch))
    path = run.path / "metrics.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1][:torn_at])
    # Without its line break alone the line is still whole.
    done = 2 if torn_at == -1 else 1
    assert [entry.epoch for entry in run.read_epochs()] == list(range(1, done + 1))
    run.append_epoch(record(done + 1, loss=0.75))
    assert [entry.epoch for entry in run.read_epochs()] == list(range(1, done + 2))
    assert run.read_epochs()[-1].validation_loss == 0.75


@pytest.mark.parametrize(
    "foreign",
    [b"words", b"null", b"[]", b"3", b'{"epoch": 2}', b'{"surprise": 1}', b"\x80\xff", b"\0\0\0"],
)
def test_foreign_lines_are_dropped(run: RunFolder, foreign: bytes) -> None:
    run.append_epoch(record(1))
    with (run.path / "metrics.jsonl").open("ab") as file:
        file.write(foreign + b"\n\n")
    run.append_epoch(record(2))
    assert [entry.epoch for entry in run.read_epochs()] == [1, 2]


@pytest.mark.parametrize("epoch", ["[1]", '"2"', "null", "{}", "2.5"])
def test_a_line_with_an_invalid_epoch_is_dropped(run: RunFolder, epoch: str) -> None:
    run.append_epoch(record(1))
    line = (run.path / "metrics.jsonl").read_text().replace('"epoch": 1', f'"epoch": {epoch}')
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write(line)
    assert [entry.epoch for entry in run.read_epochs()] == [1]


def test_an_epoch_done_again_replaces_the_earlier_line(run: RunFolder) -> None:
    for epoch, loss in ((1, 1.0), (2, 2.0), (2, 0.5)):
        run.append_epoch(record(epoch, loss))
    assert [entry.validation_loss for entry in run.read_epochs()] == [1.0, 0.5]


def test_what_follows_a_missing_epoch_does_not_count(run: RunFolder) -> None:
    for epoch in (1, 2, 4):
        run.append_epoch(record(epoch))
    assert [entry.epoch for entry in run.read_epochs()] == [1, 2]


def test_the_status_is_read_back_unchanged(run: RunFolder) -> None:
    assert run.read_status() is None
    status = RunStatus("running", "epoch 1/3", epoch=1, epochs=3, seconds_left=12.5)
    run.write_status(status)
    assert run.read_status() == status


@pytest.mark.parametrize("content", [b"", b"{", b"null", b"[]", b'{"x": 1}', b"\x80", b"{}"])
def test_a_damaged_status_is_as_good_as_none(run: RunFolder, content: bytes) -> None:
    (run.path / "status.json").write_bytes(content)
    assert run.read_status() is None


def test_arrays_are_read_back_unchanged_and_replaced(run: RunFolder) -> None:
    run.save_arrays("best.npz", {"000": np.arange(3)})
    run.save_arrays("best.npz", {"000": np.arange(5), "001": np.eye(2)})
    arrays = run.load_arrays("best.npz")
    assert list(arrays) == ["000", "001"]
    np.testing.assert_array_equal(arrays["000"], np.arange(5))
    names = sorted(file.name for file in run.path.iterdir())
    assert names == ["best.npz", "config.json"]


@pytest.mark.parametrize("content", [None, b"", b"garbage" * 99, b"half"])
def test_missing_and_damaged_arrays_are_reported(run: RunFolder, content: bytes | None) -> None:
    run.save_arrays("best.npz", {"000": np.arange(100)})
    path = run.path / "best.npz"
    whole = path.read_bytes()
    path.unlink()
    if content is not None:
        path.write_bytes(whole[: len(whole) // 2] if content == b"half" else content)
    with pytest.raises(InputError, match=r"best.npz is missing or damaged") as caught:
        run.load_arrays("best.npz")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("monitor", "better", "worse"),
    [
        ("loss", record(1, loss=0.5), record(1, loss=0.75)),
        ("accuracy", record(1), replace(record(1), validation_accuracy=0.2)),
        ("macro_f1", record(1), replace(record(1), validation_macro_f1=0.1)),
    ],
)
def test_larger_is_better_for_every_monitored_metric(
    monitor: str, better: EpochRecord, worse: EpochRecord
) -> None:
    assert better.score(monitor) > worse.score(monitor)


def test_the_configuration_is_readable_json(run: RunFolder) -> None:
    values = json.loads((run.path / "config.json").read_text())
    assert values["config"]["schedule_steps"] == [[20, 0.00025], [30, 5e-05]]
    assert set(values["config"]) == {field.name for field in setting_fields()}


def test_a_run_that_is_being_trained_is_not_trained_by_another(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.create(RunSetup(recipe="a", data="b", config=TrainingConfig()))
    with (
        run.locked(),
        pytest.raises(InputError, match="trained by another process"),
        RunFolder(tmp_path).locked(),
    ):
        pass
    with RunFolder(tmp_path).locked():
        pass  # let go
