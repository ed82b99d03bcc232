"""Each emotion on its own: precision, recall, F1, curves, and what a threshold would do."""

from __future__ import annotations

from dataclasses import dataclass

from fer_core.emotions import EMOTIONS
from fer_core.evaluation.confusion import confusion_counts
from fer_core.evaluation.counting import f1s_of, precisions_of, recalls_of
from fer_core.evaluation.result import EvaluationResult
from fer_core.metrics import (
    Estimate,
    PrecisionRecallCurve,
    RocCurve,
    ThresholdCurve,
    estimates_from_counts,
    precision_recall_curve,
    roc_curve,
)
from fer_core.metrics import threshold_curve as curve_over_thresholds


@dataclass(frozen=True, eq=False)
class ClassAssessment:
    """The figures of one emotion.

    Attributes:
        emotion: Its index.
        precision: With its 95 % bootstrap interval, as all here; undefined if never predicted.
        recall: Undefined if it does not occur.
        f1: Undefined if neither.
        support: Images of it.
        predicted_count: Images taken for it.
        roc: One against the rest; None if it or the rest does not occur.
        precision_recall: None if it does not occur.
        auc: Area under the ROC curve, 0 to 1; None as ``roc``.
        average_precision: 0 to 1; None as ``precision_recall``.
    """

    emotion: int
    precision: Estimate
    recall: Estimate
    f1: Estimate
    support: int
    predicted_count: int
    roc: RocCurve | None
    precision_recall: PrecisionRecallCurve | None
    auc: float | None
    average_precision: float | None


def assess_classes(result: EvaluationResult) -> tuple[ClassAssessment, ...]:
    """Assess each of the seven emotions, in their order."""
    counts = confusion_counts(result)
    estimates = estimates_from_counts(
        counts,
        lambda tables: {
            "precision": precisions_of(tables),
            "recall": recalls_of(tables),
            "f1": f1s_of(tables),
        },
    )
    classes = []
    for emotion in range(len(EMOTIONS)):
        is_class = result.labels == emotion
        scores = result.probabilities[:, emotion]
        roc, area = roc_curve(is_class, scores) or (None, None)
        precision_recall, average = precision_recall_curve(is_class, scores) or (None, None)
        classes.append(
            ClassAssessment(
                emotion=emotion,
                precision=estimates["precision"][emotion],
                recall=estimates["recall"][emotion],
                f1=estimates["f1"][emotion],
                support=int(counts[emotion].sum()),
                predicted_count=int(counts[:, emotion].sum()),
                roc=roc,
                precision_recall=precision_recall,
                auc=area,
                average_precision=average,
            )
        )
    return tuple(classes)


def threshold_curve(result: EvaluationResult, emotion: int) -> ThresholdCurve:
    """Precision, recall and F1 of an emotion against the rest, by the threshold on its probability.

    Args:
        result: The evaluation.
        emotion: Its index.
    """
    return curve_over_thresholds(result.labels == emotion, result.probabilities[:, emotion])
