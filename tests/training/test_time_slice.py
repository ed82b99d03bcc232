"""Training in slices of time: no work lost, the same result, and no slice that comes to nothing."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.keras_backend import prepare_backend
from fer_core.recipes import TrainingConfig
from fer_core.settings import Settings
from fer_core.training.fit import BEST_WEIGHTS, Surroundings, fit
from fer_core.training.launch import TrainingOutcome, run_training
from fer_core.training.run_folder import EpochRecord, RunFolder, RunSetup
from fer_core.training.time_slice import TimeSlice

prepare_backend()

CONFIG = TrainingConfig(
    architecture="three_convolutions",
    epochs=4,
    batch_size=32,
    optimizer="sgd",
    learning_rate=0.02,
    averaging_momentum=0.9,
    schedule="cosine",
    flip=True,
    noise_share=0.1,
    seed=3,
)


class Clock:
    """Moves by so many seconds each time that it is asked."""

    def __init__(self, step: float = 0.0) -> None:
        self.now, self.step = 100.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def without_timings(records: list[EpochRecord]) -> list[EpochRecord]:
    return [replace(record, seconds=0.0, images_per_second=0.0) for record in records]


def test_a_slice_ends_when_its_minutes_are_over() -> None:
    clock = Clock()
    time_slice = TimeSlice(2, clock=clock)
    clock.now += 119
    assert not time_slice.is_over()
    clock.now += 1
    assert time_slice.is_over()


def test_an_epoch_has_room_with_a_tenth_to_spare() -> None:
    clock = Clock()
    time_slice = TimeSlice(1, clock=clock)
    assert time_slice.has_room_for(54)
    assert not time_slice.has_room_for(55)
    clock.now += 50
    assert time_slice.has_room_for(9)
    assert not time_slice.has_room_for(10)


@pytest.mark.parametrize("minutes", [0, -1, float("nan"), float("inf")])
def test_what_is_no_duration_is_refused(minutes: float) -> None:
    with pytest.raises(InputError, match="--minutes should be above 0"):
        TimeSlice(minutes)


def test_the_loop_asks_with_the_last_epochs_duration_and_begins_none_without_time(
    tiny_faces: FaceSet, tmp_path: Path
) -> None:
    run = RunFolder(tmp_path)
    asked: list[float] = []

    def has_time_for(seconds: float) -> bool:
        asked.append(seconds)
        return len(asked) <= 2

    result = fit(CONFIG, tiny_faces, run, surroundings=Surroundings(has_time_for=has_time_for))
    assert result.was_stopped
    assert asked == [0.0, result.epochs[0].seconds, result.epochs[1].seconds]
    assert len(result.epochs) == 2


def test_slices_give_the_run_that_one_go_gives(tiny_faces: FaceSet, tmp_path: Path) -> None:
    whole, sliced = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "sliced")
    for run in (whole, sliced):
        run.create(RunSetup("tiny", "faces", CONFIG))
    expected = fit(CONFIG, tiny_faces, whole)
    sizes = []
    for _ in range(CONFIG.epochs):
        left = iter([True, False])
        around = Surroundings(has_time_for=lambda seconds, left=left: next(left))  # type: ignore[misc]
        result = fit(CONFIG, tiny_faces, sliced, surroundings=around)
        sizes.append(len(result.epochs))
    assert sizes == [1, 2, 3, 4]
    assert not result.was_stopped
    assert without_timings(result.epochs) == without_timings(expected.epochs)
    for name in (BEST_WEIGHTS, "checkpoint-00004.npz"):
        one, other = whole.load_arrays(name), sliced.load_arrays(name)
        assert one.keys() == other.keys()
        assert all(np.array_equal(one[key], other[key]) for key in one)


@pytest.fixture
def data(tiny_faces: FaceSet, png: Callable[..., bytes], tmp_path: Path) -> str:
    folder = tmp_path / "faces"
    for number, image in enumerate(tiny_faces.images):
        split, emotion = SPLITS[tiny_faces.splits[number]], EMOTIONS[tiny_faces.labels[number]]
        path = folder / split / emotion / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(image))
    return str(folder)


def begun(settings: Settings, data: str, **changes: Any) -> RunFolder:
    run = RunFolder(settings.runs_root / "sliced")
    run.create(RunSetup("tiny", data, replace(CONFIG, **changes)))
    return run


def test_a_slice_leaves_a_bundle_and_says_how_to_go_on(settings: Settings, data: str) -> None:
    run = begun(settings, data, epochs=2)
    clock = Clock()
    outcomes: list[TrainingOutcome] = []
    # However long the first epoch takes, the second one finds no time left.
    slices = [TimeSlice(1, clock=clock), TimeSlice(1, clock=clock)]
    slices[0].has_room_for = lambda seconds: seconds == 0  # type: ignore[method-assign]
    for time_slice in slices:
        outcomes.append(run_training(run, settings, time_slice))
    first, second = outcomes
    assert (first.state, first.epochs) == ("stopped", 1)
    assert first.bundle is not None
    assert (second.state, second.epochs) == ("finished", 2)
    log = (run.path / "train.log").read_text(encoding="utf-8")
    assert f"after 1 of 2 epochs: go on with --resume {run.path} --minutes 1" in log
    assert log.count("go on with --resume") == 1


def test_a_slice_without_a_finished_epoch_is_told(settings: Settings, data: str) -> None:
    run = begun(settings, data)
    # Over within the first epoch's steps.
    time_slice = TimeSlice(1, clock=Clock(step=29))
    with pytest.raises(InputError, match=r"No epoch was finished in 1 minutes, .*more --minutes"):
        run_training(run, settings, time_slice)
    status = json.loads((run.path / "status.json").read_text(encoding="utf-8"))
    assert (status["state"], status["epoch"]) == ("failed", 0)
    assert run_training(run, settings).state == "finished"


def test_a_slice_shorter_than_an_epoch_before_is_told(settings: Settings, data: str) -> None:
    run = begun(settings, data, epochs=2)
    first = TimeSlice(1, clock=Clock())
    first.has_room_for = lambda seconds: seconds == 0  # type: ignore[method-assign]
    run_training(run, settings, first)
    (record,) = run.read_epochs()
    short = TimeSlice(record.seconds / 60, clock=Clock())
    with pytest.raises(InputError, match=r"No epoch was finished in .*the last one took .* s"):
        run_training(run, settings, short)


def test_a_request_to_stop_is_no_end_of_a_slice(
    settings: Settings, data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun(settings, data)
    monkeypatch.setattr("fer_core.training.control.RunControl.should_stop", lambda control: True)
    outcome = run_training(run, settings, TimeSlice(60))
    assert (outcome.state, outcome.epochs, outcome.bundle) == ("stopped", 0, None)
