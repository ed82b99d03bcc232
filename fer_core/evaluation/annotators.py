"""How a model compares with the people who labeled the images: agreement with annotator votes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.vote_targets import VoteTargets
from fer_core.dataset.votes import EMOTION_COLUMNS, Votes
from fer_core.errors import InputError
from fer_core.evaluation.overall import accuracy_estimate
from fer_core.evaluation.result import EvaluationResult
from fer_core.evaluation.vote_metrics import plurality_result
from fer_core.metrics import Estimate, cross_entropies, mean_estimate

#: Images on which at least this share of the annotators gave the same answer are clear.
CLEAR_SHARE = 0.7


@dataclass(frozen=True, eq=False)
class VoteEvaluation:
    """The evaluation of a model against annotator votes.

    Attributes:
        result: The evaluation against the plurality, on the images whose votes have a single
            winner among the emotions once single votes are dropped.
        voted: Images with votes.
        no_votes: Images without.
        other_answer: Images on which no emotion has more votes than contempt, unknown and not a
            face each have.
        ties: Images on which emotions tie.
        cross_entropy: Mean cross-entropy to the distribution of the votes, natural logarithm, ties
            included.
        annotator_agreement: Mean agreement of one annotator with the plurality of the others, on
            the images of ``result``. Where answers tie for that plurality, each counts its share.
        model_agreement: The same for the model: it is compared with the plurality of all
            annotators but one, so that both are measured alike.
        clear_n: Images of ``result`` with at least ``CLEAR_SHARE`` of all votes on one answer.
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
    def in_words(self) -> str:
        """Return the figures in addition to the metrics of ``result``, one line each."""
        return (
            f"left out: {self.ties:,} images with tied votes, {self.other_answer:,} with another "
            f"answer first, {self.no_votes:,} without votes\n"
            f"cross-entropy to the votes {_number(self.cross_entropy, '.3f')}\n"
            f"against the plurality of all annotators but one: one annotator "
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
    """A value with its interval."""
    if estimate.value is None:
        return "undefined"
    text = format(estimate.value, pattern)
    if estimate.low is None or estimate.high is None:
        return text
    return f"{text} ({estimate.low:{pattern}} to {estimate.high:{pattern}})"


def evaluate_against_votes(
    result: EvaluationResult, votes: Votes, targets: VoteTargets
) -> VoteEvaluation:
    """Compare an evaluation with annotator votes.

    Args:
        result: The evaluation against the labels.
        votes: The votes of the whole dataset.
        targets: Their distributions, as ``vote_targets`` returns them for ``votes_distribution``.

    Raises:
        InputError: No image of the evaluation has votes with a single winner.
    """
    counts = votes.counts[result.rows]
    distributions = targets.targets[result.rows]
    against = _named(plurality_result(result, distributions), result.n)
    is_usable, has_votes = distributions.any(axis=1), counts.any(axis=1)
    # The rows of a result are distinct, so that a row identifies the position in ``result``.
    kept = np.flatnonzero(np.isin(result.rows, against.rows))
    of_people, of_model = leave_one_out_agreement(counts[kept], against.predicted)
    is_clear = counts[kept].max(axis=1) >= CLEAR_SHARE * counts[kept].sum(axis=1) - 1e-9
    return VoteEvaluation(
        result=against,
        voted=int(has_votes.sum()),
        no_votes=int((~has_votes).sum()),
        other_answer=int((has_votes & ~is_usable).sum()),
        ties=int(is_usable.sum()) - against.n,
        cross_entropy=mean_estimate(
            cross_entropies(distributions[is_usable], result.probabilities[is_usable])
        ),
        annotator_agreement=mean_estimate(of_people),
        model_agreement=mean_estimate(of_model),
        clear_n=int(is_clear.sum()),
        clear_accuracy=accuracy_estimate(against.is_correct[is_clear]),
    )


def _named(against: EvaluationResult, count: int) -> EvaluationResult:
    """The evaluation with a name and a warning that say what its labels are."""
    if not against.n:
        raise InputError(
            f"None of the {count:,} {against.split} images has votes with a single winner; import "
            "votes for this split, or evaluate against the labels."
        )
    warning = (
        "The true class is the plurality of annotator votes, single votes dropped: "
        f"{against.n:,} of {count:,} images have a single winner among the emotions, the others "
        "are left out. These metrics cannot be compared with metrics against the labels."
    )
    facts = replace(against.facts, is_fer2013=False, warnings=(warning, *against.facts.warnings))
    return replace(against, dataset_name=f"{against.dataset_name} (votes)", facts=facts)


def leave_one_out_agreement(
    counts: NDArray[np.uint8],
    predicted: NDArray[np.integer[Any]],
    columns: Sequence[int] = tuple(EMOTION_COLUMNS),
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compare annotators, and predictions, with the plurality of all annotators but one.

    Each annotator is left out in turn. Of ``k`` answers that tie for the plurality of the others
    each counts as one ``k``-th.

    Args:
        counts: Votes per answer, uint8 ``[n, answers]``, at least two for each image.
        predicted: Predicted classes, ``[n]``.
        columns: The answer of each class.

    Returns:
        Mean agreement over the annotators of each image, float64 ``[n]``: of the annotator left
        out, and of the prediction.
    """
    given = counts.astype(np.int64)
    images = np.arange(len(given))
    answers = np.asarray(columns)[predicted]
    of_people = np.zeros(len(given))
    of_model = np.zeros(len(given))
    for answer in range(given.shape[1]):
        voters = given[:, answer]
        others = given.copy()
        others[:, answer] -= 1
        is_first = others == others.max(axis=1, keepdims=True)
        share = voters / is_first.sum(axis=1)
        of_people += np.where(is_first[:, answer], share, 0)
        of_model += np.where(is_first[images, answers], share, 0)
    total = given.sum(axis=1)
    return of_people / total, of_model / total
