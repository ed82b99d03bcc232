"""Overall metrics of an evaluation with 95 % bootstrap intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_core.evaluation.confusion_tables import macro_f1_of, recalls_of
from fer_core.metrics import (
    UNDEFINED_ESTIMATE,
    Estimate,
    estimates_from_counts,
    is_among_top,
    ratio,
)


def overall_estimates(
    labels: NDArray[np.integer[Any]], probabilities: NDArray[np.floating[Any]]
) -> dict[str, Estimate]:
    """Return the overall metrics by name: accuracy, macro F1, balanced accuracy and top-2 accuracy.

    Args:
        labels: True labels, ``[n]`` with at least one image.
        probabilities: ``[n, classes]``.
    """
    class_count = probabilities.shape[1]
    is_among_two = is_among_top(labels, probabilities, 2)
    # counts[i, j, k] is the number of images of class i that are predicted as class j. k is 1 for
    # images whose true class is among the two most probable classes, otherwise 0.
    cells = (labels.astype(np.intp) * class_count + probabilities.argmax(axis=1)) * 2 + is_among_two
    counts = np.bincount(cells, minlength=class_count**2 * 2).reshape(class_count, class_count, 2)
    return {
        name: estimates[0] for name, estimates in estimates_from_counts(counts, _overall).items()
    }


def accuracy_estimate(is_correct: NDArray[np.bool_]) -> Estimate:
    """Return the share of correct predictions with its interval; undefined without images."""
    if not len(is_correct):
        return UNDEFINED_ESTIMATE
    counts = np.bincount(is_correct.astype(np.intp), minlength=2)
    estimates = estimates_from_counts(counts, lambda tables: {"accuracy": _share_correct(tables)})
    return estimates["accuracy"][0]


def _share_correct(tables: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """Return the accuracy of each count table ``[tables, 2]`` of wrong and correct predictions."""
    return ratio(tables[:, 1:], tables.sum(axis=1, keepdims=True))


def _overall(tables: NDArray[np.integer[Any]]) -> dict[str, NDArray[np.float64]]:
    """Return the overall metrics of each count table, ``[tables, 1]``.

    Args:
        tables: Numbers of images, ``[tables, true class, predicted class, 2]``. The last index is
            1 for images whose true class is among the two most probable classes.
    """
    confusions = tables.sum(axis=3)
    total = confusions.sum(axis=(1, 2))[:, np.newaxis]
    correct = np.trace(confusions, axis1=1, axis2=2)[:, np.newaxis]
    recalls = recalls_of(confusions)
    defined = ~np.isnan(recalls)
    return {
        "accuracy": ratio(correct, total),
        "macro_f1": macro_f1_of(confusions),
        "balanced_accuracy": ratio(
            np.where(defined, recalls, 0).sum(axis=1, keepdims=True),
            defined.sum(axis=1, keepdims=True),
        ),
        "top2_accuracy": ratio(tables[..., 1].sum(axis=(1, 2))[:, np.newaxis], total),
    }
