"""How often a classifier is right: confusion, precision, recall, F1, accuracy, log loss."""

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
    return float(log_losses(labels, probabilities).mean())


def cross_entropy(
    targets: NDArray[np.floating[Any]], probabilities: NDArray[np.floating[Any]]
) -> float | None:
    """Mean cross-entropy, natural logarithm, to target distributions; None without images.

    Args:
        targets: ``[n, 7]``, rows summing to 1.
        probabilities: ``[n, 7]``.
    """
    if not len(targets):
        return None
    logarithms = np.log(np.maximum(probabilities.astype(np.float64), SMALLEST_PROBABILITY))
    return float(-(targets * logarithms).sum(axis=1).mean())


def balanced_accuracy(figures: tuple[ClassFigures, ...]) -> float | None:
    """Mean recall over the classes that occur; None if there are none."""
    defined = [figure.recall for figure in figures if figure.recall is not None]
    return float(np.mean(defined)) if defined else None


def is_among_top(
    labels: NDArray[np.integer[Any]], probabilities: NDArray[np.floating[Any]], k: int
) -> NDArray[np.bool_]:
    """Whether the true class is among the ``k`` most probable ones, bool ``[n]``.

    Of equally probable classes the earlier one counts as more probable, as for ``argmax``.
    """
    ranked = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    return np.asarray((ranked == labels.astype(np.intp)[:, np.newaxis]).any(axis=1))


def top_k_accuracy(
    labels: NDArray[np.integer[Any]], probabilities: NDArray[np.floating[Any]], k: int = 2
) -> float | None:
    """Share of images whose true class is among the ``k`` most probable; None without images."""
    return float(is_among_top(labels, probabilities, k).mean()) if len(labels) else None


def log_losses(
    labels: NDArray[np.integer[Any]], probabilities: NDArray[np.floating[Any]]
) -> NDArray[np.float64]:
    """Negative natural logarithm of each true class's probability, float64 ``[n]``."""
    of_truth = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return np.asarray(-np.log(np.maximum(of_truth, SMALLEST_PROBABILITY)))


def ratio(part: NDArray[np.number[Any]], whole: NDArray[np.number[Any]]) -> NDArray[np.float64]:
    """Their ratio, number by number; NaN where the whole is nothing."""
    part = part.astype(np.float64)
    result = np.full_like(part, np.nan)
    np.divide(part, whole, out=result, where=whole > 0)
    return result
