"""The training loop on drawn faces: reproducible, resumable, with clear errors."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer_core.dataset.face_set import FaceSet
from fer_core.errors import InputError
from fer_core.keras_backend import prepare_backend
from fer_core.metrics import log_loss
from fer_core.recipes import TrainingConfig
from fer_core.training.fit import (
    BEST_WEIGHTS_FILE,
    FitContext,
    FitResult,
    fit,
    predict_in_batches,
)
from fer_core.training.model_setup import build_float32_model
from fer_core.training.run_folder import EpochRecord, RunFolder, RunSetup
from fer_core.training.training_data import training_rows

prepare_backend()


def config(**values: Any) -> TrainingConfig:
    tiny = {"architecture": "three_convolutions", "epochs": 2, "batch_size": 16}
    return TrainingConfig(**(tiny | values))


def run_in(folder: Path, settings: TrainingConfig) -> RunFolder:
    run = RunFolder(folder)
    run.create(RunSetup("tiny", "drawn", settings))
    return run


def stop_when(condition: Callable[[], bool]) -> FitContext:
    return FitContext(should_stop=condition)


def timeless(epochs: list[EpochRecord]) -> list[EpochRecord]:
    """Remove the durations, in which two equal runs may differ."""
    return [replace(record, seconds=0.0, images_per_second=0.0) for record in epochs]


def saved_weights(run: RunFolder) -> list[np.ndarray[Any, Any]]:
    return list(run.load_arrays(BEST_WEIGHTS_FILE).values())


@pytest.fixture(scope="module")
def everything() -> TrainingConfig:
    """Every source of randomness and of state that a training can have."""
    return config(
        epochs=3,
        optimizer="sgd",
        learning_rate=0.02,
        weight_decay=1e-3,
        averaging_momentum=0.9,
        gradient_clip_norm=1.0,
        schedule="cosine",
        warmup_epochs=0.5,
        label_smoothing=0.1,
        mixup_alpha=0.2,
        flip=True,
        rotation_degrees=10,
        noise_share=0.02,
        monitor="macro_f1",
        seed=11,
    )


@pytest.fixture(scope="module")
def uninterrupted(
    everything: TrainingConfig, tiny_faces: FaceSet, tmp_path_factory: pytest.TempPathFactory
) -> tuple[RunFolder, FitResult]:
    run = run_in(tmp_path_factory.mktemp("runs") / "whole", everything)
    return run, fit(everything, tiny_faces, run)


def test_a_run_that_is_stopped_and_resumed_ends_like_one_that_was_not(
    everything: TrainingConfig,
    tiny_faces: FaceSet,
    uninterrupted: tuple[RunFolder, FitResult],
    tmp_path: Path,
) -> None:
    whole_run, whole = uninterrupted
    run = run_in(tmp_path / "run", everything)
    steps = iter(range(100))
    # Four steps an epoch: stopped in the middle of the second.
    stopped = fit(everything, tiny_faces, run, stop_when(lambda: next(steps) == 5))
    assert (stopped.was_stopped, len(stopped.epochs)) == (True, 1)
    resumed = fit(everything, tiny_faces, run)
    assert not resumed.was_stopped
    assert timeless(resumed.epochs) == timeless(whole.epochs)
    assert resumed.best_epoch == whole.best_epoch
    for ours, theirs in zip(saved_weights(run), saved_weights(whole_run), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_finished_run_is_not_trained_further(
    everything: TrainingConfig, tiny_faces: FaceSet, uninterrupted: tuple[RunFolder, FitResult]
) -> None:
    run, whole = uninterrupted
    again = fit(everything, tiny_faces, run, stop_when(lambda: True))
    assert again.epochs == whole.epochs
    assert not again.was_stopped


def test_only_the_last_checkpoint_is_kept(uninterrupted: tuple[RunFolder, FitResult]) -> None:
    run, _ = uninterrupted
    assert [path.name for path in run.path.glob("checkpoint-*")] == ["checkpoint-00003.npz"]


def test_the_stored_history_equals_the_result(
    uninterrupted: tuple[RunFolder, FitResult],
) -> None:
    run, whole = uninterrupted
    assert run.read_epochs() == whole.epochs
    assert [record.epoch for record in whole.epochs] == [1, 2, 3]


def test_another_seed_gives_another_training(
    everything: TrainingConfig,
    tiny_faces: FaceSet,
    uninterrupted: tuple[RunFolder, FitResult],
    tmp_path: Path,
) -> None:
    other = replace(everything, seed=12, epochs=1)
    result = fit(other, tiny_faces, run_in(tmp_path / "run", other))
    assert result.epochs[0].loss != uninterrupted[1].epochs[0].loss


def test_the_best_weights_give_the_recorded_figures_of_the_best_epoch(
    everything: TrainingConfig, tiny_faces: FaceSet, uninterrupted: tuple[RunFolder, FitResult]
) -> None:
    # With averaged weights: what is kept is what was measured, not what is trained on.
    run, result = uninterrupted
    assert result.best_epoch is not None
    best = result.epochs[result.best_epoch - 1]
    assert best.validation_macro_f1 == max(entry.validation_macro_f1 for entry in result.epochs)
    validation = tiny_faces.subset(tiny_faces.rows("validation"))
    model = build_float32_model(everything, saved_weights(run))
    loss = log_loss(validation.labels, predict_in_batches(model, validation.images))
    assert loss == pytest.approx(best.validation_loss, rel=1e-5)


def test_it_learns_what_can_be_learned_under_integer_labels_and_class_weights(
    draw_faces: Callable[..., FaceSet], tmp_path: Path
) -> None:
    labels = [0] * 60 + [3] * 30 + [6] * 12 + [0, 3, 6] * 5
    faces = draw_faces(labels, splits=["train"] * 102 + ["validation"] * 15)
    values = config(
        epochs=4, learning_rate=2e-3, label_encoding="integer", imbalance="class_weights"
    )
    result = fit(values, faces, run_in(tmp_path / "run", values))
    assert result.epochs[-1].validation_accuracy == 1.0
    assert result.epochs[-1].validation_recall["happy"] == 1.0
    assert result.epochs[-1].validation_recall["fear"] is None


def test_early_stopping_stops_and_keeps_the_best_epochs_weights(
    tiny_faces: FaceSet, tmp_path: Path
) -> None:
    # Validation is labelled otherwise: the more is learned, the worse its loss.
    contrary = np.where(tiny_faces.splits == 1, (tiny_faces.labels + 1) % 7, tiny_faces.labels)
    faces = replace(tiny_faces, labels=contrary.astype(np.int8))
    values = config(
        epochs=30, learning_rate=3e-3, early_stopping_patience=2, imbalance="oversampling"
    )
    run = run_in(tmp_path / "run", values)
    result = fit(values, faces, run)
    assert result.best_epoch is not None
    assert len(result.epochs) == result.best_epoch + 2 < 30
    losses = [record.validation_loss for record in result.epochs]
    assert result.best_epoch == losses.index(min(losses)) + 1
    validation = faces.subset(faces.rows("validation"))
    model = build_float32_model(values, saved_weights(run))
    loss = log_loss(validation.labels, predict_in_batches(model, validation.images))
    assert loss == pytest.approx(min(losses), rel=1e-5)
    # Resumed, it sees that its patience is over.
    assert fit(values, faces, run).epochs == result.epochs


def test_a_loss_that_becomes_nan_ends_the_run_with_the_reason(
    tiny_faces: FaceSet, tmp_path: Path
) -> None:
    # Beyond what a configuration allows, to get there within a few steps.
    values = config(optimizer="sgd")
    object.__setattr__(values, "learning_rate", 1e30)
    with pytest.raises(InputError, match=r"Loss became NaN or infinite \(epoch .*learning rate"):
        fit(values, tiny_faces, RunFolder(tmp_path))


def test_a_later_divergence_keeps_the_best_of_the_finished_epochs(
    tiny_faces: FaceSet, tmp_path: Path
) -> None:
    steps = ((1, 1e30),)
    values = config(
        optimizer="sgd", learning_rate=0.01, epochs=3, schedule="steps", schedule_steps=steps
    )
    run = RunFolder(tmp_path)
    result = fit(values, tiny_faces, run)
    assert result.has_diverged and not result.was_stopped
    assert (len(result.epochs), result.best_epoch) == (1, 1)
    assert saved_weights(run)


@pytest.mark.parametrize("split", ["train", "validation"])
def test_an_empty_split_is_refused(tiny_faces: FaceSet, tmp_path: Path, split: str) -> None:
    others = tiny_faces.subset(np.setdiff1d(tiny_faces.rows("all"), tiny_faces.rows(split)))
    name = {"train": "training", "validation": "validation"}[split]
    with pytest.raises(InputError, match=f"The dataset has no {name} images"):
        fit(config(), others, RunFolder(tmp_path))


def test_stopping_before_the_first_epoch_is_finished_leaves_no_epoch(
    tiny_faces: FaceSet, tmp_path: Path
) -> None:
    run = run_in(tmp_path / "run", config())
    result = fit(config(), tiny_faces, run, stop_when(lambda: True))
    assert (result.epochs, result.best_epoch, result.was_stopped) == ([], None, True)
    assert run.read_epochs() == []
    assert not (run.path / BEST_WEIGHTS_FILE).exists()


def test_a_checkpoint_of_another_network_is_refused(
    everything: TrainingConfig,
    tiny_faces: FaceSet,
    uninterrupted: tuple[RunFolder, FitResult],
) -> None:
    other = replace(everything, architecture="three_convolutions_dropout")
    with pytest.raises(InputError, match="checkpoint belongs to another network or optimizer"):
        fit(other, tiny_faces, uninterrupted[0])


def test_a_missing_checkpoint_is_reported(tiny_faces: FaceSet, tmp_path: Path) -> None:
    run = run_in(tmp_path / "run", config())
    run.append_epoch(EpochRecord(1, 1, 0.5, 1, 0.5, 0.5, {}, 0.001, 100, 1))
    with pytest.raises(InputError, match=r"checkpoint-00001.npz is missing or damaged"):
        fit(config(), tiny_faces, run)


def test_a_run_in_half_precision_can_be_resumed(
    draw_faces: Callable[..., FaceSet], tmp_path: Path
) -> None:
    """With float16, the checkpoint contains the scale of the loss as well.

    ``test_train_job.py`` trains with bfloat16, which has no such scale. Few images, because most
    processors compute float16 slowly.
    """
    faces = draw_faces([0, 3, 0, 3, 0, 3], splits=["train"] * 4 + ["validation"] * 2)
    values = config(precision="mixed_float16", averaging_momentum=0.5, batch_size=2)
    run = run_in(tmp_path / "run", values)
    steps = iter(range(100))
    # Two steps an epoch: stopped in the second.
    stopped = fit(values, faces, run, stop_when(lambda: next(steps) == 2))
    assert len(stopped.epochs) == 1
    resumed = fit(values, faces, run)
    assert len(resumed.epochs) == 2
    assert all(np.isfinite(record.validation_loss) for record in resumed.epochs)
    assert {array.dtype for array in saved_weights(run)} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("count", "sizes"), [(1, [1]), (21, [21]), (256, [256]), (300, [256, 256])]
)
def test_all_batches_of_predictions_have_the_same_size(count: int, sizes: list[int]) -> None:
    class Recorder:
        """A model that returns the brightness of each image."""

        def __init__(self) -> None:
            self.sizes: list[int] = []

        def predict_on_batch(self, pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
            self.sizes.append(len(pixels))
            return pixels[:, 0, 0]

    images = np.zeros((count, 48, 48), np.uint8) + np.arange(count)[:, None, None] % 256
    model = Recorder()
    predicted = predict_in_batches(model, images.astype(np.uint8))  # type: ignore[arg-type]
    assert model.sizes == sizes
    np.testing.assert_allclose(predicted[:, 0], np.arange(count) % 256 / 255, rtol=1e-6)


def test_leaks_are_left_out_on_request(draw_faces: Callable[..., FaceSet]) -> None:
    faces = draw_faces([0, 1, 2, 3, 4], splits=["train"] * 3 + ["validation", "test"])
    images = faces.images.copy()
    images[3], images[4] = images[0], images[2]
    leaky = replace(faces, images=images)
    assert training_rows(leaky, config()).tolist() == [0, 1, 2]
    assert training_rows(leaky, config(exclude_leaks=True)).tolist() == [1]


def test_no_image_is_fed_but_those_of_train(tiny_faces: FaceSet) -> None:
    rows = training_rows(tiny_faces, config())
    assert set(tiny_faces.splits[rows]) == {0}


@pytest.mark.parametrize("wanted", ["no-such-backend", "TensorFlow"])
def test_a_backend_that_is_not_installed_is_reported(
    monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    import sys

    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.setenv("KERAS_BACKEND", wanted)
    with pytest.raises(InputError, match=f"KERAS_BACKEND is '{wanted}', which is not installed"):
        prepare_backend()


def test_the_first_installed_backend_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util
    import sys

    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    for name in ("pandas", "sklearn"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    found = {"keras", "jax", "torch"}
    imported = []

    def import_keras(name: str) -> None:
        # Keras does without these packages, which would take a third of the time of its import.
        imported.append((name, sys.modules["pandas"], sys.modules["sklearn"]))

    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: object() if name in found else None
    )
    monkeypatch.setattr(importlib, "import_module", import_keras)
    assert prepare_backend() == "jax"
    assert imported == [("keras", None, None)]
    assert "pandas" not in sys.modules and "sklearn" not in sys.modules
    assert os.environ["KERAS_BACKEND"] == "jax"
    monkeypatch.delenv("KERAS_BACKEND")
    found.remove("keras")
    with pytest.raises(
        InputError, match="Keras with TensorFlow, JAX or PyTorch, which is not installed"
    ):
        prepare_backend()
    found = {"keras"}
    with pytest.raises(
        InputError, match="Keras with TensorFlow, JAX or PyTorch, which is not installed"
    ):
        prepare_backend()
