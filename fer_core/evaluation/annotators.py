"""Compare a model with annotator votes, and with how well annotators agree with each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.ferplus import answer_columns
from fer_core.dataset.vote_targets import target_distributions
from fer_core.errors import InputError
from fer_core.evaluation.overall import accuracy_estimate
from fer_core.evaluation.result import EvaluationResult
from fer_core.evaluation.vote_metrics import plurality_result
from fer_core.metrics import Estimate, cross_entropies, mean_estimate
from fer_core.metrics.formatting import number, percent

#: An image is called clear if at least this share of the annotators gave the same answer.
CLEAR_SHARE = 0.7


@dataclass(frozen=True, eq=False)
class VoteEvaluation:
    """The evaluation of a model against annotator votes.

    Attributes:
        result: The evaluation with the plurality of the votes as the true class. It contains the
            images on which one class has the most votes. An answer that only one annotator chose
            does not count.
        voted_count: Number of images with votes.
        unvoted_count: Number of images without votes.
        other_answer_count: Number of images on which an answer that is not a class, such as
            unknown, has at least as many votes as every class. An answer that only one annotator
            chose does not count.
        tie_count: Number of images on which several classes have the most votes.
        cross_entropy: Mean cross-entropy of the model's probabilities to the distribution of the
            votes, natural logarithm. Images with a tie are included.
        annotator_agreement: Mean agreement of one annotator with the plurality of the others, on
            the images of ``result``; see ``leave_one_out_agreement``.
        model_agreement: Mean agreement of the model with the plurality of all annotators but one,
            so that it can be compared with ``annotator_agreement``.
        clear_n: Number of clear images in ``result``. On a clear image, one answer has at least
            ``CLEAR_SHARE`` of all votes.
        clear_accuracy: Accuracy on the clear images, with the plurality as the true class.
    """

    result: EvaluationResult
    voted_count: int
    unvoted_count: int
    other_answer_count: int
    tie_count: int
    cross_entropy: Estimate
    annotator_agreement: Estimate
    model_agreement: Estimate
    clear_n: int
    clear_accuracy: Estimate

    @property
    def summary(self) -> str:
        """The values that are not in ``result``, as a text of four lines."""
        return (
            f"left out: {self.tie_count:,} images with tied votes, {self.other_answer_count:,} on "
            f"which no emotion has more votes than answers such as unknown, {self.unvoted_count:,} "
            "without votes\n"
            f"cross-entropy to the votes {_with_interval(self.cross_entropy, number)}\n"
            f"agreement with the plurality of all annotators but one: the remaining annotator "
            f"{_with_interval(self.annotator_agreement, percent)}, the model "
            f"{_with_interval(self.model_agreement, percent)}\n"
            f"{self.clear_n:,} clear images (at least {100 * CLEAR_SHARE:.0f} % of the votes on "
            f"one answer): accuracy {_with_interval(self.clear_accuracy, percent)}"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the value of ``votes`` in the JSON output of commands."""
        return {
            "voted": self.voted_count,
            "no_votes": self.unvoted_count,
            "other_answer": self.other_answer_count,
            "ties": self.tie_count,
            "cross_entropy": self.cross_entropy.to_json(),
            "annotator_agreement": self.annotator_agreement.to_json(),
            "model_agreement": self.model_agreement.to_json(),
            "clear": {
                "share": CLEAR_SHARE,
                "n": self.clear_n,
                "accuracy": self.clear_accuracy.to_json(),
            },
        }


def _with_interval(estimate: Estimate, format_value: Callable[[float | None], str]) -> str:
    """Return a value as text, with its interval if it has one."""
    text = format_value(estimate.value)
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return text
    return f"{text} ({format_value(estimate.low)} to {format_value(estimate.high)})"


