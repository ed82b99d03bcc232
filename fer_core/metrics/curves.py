"""One-vs-rest curves of a class: ROC, precision-recall, and metrics by decision threshold.

The score of an image is the predicted probability of the class. The curves are computed with NumPy,
because importing scikit-learn would delay the evaluate page. The tests compare them with the curves
of scikit-learn.
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
        false_positive_rate: Share of the images of other classes that are predicted as the class,
            float64 ``[k]``.
        true_positive_rate: Share of the images of the class that are predicted as the class,
            float64 ``[k]``.
        thresholds: float64 ``[k]``; the first one is infinity, at which no image is predicted as
            the class.
    """

    false_positive_rate: NDArray[np.float64]
    true_positive_rate: NDArray[np.float64]
    thresholds: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PrecisionRecallCurve:
    """Precision against recall as a step curve, sorted by decreasing threshold.

    Attributes:
        precision: Share of true positives among the positive predictions, float64 ``[k]``.
        recall: Share of the images of the class that are predicted as the class, float64 ``[k]``.
        thresholds: Smallest score of a positive prediction, float64 ``[k]``.
    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    thresholds: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ThresholdCurve:
    """Precision, recall and F1 at each threshold.

    An image is predicted as the class if its score is at or above the threshold.

    Attributes:
        thresholds: 0 to 1 in steps of 0.01, float64 ``[101]``.
        precision: float64 ``[101]``, NaN without positive predictions.
        recall: float64 ``[101]``, NaN if the class does not occur.
        f1: float64 ``[101]``, NaN if the class neither occurs nor is predicted.
        best_f1_threshold: The threshold with the highest F1 on these images. It is one of the
            scores and not rounded to 0.01. None if the class does not occur.
    """

    thresholds: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]
    best_f1_threshold: float | None


def roc_curve(
    is_class: NDArray[np.bool_], scores: NDArray[np.floating[Any]]
) -> tuple[RocCurve, float] | None:
    """Return the ROC curve, thinned for charts, and the area under the curve before thinning.

    Args:
        is_class: True for the images of the class, bool ``[n]``.
        scores: Probability of the class, ``[n]``.

    Returns:
        None if no image belongs to the class, or if all images do.
    """
    if is_class.all() or not is_class.any():
        return None
    thresholds, true_positives, predicted_counts = _counts_at_scores(is_class, scores)
    false_rate = (predicted_counts - true_positives) / np.count_nonzero(~is_class)
    true_rate = true_positives / np.count_nonzero(is_class)
    # The curve begins at the threshold infinity, where both rates are 0.
    false_rate, true_rate = np.append(0.0, false_rate), np.append(0.0, true_rate)
    thresholds = np.append(np.inf, thresholds)
    indices = _indices_for_chart(len(true_rate))
    curve = RocCurve(false_rate[indices], true_rate[indices], thresholds[indices])
    return curve, float(np.trapezoid(true_rate, false_rate))


def precision_recall_curve(
    is_class: NDArray[np.bool_], scores: NDArray[np.floating[Any]]
) -> tuple[PrecisionRecallCurve, float] | None:
    """Return the precision-recall curve, thinned for charts, and the average precision.

    Average precision is the mean precision, weighted by the increase of recall, without
    interpolation. It is computed from the curve before thinning.

    Args:
        is_class: True for the images of the class, bool ``[n]``.
        scores: Probability of the class, ``[n]``.

    Returns:
        None if the class does not occur.
    """
    if not is_class.any():
        return None
    thresholds, true_positives, predicted_counts = _counts_at_scores(is_class, scores)
    precision = true_positives / predicted_counts
    recall = true_positives / np.count_nonzero(is_class)
    average = float(np.sum(np.diff(recall, prepend=0.0) * precision))
    indices = _indices_for_chart(len(recall))
    return PrecisionRecallCurve(precision[indices], recall[indices], thresholds[indices]), average


def threshold_curve(
    is_class: NDArray[np.bool_], scores: NDArray[np.floating[Any]]
) -> ThresholdCurve:
    """Return precision, recall and F1 at each threshold on the probability of a class.

    Args:
        is_class: True for the images of the class, bool ``[n]``.
        scores: Probability of the class, ``[n]``, 0 to 1.
    """
    thresholds = np.linspace(0, 1, 101)
    positive_count = int(is_class.sum())
    true_positives, predicted_counts = _counts_at(is_class, scores.astype(np.float64), thresholds)
    best = None
    if positive_count:
        candidates, correct, predicted = _counts_at_scores(is_class, scores)
        f1_at_scores = 2 * correct / (predicted + positive_count)
        best = float(candidates[np.argmax(f1_at_scores)])
    return ThresholdCurve(
        thresholds=thresholds,
        precision=ratio(true_positives, predicted_counts),
        recall=ratio(true_positives, np.full_like(true_positives, positive_count)),
        f1=ratio(2 * true_positives, predicted_counts + positive_count),
        best_f1_threshold=best,
    )


def _counts_at_scores(
    is_class: NDArray[np.bool_], scores: NDArray[np.floating[Any]]
) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.intp]]:
    """Return the distinct scores as thresholds, highest first, and the counts at each of them.

    The counts are those of ``_counts_at``.
    """
    float64_scores = scores.astype(np.float64)
    thresholds = np.unique(float64_scores)[::-1]
    return thresholds, *_counts_at(is_class, float64_scores, thresholds)


def _counts_at(
    is_class: NDArray[np.bool_], scores: NDArray[np.float64], thresholds: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the number of true positives and of positive predictions at each threshold."""
    # In sorted scores, searchsorted returns the number of scores below the threshold.
    positive_scores = np.sort(scores[is_class])
    true_positives = len(positive_scores) - np.searchsorted(positive_scores, thresholds)
    predicted_counts = len(scores) - np.searchsorted(np.sort(scores), thresholds)
    return true_positives, predicted_counts


def _indices_for_chart(count: int) -> NDArray[np.intp]:
    """Return up to ``_MAX_POINTS`` evenly spaced indices, from 0 to ``count`` - 1."""
    return np.unique(np.linspace(0, count - 1, min(count, _MAX_POINTS)).round().astype(np.intp))
