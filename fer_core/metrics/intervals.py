"""95 % confidence intervals of metrics: bootstrap and Wilson's score interval."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Number of bootstrap samples from which an interval is computed.
RESAMPLE_COUNT = 1000
#: Maximum number of values that are drawn at once, to limit the memory.
_DRAWS_AT_ONCE = 2_000_000
#: The 97.5 % quantile of the standard normal distribution: 95 % of the distribution are between
#: this value and its negative.
_NORMAL_QUANTILE = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class Estimate:
    """The value of a metric and its 95 % confidence interval; None where undefined.

    Attributes:
        value: The value of the metric.
        low: Lower end of the interval.
        high: Upper end of the interval.
    """

    value: float | None
    low: float | None
    high: float | None

    def to_json(self) -> dict[str, float | None]:
        """Return the attributes as a JSON object."""
        return {"value": self.value, "low": self.low, "high": self.high}


#: The estimate of a metric that is undefined.
UNDEFINED_ESTIMATE = Estimate(None, None, None)


def percentile_estimate(value: float | None, resampled: NDArray[np.floating[Any]]) -> Estimate:
    """Return a metric with the interval from the 2.5th to the 97.5th percentile of its resamples.

    Args:
        value: The metric on the images; None if it is undefined.
        resampled: The metric on each bootstrap sample, ``[resamples]``. NaN (undefined) is ignored.
    """
    if value is None:
        return UNDEFINED_ESTIMATE
    defined = resampled[~np.isnan(resampled)]
    if not len(defined):
        return Estimate(value, None, None)
    low, high = np.percentile(defined, (2.5, 97.5))
    return Estimate(value, float(low), float(high))


def resampled_counts(
    counts: NDArray[np.integer[Any]], resample_count: int = RESAMPLE_COUNT, seed: int = 0
) -> NDArray[np.int64]:
    """Draw bootstrap samples of a table of counts.

    Sampling images with replacement and counting them again is equivalent to drawing the counts
    from a multinomial distribution, which takes the same time for any number of images.

    Args:
        counts: Number of images in each cell, any shape, at least one image in total.
        resample_count: Number of tables to draw.
        seed: Seed of the random generator.

    Returns:
        int64 ``[resamples, *counts.shape]``.
    """
    total = int(counts.sum())
    drawn = np.random.default_rng(seed).multinomial(
        total, counts.reshape(-1) / total, size=resample_count
    )
    return drawn.reshape(resample_count, *counts.shape)


def estimates_from_counts(
    counts: NDArray[np.integer[Any]],
    compute: Callable[[NDArray[np.integer[Any]]], dict[str, NDArray[np.float64]]],
    seed: int = 0,
) -> dict[str, tuple[Estimate, ...]]:
    """Return metrics that depend on counts only, with bootstrap intervals.

    Args:
        counts: Number of images in each cell of a table, such as a confusion matrix.
        compute: Computes the metrics of several tables, ``[tables, *counts.shape]``. It returns
            an array of values for each name of a metric, ``[tables, k]``, NaN where undefined.
            ``k`` is the number of classes if each class has its own value, otherwise 1.
        seed: Seed of the bootstrap.

    Returns:
        The ``k`` estimates of each metric, by its name. With fewer than two images, the intervals
        are undefined.
    """
    values = compute(counts[np.newaxis])
    can_resample = int(counts.sum()) > 1
    resampled = compute(resampled_counts(counts, seed=seed)) if can_resample else {}
    no_resamples = np.full(1, np.nan)
    return {
        name: tuple(
            percentile_estimate(
                None if np.isnan(value) else float(value),
                resampled[name][:, column] if can_resample else no_resamples,
            )
            for column, value in enumerate(table_values[0])
        )
        for name, table_values in values.items()
    }


def mean_estimate(values: NDArray[np.floating[Any]], seed: int = 0) -> Estimate:
    """Return the mean of one value per image, with its bootstrap interval.

    Args:
        values: ``[n]``. The interval is undefined if there are fewer than two values, and the mean
            is undefined if there are none.
        seed: Seed of the bootstrap.
    """
    if not len(values):
        return UNDEFINED_ESTIMATE
    mean = float(values.mean(dtype=np.float64))
    if len(values) == 1:
        return Estimate(mean, None, None)
    generator = np.random.default_rng(seed)
    samples_at_once = max(1, _DRAWS_AT_ONCE // len(values))
    means = []
    for start in range(0, RESAMPLE_COUNT, samples_at_once):
        shape = (min(samples_at_once, RESAMPLE_COUNT - start), len(values))
        draws = generator.integers(0, len(values), shape, dtype=np.int32)
        means.append(values[draws].mean(axis=1, dtype=np.float64))
    return percentile_estimate(mean, np.concatenate(means))


def proportion_estimate(successes: int, count: int) -> Estimate:
    """Return a proportion with Wilson's score interval.

    The interval is also accurate for few images and for proportions near 0 or 1. See Wilson,
    "Probable inference, the law of succession, and statistical inference", Journal of the American
    Statistical Association 22, 1927. SciPy has the same interval, but importing ``scipy.stats``
    takes longer than computing all intervals of a page.

    Args:
        successes: Number of successes, 0 to ``count``.
        count: Number of trials; if it is 0, the proportion is undefined.
    """
    if not count:
        return UNDEFINED_ESTIMATE
    share, square = successes / count, _NORMAL_QUANTILE**2
    center = (share + square / (2 * count)) / (1 + square / count)
    spread = share * (1 - share) / count + square / (4 * count**2)
    half_width = _NORMAL_QUANTILE * math.sqrt(spread) / (1 + square / count)
    # If there are no successes or only successes, one bound is exactly 0 or 1. The formula would
    # miss this bound by a rounding error.
    low = 0.0 if successes == 0 else center - half_width
    high = 1.0 if successes == count else center + half_width
    return Estimate(share, low, high)
