"""Random draws that come out the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def generator_for(*keys: int) -> np.random.Generator:
    """A generator that depends on these numbers alone.

    Each picture has its own, so that what one picture draws never moves the others.
    """
    return np.random.Generator(np.random.PCG64(list(keys)))


def between(generator: np.random.Generator, low: float, high: float) -> float:
    """A number from ``low`` to ``high``, each as likely."""
    return low + (high - low) * float(generator.random())


def around(generator: np.random.Generator, center: float, spread: float) -> float:
    """A number within ``spread`` of ``center``, the near ones likelier.

    The mean of three even draws instead of a normal one: bounded, so that no face gets an eye on
    its chin, and free of the logarithms that machines round differently.
    """
    return center + spread * (2.0 * float(generator.random(3).mean()) - 1.0)


def happens(generator: np.random.Generator, probability: float) -> bool:
    """True with this probability."""
    return float(generator.random()) < probability


def pick(generator: np.random.Generator, choices: Sequence[tuple[T, float]]) -> T:
    """One of the choices, each as likely as its weight says."""
    place = float(generator.random()) * sum(weight for _, weight in choices)
    for choice, weight in choices:
        place -= weight
        if place < 0:
            return choice
    return choices[-1][0]
