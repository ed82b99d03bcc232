"""Training batches: the order of the images, and their preparation.

The order of an epoch depends only on the seed and the epoch. The random numbers of a step depend
only on the seed, the epoch and the step. A resumed run therefore gets the same batches as an
uninterrupted run.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.face_set import FaceSet
from fer_core.recipes import TrainingConfig
from fer_core.training.augmentation import augment


@dataclass(frozen=True)
class Batch:
    """The input of one training step.

    Attributes:
        pixels: float32 ``[batch, 48, 48, 1]`` in [0, 1]; 36x36 pixels in the first
            ``low_resolution_epochs`` epochs.
        targets: Class numbers, int32 ``[batch]``, if ``label_encoding`` is *integer*; otherwise a
            distribution over the classes per image, float32 ``[batch, classes]``.
        weights: Weights of the images in the loss, float32 ``[batch]``; None if all are equal.
    """

    pixels: NDArray[np.float32]
    targets: NDArray[np.int32] | NDArray[np.float32]
    weights: NDArray[np.float32] | None


def class_weights(labels: NDArray[np.int8], class_count: int) -> NDArray[np.float32]:
    """Return the weight that an image of each class has in the loss, float32 ``[classes]``.

    All classes that occur get the same total weight, as with ``class_weight="balanced"`` in
    scikit-learn: the weight of an image is ``n / (present * count)`` for ``n`` images, where
    ``present`` is the number of classes that occur and ``count`` the number of images of the class.
    Classes that do not occur get 0.
    """
    counts = np.bincount(labels, minlength=class_count)
    is_present = counts > 0
    weights = np.zeros(class_count, dtype=np.float32)
    weights[is_present] = len(labels) / (is_present.sum() * counts[is_present])
    return weights


def treats_imbalance(config: TrainingConfig, epoch: int) -> bool:
    """Return True if the method ``config.imbalance`` is used in an epoch, counted from 0."""
    last_epochs = config.imbalance_last_epochs
    is_in_range = last_epochs is None or epoch >= config.epochs - last_epochs
    return config.imbalance != "none" and is_in_range


def epoch_order(labels: NDArray[np.int8], config: TrainingConfig, epoch: int) -> NDArray[np.intp]:
    """Return the row indices of an epoch in training order.

    Without sampling each row occurs once. With *oversampling* all classes that occur have the same
    number of rows; with *square_root_sampling* the number of rows of a class is proportional to the
    square root of its size. Both numbers are rounded to whole rows. The result always has as many
    rows as the data. Within a class, the most frequent row occurs at most once more than the least
    frequent one.
    """
    generator = np.random.default_rng([config.seed, epoch])
    is_sampled = config.imbalance in ("oversampling", "square_root_sampling")
    if not (is_sampled and treats_imbalance(config, epoch)):
        return generator.permutation(len(labels))
    present_labels, counts = np.unique(labels, return_counts=True)
    if config.imbalance == "oversampling":
        sampled_counts = np.full(len(present_labels), len(labels) // len(present_labels))
        sampled_counts[: len(labels) % len(present_labels)] += 1
        sampled_counts = generator.permutation(sampled_counts)
    else:
        exact_counts = len(labels) * np.sqrt(counts) / np.sqrt(counts).sum()
        sampled_counts = np.floor(exact_counts).astype(np.intp)
        # Rounding down leaves a remainder of some rows; random classes get one of these rows each.
        remainder = len(labels) - int(sampled_counts.sum())
        sampled_counts[generator.permutation(len(present_labels))[:remainder]] += 1
    rows_by_class = []
    for label, count in zip(present_labels, sampled_counts, strict=True):
        rows = np.flatnonzero(labels == label)
        repetitions = math.ceil(count / len(rows))
        repeated = np.concatenate([generator.permutation(rows) for _ in range(repetitions)])
        rows_by_class.append(repeated[:count])
    return generator.permutation(np.concatenate(rows_by_class))


#: Maximum number of threads by default. More threads would only wait for the GIL.
_MAX_WORKERS = 8


def _default_workers() -> int:
    return max(1, min(_MAX_WORKERS, (os.cpu_count() or 1) // 2))


class TrainingBatches:
    """Prepares the batches of each epoch from the training images."""

    def __init__(
        self, face_set: FaceSet, config: TrainingConfig, workers: int | None = None
    ) -> None:
        """Store the training images.

        Args:
            face_set: The training images, without other splits; with targets if the configuration
                uses votes.
            config: The batch size, sampling, augmentation and label encoding.
            workers: Number of threads that prepare batches ahead; by default half of the cores, at
                most 8. The number does not affect the batches.
        """
        self._workers = workers or _default_workers()
        self._images = face_set.images
        self._labels, self._targets = face_set.labels, None
        if config.targets != "labels":
            assert face_set.targets is not None  # checked by ``fit``
            self._targets = face_set.targets
            # Sampling and class weights use the class with the largest share of the votes. If
            # several classes have this share, the first of them is used.
            self._labels = face_set.targets.argmax(axis=1).astype(np.int8)
        self._class_count = len(face_set.classes)
        self._config = config
        self._batch_size = min(config.batch_size, len(face_set))
        self._class_weights = (
            class_weights(self._labels, self._class_count)
            if config.imbalance == "class_weights"
            else None
        )

    @property
    def steps_per_epoch(self) -> int:
        """Number of steps per epoch."""
        return math.ceil(len(self._labels) / self._batch_size)

    @property
    def images_per_step(self) -> int:
        """Number of images in every batch, the last one included."""
        return self._batch_size

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of an epoch, while threads prepare the next batches.

        Args:
            epoch: Number of the epoch, from 0.
        """
        order = epoch_order(self._labels, self._config, epoch)
        # The last batch is filled up with rows from the epoch's beginning, so that no backend
        # compiles a second shape for it.
        rows = np.resize(order, (self.steps_per_epoch, self._batch_size))
        upcoming: deque[Future[Batch]] = deque()
        with ThreadPoolExecutor(max_workers=self._workers) as executor:
            try:
                for step in range(self.steps_per_epoch + self._workers):
                    if step < self.steps_per_epoch:
                        upcoming.append(executor.submit(self._prepare, rows[step], epoch, step))
                    # One submitted batch per worker stays ahead of the batch that is yielded.
                    if step >= self._workers:
                        yield upcoming.popleft().result()
            finally:
                executor.shutdown(wait=True, cancel_futures=True)

    def _prepare(self, rows: NDArray[np.intp], epoch: int, step: int) -> Batch:
        config = self._config
        generator = np.random.default_rng([config.seed, epoch, step])
        labels = self._labels[rows]
        pixels = augment(self._images[rows], config, generator)
        if epoch < config.low_resolution_epochs:
            pixels = _with_low_resolution(pixels)
        pixels = pixels[..., np.newaxis]
        weights = None
        if self._class_weights is not None and treats_imbalance(config, epoch):
            weights = self._class_weights[labels]
        if config.label_encoding == "integer":
            return Batch(pixels, labels.astype(np.int32), weights)
        if self._targets is None:
            targets = np.eye(self._class_count, dtype=np.float32)[labels]
        else:
            targets = self._targets[rows]
        if config.mixup_alpha:
            # Zhang et al., "mixup: beyond empirical risk minimization", ICLR 2018, with one mixing
            # coefficient per image instead of one per batch.
            partners = generator.permutation(len(rows))
            shares: NDArray[np.float32] = generator.beta(
                config.mixup_alpha, config.mixup_alpha, len(rows)
            ).astype(np.float32)
            pixel_shares, target_shares = shares[:, None, None, None], shares[:, None]
            pixels = pixel_shares * pixels + (1 - pixel_shares) * pixels[partners]
            targets = target_shares * targets + (1 - target_shares) * targets[partners]
            if weights is not None:
                weights = shares * weights + (1 - shares) * weights[partners]
        return Batch(pixels, targets, weights)


#: Width and height of the images in pixels during ``low_resolution_epochs``.
LOW_RESOLUTION = 36


def _with_low_resolution(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the images with ``LOW_RESOLUTION`` pixels per side; each pixel averages an area."""
    reduced = np.empty((len(pixels), LOW_RESOLUTION, LOW_RESOLUTION), np.float32)
    for source, target in zip(pixels, reduced, strict=True):
        cv2.resize(source, target.shape, dst=target, interpolation=cv2.INTER_AREA)
    return reduced
