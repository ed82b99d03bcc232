"""Metrics of each class: precision, recall, F1 and one-vs-rest curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_core.evaluation.confusion_tables import f1s_of, precisions_of, recalls_of
from fer_core.metrics import (
    Estimate,
    PrecisionRecallCurve,
    RocCurve,
    estimates_from_counts,
    precision_recall_curve,
    roc_curve,
)


@dataclass(frozen=True, eq=False)
class ClassResult:
    """Metrics of one class.

    Attributes:
        name: The class.
        precision: Precision with a 95 % bootstrap interval; undefined if the class is never
            predicted.
        recall: Recall with its interval; undefined if the class does not occur.
        f1: F1 with its interval; undefined if the class neither occurs nor is predicted.
        support: Number of images of the class.
        predicted_count: Number of images predicted as the class.
        roc: One-vs-rest ROC curve; None if the class or the rest does not occur.
        precision_recall: Precision-recall curve; None if the class does not occur.
        auc: Area under the ROC curve, 0 to 1; None if ``roc`` is None.
        average_precision: Average precision, 0 to 1; None if ``precision_recall`` is None.
    """

    name: str
    precision: Estimate
    recall: Estimate
    f1: Estimate
    support: int
    predicted_count: int
    roc: RocCurve | None
    precision_recall: PrecisionRecallCurve | None
    auc: float | None
    average_precision: float | None


def evaluate_classes(
    labels: NDArray[np.integer[Any]],
    probabilities: NDArray[np.floating[Any]],
    confusion: NDArray[np.int64],
    classes: Sequence[str],
) -> tuple[ClassResult, ...]:
    """Compute the metrics of each class.

    Args:
        labels: True labels, ``[n]``.
        probabilities: ``[n, classes]``.
        confusion: ``[classes, classes]``, rows true, columns predicted.
        classes: Class names, in the order of the labels.
    """
    estimates = estimates_from_counts(
        confusion,
        lambda tables: {
            "precision": precisions_of(tables),
            "recall": recalls_of(tables),
            "f1": f1s_of(tables),
        },
    )
    results = []
    for index, name in enumerate(classes):
        is_class = labels == index
        scores = probabilities[:, index]
        roc, area = roc_curve(is_class, scores) or (None, None)
        precision_recall, average = precision_recall_curve(is_class, scores) or (None, None)
        results.append(
            ClassResult(
                name=name,
                precision=estimates["precision"][index],
                recall=estimates["recall"][index],
                f1=estimates["f1"][index],
                support=int(confusion[index].sum()),
                predicted_count=int(confusion[:, index].sum()),
                roc=roc,
                precision_recall=precision_recall,
                auc=area,
                average_precision=average,
            )
        )
    return tuple(results)
