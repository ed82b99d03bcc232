"""Training targets from annotator votes: one distribution per image.

Single votes are dropped as outliers, as in Barsoum, Zhang, Canton Ferrer and Zhang, "Training deep
networks for facial expression recognition with crowd-sourced label distribution", ICMI 2016. An
image is usable if a class of the dataset then has more votes than every answer that is not a class,
such as *unknown* and *not a face*. A tie between classes is a valid distribution.
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

#: Kind of targets: the plurality as one-hot targets, or the distribution of the votes.
VoteTargetKind = Literal["votes_majority", "votes_distribution"]


@dataclass(frozen=True)
class VoteTargets:
    """Target distributions for the images of a dataset.

    Attributes:
        kind: How votes are converted to targets.
        targets: float32 ``[n, classes]``; a row sums to 1, or to 0 where the image has no usable
            votes.
        left_out: Images without a target, per split and reason: *no votes*; *other answer*, where
            an answer that is not a class has at least as many votes as every class; *tie*, for
            ``votes_majority``, where classes tie for the first place.
    """

    kind: VoteTargetKind
    targets: NDArray[np.float32]
    left_out: dict[str, dict[str, int]]

    @property
    def summary(self) -> str:
        """How many training and validation images are left out, and why."""
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
        """What is learned and what is left out, in one line."""
        return f"targets: {self.targets.kind} of {self.votes.source}; {self.targets.summary}"

    def class_prior(self, face_set: FaceSet) -> NDArray[np.float64]:
        """Share of each class in the training targets, float64 ``[classes]``; or equal shares."""
        return class_prior(self.targets, face_set)

    def to_json(self) -> dict[str, Any]:
        """The ``targets`` of ``bundle.json``."""
        return {
            "kind": self.targets.kind,
            "source": self.votes.source,
            "single_votes": "dropped",
            "left_out": self.targets.left_out,
        }


def vote_targets(votes: Votes, face_set: FaceSet, kind: VoteTargetKind) -> VoteTargets:
    """Turn votes into targets.

    Args:
        votes: One row per image of ``face_set``.
        face_set: The dataset, for its splits.
        kind: ``votes_distribution`` normalizes the votes for the classes; ``votes_majority`` is a
            one-hot target for the class with most votes.
    """
    targets = target_distributions(votes.counts, kind, votes.classes)
    is_usable = np.asarray(targets.any(axis=1))
    has_emotion = target_distributions(votes.counts, "votes_distribution", votes.classes).any(
        axis=1
    )
    is_emotion = np.asarray(is_usable | has_emotion)
    reasons = {
        "no votes": ~votes.has_votes,
        "other answer": votes.has_votes & ~is_emotion,
        "tie": is_emotion & ~is_usable,
    }
    left_out: dict[str, dict[str, int]] = {split: {} for split in SPLITS}
    for reason, chosen in reasons.items():
        for split, count in face_set.count_by_split(chosen).items():
            left_out[split][reason] = count
    return VoteTargets(kind, targets, left_out)


def target_distributions(
    counts: NDArray[np.uint8], kind: VoteTargetKind, classes: Sequence[str] = EMOTIONS
) -> NDArray[np.float32]:
    """Turn votes per answer into distributions over the classes.

    Args:
        counts: uint8 ``[n, 10]`` in the order of ``VOTE_COLUMNS``.
        kind: As for ``vote_targets``.
        classes: The classes of the dataset.

    Returns:
        float32 ``[n, classes]``; a row of zeros where the votes are not usable.
    """
    counts = without_single_votes(counts)
    columns = answer_columns(classes)
    others = [column for column in range(len(VOTE_COLUMNS)) if column not in columns]
    of_classes = counts[:, columns].astype(np.float32)
    most = of_classes.max(axis=1, initial=0)
    is_usable = most > counts[:, others].max(axis=1, initial=0)
    targets = of_classes
    if kind == "votes_majority":
        is_usable &= (of_classes == most[:, None]).sum(axis=1) == 1
        targets = np.eye(len(columns), dtype=np.float32)[of_classes.argmax(axis=1)]
    targets = np.where(is_usable[:, None], targets, np.float32(0))
    return np.asarray(targets / np.maximum(targets.sum(axis=1, keepdims=True), 1), np.float32)


def class_prior(targets: VoteTargets, face_set: FaceSet) -> NDArray[np.float64]:
    """Return the share of each class in the training targets, float64 ``[classes]``.

    Without any training target all shares are equal.
    """
    total = targets.targets[face_set.rows("train")].sum(axis=0, dtype=np.float64)
    if not total.any():
        total = np.ones(targets.targets.shape[1])
    return np.asarray(total / total.sum())


def with_vote_targets(face_set: FaceSet, votes: VoteRecord | None) -> FaceSet:
    """Return the dataset with targets from votes; unchanged if ``votes`` is None."""
    return face_set if votes is None else replace(face_set, targets=votes.targets.targets)


def without_single_votes(counts: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Votes per answer without those that only one annotator gave, uint8 ``[n, 10]``."""
    return np.where(counts > 1, counts, np.uint8(0))


def plurality_of_targets(targets: NDArray[np.float32]) -> NDArray[np.int8]:
    """The class with the greatest share, int8 ``[n]``; -1 for a tie and for a row of zeros."""
    most = targets.max(axis=1, keepdims=True, initial=0)
    is_single = ((targets == most).sum(axis=1) == 1) & (most[:, 0] > 0)
    return np.where(is_single, targets.argmax(axis=1), -1).astype(np.int8)
