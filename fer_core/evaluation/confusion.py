"""The confusion matrix, and the images behind its cells."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fer_core.evaluation.result import EvaluationResult
from fer_core.metrics import confusion_matrix, ratio


def confusion_counts(result: EvaluationResult) -> NDArray[np.int64]:
    """Images per cell, int64 ``[7, 7]``: rows are true emotions, columns predicted ones."""
    return confusion_matrix(result.labels, result.predicted)


def normalized_confusion(
    counts: NDArray[np.int64], by: Literal["row", "column"]
) -> NDArray[np.float64]:
    """Shares instead of counts.

    Args:
        counts: int64 ``[7, 7]``.
        by: ``row``: of the images of each true emotion, so that the diagonal is recall;
            ``column``: of the images taken for each emotion, so that it is precision.

    Returns:
        float64 ``[7, 7]``, NaN in a row or column without images.
    """
    totals = counts.sum(axis=1 if by == "row" else 0, keepdims=True)
    return ratio(counts, np.broadcast_to(totals, counts.shape))


def cell_positions(result: EvaluationResult, true: int, predicted: int) -> NDArray[np.intp]:
    """Positions of the images in a cell, those of which the model is surest first.

    Args:
        result: The evaluation.
        true: Index of the true emotion.
        predicted: Index of the predicted one.
    """
    positions = np.flatnonzero((result.labels == true) & (result.predicted == predicted))
    return positions[np.argsort(-result.confidence[positions], kind="stable")]
