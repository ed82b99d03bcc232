"""How far a figure may lie from the truth by chance: 95 % intervals."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Bootstrap samples behind every interval.
RESAMPLES = 1000
#: Values that are resampled at once: bounds the memory, whatever the size of the data.
_DRAWS_AT_ONCE = 2_000_000
#: The 97.5th percentile of the standard normal distribution.
_NORMAL_QUANTILE = 1.959963984540054


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval; None where undefined.

    Attributes:
        value: The figure itself.
        low: Lower end of the interval.
        high: Upper end.
    """

    value: float | None
    low: float | None
    high: float | None

    def to_json(self) -> dict[str, float | None]:
        """The three numbers by name."""
        return {"value": self.value, "low": self.low, "high": self.high}


UNDEFINED = Estimate(None, None, None)


def percentile_estimate(value: float | None, resampled: NDArray[np.floating[Any]]) -> Estimate:
    """A figure with the interval between the 2.5th and 97.5th percentile of its resamples.

    Args:
        value: The figure on the images themselves.
        resampled: The figure on each bootstrap sample, ``[resamples]``; NaN where undefined there,
            which is left out.
    """
    if value is None:
        return UNDEFINED
    defined = resampled[~np.isnan(resampled)]
    if not len(defined):
        return Estimate(value, None, None)
    low, high = np.percentile(defined, (2.5, 97.5))
    return Estimate(value, float(low), float(high))


def resampled_counts(
    counts: NDArray[np.integer[Any]], resamples: int = RESAMPLES, seed: int = 0
) -> NDArray[np.int64]:
    """Bootstrap a table of counts.

    Drawing images with replacement and counting them anew is drawing the counts from a multinomial
    distribution, which takes no longer for many images than for few.

    Args:
        counts: How many images each cell holds, any shape, at least one image in all.
        resamples: How many tables to draw.
        seed: Of the draws.

    Returns:
        int64 ``[resamples, *counts.shape]``.
    """
    total = int(counts.sum())
    drawn = np.random.default_rng(seed).multinomial(
        total, counts.reshape(-1) / total, size=resamples
    )
    return drawn.reshape(resamples, *counts.shape)


def estimates_from_counts(
    counts: NDArray[np.integer[Any]],
    figures: Callable[[NDArray[np.integer[Any]]], dict[str, NDArray[np.float64]]],
    seed: int = 0,
) -> dict[str, tuple[Estimate, ...]]:
    """Figures that depend on counts alone, with bootstrap intervals.

    Args:
        counts: A table of counts.
        figures: From tables ``[tables, *counts.shape]`` to figures ``[tables, k]`` by name, NaN
            where undefined.
        seed: Of the bootstrap.

    Returns:
        For each name its ``k`` estimates. With fewer than two images no interval is defined.
    """
    values = figures(counts[np.newaxis])
    enough = int(counts.sum()) > 1
    resampled = figures(resampled_counts(counts, seed=seed)) if enough else {}
    nothing = np.full(1, np.nan)
    return {
        name: tuple(
            percentile_estimate(
                None if np.isnan(value) else float(value),
                resampled[name][:, column] if enough else nothing,
            )
            for column, value in enumerate(row[0])
        )
        for name, row in values.items()
    }


def mean_estimate(values: NDArray[np.floating[Any]], seed: int = 0) -> Estimate:
    """The mean of a value per image, with its bootstrap interval.

    Args:
        values: ``[n]``; of a single one the interval is undefined, of none the mean too.
        seed: Of the bootstrap.
    """
    if not len(values):
        return UNDEFINED
    mean = float(values.mean(dtype=np.float64))
    if len(values) == 1:
        return Estimate(mean, None, None)
    generator = np.random.default_rng(seed)
    at_once = max(1, _DRAWS_AT_ONCE // len(values))
    means = []
    for start in range(0, RESAMPLES, at_once):
        shape = (min(at_once, RESAMPLES - start), len(values))
        draws = generator.integers(0, len(values), shape, dtype=np.int32)
        means.append(values[draws].mean(axis=1, dtype=np.float64))
    return percentile_estimate(mean, np.concatenate(means))


def proportion_estimate(hits: int, count: int) -> Estimate:
    """A proportion with Wilson's score interval, which holds for few images and near 0 and 1 too.

    After Wilson, "Probable inference, the law of succession, and statistical inference", Journal
    of the American Statistical Association 22, 1927.

    Args:
        hits: How many of them, 0 to ``count``.
        count: How many in all; of none everything is undefined.
    """
    if not count:
        return UNDEFINED
    share, square = hits / count, _NORMAL_QUANTILE**2
    middle = (share + square / (2 * count)) / (1 + square / count)
    spread = share * (1 - share) / count + square / (4 * count**2)
    half = _NORMAL_QUANTILE * math.sqrt(spread) / (1 + square / count)
    # At the ends the bound is the end itself, which rounding would miss by a hair.
    low = 0.0 if hits == 0 else middle - half
    high = 1.0 if hits == count else middle + half
    return Estimate(share, low, high)
