"""Post-hoc logit adjustment: shift the decision toward classes that are rare in training.

The logarithm of a class's share of the training data is multiplied by an exponent and subtracted
from the logit of the class. An exponent of 0 changes nothing. An exponent of 1 estimates what the
network would predict if all classes were equally frequent. See Menon et al., "Long-tail learning
via logit adjustment", ICLR 2021.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_core.metrics.classification import (
    SMALLEST_PROBABILITY,
    confusion_matrix,
    macro_f1,
    per_class_metrics,
)
from fer_core.metrics.probability_calibration import cross_validated_temperature

#: The exponents that ``fit_prior_exponent`` tries: 0 to 1 in steps of 0.05.
EXPONENTS: tuple[float, ...] = tuple(round(0.05 * step, 2) for step in range(21))

#: Minimum number of predictions that a threshold must accept. The accuracy of fewer predictions
#: depends mostly on chance.
_MIN_ACCEPTED = 20


def adjust_for_prior(
    probabilities: NDArray[np.floating[Any]], class_prior: Sequence[float], exponent: float
) -> NDArray[np.float32]:
    """Divide probabilities by a power of the class prior and normalize them.

    Args:
        probabilities: ``[n, classes]``, before temperature scaling.
        class_prior: Share of each class in the training targets.
        exponent: 0 to 1; with 0 the probabilities are unchanged.

    Returns:
        float32 ``[n, classes]``.
    """
    if exponent == 0:
        return np.asarray(probabilities, dtype=np.float32)
    clipped = np.maximum(probabilities.astype(np.float64), SMALLEST_PROBABILITY)
    prior = np.maximum(np.asarray(class_prior, np.float64), SMALLEST_PROBABILITY)
    adjusted = clipped / prior**exponent
    return np.asarray(adjusted / adjusted.sum(axis=1, keepdims=True), dtype=np.float32)


def fit_prior_exponent(
    labels: NDArray[np.integer[Any]],
    probabilities: NDArray[np.floating[Any]],
    class_prior: Sequence[float],
) -> float:
    """Return the exponent in ``EXPONENTS`` with the highest macro F1; for a tie, the smallest.

    Args:
        labels: True labels, ``[n]``.
        probabilities: ``[n, classes]``, before temperature scaling.
        class_prior: Share of each class in the training targets.
    """

    def macro_f1_with(exponent: float) -> float:
        predicted = adjust_for_prior(probabilities, class_prior, exponent).argmax(axis=1)
        matrix = confusion_matrix(labels, predicted, probabilities.shape[1])
        return macro_f1(per_class_metrics(matrix)) or 0.0

    return max(EXPONENTS, key=macro_f1_with)


def confidence_thresholds(
    labels: NDArray[np.integer[Any]],
    probabilities: NDArray[np.floating[Any]],
    accuracies: Sequence[float] = (0.8, 0.9),
) -> dict[str, float | None]:
    """Return the lowest confidence threshold that reaches each target accuracy.

    A prediction is accepted if its confidence is at or above the threshold. The temperature is
    cross-validated: each image's confidence is computed with a temperature that was fitted to
    other images.

    Args:
        labels: True labels, ``[n]``.
        probabilities: ``[n, classes]``, before temperature scaling.
        accuracies: Target accuracies of the accepted predictions, 0 to 1.

    Returns:
        A threshold for each target accuracy. The keys are the accuracies in percent, such as
        ``"80"``. The thresholds are multiples of 0.01. A threshold is 0 if all predictions together
        reach the accuracy, and None if no threshold with at least 20 accepted predictions does.

    Raises:
        ValueError: There are fewer than 5 images.
    """
    scaled, _ = cross_validated_temperature(labels, probabilities)
    confidence = scaled.max(axis=1)
    is_correct = scaled.argmax(axis=1) == labels
    thresholds: dict[str, float | None] = {}
    for target in accuracies:
        # The subtraction of 1e-6 also accepts predictions whose confidence is below the threshold
        # only because of a rounding error.
        thresholds[f"{100 * target:.0f}"] = next(
            (
                round(float(threshold), 2)
                for threshold in np.linspace(0, 1, 101)
                if (accepted := confidence >= threshold - 1e-6).sum() >= _MIN_ACCEPTED
                and is_correct[accepted].mean() >= target
            ),
            None,
        )
    return thresholds
