"""Comparison of two models on the same images, with a test of statistical significance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_core.classes import match_class
from fer_core.errors import InputError
from fer_core.evaluation.confusion_tables import f1s_of, recalls_of
from fer_core.evaluation.result import EvaluationResult
from fer_core.metrics import Estimate, estimates_from_counts, mcnemar_test, ratio

#: A difference with a p-value below this level is called statistically significant.
SIGNIFICANCE_LEVEL = 0.05


@dataclass(frozen=True)
class ClassComparison:
    """Two models on one class. Differences are second model minus first model.

    Attributes:
        name: The class.
        support: Number of images of the class.
        first_recall: Recall of the first model, 0 to 1; None if the class does not occur.
        second_recall: Recall of the second model, 0 to 1; None if the class does not occur.
        first_f1: F1 of the first model, 0 to 1; None if the class neither occurs nor is predicted.
        second_f1: F1 of the second model, 0 to 1; None if the class neither occurs nor is
            predicted.
        recall_difference: Difference of recall with its paired 95 % bootstrap interval.
        f1_difference: Difference of F1 with its paired 95 % bootstrap interval.
    """

    name: str
    support: int
    first_recall: float | None
    second_recall: float | None
    first_f1: float | None
    second_f1: float | None
    recall_difference: Estimate
    f1_difference: Estimate


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two models on the same ``n`` images.

    Attributes:
        first_name: The first model.
        second_name: The second model.
        n: Number of images of classes that both models have.
        first_accuracy: Accuracy of the first model, 0 to 1.
        second_accuracy: Accuracy of the second model, 0 to 1.
        difference: Accuracy of the second model minus that of the first, with a paired 95 %
            bootstrap interval.
        both_correct: Number of images that both models classify correctly.
        only_first: Number of images that only the first model classifies correctly.
        only_second: Number of images that only the second model classifies correctly.
        both_wrong: Number of images that both models misclassify.
        only_first_positions: The positions of the ``only_first`` images in the second evaluation,
            because the wrong predictions are in that evaluation. The images are ordered by
            decreasing confidence of the first model.
        only_second_positions: The positions of the ``only_second`` images in the first evaluation,
            because the wrong predictions are in that evaluation. The images are ordered by
            decreasing confidence of the second model.
        both_wrong_positions: The positions of the ``both_wrong`` images in the first evaluation.
            The images are ordered by decreasing confidence of the first model.
        p_value: The p-value of McNemar's test.
        test: The variant of McNemar's test.
        per_class: The classes that both models have, in the order of the first model.
        sentence: The outcome as one sentence.
    """

    first_name: str
    second_name: str
    n: int
    first_accuracy: float
    second_accuracy: float
    difference: Estimate
    both_correct: int
    only_first: int
    only_second: int
    both_wrong: int
    only_first_positions: NDArray[np.intp]
    only_second_positions: NDArray[np.intp]
    both_wrong_positions: NDArray[np.intp]
    p_value: float
    test: str
    per_class: tuple[ClassComparison, ...]
    sentence: str


def compare(first: EvaluationResult, second: EvaluationResult) -> Comparison:
    """Compare two models.

    If the models have different classes, only the images of common classes are compared. A
    prediction of any other class counts as wrong.

    Args:
        first: The evaluation of the first model.
        second: The evaluation of the second model on the same images.

    Raises:
        InputError: The images or their labels differ, the dataset of an evaluation is unknown, or
            no image has a class that both models have.
    """
    pair = _align(first, second)
    class_count = len(pair.classes) + pair.has_other_classes
    # counts[i, j, k] is the number of images of class i that the first model predicts as class j,
    # and the second model as class k.
    cells = (pair.labels * class_count + pair.first_predicted) * class_count + pair.second_predicted
    counts = np.bincount(cells, minlength=class_count**3).reshape((class_count,) * 3)
    differences = estimates_from_counts(counts, _differences)
    metrics = _metrics_of_both(counts[np.newaxis])
    first_correct = pair.first_predicted == pair.labels
    second_correct = pair.second_predicted == pair.labels
    only_first_indices = np.flatnonzero(first_correct & ~second_correct)
    only_second_indices = np.flatnonzero(second_correct & ~first_correct)
    both_wrong_indices = np.flatnonzero(~first_correct & ~second_correct)
    first_confidence = first.confidence[pair.first_positions]
    second_confidence = second.confidence[pair.second_positions]
    p_value, test = mcnemar_test(len(only_first_indices), len(only_second_indices))
    difference = differences["accuracy"][0]
    return Comparison(
        first_name=first.bundle_name,
        second_name=second.bundle_name,
        n=len(pair.labels),
        first_accuracy=float(first_correct.mean()),
        second_accuracy=float(second_correct.mean()),
        difference=difference,
        both_correct=int((first_correct & second_correct).sum()),
        only_first=len(only_first_indices),
        only_second=len(only_second_indices),
        both_wrong=len(both_wrong_indices),
        only_first_positions=pair.second_positions[
            _by_confidence(only_first_indices, first_confidence)
        ],
        only_second_positions=pair.first_positions[
            _by_confidence(only_second_indices, second_confidence)
        ],
        both_wrong_positions=pair.first_positions[
            _by_confidence(both_wrong_indices, first_confidence)
        ],
        p_value=p_value,
        test=test,
        per_class=tuple(
            ClassComparison(
                name=name,
                support=int(counts[index].sum()),
                first_recall=_none_if_nan(metrics["first_recall"][0, index]),
                second_recall=_none_if_nan(metrics["second_recall"][0, index]),
                first_f1=_none_if_nan(metrics["first_f1"][0, index]),
                second_f1=_none_if_nan(metrics["second_f1"][0, index]),
                recall_difference=differences["recall"][index],
                f1_difference=differences["f1"][index],
            )
            for index, name in enumerate(pair.classes)
        ),
        sentence=_summary(
            first.bundle_name, second.bundle_name, difference, p_value, len(pair.labels)
        ),
    )


