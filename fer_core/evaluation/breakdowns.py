"""The optional parts of an evaluation: accuracy by an image score, and accuracy by corruption.

An image score is one number per image: its brightness, contrast or sharpness, or the agreement of
its annotators.
"""

from __future__ import annotations

from dataclasses import dataclass

from fer_core.metrics import Estimate


@dataclass(frozen=True)
class ScoreSlice:
    """Images with similar image scores.

    Attributes:
        low: Lowest score in the slice.
        high: Highest score in the slice.
        n: Number of images.
        accuracy: Accuracy on the slice with Wilson's interval.
    """

    low: float
    high: float
    n: int
    accuracy: Estimate


@dataclass(frozen=True)
class Slicing:
    """The images, divided by an image score into slices with nearly equal numbers of images.

    Attributes:
        name: Name of the score.
        title: Name of the score for display.
        unit: Unit of the score.
        slices: The slices by increasing score.
        undefined_n: Number of images without a score. These images are in none of the slices.
    """

    name: str
    title: str
    unit: str
    slices: tuple[ScoreSlice, ...]
    undefined_n: int


@dataclass(frozen=True)
class RobustnessPoint:
    """Accuracy at one strength of a corruption.

    Attributes:
        strength: Strength in the unit of the corruption.
        accuracy: Accuracy with Wilson's interval.
    """

    strength: float
    accuracy: Estimate


@dataclass(frozen=True)
class RobustnessCurve:
    """Accuracy under one corruption.

    Attributes:
        name: Name of the corruption.
        title: Name of the corruption for display.
        unit: Unit of the strengths.
        points: The accuracy on the unchanged images, then at each strength from mild to severe.
        n: Number of images.
    """

    name: str
    title: str
    unit: str
    points: tuple[RobustnessPoint, ...]
    n: int
