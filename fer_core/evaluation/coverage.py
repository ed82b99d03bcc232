"""Selective prediction: accuracy and coverage when low-confidence predictions are rejected."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_core.metrics import Estimate, proportion_estimate, ratio

#: Tolerance of the comparison with a threshold: a threshold of 0.6 must accept a confidence of 0.6,
#: which float32 represents only approximately.
_TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class CoverageCurve:
    """Coverage and accuracy by minimum confidence.

    Attributes:
        thresholds: 0 to 1 in steps of 0.01, float64 ``[101]``. A prediction is accepted if its
            confidence is at or above the threshold.
        coverage: Share of accepted predictions, float64 ``[101]``.
        accuracy: Accuracy of the accepted predictions, float64 ``[101]``; NaN if there are none.
    """

    thresholds: NDArray[np.float64]
    coverage: NDArray[np.float64]
    accuracy: NDArray[np.float64]


@dataclass(frozen=True)
class CoveragePoint:
    """Coverage and accuracy at one minimum confidence.

    Attributes:
        threshold: A prediction is accepted if its confidence is at or above this value.
        coverage: Share of accepted predictions.
        accepted_count: Number of accepted predictions.
        accuracy: Accuracy of the accepted predictions with Wilson's interval; undefined if there
            are none.
    """

    threshold: float
    coverage: float
    accepted_count: int
    accuracy: Estimate


def coverage_curve(
    confidence: NDArray[np.floating], is_correct: NDArray[np.bool_]
) -> CoverageCurve:
    """Compute coverage and accuracy for 101 minimum confidences from 0 to 1.

    Args:
        confidence: Probability of the predicted class, ``[n]`` with at least one image.
        is_correct: Whether the prediction is correct, bool ``[n]``.
    """
    thresholds = np.linspace(0, 1, 101)
    levels = thresholds - _TOLERANCE
    accepted_counts = len(confidence) - np.searchsorted(np.sort(confidence), levels)
    confidence_of_correct = np.sort(confidence[is_correct])
    correct_counts = len(confidence_of_correct) - np.searchsorted(confidence_of_correct, levels)
    return CoverageCurve(
        thresholds, accepted_counts / len(confidence), ratio(correct_counts, accepted_counts)
    )


def coverage_point(
    confidence: NDArray[np.floating], is_correct: NDArray[np.bool_], threshold: float
) -> CoveragePoint:
    """Compute coverage and accuracy for one minimum confidence (0 to 1)."""
    is_accepted = confidence >= threshold - _TOLERANCE
    accepted_count = int(is_accepted.sum())
    return CoveragePoint(
        threshold=threshold,
        coverage=accepted_count / len(confidence),
        accepted_count=accepted_count,
        accuracy=proportion_estimate(int(is_correct[is_accepted].sum()), accepted_count),
    )
