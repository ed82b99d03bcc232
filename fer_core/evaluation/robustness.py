"""Robustness: accuracy under image corruptions of increasing strength."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.face_set import FaceSet
from fer_core.evaluation.breakdowns import RobustnessCurve, RobustnessPoint
from fer_core.evaluation.corruptions import CORRUPTIONS, corrupted, find_corruption
from fer_core.evaluation.result import EvaluationResult
from fer_core.metrics import Estimate, proportion_estimate
from fer_core.predictor import Predictor
from fer_core.progress import ProgressReport


def measure_robustness(
    predictor: Predictor,
    result: EvaluationResult,
    face_set: FaceSet,
    *,
    names: Sequence[str] | None = None,
    max_images: int = 400,
    seed: int = 0,
    report: ProgressReport | None = None,
) -> tuple[RobustnessCurve, ...]:
    """Corrupt the images of an evaluation at several strengths and predict them again.

    Args:
        predictor: The evaluated model.
        result: Evaluation of the model on ``face_set``.
        face_set: The data.
        names: Names of the corruptions; by default all.
        max_images: Maximum number of images, to limit the time. The images are sampled at random.
        seed: Seed of the sample and of the random corruptions.
        report: Called with the number of finished predictions and the number of all predictions. An
            exception that ``report`` raises stops the measurement.

    Raises:
        InputError: A corruption is unknown.
    """
    corruptions = CORRUPTIONS if names is None else tuple(map(find_corruption, names))
    positions = _sample(result.n, max_images, seed)
    images = face_set.images[result.rows[positions]]
    unchanged_accuracy = _accuracy(result.predicted[positions], result.labels[positions])
    total = len(positions) * sum(len(corruption.strengths) for corruption in corruptions)
    finished_count = 0
    curves = []
    for corruption in corruptions:
        points = [RobustnessPoint(corruption.neutral_strength, unchanged_accuracy)]
        for strength in corruption.strengths:
            if report is not None:
                report(finished_count, total)
            corrupted_images = corrupted(images, corruption.name, strength, seed=seed)
            predicted = predictor.probabilities(corrupted_images).argmax(axis=1)
            points.append(RobustnessPoint(strength, _accuracy(predicted, result.labels[positions])))
            finished_count += len(positions)
        curves.append(
            RobustnessCurve(
                corruption.name, corruption.title, corruption.unit, tuple(points), len(positions)
            )
        )
    if report is not None:
        report(total, total)
    return tuple(curves)


def _sample(count: int, max_images: int, seed: int) -> NDArray[np.intp]:
    if count <= max_images:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, max_images, replace=False))


def _accuracy(predicted: NDArray[np.intp], labels: NDArray[np.int8]) -> Estimate:
    return proportion_estimate(int((predicted == labels).sum()), len(labels))
