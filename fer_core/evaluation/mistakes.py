"""Misclassified images, in an order that one learns from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fer_core.errors import InputError
from fer_core.evaluation.result import EvaluationResult

#: How mistakes can be ordered, and what each order is called.
ORDERS: dict[str, str] = {
    "most_confident": "Most confident mistakes",
    "closest": "Closest calls",
    "least_likely_truth": "Truth held least likely",
}


def find_mistakes(
    result: EvaluationResult,
    *,
    order: str = "most_confident",
    true: int | None = None,
    predicted: int | None = None,
    confidence: tuple[float, float] = (0.0, 1.0),
    among: NDArray[np.bool_] | None = None,
) -> NDArray[np.intp]:
    """Positions of the misclassified images that pass all filters.

    Args:
        result: The evaluation.
        order: ``most_confident``: by the probability of what was predicted; ``closest``: by how
            little that exceeded the truth's; ``least_likely_truth``: by how little was left for
            the truth.
        true: Only images of this emotion.
        predicted: Only images taken for this one.
        confidence: Only predictions with a probability in this range, both ends included.
        among: Only where True, bool ``[n]``, such as the images with a finding.

    Raises:
        InputError: There is no such order.
        ValueError: ``among`` has another length.
    """
    if order not in ORDERS:
        raise InputError(f"There is no order {order!r}; choose one of {', '.join(ORDERS)}.")
    if among is not None and among.shape != (result.n,):
        raise ValueError(f"among should be [{result.n}]. Received: {list(among.shape)}")
    of_truth = result.probabilities[np.arange(result.n), result.labels]
    # Sliders count in hundredths, float32 does not.
    low, high = confidence[0] - 1e-6, confidence[1] + 1e-6
    kept = ~result.is_correct & (result.confidence >= low) & (result.confidence <= high)
    if true is not None:
        kept &= result.labels == true
    if predicted is not None:
        kept &= result.predicted == predicted
    if among is not None:
        kept &= among
    ranks = {
        "most_confident": -result.confidence,
        "closest": result.confidence - of_truth,
        "least_likely_truth": of_truth,
    }[order]
    positions = np.flatnonzero(kept)
    return positions[np.argsort(ranks[positions], kind="stable")]
