"""Figures of a classifier: arrays in, numbers out.

Throughout, ``labels`` are int ``[n]`` (true, indices into ``EMOTIONS``) and ``probabilities`` are
float ``[n, 7]``, each row summing to 1. A figure that is undefined, such as the recall of a class
that does not occur, is None and never 0 or 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_core.emotions import EMOTIONS

#: Probabilities below this count as this in logarithms: float32 softmax can underflow to 0.
SMALLEST_PROBABILITY = 1e-12


@dataclass(frozen=True)
class ClassFigures:
    """Precision, recall and F1 of one class (0 to 1, None where undefined) and its support."""

    precision: float | None
    recall: float | None
    f1: float | None
    support: int


def confusion_matrix(
    labels: NDArray[np.integer[Any]], predicted: NDArray[np.integer[Any]]
) -> NDArray[np.int64]:
    """Counts, int64 ``[7, 7]``: rows are true classes, columns predicted ones."""
    size = len(EMOTIONS)
    flat = labels.astype(np.int64) * size + predicted
    return np.bincount(flat, minlength=size * size).reshape(size, size)


def class_figures(confusion: NDArray[np.int64]) -> tuple[ClassFigures, ...]:
    """Per-class figures from a confusion matrix, in the order of ``EMOTIONS``."""
    figures = []
    for index in range(len(confusion)):
        hits = int(confusion[index, index])
        support = int(confusion[index].sum())
        claimed = int(confusion[:, index].sum())
        figures.append(
            ClassFigures(
                precision=hits / claimed if claimed else None,
                recall=hits / support if support else None,
                f1=2 * hits / (support + claimed) if support + claimed else None,
                support=support,
            )
        )
    return tuple(figures)


def macro_f1(figures: tuple[ClassFigures, ...]) -> float | None:
    """Mean F1 over the classes that occur or are predicted; None if there are none."""
    defined = [figure.f1 for figure in figures if figure.f1 is not None]
    return float(np.mean(defined)) if defined else None


def accuracy(
    labels: NDArray[np.integer[Any]], probabilities: NDArray[np.floating[Any]]
) -> float | None:
    """Share of images whose most probable class is the true one; None without images."""
    return float(np.mean(probabilities.argmax(axis=1) == labels)) if len(labels) else None


def log_loss(
    labels: NDArray[np.integer[Any]], probabilities: NDArray[np.floating[Any]]
) -> float | None:
    """Mean negative natural logarithm of the true class's probability; None without images."""
    if not len(labels):
        return None
    of_truth = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.maximum(of_truth, SMALLEST_PROBABILITY)).mean())


def expected_calibration_error(
    labels: NDArray[np.integer[Any]],
    probabilities: NDArray[np.floating[Any]],
    bins: int = 15,
) -> float | None:
    """Expected calibration error over bins of equal count.

    The mean over bins, weighted by their size, of the distance between the bin's accuracy and the
    mean probability of its predictions. With fewer images than bins each image is a bin. After
    Nguyen and O'Connor, "Posterior calibration and exploratory analysis for natural language
    processing models", EMNLP 2015 (adaptive bins).
    """
    if not len(labels):
        return None
    confidence = probabilities.max(axis=1).astype(np.float64)
    correct = (probabilities.argmax(axis=1) == labels).astype(np.float64)
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    gaps = [abs(correct[part].mean() - confidence[part].mean()) * len(part) for part in parts]
    return float(sum(gaps) / len(order))


def apply_temperature(
    probabilities: NDArray[np.floating[Any]], temperature: float
) -> NDArray[np.float32]:
    """Soften (above 1) or sharpen (below 1) probabilities; the order of classes stays.

    Softmax of the logits over the temperature, the logits being the logarithms of the
    probabilities, which differ from the network's by a constant that cancels. After Guo et al.,
    "On calibration of modern neural networks", ICML 2017.
    """
    if temperature <= 0:
        raise ValueError(f"temperature should be above 0. Received: temperature={temperature}")
    clipped = np.maximum(probabilities.astype(np.float64), SMALLEST_PROBABILITY)
    logits = np.log(clipped) / temperature
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
    scaled = exponentials / exponentials.sum(axis=1, keepdims=True)
    return np.asarray(scaled, dtype=np.float32)


def fit_temperature(
    labels: NDArray[np.integer[Any]], probabilities: NDArray[np.floating[Any]]
) -> float:
    """The temperature between 0.05 and 20 with the least log loss; 1 without images."""
    from scipy.optimize import minimize_scalar

    if not len(labels):
        return 1.0

    def loss_at(logarithm: float) -> float:
        loss = log_loss(labels, apply_temperature(probabilities, float(np.exp(logarithm))))
        assert loss is not None  # there are images
        return loss

    best = minimize_scalar(loss_at, bounds=(np.log(0.05), np.log(20)), method="bounded")
    return float(np.exp(best.x))
