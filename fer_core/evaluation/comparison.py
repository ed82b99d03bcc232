"""Two models on the same images: which is better, and is that more than luck."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.evaluation.counting import f1s_of, recalls_of
from fer_core.evaluation.result import EvaluationResult
from fer_core.metrics import Estimate, estimates_from_counts, mcnemar_test, ratio

#: The usual bound below which a difference is taken for more than luck.
SIGNIFICANCE = 0.05


@dataclass(frozen=True)
class ClassComparison:
    """Two models on one emotion; differences are the second's figure less the first's.

    Attributes:
        emotion: Its index.
        support: Images of it.
        first_recall: None where it does not occur.
        second_recall: The same of the second model.
        first_f1: None where it neither occurs nor is predicted.
        second_f1: The same of the second model.
        recall_difference: With its paired 95 % bootstrap interval.
        f1_difference: With its paired 95 % bootstrap interval.
    """

    emotion: int
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
        second_name: The second one.
        n: Number of images.
        first_accuracy: 0 to 1.
        second_accuracy: 0 to 1.
        difference: The second's accuracy less the first's, with its paired 95 % bootstrap interval.
        both_right: How many images both get right.
        only_first: How many only the first.
        only_second: How many only the second.
        both_wrong: How many none.
        only_first_positions: Those images, the first model's surest answers first.
        only_second_positions: Those images, the second model's surest answers first.
        both_wrong_positions: Those images, the first model's surest answers first.
        p_value: Of McNemar's test.
        test: Which form of it.
        per_class: In the emotions' order.
        sentence: The outcome in words.
    """

    first_name: str
    second_name: str
    n: int
    first_accuracy: float
    second_accuracy: float
    difference: Estimate
    both_right: int
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

    Args:
        first: The evaluation of one.
        second: The evaluation of the other, on the same images.

    Raises:
        InputError: The images are not the same, or it is not known whether they are.
    """
    if (
        not first.data_fingerprint
        or first.data_fingerprint != second.data_fingerprint
        or first.split != second.split
        or not np.array_equal(first.labels, second.labels)
    ):
        raise InputError(
            f"{first.bundle_name!r} and {second.bundle_name!r} were not evaluated on the same "
            "images; evaluate both on the same split of one dataset."
        )
    size = len(EMOTIONS)
    cells = (first.labels.astype(np.intp) * size + first.predicted) * size + second.predicted
    counts = np.bincount(cells, minlength=size**3).reshape(size, size, size)
    differences = estimates_from_counts(counts, _differences)
    figures = _figures_of_both(counts[np.newaxis])
    only_first = np.flatnonzero(first.is_correct & ~second.is_correct)
    only_second = np.flatnonzero(second.is_correct & ~first.is_correct)
    both_wrong = np.flatnonzero(~first.is_correct & ~second.is_correct)
    p_value, test = mcnemar_test(len(only_first), len(only_second))
    difference = differences["accuracy"][0]
    return Comparison(
        first_name=first.bundle_name,
        second_name=second.bundle_name,
        n=first.n,
        first_accuracy=float(first.is_correct.mean()),
        second_accuracy=float(second.is_correct.mean()),
        difference=difference,
        both_right=int((first.is_correct & second.is_correct).sum()),
        only_first=len(only_first),
        only_second=len(only_second),
        both_wrong=len(both_wrong),
        only_first_positions=_surest_first(only_first, first),
        only_second_positions=_surest_first(only_second, second),
        both_wrong_positions=_surest_first(both_wrong, first),
        p_value=p_value,
        test=test,
        per_class=tuple(
            ClassComparison(
                emotion=emotion,
                support=int(counts[emotion].sum()),
                first_recall=_number(figures["first_recall"][0, emotion]),
                second_recall=_number(figures["second_recall"][0, emotion]),
                first_f1=_number(figures["first_f1"][0, emotion]),
                second_f1=_number(figures["second_f1"][0, emotion]),
                recall_difference=differences["recall"][emotion],
                f1_difference=differences["f1"][emotion],
            )
            for emotion in range(size)
        ),
        sentence=_in_words(first.bundle_name, second.bundle_name, difference, p_value, first.n),
    )


def _figures_of_both(tables: NDArray[np.integer[Any]]) -> dict[str, NDArray[np.float64]]:
    """Figures of tables ``[tables, true, predicted by the first, predicted by the second]``."""
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
    both = _figures_of_both(tables)
    return {
        name: both[f"second_{name}"] - both[f"first_{name}"]
        for name in ("accuracy", "recall", "f1")
    }


def _surest_first(positions: NDArray[np.intp], result: EvaluationResult) -> NDArray[np.intp]:
    return positions[np.argsort(-result.confidence[positions], kind="stable")]


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _in_words(first: str, second: str, difference: Estimate, p_value: float, count: int) -> str:
    assert difference.value is not None  # there are images
    points = 100 * difference.value
    chance = "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"
    if points == 0:
        start = f"{first} and {second} are right equally often on these {count:,} images"
    else:
        better, worse = (second, first) if points > 0 else (first, second)
        start = (
            f"{better} is right {abs(points):.1f} percentage points more often than {worse} on "
            f"these {count:,} images"
        )
    interval = ""
    if difference.low is not None and difference.high is not None:
        low, high = sorted((100 * difference.low, 100 * difference.high))
        if points < 0:
            low, high = -high, -low
        interval = f" (95 % interval {low:.1f} to {high:.1f})"
    if p_value < SIGNIFICANCE:
        verdict = "a difference that is more than luck"
    else:
        verdict = "a difference that may well be luck" if points else "no difference"
    return f"{start}{interval}; McNemar's test gives {chance}: {verdict}."
