"""Training with a time budget: no lost work, the same result, an error if it is too short."""

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
from fer_core.training.fit import BEST_WEIGHTS_FILE, FitContext, fit
from fer_core.training.run_folder import EpochRecord, RunFolder, RunSetup
from fer_core.training.time_budget import TimeBudget
from fer_core.training.train_job import TrainingOutcome, run_training

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
    """A clock that advances by a fixed step at each call."""

    def __init__(self, step: float = 0.0) -> None:
        self.now, self.step = 100.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def without_timings(records: list[EpochRecord]) -> list[EpochRecord]:
    return [replace(record, seconds=0.0, images_per_second=0.0) for record in records]


def test_a_budget_ends_when_its_minutes_are_over() -> None:
    clock = Clock()
    budget = TimeBudget(2, clock=clock)
    clock.now += 119
    assert not budget.is_used_up()
    clock.now += 1
    assert budget.is_used_up()


def test_an_epoch_has_room_with_a_tenth_to_spare() -> None:
    clock = Clock()
    budget = TimeBudget(1, clock=clock)
    assert budget.is_enough_for(54)
    assert not budget.is_enough_for(55)
    clock.now += 50
    assert budget.is_enough_for(9)
    assert not budget.is_enough_for(10)


@pytest.mark.parametrize("minutes", [0, -1, float("nan"), float("inf")])
def test_an_invalid_duration_is_refused(minutes: float) -> None:
    with pytest.raises(InputError, match="--minutes should be above 0"):
        TimeBudget(minutes)


def test_no_epoch_is_started_that_would_exceed_the_time_budget(
    tiny_faces: FaceSet, tmp_path: Path
) -> None:
    run = RunFolder(tmp_path)
    asked: list[float] = []

    def has_time_for(seconds: float) -> bool:
        asked.append(seconds)
        return len(asked) <= 2

    result = fit(CONFIG, tiny_faces, run, context=FitContext(has_time_for=has_time_for))
    assert result.was_stopped
    assert asked == [0.0, result.epochs[0].seconds, result.epochs[1].seconds]
    assert len(result.epochs) == 2


def test_several_periods_give_the_same_run_as_one(tiny_faces: FaceSet, tmp_path: Path) -> None:
    config = replace(CONFIG, epochs=2)
    whole, sliced = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "sliced")
    for run in (whole, sliced):
        run.create(RunSetup("tiny", "faces", config))
    expected = fit(config, tiny_faces, whole)
    sizes = []
    for _ in range(config.epochs):
        left = iter([True, False])
        around = FitContext(has_time_for=lambda seconds, left=left: next(left))  # type: ignore[misc]
        result = fit(config, tiny_faces, sliced, context=around)
        sizes.append(len(result.epochs))
    assert sizes == [1, 2]
    assert not result.was_stopped
    assert without_timings(result.epochs) == without_timings(expected.epochs)
    for name in (BEST_WEIGHTS_FILE, "checkpoint-00002.npz"):
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


def test_a_time_budget_leaves_a_bundle_and_explains_how_to_resume(
    settings: Settings, data: str, without_onnx: None
) -> None:
    run = begun(settings, data, epochs=2)
    clock = Clock()
    outcomes: list[TrainingOutcome] = []
    # However long the first epoch takes, the second one finds no time left.
    slices = [TimeBudget(1, clock=clock), TimeBudget(1, clock=clock)]
    slices[0].is_enough_for = lambda seconds: seconds == 0  # type: ignore[method-assign]
    for budget in slices:
        outcomes.append(run_training(run, settings, budget))
    first, second = outcomes
    assert (first.state, first.epochs) == ("stopped", 1)
    assert first.bundle is not None
    assert (second.state, second.epochs) == ("finished", 2)
    log = (run.path / "train.log").read_text(encoding="utf-8")
    assert f"after 1 of 2 epochs: resume with --resume {run.path} --minutes 1" in log
    assert log.count("resume with --resume") == 1


def test_a_budget_without_a_finished_epoch_is_reported(
    settings: Settings, data: str, without_onnx: None
) -> None:
    run = begun(settings, data, epochs=1)
    # Over within the first epoch's steps.
    budget = TimeBudget(1, clock=Clock(step=29))
    with pytest.raises(InputError, match=r"No epoch was finished in 1 minutes, .*more --minutes"):
        run_training(run, settings, budget)
    status = json.loads((run.path / "status.json").read_text(encoding="utf-8"))
    assert (status["state"], status["epoch"]) == ("failed", 0)
    assert run_training(run, settings).state == "finished"


def test_a_budget_shorter_than_an_epoch_before_is_reported(
    settings: Settings, data: str, without_onnx: None
) -> None:
    run = begun(settings, data, epochs=2)
    first = TimeBudget(1, clock=Clock())
    first.is_enough_for = lambda seconds: seconds == 0  # type: ignore[method-assign]
    run_training(run, settings, first)
    (record,) = run.read_epochs()
    short = TimeBudget(record.seconds / 60, clock=Clock())
    with pytest.raises(
        InputError, match=r"No epoch was finished in .*the last finished epoch took .* s"
    ):
        run_training(run, settings, short)


def test_a_request_to_stop_does_not_count_as_the_end_of_the_budget(
    settings: Settings, data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun(settings, data)
    monkeypatch.setattr("fer_core.training.control.RunControl.should_stop", lambda control: True)
    outcome = run_training(run, settings, TimeBudget(60))
    assert (outcome.state, outcome.epochs, outcome.bundle) == ("stopped", 0, None)
