"""``EvaluationReport``: a model's figures on one set of images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.duplicates import leaked_rows
from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.vote_targets import plurality_of_targets
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.metrics import (
    ClassFigures,
    accuracy,
    class_figures,
    confusion_matrix,
    cross_entropy,
    expected_calibration_error,
    log_loss,
    macro_f1,
)
from fer_core.predictor import Predictor


@dataclass(frozen=True)
class EvaluationReport:
    """Figures on ``n`` images; those that are undefined are None.

    Attributes:
        n: Number of images.
        accuracy: Share of right predictions, 0 to 1.
        macro_f1: Mean F1 over the classes, 0 to 1.
        loss: Mean cross-entropy after temperature, natural logarithm.
        ece: Expected calibration error after temperature, 15 bins of equal count.
        per_class: In the order of ``EMOTIONS``.
        confusion: int64 ``[7, 7]``, rows true, columns predicted.
        leak_free_n: Images of them whose pixels do not also stand in train.
        leak_free_accuracy: Accuracy on those.
    """

    n: int
    accuracy: float | None
    macro_f1: float | None
    loss: float | None
    ece: float | None
    per_class: tuple[ClassFigures, ...]
    confusion: NDArray[np.int64]
    leak_free_n: int
    leak_free_accuracy: float | None

    def to_json(self) -> dict[str, Any]:
        """The contract's document of ``evaluate``."""
        return {
            "n": self.n,
            "accuracy": self.accuracy,
            "macro_f1": self.macro_f1,
            "loss": self.loss,
            "ece": self.ece,
            "per_class": {
                emotion: {
                    "precision": figures.precision,
                    "recall": figures.recall,
                    "f1": figures.f1,
                    "support": figures.support,
                }
                for emotion, figures in zip(EMOTIONS, self.per_class, strict=True)
            },
            "confusion": self.confusion.tolist(),
            "leak_free": {"n": self.leak_free_n, "accuracy": self.leak_free_accuracy},
        }


def report_on(
    labels: NDArray[np.int8],
    probabilities: NDArray[np.float32],
    is_leaked: NDArray[np.bool_] | None = None,
) -> EvaluationReport:
    """Compute a report.

    Args:
        labels: True labels, int8 ``[n]``.
        probabilities: float32 ``[n, 7]``, after temperature.
        is_leaked: bool ``[n]``: which images also stand in train; none by default.
    """
    clean = np.ones(len(labels), dtype=bool) if is_leaked is None else ~is_leaked
    confusion = confusion_matrix(labels, probabilities.argmax(axis=1))
    figures = class_figures(confusion)
    return EvaluationReport(
        n=len(labels),
        accuracy=accuracy(labels, probabilities),
        macro_f1=macro_f1(figures),
        loss=log_loss(labels, probabilities),
        ece=expected_calibration_error(labels, probabilities),
        per_class=figures,
        confusion=confusion,
        leak_free_n=int(clean.sum()),
        leak_free_accuracy=accuracy(labels[clean], probabilities[clean]),
    )


def evaluate(predictor: Predictor, face_set: FaceSet, split: str) -> EvaluationReport:
    """Predict a split's images and report on them.

    Args:
        predictor: The model.
        face_set: The data.
        split: ``train``, ``validation``, ``test`` or ``all``.

    Raises:
        InputError: The split does not exist or has no images.
    """
    rows = face_set.rows(split)
    if not len(rows):
        raise InputError(f"The dataset has no {split} images; choose another split with --split.")
    probabilities = predictor.probabilities(face_set.images[rows])
    is_leaked = np.zeros(len(rows), dtype=bool)
    for held_out in ("validation", "test"):
        is_leaked |= np.isin(rows, leaked_rows(face_set, held_out))
    return report_on(face_set.labels[rows], probabilities, is_leaked)


def report_against_votes(
    targets: NDArray[np.float32], probabilities: NDArray[np.float32]
) -> dict[str, Any]:
    """Figures against annotator votes, as they stand in a bundle's record under ``votes``.

    Args:
        targets: Vote distributions, float32 ``[n, 7]``; a row of zeros has no usable votes.
        probabilities: float32 ``[n, 7]``, after temperature.

    Returns:
        The contract's figures against the plurality, without ``leak_free``, on images with one
        winner, and ``ties``, the images with votes on which emotions tie; ``loss`` is the
        cross-entropy to the distribution on all images with usable votes.
    """
    plurality = plurality_of_targets(targets)
    is_single, is_usable = plurality >= 0, targets.any(axis=1)
    figures = report_on(plurality[is_single], probabilities[is_single]).to_json()
    del figures["leak_free"]
    return figures | {
        "loss": cross_entropy(targets[is_usable], probabilities[is_usable]),
        "ties": int((is_usable & ~is_single).sum()),
    }
