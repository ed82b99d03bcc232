"""Training batches: the order of the images, and their preparation.

The random numbers of an epoch depend only on (seed, epoch), and those of a step on (seed, epoch,
step): a run that is resumed gets the same batches as an uninterrupted one.
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
        pixels: float32 ``[batch, 48, 48, 1]`` in [0, 1]; 36x36 in ``low_resolution_epochs``.
        targets: int32 ``[batch]`` or float32 ``[batch, classes]``, depending on ``label_encoding``.
        weights: float32 ``[batch]``, or None if all images have the same weight.
    """

    pixels: NDArray[np.float32]
    targets: NDArray[np.int32] | NDArray[np.float32]
    weights: NDArray[np.float32] | None


def class_weights(labels: NDArray[np.int8], class_count: int) -> NDArray[np.float32]:
    """Return weights, float32 ``[classes]``: every class that occurs gets the same total weight.

    The weight of a class is ``n / (classes * count)``, as "balanced" in scikit-learn; 0 for a class
    that does not occur.
    """
    counts = np.bincount(labels, minlength=class_count)
    present = counts > 0
    weights = np.zeros(class_count, dtype=np.float32)
    weights[present] = len(labels) / (present.sum() * counts[present])
    return weights


def treats_imbalance(config: TrainingConfig, epoch: int) -> bool:
    """Return True if ``imbalance`` applies in an epoch, counted from 0."""
    last = config.imbalance_last_epochs
    return config.imbalance != "none" and (last is None or epoch >= config.epochs - last)


def epoch_order(labels: NDArray[np.int8], config: TrainingConfig, epoch: int) -> NDArray[np.intp]:
    """Return the row numbers of an epoch in training order.

    Without sampling each row occurs once. With *oversampling* all classes that occur have equal
    numbers of rows, with *square_root_sampling* numbers in proportion to the square root of their
    size, both rounded to whole rows. The result always has as many rows as the data. Two rows of a
    class occur equally often, or one of them occurs once more.
    """
    generator = np.random.default_rng([config.seed, epoch])
    is_sampled = config.imbalance in ("oversampling", "square_root_sampling")
    if not (is_sampled and treats_imbalance(config, epoch)):
        return generator.permutation(len(labels))
    present, counts = np.unique(labels, return_counts=True)
    if config.imbalance == "oversampling":
        sampled_counts = np.full(len(present), len(labels) // len(present))
        sampled_counts[: len(labels) % len(present)] += 1
        sampled_counts = generator.permutation(sampled_counts)
    else:
        exact = len(labels) * np.sqrt(counts) / np.sqrt(counts).sum()
        sampled_counts = np.floor(exact).astype(np.intp)
        # The remainder of the rounding goes to random classes, at most one image to each.
        missing = len(labels) - int(sampled_counts.sum())
        sampled_counts[generator.permutation(len(present))[:missing]] += 1
    parts = []
    for label, count in zip(present, sampled_counts, strict=True):
        rows = np.flatnonzero(labels == label)
        rounds = math.ceil(count / len(rows))
        repeated = np.concatenate([generator.permutation(rows) for _ in range(rounds)])
        parts.append(repeated[:count])
    return generator.permutation(np.concatenate(parts))


#: Maximum number of threads; more would only wait for Python's global interpreter lock.
_MAX_WORKERS = 8


def _default_workers() -> int:
    return max(1, min(_MAX_WORKERS, (os.cpu_count() or 1) // 2))


class TrainingBatches:
    """The batches of any epoch over a training set."""

    def __init__(
        self, face_set: FaceSet, config: TrainingConfig, workers: int | None = None
    ) -> None:
        """Store the training images.

        Args:
            face_set: Only the training images, with targets if the configuration uses votes.
            config: Batch size, order, augmentation, label encoding.
            workers: Number of threads that prepare batches ahead; by default half of the cores, at
                most 8. The number does not affect the batches.
        """
        self._workers = workers or _default_workers()
        self._images = face_set.images
        self._labels, self._targets = face_set.labels, None
        if config.targets != "labels":
            assert face_set.targets is not None  # ``fit`` has checked it
            self._targets = face_set.targets
            # Among tied classes the first one is used, only for sampling and weights.
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
    def steps(self) -> int:
        """Steps per epoch."""
        return math.ceil(len(self._labels) / self._batch_size)

    @property
    def images_per_step(self) -> int:
        """The size of every batch."""
        return self._batch_size

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of an epoch, counted from 0; later ones are prepared in threads."""
        order = epoch_order(self._labels, self._config, epoch)
        # The last batch is filled up with rows from the epoch's beginning, so that no backend
        # compiles a second shape for it.
        rows = np.resize(order, self.steps * self._batch_size).reshape(self.steps, -1)
        upcoming: deque[Future[Batch]] = deque()
        with ThreadPoolExecutor(max_workers=self._workers) as executor:
            try:
                for step in range(self.steps + self._workers):
                    if step < self.steps:
                        upcoming.append(executor.submit(self._prepare, rows[step], epoch, step))
                    # There is one more submitted batch than workers, so that no worker waits.
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
            pixels = _reduced(pixels)
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
            partner = generator.permutation(len(rows))
            share: NDArray[np.float32] = generator.beta(
                config.mixup_alpha, config.mixup_alpha, len(rows)
            ).astype(np.float32)
            pixel_share = share[:, None, None, None]
            pixels = pixel_share * pixels + (1 - pixel_share) * pixels[partner]
            targets = share[:, None] * targets + (1 - share[:, None]) * targets[partner]
            if weights is not None:
                weights = share * weights + (1 - share) * weights[partner]
        return Batch(pixels, targets, weights)


#: Width and height of the images in pixels during ``low_resolution_epochs``.
LOW_RESOLUTION = 36


def _reduced(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return images at the low resolution, by averaging over areas."""
    reduced = np.empty((len(pixels), LOW_RESOLUTION, LOW_RESOLUTION), np.float32)
    for source, target in zip(pixels, reduced, strict=True):
        cv2.resize(source, target.shape, dst=target, interpolation=cv2.INTER_AREA)
    return reduced
