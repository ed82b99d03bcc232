"""Classification metrics: confusion matrix, precision, recall, F1, accuracy, log loss.

The results equal those of scikit-learn, as the tests show. scikit-learn itself is not used, because
the evaluate page and every training epoch need the metrics, and importing ``sklearn.metrics`` takes
longer than computing them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Smaller probabilities are replaced by this value before their logarithm is taken, because a
#: float32 softmax can underflow to 0.
SMALLEST_PROBABILITY = 1e-12


@dataclass(frozen=True)
class ClassMetrics:
    """Precision, recall and F1 of one class (0 to 1, None if undefined) and its support."""

    precision: float | None
    recall: float | None
    f1: float | None
    support: int


def confusion_matrix(
    labels: NDArray[np.integer[Any]],
    predicted: NDArray[np.integer[Any]],
    class_count: int,
) -> NDArray[np.int64]:
    """Return the number of images for each pair of true and predicted class.

    Args:
        labels: True labels, ``[n]``, 0 to ``class_count`` - 1.
        predicted: Predicted labels, ``[n]``, in the same range.
        class_count: Number of classes.

    Returns:
        int64 ``[classes, classes]``: rows true, columns predicted.
    """
    cell_indices = labels.astype(np.int64) * class_count + predicted
    return np.bincount(cell_indices, minlength=class_count**2).reshape(class_count, class_count)


def per_class_metrics(confusion: NDArray[np.int64]) -> tuple[ClassMetrics, ...]:
    """Return precision, recall, F1 and support of each class.

    Args:
        confusion: A confusion matrix, int64 ``[classes, classes]``: rows true, columns predicted.
    """
    metrics = []
    for index in range(len(confusion)):
        true_positives = int(confusion[index, index])
        support = int(confusion[index].sum())
        predicted_count = int(confusion[:, index].sum())
        total = support + predicted_count
        metrics.append(
            ClassMetrics(
                precision=true_positives / predicted_count if predicted_count else None,
                recall=true_positives / support if support else None,
                f1=2 * true_positives / total if total else None,
                support=support,
            )
        )
    return tuple(metrics)


def macro_f1(metrics: tuple[ClassMetrics, ...]) -> float | None:
    """Return the mean F1 over the classes that occur or are predicted; None if there are none."""
    defined = [class_metrics.f1 for class_metrics in metrics if class_metrics.f1 is not None]
    return float(np.mean(defined)) if defined else None


def accuracy(
    labels: NDArray[np.integer[Any]], probabilities: NDArray[np.floating[Any]]
) -> float | None:
    """Return the share of images whose most probable class is the true one; None without images."""
    return float(np.mean(probabilities.argmax(axis=1) == labels)) if len(labels) else None


def log_loss(
    labels: NDArray[np.integer[Any]], probabilities: NDArray[np.floating[Any]]
) -> float | None:
    """Return the mean of ``log_losses``; None without images."""
    if not len(labels):
        return None
    return float(log_losses(labels, probabilities).mean())


def cross_entropy(
    targets: NDArray[np.floating[Any]], probabilities: NDArray[np.floating[Any]]
) -> float | None:
    """Return the mean of ``cross_entropies``; None without images."""
    return float(cross_entropies(targets, probabilities).mean()) if len(targets) else None


def cross_entropies(
    targets: NDArray[np.floating[Any]], probabilities: NDArray[np.floating[Any]]
) -> NDArray[np.float64]:
    """Return the cross-entropy between each image's target distribution and its probabilities.

    The logarithm is the natural one.

    Args:
        targets: ``[n, classes]``, rows summing to 1.
        probabilities: ``[n, classes]``.

    Returns:
        float64 ``[n]``.
    """
    logarithms = np.log(np.maximum(probabilities.astype(np.float64), SMALLEST_PROBABILITY))
    return np.asarray(-(targets * logarithms).sum(axis=1))


def balanced_accuracy(metrics: tuple[ClassMetrics, ...]) -> float | None:
    """Return the mean recall over the classes that occur; None if there are none."""
    defined = [
        class_metrics.recall for class_metrics in metrics if class_metrics.recall is not None
    ]
    return float(np.mean(defined)) if defined else None


def is_among_top(
    labels: NDArray[np.integer[Any]], probabilities: NDArray[np.floating[Any]], k: int
) -> NDArray[np.bool_]:
    """Return whether the true class is among the ``k`` most probable classes, bool ``[n]``.

    Ties are resolved in favor of the class with the lower index, as by ``argmax``.
    """
    ranked = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    return np.asarray((ranked == labels.astype(np.intp)[:, np.newaxis]).any(axis=1))


def top_k_accuracy(
    labels: NDArray[np.integer[Any]], probabilities: NDArray[np.floating[Any]], k: int = 2
) -> float | None:
    """Return the share of images for which ``is_among_top`` is True; None without images."""
    return float(is_among_top(labels, probabilities, k).mean()) if len(labels) else None


def log_losses(
    labels: NDArray[np.integer[Any]], probabilities: NDArray[np.floating[Any]]
) -> NDArray[np.float64]:
    """Return the negative natural logarithm of the probability of each image's true class.

    Args:
        labels: True labels, ``[n]``.
        probabilities: ``[n, classes]``; values below ``SMALLEST_PROBABILITY`` count as this value.

    Returns:
        float64 ``[n]``, at least 0.
    """
    true_class_probabilities = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return np.asarray(-np.log(np.maximum(true_class_probabilities, SMALLEST_PROBABILITY)))


def ratio(
    numerator: NDArray[np.number[Any]], denominator: NDArray[np.number[Any]]
) -> NDArray[np.float64]:
    """Return the elementwise ratio, float64; NaN where ``denominator`` is 0."""
    numerator = numerator.astype(np.float64)
    result = np.full_like(numerator, np.nan)
    np.divide(numerator, denominator, out=result, where=denominator > 0)
    return result
