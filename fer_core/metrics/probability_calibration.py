"""Calibration of probabilities: expected calibration error, temperature scaling, reliability."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_core.metrics.classification import SMALLEST_PROBABILITY
from fer_core.metrics.intervals import RESAMPLE_COUNT, Estimate, proportion_estimate

#: Maximum number of images that are resampled at once, to limit the memory.
_DRAWS_AT_ONCE = 2_000_000
#: The bounds of a fitted temperature.
_LOWEST_TEMPERATURE, _HIGHEST_TEMPERATURE = 0.05, 20.0
#: Number of bisection steps between these bounds. These steps leave a relative error below 1e-8.
_BISECTION_STEPS = 30


def expected_calibration_error(
    labels: NDArray[np.integer[Any]],
    probabilities: NDArray[np.floating[Any]],
    bin_count: int = 15,
) -> float | None:
    """Return the expected calibration error (ECE) over bins of equal count; None without images.

    The ECE is the mean over bins, weighted by their size, of the absolute difference between
    accuracy and mean confidence. With fewer images than bins, each image is a bin. For bins of
    equal count, see Nguyen and O'Connor, "Posterior calibration and exploratory analysis for
    natural language processing models", EMNLP 2015.

    Args:
        labels: True labels, ``[n]``.
        probabilities: ``[n, classes]``.
        bin_count: Number of bins, at least 1.

    Returns:
        The error, 0 to 1.
    """
    if not len(labels):
        return None
    confidence, correct = _sorted_by_confidence(labels, probabilities)
    gaps = np.add.reduceat(correct - confidence, _bin_starts(len(labels), bin_count))
    return float(np.abs(gaps).sum() / len(labels))


def apply_temperature(
    probabilities: NDArray[np.floating[Any]], temperature: float
) -> NDArray[np.float32]:
    """Soften or sharpen probabilities; the ranking of the classes is unchanged.

    The result is the softmax of the logits divided by the temperature. The logarithms of the
    probabilities serve as logits: for each image they differ from the logits of the network by a
    constant, which the softmax cancels. See Guo et al., "On calibration of modern neural networks",
    ICML 2017.

    Args:
        probabilities: ``[n, classes]``.
        temperature: A temperature above 1 softens probabilities, one below 1 sharpens them.

    Returns:
        float32 ``[n, classes]``, rows summing to 1.

    Raises:
        ValueError: The temperature is not above 0.
    """
    if temperature <= 0:
        raise ValueError(f"temperature should be above 0. Received: temperature={temperature}")
    logits = _logits(probabilities) / temperature
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
    scaled = exponentials / exponentials.sum(axis=1, keepdims=True)
    return np.asarray(scaled, dtype=np.float32)


def fit_temperature(
    labels: NDArray[np.integer[Any]], probabilities: NDArray[np.floating[Any]]
) -> float:
    """Return the temperature between 0.05 and 20 with the lowest log loss; 1 without images.

    The log loss is a convex function of the inverse temperature. Bisection finds the inverse
    temperature at which the slope of the log loss is zero. ``scipy.optimize`` is not used because
    importing it takes longer than all fits of an evaluation.
    """
    if not len(labels):
        return 1.0
    logits = _logits(probabilities)
    logits -= logits.max(axis=1, keepdims=True)
    mean_true_logit = logits[np.arange(len(labels)), labels].mean()
    # The bounds of the inverse temperature.
    low, high = 1 / _HIGHEST_TEMPERATURE, 1 / _LOWEST_TEMPERATURE
    for _ in range(_BISECTION_STEPS):
        middle = math.sqrt(low * high)
        exponentials = np.exp(middle * logits)
        expected_logits = (exponentials * logits).sum(axis=1) / exponentials.sum(axis=1)
        # The slope of the log loss at the middle is the difference of these two means.
        if expected_logits.mean() > mean_true_logit:
            high = middle
        else:
            low = middle
    return 1 / math.sqrt(low * high)


def _logits(probabilities: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the logarithms of probabilities, float64 ``[n, classes]``."""
    return np.log(np.maximum(probabilities.astype(np.float64), SMALLEST_PROBABILITY))


