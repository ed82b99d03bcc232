"""How a model compares with the people who labeled the images: agreement with annotator votes."""

from __future__ import annotations

from collections.abc import Sequence
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

#: An image is called clear if at least this share of the annotators gave the same answer.
CLEAR_SHARE = 0.7


@dataclass(frozen=True, eq=False)
class VoteEvaluation:
    """The evaluation of a model against annotator votes.

    Attributes:
        result: The evaluation against the plurality, on the images on which one emotion has the
            most votes after single votes were dropped.
        voted: Number of images with votes.
        no_votes: Number of images without votes.
        other_answer: Number of images on which an answer that is not a class, such as unknown, has
            at least as many votes as every class.
        ties: Number of images on which emotions tie.
        cross_entropy: Mean cross-entropy to the distribution of the votes, natural logarithm, ties
            included.
        annotator_agreement: Mean agreement of one annotator with the plurality of the others, on
            the images of ``result``; see ``leave_one_out_agreement``.
        model_agreement: Mean agreement of the model with the plurality of all annotators but one,
            so that it can be compared with ``annotator_agreement``.
        clear_n: Number of images of ``result`` with at least ``CLEAR_SHARE`` of all votes on one
            answer.
        clear_accuracy: Accuracy against the plurality on those.
    """

    result: EvaluationResult
    voted: int
    no_votes: int
    other_answer: int
    ties: int
    cross_entropy: Estimate
    annotator_agreement: Estimate
    model_agreement: Estimate
    clear_n: int
    clear_accuracy: Estimate

    @property
    def summary(self) -> str:
        """The values that ``result`` does not have, as text with one line per value."""
        return (
            f"left out: {self.ties:,} images with tied votes, {self.other_answer:,} on which no "
            f"emotion has the most votes, {self.no_votes:,} without votes\n"
            f"cross-entropy to the votes {_number(self.cross_entropy, '.3f')}\n"
            f"agreement with the plurality of all annotators but one: the remaining annotator "
            f"{_number(self.annotator_agreement, '.1%')}, the model "
            f"{_number(self.model_agreement, '.1%')}\n"
            f"{self.clear_n:,} clear images (at least {CLEAR_SHARE:.0%} of the votes on one "
            f"answer): accuracy {_number(self.clear_accuracy, '.1%')}"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the ``votes`` of the JSON documents."""
        return {
            "voted": self.voted,
            "no_votes": self.no_votes,
            "other_answer": self.other_answer,
            "ties": self.ties,
            "cross_entropy": self.cross_entropy.to_json(),
            "annotator_agreement": self.annotator_agreement.to_json(),
            "model_agreement": self.model_agreement.to_json(),
            "clear": {
                "share": CLEAR_SHARE,
                "n": self.clear_n,
                "accuracy": self.clear_accuracy.to_json(),
            },
        }


def _number(estimate: Estimate, pattern: str) -> str:
    """Format a value with its interval."""
    if estimate.value is None:
        return "undefined"
    text = format(estimate.value, pattern)
    if estimate.low is None or estimate.high is None:
        return text
    return f"{text} ({estimate.low:{pattern}} to {estimate.high:{pattern}})"


def evaluate_against_votes(result: EvaluationResult, counts: NDArray[np.uint8]) -> VoteEvaluation:
    """Compare an evaluation with annotator votes.

    Args:
        result: The evaluation against the labels.
        counts: Votes for its images, uint8 ``[n, 10]`` in the order of ``VOTE_COLUMNS``.

    Raises:
        InputError: There is no image on which one class has the most votes, or the annotators could
            not choose one of the classes.
    """
    distributions = target_distributions(counts, "votes_distribution", result.classes)
    against_votes = _labeled_by_votes(plurality_result(result, distributions), result.n)
    is_usable, has_votes = distributions.any(axis=1), counts.any(axis=1)
    # The rows of a result are distinct, so each row has one position in ``result``.
    kept = np.flatnonzero(np.isin(result.rows, against_votes.rows))
    annotators, model = leave_one_out_agreement(
        counts[kept], against_votes.predicted, answer_columns(result.classes)
    )
    is_clear = counts[kept].max(axis=1) >= CLEAR_SHARE * counts[kept].sum(axis=1) - 1e-9
    return VoteEvaluation(
        result=against_votes,
        voted=int(has_votes.sum()),
        no_votes=int((~has_votes).sum()),
        other_answer=int((has_votes & ~is_usable).sum()),
        ties=int(is_usable.sum()) - against_votes.n,
        cross_entropy=mean_estimate(
            cross_entropies(distributions[is_usable], result.probabilities[is_usable])
        ),
        annotator_agreement=mean_estimate(annotators),
        model_agreement=mean_estimate(model),
        clear_n=int(is_clear.sum()),
        clear_accuracy=accuracy_estimate(against_votes.is_correct[is_clear]),
    )


def _labeled_by_votes(against_votes: EvaluationResult, count: int) -> EvaluationResult:
    """Return the evaluation with a name and a warning that state that its labels are votes."""
    if not against_votes.n:
        raise InputError(
            f"None of the {count:,} {against_votes.split} images has an emotion with the most "
            "votes; import votes for this split, or evaluate against the labels."
        )
    warning = (
        "The true class is the plurality of annotator votes, single votes dropped: "
        f"{against_votes.n:,} of {count:,} images, those on which one emotion has the most votes; "
        "the others are left out. These metrics cannot be compared with metrics against the labels."
    )
    facts = replace(
        against_votes.facts, is_fer2013=False, warnings=(warning, *against_votes.facts.warnings)
    )
    name = against_votes.dataset_name
    return replace(
        against_votes, dataset_name=None if name is None else f"{name} (votes)", facts=facts
    )


def leave_one_out_agreement(
    counts: NDArray[np.uint8],
    predicted: NDArray[np.integer[Any]],
    columns: Sequence[int],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compare annotators, and predictions, with the plurality of the other annotators.

    Each annotator is left out in turn. If ``k`` answers tie for the plurality of the others,
    agreement with any of them counts as ``1 / k``.

    Args:
        counts: Votes per answer, uint8 ``[n, answers]``, at least two for each image.
        predicted: Predicted classes, ``[n]``.
        columns: The answer of each class.

    Returns:
        Mean agreement over the annotators of each image, float64 ``[n]``: of the annotator left
        out, and of the prediction.
    """
    votes = counts.astype(np.int64)
    images = np.arange(len(votes))
    answers = np.asarray(columns)[predicted]
    annotators = np.zeros(len(votes))
    model = np.zeros(len(votes))
    for answer in range(votes.shape[1]):
        voters = votes[:, answer]
        others = votes.copy()
        others[:, answer] -= 1
        is_most_frequent = others == others.max(axis=1, keepdims=True)
        share = voters / is_most_frequent.sum(axis=1)
        annotators += np.where(is_most_frequent[:, answer], share, 0)
        model += np.where(is_most_frequent[images, answers], share, 0)
    total = votes.sum(axis=1)
    return annotators / total, model / total
