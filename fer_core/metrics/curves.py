"""One class against the rest, as the threshold on its probability moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_core.metrics.classification import ratio

#: More points than this no chart can show.
_MOST_POINTS = 300


@dataclass(frozen=True, eq=False)
class RocCurve:
    """Receiver operating characteristic, by falling threshold.

    Attributes:
        false_positive_rate: Share of the rest that is taken for the class, float64 ``[k]``.
        true_positive_rate: Share of the class that is found, float64 ``[k]``.
        thresholds: From infinity (nothing is taken for it) down, float64 ``[k]``.
    """

    false_positive_rate: NDArray[np.float64]
    true_positive_rate: NDArray[np.float64]
    thresholds: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PrecisionRecallCurve:
    """Precision against recall, by falling threshold: a step curve.

    Attributes:
        precision: Share of what is taken for the class that is of it, float64 ``[k]``.
        recall: Share of the class that is found, float64 ``[k]``.
        thresholds: float64 ``[k]``.
    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    thresholds: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ThresholdCurve:
    """Precision, recall and F1 when everything at or above a threshold is taken for the class.

    Attributes:
        thresholds: 0 to 1 in hundredths, float64 ``[101]``.
        precision: float64 ``[101]``, NaN where nothing is taken for the class.
        recall: float64 ``[101]``, NaN where the class does not occur.
        f1: float64 ``[101]``, NaN where the class neither occurs nor is predicted.
        best_f1_threshold: The threshold with the greatest F1 on these images; None where the class
            does not occur.
    """

    thresholds: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]
    best_f1_threshold: float | None


def roc_curve(
    is_class: NDArray[np.bool_], scores: NDArray[np.floating[Any]]
) -> tuple[RocCurve, float] | None:
    """The curve, thinned for drawing, and the area under the whole one.

    Args:
        is_class: Which images are of the class, bool ``[n]``.
        scores: Its probability, ``[n]``.

    Returns:
        None where the class or the rest does not occur.
    """
    positives = int(is_class.sum())
    negatives = len(is_class) - positives
    if not positives or not negatives:
        return None
    thresholds, hits, false_alarms = _cumulated(is_class, scores)
    true_rate = np.concatenate(([0.0], hits / positives))
    false_rate = np.concatenate(([0.0], false_alarms / negatives))
    area = float(np.trapezoid(true_rate, false_rate))
    kept = _thinned(len(true_rate))
    levels = np.concatenate(([np.inf], thresholds))
    return RocCurve(false_rate[kept], true_rate[kept], levels[kept]), area


def precision_recall_curve(
    is_class: NDArray[np.bool_], scores: NDArray[np.floating[Any]]
) -> tuple[PrecisionRecallCurve, float] | None:
    """The curve, thinned for drawing, and the average precision of the whole one.

    Average precision is the mean of the precision weighted by the growth of the recall, without
    interpolation.

    Args:
        is_class: Which images are of the class, bool ``[n]``.
        scores: Its probability, ``[n]``.

    Returns:
        None where the class does not occur.
    """
    positives = int(is_class.sum())
    if not positives:
        return None
    thresholds, hits, false_alarms = _cumulated(is_class, scores)
    precision, recall = hits / (hits + false_alarms), hits / positives
    average = float(np.sum(np.diff(recall, prepend=0.0) * precision))
    kept = _thinned(len(recall))
    return PrecisionRecallCurve(precision[kept], recall[kept], thresholds[kept]), average


def threshold_curve(
    is_class: NDArray[np.bool_], scores: NDArray[np.floating[Any]]
) -> ThresholdCurve:
    """What each threshold on the class's probability would give.

    Args:
        is_class: Which images are of the class, bool ``[n]``.
        scores: Its probability, ``[n]``, 0 to 1.
    """
    thresholds = np.linspace(0, 1, 101)
    scores = scores.astype(np.float64)
    claimed = len(scores) - np.searchsorted(np.sort(scores), thresholds)
    found = np.sort(scores[is_class])
    hits = len(found) - np.searchsorted(found, thresholds)
    best = None
    if len(found):
        levels, hits_at, false_alarms = _cumulated(is_class, scores)
        best = float(levels[np.argmax(2 * hits_at / (hits_at + false_alarms + len(found)))])
    return ThresholdCurve(
        thresholds=thresholds,
        precision=ratio(hits, claimed),
        recall=ratio(hits, np.full_like(hits, len(found))),
        f1=ratio(2 * hits, claimed + len(found)),
        best_f1_threshold=best,
    )


def _cumulated(
    is_class: NDArray[np.bool_], scores: NDArray[np.floating[Any]]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Each distinct score from the greatest down, with the hits and false alarms at it."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order].astype(np.float64)
    ends = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    hits = np.cumsum(is_class[order], dtype=np.int64)[ends]
    return ordered[ends], hits, ends + 1 - hits


def _thinned(count: int) -> NDArray[np.intp]:
    """Evenly spread positions, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, _MOST_POINTS)).round().astype(np.intp))
