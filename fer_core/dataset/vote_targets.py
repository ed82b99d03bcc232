"""Training targets from annotator votes: one distribution per image.

If only one annotator chose an answer, the vote is dropped as an outlier, as in Barsoum, Zhang,
Canton Ferrer and Zhang, "Training deep networks for facial expression recognition with
crowd-sourced label distribution", ICMI 2016. The remaining votes for an image are usable if the
most frequent answer is a class of the dataset. In case of a tie between a class and another answer,
such as *unknown* or *not a face*, they are not usable. A tie between classes is a valid
distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.dataset.ferplus import VOTE_COLUMNS, answer_columns
from fer_core.dataset.votes import Votes
from fer_core.emotions import EMOTIONS

#: Kind of targets: one-hot targets for the class with the most votes, or the distribution of the
#: votes over the classes.
VoteTargetKind = Literal["votes_majority", "votes_distribution"]


@dataclass(frozen=True)
class VoteTargets:
    """Target distributions for the images of a dataset.

    Attributes:
        kind: How votes are converted to targets.
        targets: float32 ``[n, classes]``. A row sums to 1, or to 0 if the image has no usable
            votes.
        left_out: Number of images without a target, by split and reason. The reasons are *no
            votes*, *other answer* (an answer that is not a class has at least as many votes as
            every class) and, only with ``votes_majority``, *tie* (several classes have the most
            votes).
    """

    kind: VoteTargetKind
    targets: NDArray[np.float32]
    left_out: dict[str, dict[str, int]]

    @property
    def summary(self) -> str:
        """The number of training and validation images that are left out, and the reasons."""
        parts = []
        for split in ("train", "validation"):
            counts = self.left_out[split]
            reasons = ", ".join(f"{count:,} {reason}" for reason, count in counts.items() if count)
            name = "training" if split == "train" else split
            parts.append(
                f"{sum(counts.values()):,} {name} images left out"
                + (f" ({reasons})" if reasons else "")
            )
        return "; ".join(parts)


@dataclass(frozen=True)
class VoteRecord:
    """The votes that a training learns from.

    Attributes:
        votes: The votes as imported.
        targets: The target distributions computed from them.
    """

    votes: Votes
    targets: VoteTargets

    @property
    def summary(self) -> str:
        """The kind and source of the targets, and the images that are left out, in one line."""
        return f"targets: {self.targets.kind} of {self.votes.source}; {self.targets.summary}"

    def class_prior(self, face_set: FaceSet) -> NDArray[np.float64]:
        """Return the share of each class in the training targets, float64 ``[classes]``."""
        return class_prior(self.targets, face_set)

    def to_json(self) -> dict[str, Any]:
        """Return the value of ``targets`` in ``bundle.json``."""
        return {
            "kind": self.targets.kind,
            "source": self.votes.source,
            "single_votes": "dropped",
            "left_out": self.targets.left_out,
        }


def vote_targets(votes: Votes, face_set: FaceSet, kind: VoteTargetKind) -> VoteTargets:
    """Convert votes to targets.

    Args:
        votes: One row per image of ``face_set``.
        face_set: The dataset. Its splits are used to count the images without a target.
        kind: ``votes_distribution``: the votes for the classes, normalized; ``votes_majority``: a
            one-hot target for the class with the most votes.
    """
    targets = target_distributions(votes.counts, kind, votes.classes)
    has_target = np.asarray(targets.any(axis=1))
    # With votes_majority, an image on which classes tie has no target, but a valid distribution.
    distributions = target_distributions(votes.counts, "votes_distribution", votes.classes)
    has_distribution = np.asarray(distributions.any(axis=1))
    reasons = {
        "no votes": ~votes.has_votes,
        "other answer": votes.has_votes & ~has_distribution,
        "tie": has_distribution & ~has_target,
    }
    left_out: dict[str, dict[str, int]] = {split: {} for split in SPLITS}
    for reason, is_left_out in reasons.items():
        for split, count in face_set.count_by_split(is_left_out).items():
            left_out[split][reason] = count
    return VoteTargets(kind, targets, left_out)


def target_distributions(
    counts: NDArray[np.uint8], kind: VoteTargetKind, classes: Sequence[str] = EMOTIONS
) -> NDArray[np.float32]:
    """Convert the number of votes per answer to distributions over the classes.

    Args:
        counts: uint8 ``[n, 10]`` in the order of ``VOTE_COLUMNS``.
        kind: As for ``vote_targets``.
        classes: The classes of the dataset.

    Returns:
        float32 ``[n, classes]``. If the votes for an image are not usable, its row is zeros.
    """
    counts = without_single_votes(counts)
    columns = answer_columns(classes)
    other_columns = [column for column in range(len(VOTE_COLUMNS)) if column not in columns]
    class_votes = counts[:, columns].astype(np.float32)
    most_votes = class_votes.max(axis=1, initial=0)
    is_usable = most_votes > counts[:, other_columns].max(axis=1, initial=0)
    targets = class_votes
    if kind == "votes_majority":
        is_usable &= (class_votes == most_votes[:, None]).sum(axis=1) == 1
        targets = np.eye(len(columns), dtype=np.float32)[class_votes.argmax(axis=1)]
    targets = np.where(is_usable[:, None], targets, np.float32(0))
    return np.asarray(targets / np.maximum(targets.sum(axis=1, keepdims=True), 1), np.float32)


def class_prior(targets: VoteTargets, face_set: FaceSet) -> NDArray[np.float64]:
    """Return the share of each class in the training targets, float64 ``[classes]``.

    If no training image has a target, all shares are equal.
    """
    total = targets.targets[face_set.rows("train")].sum(axis=0, dtype=np.float64)
    if not total.any():
        total = np.ones(targets.targets.shape[1])
    return np.asarray(total / total.sum())


def with_vote_targets(face_set: FaceSet, votes: VoteRecord | None) -> FaceSet:
    """Return the dataset with targets from votes; unchanged if ``votes`` is None."""
    return face_set if votes is None else replace(face_set, targets=votes.targets.targets)


def without_single_votes(counts: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the votes per answer, uint8 ``[n, 10]``, with 0 for answers with a single vote."""
    return np.where(counts > 1, counts, np.uint8(0))


def plurality_of_targets(targets: NDArray[np.float32]) -> NDArray[np.int8]:
    """Return the class with the largest share in each row, int8 ``[n]``.

    The class is -1 for a row with a tie and for a row of zeros.
    """
    largest = targets.max(axis=1, keepdims=True, initial=0)
    is_unique = ((targets == largest).sum(axis=1) == 1) & (largest[:, 0] > 0)
    return np.where(is_unique, targets.argmax(axis=1), -1).astype(np.int8)
