"""Accuracy on slices of the images, such as dark images or images with little contrast."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.image_quality import image_quality
from fer_core.evaluation.breakdowns import ScoreSlice, Slicing
from fer_core.evaluation.result import EvaluationResult
from fer_core.metrics import proportion_estimate

#: Title and unit of the scores of ``ImageQuality`` that are used for slices.
IMAGE_SCORES: dict[str, tuple[str, str]] = {
    "brightness": ("Brightness", "mean gray value, 0 to 255"),
    "contrast": ("Contrast", "standard deviation of gray values"),
    "sharpness": ("Sharpness", "variance of the Laplacian"),
}


def slice_by_score(
    result: EvaluationResult,
    scores: NDArray[np.float64],
    *,
    name: str,
    title: str | None = None,
    unit: str = "",
    count: int = 5,
) -> Slicing:
    """Divide an evaluation into slices by an image score: one number per image.

    Args:
        result: The evaluation.
        scores: ``[n]``; NaN for images without a score.
        name: Name of the score.
        title: Name of the score for display; by default ``name``.
        unit: Unit of the scores.
        count: Maximum number of slices. Images with equal scores are in the same slice. If there
            are at most ``count`` distinct scores, each score gets a slice.

    Raises:
        ValueError: ``scores`` has another length.
    """
    if scores.shape != (result.n,):
        raise ValueError(f"scores should be [{result.n}]. Received: {list(scores.shape)}")
    defined = ~np.isnan(scores)
    values, is_correct = scores[defined], result.is_correct[defined]
    slices = []
    if len(values):
        # Each slice starts at a score that occurs, so no slice is empty.
        edges = np.unique(values)
        if len(edges) > count:
            shares = np.linspace(0, 1, count + 1)[:-1]
            edges = np.unique(np.quantile(values, shares, method="higher"))
        slice_indices = np.searchsorted(edges, values, side="right") - 1
        for index in range(len(edges)):
            in_slice = slice_indices == index
            slices.append(
                ScoreSlice(
                    low=float(values[in_slice].min()),
                    high=float(values[in_slice].max()),
                    n=int(in_slice.sum()),
                    accuracy=proportion_estimate(
                        int(is_correct[in_slice].sum()), int(in_slice.sum())
                    ),
                )
            )
    return Slicing(name, title or name, unit, tuple(slices), int((~defined).sum()))


def image_slicings(result: EvaluationResult, face_set: FaceSet) -> tuple[Slicing, ...]:
    """Divide an evaluation into slices by brightness, contrast and sharpness.

    Args:
        result: The evaluation.
        face_set: The evaluated data.
    """
    quality = image_quality(face_set.images[result.rows])
    return tuple(
        slice_by_score(
            result, getattr(quality, name).astype(np.float64), name=name, title=title, unit=unit
        )
        for name, (title, unit) in IMAGE_SCORES.items()
    )
