"""Robustness: how accuracy falls as pictures are spoiled more and more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.face_set import FaceSet
from fer_core.evaluation.corruptions import CORRUPTIONS, corrupted, find_corruption
from fer_core.evaluation.result import EvaluationResult
from fer_core.metrics import Estimate, proportion_estimate
from fer_core.predictor import Predictor
from fer_core.progress import ProgressReport


@dataclass(frozen=True)
class RobustnessPoint:
    """Accuracy at one strength.

    Attributes:
        strength: In the corruption's unit.
        accuracy: With Wilson's interval.
    """

    strength: float
    accuracy: Estimate


@dataclass(frozen=True)
class RobustnessCurve:
    """Accuracy under one corruption.

    Attributes:
        name: Of the corruption.
        title: What people call it.
        unit: Of its strengths.
        points: The untouched pictures first, then from mild to severe.
        n: Number of images.
    """

    name: str
    title: str
    unit: str
    points: tuple[RobustnessPoint, ...]
    n: int


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
    """Spoil the pictures of an evaluation in several ways and strengths, and predict them again.

    Args:
        predictor: The model that was evaluated.
        result: Its evaluation, on ``face_set``.
        face_set: The data.
        names: Of the corruptions; by default all.
        max_images: So many of the images, drawn at random, bound the time.
        seed: Of that draw and of what the corruptions leave to chance.
        report: Takes the pictures done and their number in all; what it raises ends the work.

    Raises:
        InputError: There is no corruption of such a name.
    """
    chosen = CORRUPTIONS if names is None else tuple(find_corruption(name) for name in names)
    positions = _sample(result.n, max_images, seed)
    images = face_set.images[result.rows[positions]]
    untouched = _accuracy(result.predicted[positions], result.labels[positions])
    total = len(positions) * sum(len(corruption.strengths) for corruption in chosen)
    done = 0
    curves = []
    for corruption in chosen:
        points = [RobustnessPoint(corruption.untouched, untouched)]
        for strength in corruption.strengths:
            if report is not None:
                report(done, total)
            spoiled = corrupted(images, corruption.name, strength, seed=seed)
            predicted = predictor.probabilities(spoiled).argmax(axis=1)
            points.append(RobustnessPoint(strength, _accuracy(predicted, result.labels[positions])))
            done += len(positions)
        curves.append(
            RobustnessCurve(
                corruption.name, corruption.title, corruption.unit, tuple(points), len(positions)
            )
        )
    if report is not None:
        report(total, total)
    return tuple(curves)


def _sample(count: int, most: int, seed: int) -> NDArray[np.intp]:
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, most, replace=False))


def _accuracy(predicted: NDArray[np.intp], labels: NDArray[np.int8]) -> Estimate:
    return proportion_estimate(int((predicted == labels).sum()), len(labels))
