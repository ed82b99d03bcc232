"""Accuracy on slices of the images: the dark and the bright ones, the blurred, the disputed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.image_quality import image_quality
from fer_core.evaluation.result import EvaluationResult
from fer_core.metrics import Estimate, proportion_estimate

#: Figures of ``ImageQuality`` by which evaluations are cut: title and unit.
IMAGE_SCORES: dict[str, tuple[str, str]] = {
    "brightness": ("Brightness", "mean grey value, 0 to 255"),
    "contrast": ("Contrast", "standard deviation of grey values"),
    "sharpness": ("Sharpness", "variance of the Laplacian"),
}


@dataclass(frozen=True)
class ScoreSlice:
    """Images with similar scores.

    Attributes:
        low: The least score among them.
        high: The greatest.
        n: How many they are.
        accuracy: On them, with Wilson's interval.
    """

    low: float
    high: float
    n: int
    accuracy: Estimate


@dataclass(frozen=True)
class Slicing:
    """All images, cut by a score into slices of nearly equal count.

    Attributes:
        name: The score.
        title: What people call it.
        unit: What its values are.
        slices: From the least score up.
        undefined_n: Images without such a score, which are in no slice.
    """

    name: str
    title: str
    unit: str
    slices: tuple[ScoreSlice, ...]
    undefined_n: int


def slice_by_score(
    result: EvaluationResult,
    scores: NDArray[np.float64],
    *,
    name: str,
    title: str | None = None,
    unit: str = "",
    count: int = 5,
) -> Slicing:
    """Cut an evaluation by a score per image.

    Args:
        result: The evaluation.
        scores: ``[n]``; NaN where an image has none.
        name: Of the score.
        title: What people call it; by default its name.
        unit: What its values are.
        count: How many slices at most; images that share a score stay together, and a score with
            no more than so many values has a slice for each.

    Raises:
        ValueError: ``scores`` has another length.
    """
    if scores.shape != (result.n,):
        raise ValueError(f"scores should be [{result.n}]. Received: {list(scores.shape)}")
    defined = ~np.isnan(scores)
    values, correct = scores[defined], result.is_correct[defined]
    slices = []
    if len(values):
        # Each slice begins with a score that does occur, so that none is empty.
        edges = np.unique(values)
        if len(edges) > count:
            shares = np.linspace(0, 1, count + 1)[:-1]
            edges = np.unique(np.quantile(values, shares, method="higher"))
        numbers = np.searchsorted(edges, values, side="right") - 1
        for number in range(len(edges)):
            inside = numbers == number
            slices.append(
                ScoreSlice(
                    low=float(values[inside].min()),
                    high=float(values[inside].max()),
                    n=int(inside.sum()),
                    accuracy=proportion_estimate(int(correct[inside].sum()), int(inside.sum())),
                )
            )
    return Slicing(name, title or name, unit, tuple(slices), int((~defined).sum()))


def image_slicings(result: EvaluationResult, face_set: FaceSet) -> tuple[Slicing, ...]:
    """Cut an evaluation by brightness, contrast and sharpness.

    Args:
        result: The evaluation.
        face_set: The data that it was made on.
    """
    quality = image_quality(face_set.images[result.rows])
    return tuple(
        slice_by_score(
            result, getattr(quality, name).astype(np.float64), name=name, title=title, unit=unit
        )
        for name, (title, unit) in IMAGE_SCORES.items()
    )
