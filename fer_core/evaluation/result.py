"""``EvaluationResult``: the predictions of a model for a split, and all metrics computed from them.

The command line, the evaluate page, the HTML report, the model card and the last step of a training
use this result.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_core.emotions import EMOTIONS
from fer_core.evaluation.breakdowns import RobustnessCurve, Slicing
from fer_core.evaluation.calibration_analysis import CalibrationAnalysis, analyze_calibration
from fer_core.evaluation.coverage import (
    CoverageCurve,
    CoveragePoint,
    coverage_curve,
    coverage_point,
)
from fer_core.evaluation.facts import ResultFacts
from fer_core.evaluation.overall import accuracy_estimate, overall_estimates
from fer_core.evaluation.per_class import ClassResult, evaluate_classes
from fer_core.evaluation.seen_images import SeenImages
from fer_core.metrics import (
    Estimate,
    ThresholdCurve,
    accuracy,
    apply_temperature,
    confusion_matrix,
    expected_calibration_error,
    log_loss,
    log_losses,
    macro_f1,
    mean_estimate,
    per_class_metrics,
    threshold_curve,
)

#: Human accuracy on FER2013 as (value, low, high): Goodfellow et al., "Challenges in
#: representation learning: a report on three machine learning contests", ICONIP 2013.
HUMAN_ACCURACY = (0.65, 0.60, 0.70)


@dataclass(frozen=True, eq=False)
class EvaluationResult:
    """The predictions of a model for ``n`` images (at least one), with their true labels.

    Metrics that take long are computed on first access and then kept. Metrics of type
    ``Estimate`` carry a 95 % confidence interval. A metric that is undefined, such as the recall of
    a class without images, has the value None.

    Attributes:
        bundle_name: The model.
        dataset_name: The dataset; None for the validation predictions stored in the bundle, which
            come without images.
        split: ``train``, ``validation``, ``test`` or ``all``.
        labels: True labels, int8 ``[n]``, indices into ``classes``.
        unscaled_probabilities: Probabilities before temperature scaling and after the bundle's
            logit adjustment, if it has one, float32 ``[n, classes]``.
        temperature: The temperature of the bundle.
        rows: The row of each image in its dataset, ``[n]``; 0 to n - 1 without a dataset.
        names: The origin of each image, such as its path; empty without a dataset.
        is_leaked: True for images in train, and for images that have an exact copy or a
            near-duplicate in train, bool ``[n]``. None if unknown.
        is_near_duplicate: True for images that are not in train and have only a near-duplicate (the
            same photo with other pixels) in train, bool ``[n]``. None if unknown.
        data_fingerprint: Fingerprint of the dataset; empty if unknown.
        facts: Properties of the evaluation that change the meaning of its metrics, such as drawn
            faces or test images, and warnings about them.
        classes: Class names, in the order of ``labels`` and ``unscaled_probabilities``.
        slicings: Accuracy by image scores, such as the brightness. It is computed from the images,
            so it is empty unless the caller adds it with ``dataclasses.replace``.
        robustness: Accuracy under image corruptions. Measuring it takes minutes, so it is empty
            unless the caller adds it with ``dataclasses.replace``.
        has_vote_labels: True if the labels are the plurality of annotator votes.
        seen: Which of the images the model has seen in its training; None if unknown.

    Raises:
        ValueError: The shapes are inconsistent.
    """

    bundle_name: str
    dataset_name: str | None
    split: str
    labels: NDArray[np.int8]
    unscaled_probabilities: NDArray[np.float32]
    temperature: float
    rows: NDArray[np.intp]
    names: tuple[str, ...] = ()
    is_leaked: NDArray[np.bool_] | None = None
    is_near_duplicate: NDArray[np.bool_] | None = None
    data_fingerprint: str = ""
    facts: ResultFacts = field(default_factory=ResultFacts)
    classes: tuple[str, ...] = EMOTIONS
    slicings: tuple[Slicing, ...] = ()
    robustness: tuple[RobustnessCurve, ...] = ()
    has_vote_labels: bool = False
    seen: SeenImages | None = None

    def __post_init__(self) -> None:
        count = len(self.labels)
        if self.unscaled_probabilities.shape != (count, len(self.classes)):
            raise ValueError(
                f"unscaled_probabilities should be [{count}, {len(self.classes)}]. "
                f"Received: {list(self.unscaled_probabilities.shape)}"
            )
        if self.rows.shape != (count,) or (self.names and len(self.names) != count):
            raise ValueError(
                f"rows and names should have {count} entries. Received: {len(self.rows)}, "
                f"{len(self.names)}"
            )

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences for display about everything that changes the meaning of the metrics."""
        return (*(() if self.seen is None else self.seen.warnings), *self.facts.warnings)

    # Predictions

    @property
    def n(self) -> int:
        """Number of images."""
        return len(self.labels)

    @cached_property
    def probabilities(self) -> NDArray[np.float32]:
        """Probabilities after temperature scaling, float32 ``[n, classes]``."""
        return apply_temperature(self.unscaled_probabilities, self.temperature)

    @cached_property
    def predicted(self) -> NDArray[np.intp]:
        """Index of the most probable class, ``[n]``."""
        return np.asarray(self.probabilities.argmax(axis=1))

    @cached_property
    def confidence(self) -> NDArray[np.float32]:
        """Probability of the most probable class, float32 ``[n]``."""
        return np.asarray(self.probabilities.max(axis=1, initial=0))

    @cached_property
    def is_correct(self) -> NDArray[np.bool_]:
        """True where the most probable class is the true class, bool ``[n]``."""
        return np.asarray(self.predicted == self.labels)

    # Overall metrics

    @property
    def accuracy(self) -> Estimate:
        """Share of correct predictions."""
        return self._overall["accuracy"]

    @property
    def macro_f1(self) -> Estimate:
        """Mean F1 over the classes that occur or are predicted."""
        return self._overall["macro_f1"]

    @property
    def balanced_accuracy(self) -> Estimate:
        """Mean recall over the classes that occur."""
        return self._overall["balanced_accuracy"]

    @property
    def top2_accuracy(self) -> Estimate:
        """Share of images whose true class is among the two most probable classes."""
        return self._overall["top2_accuracy"]

    @cached_property
    def log_loss(self) -> Estimate:
        """Mean cross-entropy after temperature scaling, natural logarithm."""
        return mean_estimate(log_losses(self.labels, self.probabilities))

    @cached_property
    def leak_free_n(self) -> int | None:
        """Number of images that are not in train and have no copy or near-duplicate there.

        None if unknown.
        """
        return None if self.is_leaked is None else int((~self.is_leaked).sum())

    @property
    def near_duplicate_count(self) -> int | None:
        """Number of images that appear in train as near-duplicates only; None if unknown."""
        return None if self.is_near_duplicate is None else int(self.is_near_duplicate.sum())

    @cached_property
    def leak_free_accuracy(self) -> Estimate | None:
        """Accuracy on the images that ``leak_free_n`` counts; None if unknown."""
        return (
            None if self.is_leaked is None else accuracy_estimate(self.is_correct[~self.is_leaked])
        )

    @property
    def majority_class(self) -> int:
        """Index of the most frequent class."""
        return int(self.confusion.sum(axis=1).argmax())

    @property
    def baseline_accuracy(self) -> float:
        """Accuracy of the majority-class baseline, which always predicts ``majority_class``."""
        return float(self.confusion.sum(axis=1).max() / self.n)

    @property
    def human_accuracy(self) -> tuple[float, float, float] | None:
        """Human accuracy on the images as (value, low, high); None if they are not FER2013's."""
        return HUMAN_ACCURACY if self.facts.is_fer2013 else None

    @cached_property
    def _overall(self) -> dict[str, Estimate]:
        return overall_estimates(self.labels, self.probabilities)

    # Metrics per class

    @cached_property
    def confusion(self) -> NDArray[np.int64]:
        """Confusion matrix, int64 ``[classes, classes]``: rows true, columns predicted."""
        return confusion_matrix(self.labels, self.predicted, len(self.classes))

    @cached_property
    def per_class(self) -> tuple[ClassResult, ...]:
        """Precision, recall, F1 and one-vs-rest curves of each class, ordered as ``classes``."""
        return evaluate_classes(self.labels, self.probabilities, self.confusion, self.classes)

    def threshold_curve(self, class_index: int) -> ThresholdCurve:
        """Return precision, recall and F1 of one class against the rest, by decision threshold."""
        return threshold_curve(self.labels == class_index, self.probabilities[:, class_index])

    # Calibration

    @cached_property
    def calibration(self) -> CalibrationAnalysis:
        """Calibration before and after temperature scaling."""
        return analyze_calibration(
            self.labels, self.unscaled_probabilities, self.probabilities, self.temperature
        )

    @cached_property
    def coverage(self) -> CoverageCurve:
        """Accuracy and coverage by minimum confidence."""
        return coverage_curve(self.confidence, self.is_correct)

    def coverage_at(self, threshold: float) -> CoveragePoint:
        """Return accuracy and coverage at a minimum confidence of ``threshold`` (0 to 1)."""
        return coverage_point(self.confidence, self.is_correct, threshold)

    def to_json(self) -> dict[str, Any]:
        """Return the metrics that ``evaluate --json`` prints, without intervals.

        Without bootstrap intervals, this is fast for any number of images.
        ``tables.evaluation_document`` returns the metrics with intervals.
        """
        labels, probabilities = self.labels, self.probabilities
        metrics = per_class_metrics(self.confusion)
        document: dict[str, Any] = {
            "n": self.n,
            "accuracy": accuracy(labels, probabilities),
            "macro_f1": macro_f1(metrics),
            "loss": log_loss(labels, probabilities),
            "ece": expected_calibration_error(labels, probabilities),
            "per_class": {
                name: {
                    "precision": class_metrics.precision,
                    "recall": class_metrics.recall,
                    "f1": class_metrics.f1,
                    "support": class_metrics.support,
                }
                for name, class_metrics in zip(self.classes, metrics, strict=True)
            },
            "confusion": self.confusion.tolist(),
            "leak_free": None,
        }
        if self.is_leaked is not None:
            is_leak_free = ~self.is_leaked
            document["leak_free"] = {
                "n": int(is_leak_free.sum()),
                "accuracy": accuracy(labels[is_leak_free], probabilities[is_leak_free]),
                "near_copies": self.near_duplicate_count,
            }
        document["seen"] = None if self.seen is None else self.seen.to_json()
        return document
