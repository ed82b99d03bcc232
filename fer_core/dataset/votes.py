"""Annotator votes of FER+: an optional addition to the labels of a dataset.

Barsoum, Zhang, Canton Ferrer and Zhang, "Training deep networks for facial expression recognition
with crowd-sourced label distribution", 2016, had every face of FER2013 labeled again by ten
annotators. ``votes_file`` reads and stores these votes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.ferplus import VOTE_COLUMNS, answer_columns
from fer_core.dataset.findings import Finding, ranked_finding
from fer_core.emotions import EMOTIONS

#: Column of the votes for *not a face*.
_NOT_FACE = VOTE_COLUMNS.index("not_face")

#: Value of ``Votes.plurality`` for an image without a class.
_NO_CLASS = -1


@dataclass(frozen=True)
class Votes:
    """The votes for the images of one dataset.

    Attributes:
        counts: uint8 ``[n, 10]``, votes per answer in the order of ``VOTE_COLUMNS``; zeros for an
            image without votes.
        source: The name of the file that the votes were read from.
        note: One sentence: how many images have votes, and how they were matched.
        classes: The classes of the dataset.

    Raises:
        ValueError: ``counts`` has another shape or dtype.
        InputError: A class is not among the emotions that the annotators could choose from.
    """

    counts: NDArray[np.uint8]
    source: str
    note: str
    classes: tuple[str, ...] = EMOTIONS

    def __post_init__(self) -> None:
        answer_columns(self.classes, self.source)  # raises InputError
        if self.counts.ndim != 2 or self.counts.shape[1] != len(VOTE_COLUMNS):
            raise ValueError(
                f"counts should be [n, {len(VOTE_COLUMNS)}]. Received: {list(self.counts.shape)}"
            )
        if self.counts.dtype != np.uint8:
            raise ValueError(f"counts should be uint8. Received: {self.counts.dtype}")

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def columns(self) -> list[int]:
        """The position of each class in ``VOTE_COLUMNS``."""
        return answer_columns(self.classes, self.source)

    @cached_property
    def total(self) -> NDArray[np.int64]:
        """Number of votes per image, int64 ``[n]``."""
        return np.asarray(self.counts.sum(axis=1), np.int64)

    @property
    def has_votes(self) -> NDArray[np.bool_]:
        """Which images have votes, bool ``[n]``."""
        return self.total > 0

    @property
    def matched_count(self) -> int:
        """Number of images with votes."""
        return int(self.has_votes.sum())

    @property
    def unmatched_count(self) -> int:
        """Number of images without votes."""
        return len(self) - self.matched_count

    @property
    def not_face_votes(self) -> NDArray[np.uint8]:
        """Number of votes for *not a face*, uint8 ``[n]``."""
        return self.counts[:, _NOT_FACE]

    @cached_property
    def plurality(self) -> NDArray[np.int8]:
        """The class that more annotators chose than any other answer, int8 ``[n]``.

        It is -1 if the image has no votes, if several answers have the most votes, or if the answer
        with the most votes is not a class of the dataset.
        """
        most_votes = self.counts.max(axis=1, keepdims=True)
        is_unique = ((self.counts == most_votes).sum(axis=1) == 1) & self.has_votes
        class_of_column = np.full(len(VOTE_COLUMNS), _NO_CLASS, np.int8)
        class_of_column[self.columns] = np.arange(len(self.classes))
        classes = class_of_column[self.counts.argmax(axis=1)]
        return np.where(is_unique, classes, np.int8(_NO_CLASS))

    @cached_property
    def agreement(self) -> NDArray[np.float32]:
        """Share of the votes for the most frequent answer, float32 ``[n]``; NaN without votes."""
        return self._share(self.counts.max(axis=1))

    @cached_property
    def entropy(self) -> NDArray[np.float32]:
        """Entropy of the votes in bits, float32 ``[n]``; NaN without votes.

        It is 0 if all annotators agree, and at most 3.3, if all answers have equally many votes.
        """
        shares = self.counts / np.maximum(self.total, 1)[:, None]
        bits = -(shares * np.log2(np.where(shares > 0, shares, 1))).sum(axis=1)
        # Adding 0.0 converts -0.0 to 0.0.
        return np.where(self.has_votes, bits + 0.0, np.nan).astype(np.float32)

    def label_share(self, labels: NDArray[np.int8]) -> NDArray[np.float32]:
        """Return the share of annotators who chose the label, float32 ``[n]``; NaN without votes.

        Args:
            labels: int8 ``[n]``, indices into ``classes``.
        """
        columns = np.array(self.columns)[labels]
        return self._share(self.counts[np.arange(len(self)), columns])

    def distribution(self, row: int) -> dict[str, int]:
        """Return the number of votes per answer for one image; empty without votes."""
        if not self.has_votes[row]:
            return {}
        return dict(zip(VOTE_COLUMNS, self.counts[row].tolist(), strict=True))

    def _share(self, votes: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Divide a number of votes per image by the number of all votes for the image."""
        shares = votes / np.maximum(self.total, 1)
        return np.where(self.has_votes, shares, np.nan).astype(np.float32)


