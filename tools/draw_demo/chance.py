"""Random numbers that are the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def generator_for(*keys: int) -> np.random.Generator:
    """Return a generator that depends on these numbers only.

    Each picture has its own generator, so that pictures do not influence each other.
    """
    return np.random.Generator(np.random.PCG64(list(keys)))


def between(generator: np.random.Generator, low: float, high: float) -> float:
    """Return a uniform number from ``low`` to ``high``."""
    return low + (high - low) * float(generator.random())


def around(generator: np.random.Generator, center: float, spread: float) -> float:
    """Return a number within ``spread`` of ``center``; close numbers are more likely.

    It is the mean of three uniform numbers instead of a normal one: it is bounded, and needs no
    logarithms, which machines round differently.
    """
    return center + spread * (2.0 * float(generator.random(3).mean()) - 1.0)


def happens(generator: np.random.Generator, probability: float) -> bool:
    """Return True with this probability."""
    return float(generator.random()) < probability


def pick(generator: np.random.Generator, choices: Sequence[tuple[T, float]]) -> T:
    """Return one of the choices, with probabilities proportional to their weights."""
    position = float(generator.random()) * sum(weight for _, weight in choices)
    for choice, weight in choices:
        position -= weight
        if position < 0:
            return choice
    return choices[-1][0]