@dataclass(frozen=True, eq=False)
class _Pair:
    """Two evaluations on the same ``n`` images, with labels of common classes.

    Attributes:
        classes: The classes that both models have.
        has_other_classes: True if a model can predict a class that the other model does not have.
            Such a prediction has the index ``len(classes)``.
        labels: True classes, intp ``[n]``.
        first_predicted: Predictions of the first model, intp ``[n]``.
        second_predicted: Predictions of the second model, intp ``[n]``.
        first_positions: The position of each image in the first evaluation, intp ``[n]``.
        second_positions: The position of each image in the second evaluation, intp ``[n]``.
    """

    classes: tuple[str, ...]
    has_other_classes: bool
    labels: NDArray[np.intp]
    first_predicted: NDArray[np.intp]
    second_predicted: NDArray[np.intp]
    first_positions: NDArray[np.intp]
    second_positions: NDArray[np.intp]


def _align(first: EvaluationResult, second: EvaluationResult) -> _Pair:
    """Return the images of common classes, with labels and predictions as common class indices.

    Raises:
        InputError: No image has a class that both models have, or the images or their labels
            differ.
    """
    second_indices = [match_class(name, second.classes) for name in first.classes]
    matches = [(index, match) for index, match in enumerate(second_indices) if match is not None]
    common = [index for index, _ in matches]
    # A common class gets its position in ``common``. Every other class gets the position
    # len(common).
    first_to_common = np.full(len(first.classes), len(common))
    second_to_common = np.full(len(second.classes), len(common))
    first_to_common[common] = np.arange(len(common))
    second_to_common[[match for _, match in matches]] = np.arange(len(common))
    # Images of other classes are left out.
    first_rows = np.flatnonzero(first_to_common[first.labels] < len(common))
    second_rows = np.flatnonzero(second_to_common[second.labels] < len(common))
    labels = first_to_common[first.labels[first_rows]]
    if (
        not first.data_fingerprint
        or first.data_fingerprint != second.data_fingerprint
        or first.split != second.split
        or not np.array_equal(first.rows[first_rows], second.rows[second_rows])
        or not np.array_equal(labels, second_to_common[second.labels[second_rows]])
    ):
        raise InputError(
            f"{first.bundle_name!r} and {second.bundle_name!r} were not evaluated on the same "
            "images; evaluate both on the same split of one dataset."
        )
    if not len(labels):
        raise InputError(
            f"{first.bundle_name!r} and {second.bundle_name!r} have no class of these images in "
            "common; compare models of the same classes."
        )
    return _Pair(
        classes=tuple(first.classes[index] for index in common),
        has_other_classes=max(len(first.classes), len(second.classes)) > len(common),
        labels=labels,
        first_predicted=first_to_common[first.predicted[first_rows]],
        second_predicted=second_to_common[second.predicted[second_rows]],
        first_positions=first_rows,
        second_positions=second_rows,
    )


def _metrics_of_both(tables: NDArray[np.integer[Any]]) -> dict[str, NDArray[np.float64]]:
    """Return metrics of both models for each count table, ``[tables, values]``.

    Args:
        tables: Numbers of images, ``[tables, true class, class predicted by the first model,
            class predicted by the second model]``.
    """
    first, second = tables.sum(axis=3), tables.sum(axis=2)
    total = tables.sum(axis=(1, 2, 3))[:, np.newaxis]
    return {
        "first_accuracy": ratio(np.trace(first, axis1=1, axis2=2)[:, np.newaxis], total),
        "second_accuracy": ratio(np.trace(second, axis1=1, axis2=2)[:, np.newaxis], total),
        "first_recall": recalls_of(first),
        "second_recall": recalls_of(second),
        "first_f1": f1s_of(first),
        "second_f1": f1s_of(second),
    }


def _differences(tables: NDArray[np.integer[Any]]) -> dict[str, NDArray[np.float64]]:
    metrics = _metrics_of_both(tables)
    return {
        name: metrics[f"second_{name}"] - metrics[f"first_{name}"]
        for name in ("accuracy", "recall", "f1")
    }


def _by_confidence(
    positions: NDArray[np.intp], confidence: NDArray[np.float32]
) -> NDArray[np.intp]:
    """Sort positions by decreasing confidence."""
    return positions[np.argsort(-confidence[positions], kind="stable")]


def _none_if_nan(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _summary(first: str, second: str, difference: Estimate, p_value: float, count: int) -> str:
    assert difference.value is not None  # there are images
    points = 100 * difference.value
    p_text = "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"
    if points == 0:
        statement = f"{first} and {second} have the same accuracy on these {count:,} images"
    else:
        better, worse = (second, first) if points > 0 else (first, second)
        statement = (
            f"The accuracy of {better} is {abs(points):.1f} percentage points higher than that of "
            f"{worse} on these {count:,} images"
        )
    interval = ""
    if difference.low is not None and difference.high is not None:
        low, high = sorted((100 * difference.low, 100 * difference.high))
        if points < 0:
            low, high = -high, -low
        interval = f" (95 % interval {low:.1f} to {high:.1f})"
    if p_value < SIGNIFICANCE_LEVEL:
        verdict = "the difference is statistically significant"
    else:
        verdict = "the difference is not statistically significant"
    return f"{statement}{interval}; McNemar's test gives {p_text}: {verdict}."