def cross_validated_temperature(
    labels: NDArray[np.integer[Any]],
    probabilities: NDArray[np.floating[Any]],
    fold_count: int = 5,
    seed: int = 0,
) -> tuple[NDArray[np.float32], tuple[float, ...]]:
    """Apply to each image a temperature that was fitted without this image.

    The temperatures come from k-fold cross-validation. On the images that a temperature was fitted
    to, the calibration error would be too low.

    Args:
        labels: True labels, ``[n]`` with at least ``fold_count`` images.
        probabilities: ``[n, classes]``, before temperature scaling.
        fold_count: Number of random folds.
        seed: Seed of the folds.

    Returns:
        Probabilities, float32 ``[n, classes]``, and the temperature of each fold.

    Raises:
        ValueError: There are fewer images than folds.
    """
    if len(labels) < fold_count:
        raise ValueError(
            f"the number of labels should be at least {fold_count}. Received: {len(labels)}"
        )
    order = np.random.default_rng(seed).permutation(len(labels))
    scaled = np.empty((len(labels), probabilities.shape[1]), dtype=np.float32)
    temperatures = []
    for held_out in np.array_split(order, fold_count):
        is_for_fit = np.ones(len(labels), dtype=bool)
        is_for_fit[held_out] = False
        temperatures.append(fit_temperature(labels[is_for_fit], probabilities[is_for_fit]))
        scaled[held_out] = apply_temperature(probabilities[held_out], temperatures[-1])
    return scaled, tuple(temperatures)


@dataclass(frozen=True)
class ReliabilityBin:
    """Mean confidence and accuracy of a bin, which contains images with similar confidence.

    Attributes:
        low: Lowest confidence in the bin.
        high: Highest confidence in the bin.
        count: Number of images in the bin.
        mean_confidence: Mean probability of the predicted class.
        accuracy: Accuracy with Wilson's interval.
    """

    low: float
    high: float
    count: int
    mean_confidence: float
    accuracy: Estimate


def reliability_bins(
    labels: NDArray[np.integer[Any]], probabilities: NDArray[np.floating[Any]], bin_count: int = 15
) -> tuple[ReliabilityBin, ...]:
    """Return the bins of ``expected_calibration_error``, by increasing confidence.

    The result is empty without images.
    """
    confidence, correct = _sorted_by_confidence(labels, probabilities)
    array_count = min(bin_count, len(confidence)) or 1
    return tuple(
        ReliabilityBin(
            low=float(confidence[rows[0]]),
            high=float(confidence[rows[-1]]),
            count=len(rows),
            mean_confidence=float(confidence[rows].mean()),
            accuracy=proportion_estimate(int(correct[rows].sum()), len(rows)),
        )
        for rows in np.array_split(np.arange(len(confidence)), array_count)
        if len(rows)
    )


