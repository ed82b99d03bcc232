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
        true: Index of the only true class to return; None for all classes.
        predicted: Index of the only predicted class to return; None for all classes.
        confidence: The range of the confidence, both ends included.
        among: True for images that may be returned, bool ``[n]``, such as the images with a
            finding; None for all images.

    Raises:
        InputError: ``order`` is unknown.
        ValueError: ``among`` has another length.
    """
    if order not in ORDERS:
        raise InputError(f"Unknown order {order!r}; choose one of {', '.join(ORDERS)}.")
    if among is not None and among.shape != (result.n,):
        raise ValueError(f"among should be [{result.n}]. Received: {list(among.shape)}")
    true_class_probability = result.probabilities[np.arange(result.n), result.labels]
    # The limits come from sliders with steps of 0.01. float32 represents such values only
    # approximately, so the range is widened a little.
    low, high = confidence[0] - 1e-6, confidence[1] + 1e-6
    is_match = ~result.is_correct & (result.confidence >= low) & (result.confidence <= high)
    if true is not None:
        is_match &= result.labels == true
    if predicted is not None:
        is_match &= result.predicted == predicted
    if among is not None:
        is_match &= among
    sort_values = {
        "most_confident": -result.confidence,
        "closest": result.confidence - true_class_probability,
        "least_likely_truth": true_class_probability,
    }[order]
    positions = np.flatnonzero(is_match)
    return positions[np.argsort(sort_values[positions], kind="stable")]
