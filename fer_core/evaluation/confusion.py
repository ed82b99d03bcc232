"""The normalized confusion matrix, and the images in its cells."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fer_core.evaluation.result import EvaluationResult
from fer_core.metrics import ratio


def normalized_confusion(
    counts: NDArray[np.int64], by: Literal["row", "column"]
) -> NDArray[np.float64]:
    """Normalize a confusion matrix.

    Args:
        counts: int64 ``[classes, classes]``, rows true, columns predicted.
        by: ``row``: share of the images of each true class, so the diagonal is the recall;
            ``column``: share of the images predicted as each class, so the diagonal is the
            precision.

    Returns:
        float64 ``[classes, classes]``, NaN in a row or column without images.
    """
    totals = counts.sum(axis=1 if by == "row" else 0, keepdims=True)
    return ratio(counts, np.broadcast_to(totals, counts.shape))


def cell_positions(result: EvaluationResult, true: int, predicted: int) -> NDArray[np.intp]:
    """Return the positions of the images in a cell of the confusion matrix.

    The positions are indices into the arrays of the evaluation. The most confident predictions come
    first.

    Args:
        result: The evaluation.
        true: Index of the true class.
        predicted: Index of the predicted class.
    """
    positions = np.flatnonzero((result.labels == true) & (result.predicted == predicted))
    return positions[np.argsort(-result.confidence[positions], kind="stable")]
