"""Misclassified images, filtered and sorted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fer_core.errors import InputError
from fer_core.evaluation.result import EvaluationResult

#: The sort orders of mistakes and their titles.
ORDERS: dict[str, str] = {
    "most_confident": "Highest confidence first",
    "closest": "Smallest margin first",
    "least_likely_truth": "Least likely true class first",
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
    """Return the positions of the misclassified images that pass all filters.

    Args:
        result: The evaluation.
        order: ``most_confident``: by the probability of the predicted class, descending;
            ``closest``: by the difference between the probabilities of the predicted and of the
            true class, ascending; ``least_likely_truth``: by the probability of the true class,
            ascending.
        true: Only images of this true class.
        predicted: Only images predicted as this class.
        confidence: Only predictions with a probability in this range, both ends included.
        among: Only images for which this array is True, bool ``[n]``, such as the images with a
            finding.

    Raises:
        InputError: ``order`` is unknown.
        ValueError: ``among`` has another length.
    """
    if order not in ORDERS:
        raise InputError(f"Unknown order {order!r}; choose one of {', '.join(ORDERS)}.")
    if among is not None and among.shape != (result.n,):
        raise ValueError(f"among should be [{result.n}]. Received: {list(among.shape)}")
    true_class_probability = result.probabilities[np.arange(result.n), result.labels]
    # Sliders have steps of 0.01, which float32 represents only approximately.
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
        "closest": result.confidence - true_class_probability,
        "least_likely_truth": true_class_probability,
    }[order]
    positions = np.flatnonzero(kept)
    return positions[np.argsort(ranks[positions], kind="stable")]
