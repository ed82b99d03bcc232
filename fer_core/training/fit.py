"""The training loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.vote_targets import plurality_of_targets
from fer_core.errors import InputError
from fer_core.metrics import (
    accuracy,
    confusion_matrix,
    cross_entropy,
    log_loss,
    macro_f1,
    per_class_metrics,
)
from fer_core.recipes import TrainingConfig
from fer_core.training.batches import TrainingBatches
from fer_core.training.model_setup import (
    StartingWeights,
    compiled_model,
    reseed,
    restore_state,
    state_arrays,
    trace_both_sizes,
)
from fer_core.training.run_folder import EpochRecord, RunFolder, best_epoch, is_stopped_early
from fer_core.training.schedule import learning_rate_at
from fer_core.training.tracking import EpochObserver
from fer_core.training.training_data import training_rows, validation_rows
from fer_core.training.training_progress import TrainingProgress

if TYPE_CHECKING:
    import keras

#: Name of the file with the weights of the best epoch, in the run's folder.
BEST_WEIGHTS_FILE = "best.npz"
#: Maximum number of images in a batch of predictions.
_MAX_PREDICTION_BATCH_SIZE = 256


@dataclass(frozen=True)
class FitResult:
    """The result of the training loop.

    Attributes:
        epochs: The finished epochs, in order.
        best_epoch: The epoch whose weights are kept, from 1; None if no epoch was finished.
        was_stopped: True if ``should_stop`` or ``has_time_for`` of ``FitContext`` ended the
            training.
        has_diverged: True if the training ended because the loss became NaN or infinite.
    """

    epochs: list[EpochRecord]
    best_epoch: int | None
    was_stopped: bool
    has_diverged: bool = False


@dataclass(frozen=True)
class FitContext:
    """The callbacks and the clock of a training; they do not affect what an epoch computes.

    Attributes:
        progress: Reports steps and epochs; by default to the terminal and the run's folder.
        should_stop: Called after every step; True ends the run and drops the unfinished epoch. The
            training waits until the call returns, for example until the end of a pause.
        has_time_for: Called before each epoch with the number of seconds that the epoch is expected
            to take, 0 for the first epoch. False ends the run before the epoch, so that no
            unfinished epoch is dropped.
        clock: Returns a time in seconds that does not advance during pauses.
        observer: Receives the start of the training and every finished epoch.
    """

    progress: TrainingProgress | None = None
    should_stop: Callable[[], bool] = lambda: False
    has_time_for: Callable[[float], bool] = lambda seconds: True
    clock: Callable[[], float] = time.monotonic
    observer: EpochObserver | None = None


def fit(
    config: TrainingConfig,
    face_set: FaceSet,
    run: RunFolder,
    context: FitContext | None = None,
    *,
    starting_weights: StartingWeights | None = None,
) -> FitResult:
    """Train from the beginning, or resume after a run's last finished epoch.

    Args:
        config: The training.
        face_set: Data with a training and a validation split.
        run: The folder to which checkpoints, metrics, status and log are written. If the folder
            contains finished epochs, the training resumes after the last finished epoch.
        context: Progress, requests to stop, the clock and an observer.
        starting_weights: Weights of a trained network; None for random weights.

    Raises:
        InputError: A split is empty, the run's checkpoint is unusable, or the loss became NaN or
            infinite before an epoch was finished.
    """
    context = context or FitContext()
    clock, observer = context.clock, context.observer
    progress = context.progress or TrainingProgress(run, config.epochs, clock=clock)
    training, validation = _split_data(face_set, config)
    batches = TrainingBatches(training, config)
    model = compiled_model(
        config,
        starting_weights=starting_weights,
        classes=face_set.classes,
        total_steps=batches.steps_per_epoch * config.epochs,
    )
    if config.low_resolution_epochs:
        trace_both_sizes(model, batches.images_per_step)
    history = run.read_epochs()
    if history:
        restore_state(model, run.load_arrays(_checkpoint_name(len(history))))
    progress.set_steps(batches.steps_per_epoch, batches.images_per_step)
    if observer is not None:
        observer.begin(model, len(history))

    while len(history) < config.epochs and not is_stopped_early(history, config):
        epoch = len(history)
        if not context.has_time_for(history[-1].seconds if history else 0.0):
            return FitResult(history, best_epoch(history, config.monitor), was_stopped=True)
        epoch_start = clock()
        progress.begin_epoch()
        reseed(model, config.seed, epoch)
        sums = {"loss": 0.0, "accuracy": 0.0}
        validation_losses = [record.validation_loss for record in history]
        for step, batch in enumerate(batches.epoch(epoch)):
            rate = learning_rate_at(
                config, epoch + step / batches.steps_per_epoch, validation_losses
            )
            model.optimizer.learning_rate.assign(rate)
            logs = model.train_on_batch(
                batch.pixels, batch.targets, sample_weight=batch.weights, return_dict=True
            )
            # Keras returns the metrics of each batch; their means are the metrics of the epoch.
            sums = {name: total + float(logs[name]) for name, total in sums.items()}
            means = {name: total / (step + 1) for name, total in sums.items()}
            if not np.isfinite(means["loss"]):
                when = f"epoch {epoch + 1}, step {step + 1}"
                return _diverged_result(history, config, when, rate)
            progress.step(epoch, step + 1, means["loss"], means["accuracy"])
            if context.should_stop():
                return FitResult(history, best_epoch(history, config.monitor), was_stopped=True)
        seconds_of_steps = clock() - epoch_start

        weights, probabilities = _validate(model, validation.images, config)
        if not np.isfinite(probabilities).all():
            return _diverged_result(history, config, f"validation of epoch {epoch + 1}", rate)
        record = _epoch_record(
            epoch=epoch + 1,
            training_means=means,
            validation=validation,
            learns_votes=config.targets != "labels",
            probabilities=probabilities,
            learning_rate=rate,
            images_per_second=batches.steps_per_epoch * batches.images_per_step / seconds_of_steps,
            seconds=clock() - epoch_start,
        )
        is_best = best_epoch([*history, record], config.monitor) == record.epoch
        if is_best:
            run.save_arrays(
                BEST_WEIGHTS_FILE, {f"{i:03}": array for i, array in enumerate(weights)}
            )
        # An epoch counts as finished once append_epoch has stored its record. Its checkpoint is
        # written before that, and the previous checkpoint is deleted after that. Thus the last
        # finished epoch has a checkpoint at any time, even after a crash.
        run.save_arrays(_checkpoint_name(record.epoch), state_arrays(model))
        run.append_epoch(record)
        (run.path / _checkpoint_name(epoch)).unlink(missing_ok=True)
        history.append(record)
        if observer is not None:
            observer.epoch(record)
        progress.end_epoch(record, seconds_of_steps, is_best)

    return FitResult(history, best_epoch(history, config.monitor), was_stopped=False)


def _split_data(face_set: FaceSet, config: TrainingConfig) -> tuple[FaceSet, FaceSet]:
    """Return the training images and the validation images.

    Raises:
        InputError: There are no training images or no validation images.
    """
    face_sets = (
        face_set.subset(training_rows(face_set, config)),
        face_set.subset(validation_rows(face_set, config)),
    )
    for split, faces in zip(("training", "validation"), face_sets, strict=True):
        if not len(faces):
            reason = (
                f"The dataset has no {split} images; choose a larger dataset, or import this one "
                "with a --validation-share that leaves images for training and for validation."
            )
            if config.targets != "labels":
                reason = (
                    f"No {split} image of the dataset has usable votes; import votes for more "
                    "images, or train with targets=labels."
                )
            raise InputError(reason)
    return face_sets


def _checkpoint_name(epochs_done: int) -> str:
    return f"checkpoint-{epochs_done:05}.npz"


def _diverged_result(
    history: list[EpochRecord], config: TrainingConfig, when: str, rate: float
) -> FitResult:
    """Return the result of a training whose loss became NaN or infinite.

    Raises:
        InputError: No epoch was finished, so there is no model to keep.
    """
    if not history:
        raise InputError(
            f"Loss became NaN or infinite ({when}): the learning rate {rate:g} is too high; "
            "start a new run with a lower one."
        )
    return FitResult(
        history, best_epoch(history, config.monitor), was_stopped=False, has_diverged=True
    )


def _validate(
    model: keras.Model, images: NDArray[np.uint8], config: TrainingConfig
) -> tuple[list[NDArray[Any]], NDArray[np.float32]]:
    """Return the weights to keep, and the probabilities that the network predicts with them.

    The weights are averages over the steps if ``averaging_momentum`` is set.
    """
    import keras

    swap = None
    if config.averaging_momentum is not None:
        # Keras's callback replaces the weights with their averages, and restores them afterwards.
        swap = keras.callbacks.SwapEMAWeights()
        swap.set_model(model)
        swap.on_test_begin()
    try:
        return model.get_weights(), predict_in_batches(model, images)
    finally:
        if swap is not None:
            swap.on_test_end()


def predict_in_batches(model: keras.Model, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the probabilities, float32 ``[n, classes]``, for images, uint8 ``[n, 48, 48]``."""
    probabilities = []
    batch_size = min(_MAX_PREDICTION_BATCH_SIZE, len(images))
    for start in range(0, len(images), batch_size):
        batch = images[start : start + batch_size]
        # The last batch is filled up with copies of its images, so that no backend compiles a
        # second shape for it.
        rows = np.resize(np.arange(len(batch)), batch_size)
        pixels = batch[rows].astype(np.float32)[..., np.newaxis] / np.float32(255)
        predicted = np.asarray(model.predict_on_batch(pixels), dtype=np.float32)
        probabilities.append(predicted[: len(batch)])
    return np.concatenate(probabilities)


