"""One-vs-rest curves of a class: ROC, precision-recall, and metrics by decision threshold.

Computed with NumPy: the import of scikit-learn takes longer than a page may. The tests compare the
results with scikit-learn's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_core.metrics.classification import ratio

#: Maximum number of points per curve; a chart does not need more.
_MAX_POINTS = 300


@dataclass(frozen=True, eq=False)
class RocCurve:
    """Receiver operating characteristic, sorted by decreasing threshold.

    Attributes:
        false_positive_rate: Share of the other images predicted as the class, float64 ``[k]``.
        true_positive_rate: Share of the images of the class predicted as it, float64 ``[k]``.
        thresholds: Decreasing from infinity (nothing is predicted as the class), float64 ``[k]``.
    """

    false_positive_rate: NDArray[np.float64]
    true_positive_rate: NDArray[np.float64]
    thresholds: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PrecisionRecallCurve:
    """Precision against recall as a step curve, sorted by decreasing threshold.

    Attributes:
        precision: Share of true positives among the positive predictions, float64 ``[k]``.
        recall: Share of the images of the class predicted as it, float64 ``[k]``.
        thresholds: float64 ``[k]``.
    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    thresholds: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ThresholdCurve:
    """Precision, recall and F1 if every score at or above a threshold is a positive prediction.

    Attributes:
        thresholds: 0 to 1 in steps of 0.01, float64 ``[101]``.
        precision: float64 ``[101]``, NaN without positive predictions.
        recall: float64 ``[101]``, NaN if the class does not occur.
        f1: float64 ``[101]``, NaN if the class neither occurs nor is predicted.
        best_f1_threshold: The threshold with the highest F1 on these images; None if the class does
            not occur.
    """

    thresholds: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]
    best_f1_threshold: float | None


def roc_curve(
    is_class: NDArray[np.bool_], scores: NDArray[np.floating[Any]]
) -> tuple[RocCurve, float] | None:
    """Return the ROC curve, thinned for charts, and the area under the complete curve.

    Args:
        is_class: Which images belong to the class, bool ``[n]``.
        scores: Probability of the class, ``[n]``.

    Returns:
        None if the class or the rest does not occur.
    """
    if is_class.all() or not is_class.any():
        return None
    levels, true_positives, predicted_count = _counts_at_levels(is_class, scores)
    false_rate = (predicted_count - true_positives) / np.count_nonzero(~is_class)
    true_rate = true_positives / np.count_nonzero(is_class)
    false_rate, true_rate = np.append(0.0, false_rate), np.append(0.0, true_rate)
    kept = _thinned(len(true_rate))
    curve = RocCurve(false_rate[kept], true_rate[kept], np.append(np.inf, levels)[kept])
    return curve, float(np.trapezoid(true_rate, false_rate))


def precision_recall_curve(
    is_class: NDArray[np.bool_], scores: NDArray[np.floating[Any]]
) -> tuple[PrecisionRecallCurve, float] | None:
    """Return the precision-recall curve, thinned for charts, and its average precision.

    Average precision is the mean precision, weighted by the increase of recall, without
    interpolation. It is computed from the complete curve.

    Args:
        is_class: Which images belong to the class, bool ``[n]``.
        scores: Probability of the class, ``[n]``.

    Returns:
        None if the class does not occur.
    """
    if not is_class.any():
        return None
    levels, true_positives, predicted_count = _counts_at_levels(is_class, scores)
    precision = true_positives / predicted_count
    recall = true_positives / np.count_nonzero(is_class)
    average = float(np.sum(np.diff(recall, prepend=0.0) * precision))
    kept = _thinned(len(recall))
    return PrecisionRecallCurve(precision[kept], recall[kept], levels[kept]), average


def threshold_curve(
    is_class: NDArray[np.bool_], scores: NDArray[np.floating[Any]]
) -> ThresholdCurve:
    """Return the metrics at each threshold on the probability of a class.

    Args:
        is_class: Which images belong to the class, bool ``[n]``.
        scores: Probability of the class, ``[n]``, 0 to 1.
    """
    thresholds = np.linspace(0, 1, 101)
    positives = int(is_class.sum())
    true_positives, predicted_count = _counts_at(is_class, scores.astype(np.float64), thresholds)
    best = None
    if positives:
        levels, found, predicted = _counts_at_levels(is_class, scores)
        best = float(levels[np.argmax(2 * found / (predicted + positives))])
    return ThresholdCurve(
        thresholds=thresholds,
        precision=ratio(true_positives, predicted_count),
        recall=ratio(true_positives, np.full_like(true_positives, positives)),
        f1=ratio(2 * true_positives, predicted_count + positives),
        best_f1_threshold=best,
    )


def _counts_at_levels(
    is_class: NDArray[np.bool_], scores: NDArray[np.floating[Any]]
) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.intp]]:
    """Return the distinct scores, highest first, and the ``_counts_at`` these thresholds."""
    values = scores.astype(np.float64)
    levels = np.unique(values)[::-1]
    return levels, *_counts_at(is_class, values, levels)


def _counts_at(
    is_class: NDArray[np.bool_], scores: NDArray[np.float64], thresholds: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the number of true positives and of positive predictions at each threshold."""
    positive_scores = np.sort(scores[is_class])
    true_positives = len(positive_scores) - np.searchsorted(positive_scores, thresholds)
    predicted_count = len(scores) - np.searchsorted(np.sort(scores), thresholds)
    return true_positives, predicted_count


def _thinned(count: int) -> NDArray[np.intp]:
    """Return evenly spaced positions, including the first and the last one."""
    return np.unique(np.linspace(0, count - 1, min(count, _MAX_POINTS)).round().astype(np.intp))
