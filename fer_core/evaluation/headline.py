"""The headline: how good a model is in five figures, beside what they are to be compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_core.emotions import EMOTIONS
from fer_core.evaluation.counting import macro_f1_of, recalls_of
from fer_core.evaluation.result import EvaluationResult
from fer_core.metrics import (
    UNDEFINED,
    Estimate,
    estimates_from_counts,
    is_among_top,
    log_losses,
    mean_estimate,
    ratio,
)

#: What people reach on FER2013 and how far that is uncertain: Goodfellow et al., "Challenges in
#: representation learning: a report on three machine learning contests", ICONIP 2013.
HUMAN_ACCURACY = (0.65, 0.60, 0.70)


@dataclass(frozen=True)
class Headline:
    """Figures on ``n`` images, each with its 95 % bootstrap interval.

    Attributes:
        n: Number of images.
        accuracy: Share of right predictions.
        macro_f1: Mean F1 over the classes that occur or are predicted.
        balanced_accuracy: Mean recall over the classes that occur.
        log_loss: Mean cross-entropy after temperature, natural logarithm.
        top2_accuracy: Share of images whose true class is among the two most probable.
        leak_free_n: Images whose pixels do not also stand in train; None where that is not known.
        leak_free_accuracy: Accuracy on those; None where it is not known which they are.
        baseline_accuracy: What always saying the largest class would reach.
        baseline_emotion: That class.
        human_accuracy: What people reach, and its range; None where that is not known.
    """

    n: int
    accuracy: Estimate
    macro_f1: Estimate
    balanced_accuracy: Estimate
    log_loss: Estimate
    top2_accuracy: Estimate
    leak_free_n: int | None
    leak_free_accuracy: Estimate | None
    baseline_accuracy: float
    baseline_emotion: int
    human_accuracy: tuple[float, float, float] | None


def headline(result: EvaluationResult) -> Headline:
    """Compute the headline of an evaluation with at least one image."""
    labels = result.labels
    size = len(EMOTIONS)
    among_two = is_among_top(labels, result.probabilities, 2)
    cells = (labels.astype(np.intp) * size + result.predicted) * 2 + among_two
    counts = np.bincount(cells, minlength=size * size * 2).reshape(size, size, 2)
    estimates = estimates_from_counts(counts, _figures)
    supports = counts.sum(axis=(1, 2))
    clean = None if result.is_leaked is None else ~result.is_leaked
    return Headline(
        n=result.n,
        accuracy=estimates["accuracy"][0],
        macro_f1=estimates["macro_f1"][0],
        balanced_accuracy=estimates["balanced_accuracy"][0],
        log_loss=mean_estimate(log_losses(labels, result.probabilities)),
        top2_accuracy=estimates["top2_accuracy"][0],
        leak_free_n=None if clean is None else int(clean.sum()),
        leak_free_accuracy=None if clean is None else accuracy_estimate(result.is_correct[clean]),
        baseline_accuracy=float(supports.max() / result.n),
        baseline_emotion=int(supports.argmax()),
        human_accuracy=HUMAN_ACCURACY if result.facts.is_fer2013 else None,
    )


def accuracy_estimate(is_correct: NDArray[np.bool_]) -> Estimate:
    """The share of right predictions with its bootstrap interval; undefined without images."""
    if not len(is_correct):
        return UNDEFINED
    counts = np.bincount(is_correct.astype(np.intp), minlength=2)
    return estimates_from_counts(counts, lambda tables: {"": _share_of_hits(tables)})[""][0]


def _share_of_hits(tables: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    return ratio(tables[:, 1:], tables.sum(axis=1, keepdims=True))


def _figures(tables: NDArray[np.integer[Any]]) -> dict[str, NDArray[np.float64]]:
    """Figures of tables ``[tables, true, predicted, among the two most probable]``."""
    confusions = tables.sum(axis=3)
    total = confusions.sum(axis=(1, 2))[:, np.newaxis]
    hits = np.trace(confusions, axis1=1, axis2=2)[:, np.newaxis]
    recalls = recalls_of(confusions)
    defined = ~np.isnan(recalls)
    return {
        "accuracy": ratio(hits, total),
        "macro_f1": macro_f1_of(confusions),
        "balanced_accuracy": ratio(
            np.where(defined, recalls, 0).sum(axis=1, keepdims=True),
            defined.sum(axis=1, keepdims=True),
        ),
        "top2_accuracy": ratio(tables[..., 1].sum(axis=(1, 2))[:, np.newaxis], total),
    }