def evaluate_against_votes(result: EvaluationResult, counts: NDArray[np.uint8]) -> VoteEvaluation:
    """Compare an evaluation with annotator votes.

    Args:
        result: The evaluation against the labels.
        counts: Votes for the images of ``result``, uint8 ``[n, 10]`` in the order of
            ``VOTE_COLUMNS``.

    Raises:
        InputError: There is no image on which one class has the most votes, or one of the classes
            is not among the answers that the annotators could give.
    """
    distributions = target_distributions(counts, "votes_distribution", result.classes)
    votes_result = _with_votes_warning(plurality_result(result, distributions), result.n)
    is_usable, has_votes = distributions.any(axis=1), counts.any(axis=1)
    # The rows of a result are distinct, so that each row has one position in ``result``.
    positions = np.flatnonzero(np.isin(result.rows, votes_result.rows))
    evaluated_counts = counts[positions]
    annotator_agreement, model_agreement = leave_one_out_agreement(
        evaluated_counts, votes_result.predicted, answer_columns(result.classes)
    )
    # The tolerance of 1e-9 allows for rounding errors in the product.
    is_clear = evaluated_counts.max(axis=1) >= CLEAR_SHARE * evaluated_counts.sum(axis=1) - 1e-9
    return VoteEvaluation(
        result=votes_result,
        voted_count=int(has_votes.sum()),
        unvoted_count=int((~has_votes).sum()),
        other_answer_count=int((has_votes & ~is_usable).sum()),
        tie_count=int(is_usable.sum()) - votes_result.n,
        cross_entropy=mean_estimate(
            cross_entropies(distributions[is_usable], result.probabilities[is_usable])
        ),
        annotator_agreement=mean_estimate(annotator_agreement),
        model_agreement=mean_estimate(model_agreement),
        clear_n=int(is_clear.sum()),
        clear_accuracy=accuracy_estimate(votes_result.is_correct[is_clear]),
    )


def _with_votes_warning(votes_result: EvaluationResult, count: int) -> EvaluationResult:
    """Return an evaluation whose warnings and dataset name say that the true classes are votes.

    Args:
        votes_result: The evaluation with the plurality of the votes as the true class.
        count: Number of images of the evaluation against the labels.

    Raises:
        InputError: There is no image on which one class has the most votes.
    """
    if not votes_result.n:
        raise InputError(
            f"On none of the {count:,} {votes_result.split} images does one emotion have the most "
            "votes; import votes for this split, or evaluate against the labels."
        )
    warning = (
        "The true class is the plurality of annotator votes. An answer that only one annotator "
        f"chose is not counted. On {votes_result.n:,} of {count:,} images one emotion has the most "
        "votes; the other images are left out. These metrics cannot be compared with "
        "metrics against the labels."
    )
    facts = replace(
        votes_result.facts, is_fer2013=False, warnings=(warning, *votes_result.facts.warnings)
    )
    name = votes_result.dataset_name
    return replace(
        votes_result, dataset_name=None if name is None else f"{name} (votes)", facts=facts
    )


def leave_one_out_agreement(
    counts: NDArray[np.uint8],
    predicted: NDArray[np.integer[Any]],
    class_columns: Sequence[int],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compare each annotator, and the prediction, with the plurality of the other annotators.

    Each annotator of an image is left out in turn. If ``k`` answers tie for the plurality of the
    others, agreement with any of these answers counts as ``1 / k``.

    Args:
        counts: Votes per answer, uint8 ``[n, answers]``, at least two for each image.
        predicted: Predicted classes, ``[n]``.
        class_columns: The column of ``counts`` for each class.

    Returns:
        Two arrays, float64 ``[n]``. The first contains how often the annotator who is left out
        agrees with the others, the second how often the prediction agrees with them. Each value is
        the mean over the annotators of the image.
    """
    votes = counts.astype(np.int64)
    images = np.arange(len(votes))
    predicted_answers = np.asarray(class_columns)[predicted]
    annotator_sum = np.zeros(len(votes))
    model_sum = np.zeros(len(votes))
    # The votes of the others depend only on the answer of the annotator who is left out. They are
    # therefore computed once per answer, and weighted by the number of annotators with this answer,
    # which may be 0.
    for answer in range(votes.shape[1]):
        others = votes.copy()
        others[:, answer] -= 1
        is_most_frequent = others == others.max(axis=1, keepdims=True)
        weight = votes[:, answer] / is_most_frequent.sum(axis=1)
        annotator_sum += np.where(is_most_frequent[:, answer], weight, 0)
        model_sum += np.where(is_most_frequent[images, predicted_answers], weight, 0)
    total = votes.sum(axis=1)
    return annotator_sum / total, model_sum / total