@dataclass(frozen=True)
class ClassAgreement:
    """How often annotators agree with the labels of one class.

    Attributes:
        class_name: The name of the class.
        voted_count: Number of images of the class that have votes.
        agreeing_count: Number of these images for which more annotators chose the class than any
            other answer.
        mean_label_share: Mean share of annotators who chose the class, 0 to 1; None if no image has
            votes.
    """

    class_name: str
    voted_count: int
    agreeing_count: int
    mean_label_share: float | None

    @property
    def share(self) -> float | None:
        """``agreeing_count`` as a share of ``voted_count``, 0 to 1; None if no image has votes."""
        return self.agreeing_count / self.voted_count if self.voted_count else None


def class_agreement(
    face_set: FaceSet, votes: Votes, split: str = "all"
) -> tuple[ClassAgreement, ...]:
    """Return how often annotators and labels agree, for each class in the order of the dataset.

    Raises:
        InputError: There is no such split.
    """
    rows = face_set.rows(split)
    rows = rows[votes.has_votes[rows]]
    shares = votes.label_share(face_set.labels)
    result = []
    for label, name in enumerate(face_set.classes):
        of_class = rows[face_set.labels[rows] == label]
        result.append(
            ClassAgreement(
                class_name=name,
                voted_count=len(of_class),
                agreeing_count=int((votes.plurality[of_class] == label).sum()),
                mean_label_share=float(shares[of_class].mean()) if len(of_class) else None,
            )
        )
    return tuple(result)


def votes_findings(face_set: FaceSet, votes: Votes) -> dict[str, Finding]:
    """Return findings from the votes, by kind.

    Returns:
        *disputed*: no answer has more than half of the votes. The images with the highest entropy
        are first. *outvoted*: more than half of the annotators chose one class that is not the
        label. This class is suggested. *not_face_votes*: more than half of the annotators saw no
        face.
    """
    rows = np.flatnonzero(votes.has_votes)
    agreement, entropy = votes.agreement, votes.entropy
    disputed = rows[agreement[rows] <= 0.5]
    disputed = disputed[np.argsort(-entropy[disputed], kind="stable")]
    differs = (votes.plurality[rows] >= 0) & (votes.plurality[rows] != face_set.labels[rows])
    outvoted = rows[differs & (agreement[rows] > 0.5)]
    label_shares = votes.label_share(face_set.labels)
    outvoted = outvoted[np.lexsort((label_shares[outvoted], -agreement[outvoted]))]
    not_face_share = votes.not_face_votes / np.maximum(votes.total, 1)
    not_faces = rows[not_face_share[rows] > 0.5]
    not_faces = not_faces[np.argsort(-not_face_share[not_faces], kind="stable")]
    notes = (votes.note, "Votes are a second labeling of the same faces, not the ground truth.")
    return {
        "disputed": ranked_finding(
            "disputed",
            "Disputed by annotators",
            "No answer has more than half of the votes: the expression is ambiguous to people.",
            score_name="entropy of the votes in bits (0: all agree)",
            rows=disputed,
            scores=entropy[disputed],
            reasons=[_votes_text(votes, row) for row in disputed],
            notes=notes,
        ),
        "outvoted": ranked_finding(
            "outvoted",
            "FER+ majority disagrees",
            "More than half of the annotators chose another class than the label.",
            score_name="share of annotators for the suggested label (0 to 1)",
            rows=outvoted,
            scores=agreement[outvoted],
            reasons=[_votes_text(votes, row) for row in outvoted],
            suggested=votes.plurality[outvoted],
            notes=notes,
        ),
        "not_face_votes": ranked_finding(
            "not_face_votes",
            "No face according to annotators",
            "More than half of the annotators said that there is no face.",
            score_name="share of annotators who saw no face (0 to 1)",
            rows=not_faces,
            scores=not_face_share[not_faces].astype(np.float32),
            reasons=[_votes_text(votes, row) for row in not_faces],
            notes=notes,
        ),
    }


def _votes_text(votes: Votes, row: int) -> str:
    """Describe an image's votes, most frequent first: "6 anger, 3 neutral, 1 not a face"."""
    answers = [(count, answer) for answer, count in votes.distribution(row).items() if count]
    answers.sort(key=lambda pair: -pair[0])
    return ", ".join(
        f"{count} {answer.replace('not_face', 'not a face')}" for count, answer in answers
    )