def calibration_error_estimates(
    labels: NDArray[np.integer[Any]],
    probability_sets: Sequence[NDArray[np.floating[Any]]],
    bin_count: int = 15,
    seed: int = 0,
) -> tuple[Estimate, ...]:
    """Return the expected calibration error of several sets of probabilities, with intervals.

    Args:
        labels: True labels, ``[n]``.
        probability_sets: Each ``[n, classes]`` for the same images, such as before and after
            temperature scaling. The intervals of all sets use the same bootstrap samples.
        bin_count: Number of bins of equal count.
        seed: Seed of the bootstrap.

    Returns:
        For each set, the error and its 95 % bootstrap interval. Noise increases this error, and
        resampling adds noise, so the errors of the bootstrap samples are too high on average. The
        mean excess is subtracted from both ends of the interval (Efron and Tibshirani, "An
        introduction to the bootstrap", 1993, chapter 10). With fewer than two images, the intervals
        are undefined.
    """
    values = [
        expected_calibration_error(labels, probabilities, bin_count)
        for probabilities in probability_sets
    ]
    if len(labels) < 2:
        return tuple(Estimate(value, None, None) for value in values)
    gaps_by_set = []
    for probabilities in probability_sets:
        confidence, correct = _sorted_by_confidence(labels, probabilities)
        gaps_by_set.append(correct - confidence)
    starts = _bin_starts(len(labels), bin_count)
    resampled: list[list[NDArray[np.float64]]] = [[] for _ in probability_sets]
    for draws in _sorted_draws(len(labels), seed):
        for errors, gaps in zip(resampled, gaps_by_set, strict=True):
            sums = np.add.reduceat(gaps[draws], starts, axis=1)
            errors.append(np.abs(sums).sum(axis=1) / len(labels))
    estimates = []
    for value, chunks in zip(values, resampled, strict=True):
        assert value is not None  # because there are images
        all_errors = np.concatenate(chunks)
        bias = max(float(all_errors.mean()) - value, 0.0)
        low, high = np.percentile(all_errors, (2.5, 97.5)) - bias
        estimates.append(Estimate(value, max(float(low), 0.0), max(float(high), 0.0)))
    return tuple(estimates)


def calibration_error_by_chance(
    probabilities: NDArray[np.floating[Any]],
    bin_count: int = 15,
    simulation_count: int = 200,
    seed: int = 0,
) -> float | None:
    """Return the mean calibration error that a perfectly calibrated model would show by chance.

    Args:
        probabilities: ``[n, classes]``; only the confidence (the maximum of each row) matters.
        bin_count: Number of bins of equal count.
        simulation_count: Number of simulated sets of correct and wrong predictions.
        seed: Seed of the simulation.

    Returns:
        The mean error over the simulated sets; None without images.
    """
    if not len(probabilities):
        return None
    confidence = np.sort(probabilities.max(axis=1).astype(np.float64))
    starts = _bin_starts(len(confidence), bin_count)
    generator = np.random.default_rng(seed)
    samples_at_once = max(1, _DRAWS_AT_ONCE // len(confidence))
    errors = []
    for start in range(0, simulation_count, samples_at_once):
        shape = (min(samples_at_once, simulation_count - start), len(confidence))
        gaps = (generator.random(shape, dtype=np.float32) < confidence) - confidence
        errors.append(np.abs(np.add.reduceat(gaps, starts, axis=1)).sum(axis=1))
    return float(np.concatenate(errors).mean() / len(confidence))


def _sorted_by_confidence(
    labels: NDArray[np.integer[Any]], probabilities: NDArray[np.floating[Any]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return confidence and correctness (1 or 0) of each image, by increasing confidence."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    correct = (probabilities.argmax(axis=1) == labels).astype(np.float64)
    order = np.argsort(confidence, kind="stable")
    return confidence[order], correct[order]


def _bin_starts(count: int, bin_count: int) -> NDArray[np.intp]:
    """Return the position of the first image of each bin, as ``np.add.reduceat`` expects."""
    sizes = [len(rows) for rows in np.array_split(np.arange(count), min(bin_count, count))]
    return np.concatenate(([0], np.cumsum(sizes)[:-1])).astype(np.intp)


def _sorted_draws(count: int, seed: int) -> Iterator[NDArray[np.int32]]:
    """Yield bootstrap samples of the positions 0 to count - 1, int32 ``[chunk, count]``.

    Each sample is sorted: images at these positions are then in the order of their confidence, as
    the bins require.
    """
    generator = np.random.default_rng(seed)
    samples_at_once = max(1, _DRAWS_AT_ONCE // count)
    for start in range(0, RESAMPLE_COUNT, samples_at_once):
        shape = (min(samples_at_once, RESAMPLE_COUNT - start), count)
        draws = generator.integers(0, count, shape, dtype=np.int32)
        draws.sort(axis=1)
        yield draws