def _epoch_record(
    *,
    epoch: int,
    training_means: dict[str, float],
    validation: FaceSet,
    learns_votes: bool,
    probabilities: NDArray[np.float32],
    learning_rate: float,
    images_per_second: float,
    seconds: float,
) -> EpochRecord:
    if learns_votes:
        assert validation.targets is not None  # checked by ``validation_rows``
        validation_loss = cross_entropy(validation.targets, probabilities)
        # An image has no correct class (-1) if several classes tie.
        labels = plurality_of_targets(validation.targets)
        has_plurality = labels >= 0
        labels, probabilities = labels[has_plurality], probabilities[has_plurality]
    else:
        labels = validation.labels
        validation_loss = log_loss(labels, probabilities)
    per_class = per_class_metrics(
        confusion_matrix(labels, probabilities.argmax(axis=1), len(validation.classes))
    )
    return EpochRecord(
        epoch=epoch,
        loss=training_means["loss"],
        accuracy=training_means["accuracy"],
        validation_loss=_zero_if_undefined(validation_loss),
        validation_accuracy=_zero_if_undefined(accuracy(labels, probabilities)),
        validation_macro_f1=_zero_if_undefined(macro_f1(per_class)),
        validation_recall={
            name: metrics.recall
            for name, metrics in zip(validation.classes, per_class, strict=True)
        },
        learning_rate=learning_rate,
        images_per_second=images_per_second,
        seconds=seconds,
    )


def _zero_if_undefined(value: float | None) -> float:
    """Return a metric; 0 if it is undefined because classes tie on every image."""
    return 0.0 if value is None else value
