"""Select the images of a dataset that a configuration trains on, and count them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.curation import Curation, apply_curation
from fer_core.dataset.duplicates import leaking_training_rows
from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.vote_targets import VoteRecord, vote_targets, with_vote_targets
from fer_core.dataset.votes import Votes
from fer_core.errors import InputError
from fer_core.recipes import TrainingConfig


@dataclass(frozen=True)
class TrainingSize:
    """The numbers of images that a training uses and leaves out.

    Attributes:
        imported: Training images of the dataset as imported.
        training: Images that are used for training.
        validation: Images that are used for validation.
        dropped: Training images that the user's decisions (the curation) exclude.
        relabeled: Training images to which the user's decisions give another label.
        leaking: Training images that are left out because they also appear in validation or test.
        without_votes: Training images that are left out because they have no usable votes.
    """

    imported: int
    training: int
    validation: int
    dropped: int = 0
    relabeled: int = 0
    leaking: int = 0
    without_votes: int = 0

    @property
    def text(self) -> str:
        """The numbers in one to three sentences."""
        left_out = [
            f"{count:,} {reason}"
            for count, reason in (
                (self.dropped, "dropped by your decisions"),
                (self.leaking, "also in validation or test"),
                (self.without_votes, "without usable votes"),
            )
            if count
        ]
        images = f"{self.training:,} training"
        if left_out:
            images = f"{self.training:,} of {self.imported:,} training"
        text = f"{images} and {self.validation:,} validation images."
        if left_out:
            text += f" Left out: {', '.join(left_out)}."
        if self.relabeled:
            verb = "has a new label" if self.relabeled == 1 else "have new labels"
            text += f" {self.relabeled:,} {verb}."
        return text


def training_size(
    face_set: FaceSet, config: TrainingConfig, curation: Curation, votes: Votes | None
) -> TrainingSize:
    """Count the images that a new run uses and leaves out.

    Args:
        face_set: The data as imported.
        config: The configuration of the run.
        curation: The decisions about the dataset; ignored if the configuration does not use them.
        votes: The annotator votes of the dataset; None if the dataset has no votes.

    Raises:
        InputError: The configuration learns from votes, but the dataset has no votes; or a decision
            is not valid.
    """
    if config.targets != "labels" and votes is not None:
        record = VoteRecord(votes, vote_targets(votes, face_set, config.targets))
        face_set = with_vote_targets(face_set, record)
    curated = apply_curation(face_set, curation if config.use_curation else Curation(), ("train",))
    faces = curated.faces
    rows = training_rows(faces, config)
    leak_free = _without_leaks(faces, config)
    return TrainingSize(
        imported=len(face_set.rows("train")),
        training=len(rows),
        validation=len(validation_rows(faces, config)),
        dropped=curated.dropped["train"],
        relabeled=curated.relabeled["train"],
        leaking=len(faces.rows("train")) - len(leak_free),
        without_votes=len(leak_free) - len(rows),
    )


def training_rows(face_set: FaceSet, config: TrainingConfig) -> NDArray[np.intp]:
    """Return the rows of the images that a run with a configuration trains on.

    Raises:
        InputError: The configuration learns from votes, but the images have no votes.
    """
    return _rows_with_targets(face_set, _without_leaks(face_set, config), config)


def validation_rows(face_set: FaceSet, config: TrainingConfig) -> NDArray[np.intp]:
    """Return the rows of the images on which a run with a configuration is validated.

    Raises:
        InputError: The configuration learns from votes, but the images have no votes.
    """
    return _rows_with_targets(face_set, face_set.rows("validation"), config)


def _without_leaks(face_set: FaceSet, config: TrainingConfig) -> NDArray[np.intp]:
    """Return the training rows, without leaking ones if the configuration excludes leaks."""
    rows = face_set.rows("train")
    if not config.exclude_leaks:
        return rows
    return np.setdiff1d(rows, leaking_training_rows(face_set))


def _rows_with_targets(
    face_set: FaceSet, rows: NDArray[np.intp], config: TrainingConfig
) -> NDArray[np.intp]:
    """Return all rows if labels are learned; if votes are learned, the rows with usable votes."""
    if config.targets == "labels":
        return rows
    if face_set.targets is None:
        raise InputError(
            f"targets={config.targets} needs a dataset with votes; import "
            "them with 'dataset votes DATA --import FILE'."
        )
    return rows[face_set.targets[rows].any(axis=1)]
