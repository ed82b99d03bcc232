"""Remedies in bulk: from a kind of finding to decisions about all images that it names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.curation import Curation, CurationEntry, entries_for, match_curation
from fer_core.dataset.duplicates import audit_duplicates, content_keys, leaking_training_rows
from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.dataset.image_quality import image_quality
from fer_core.dataset.near_duplicates import NearDuplicates
from fer_core.errors import InputError


@dataclass(frozen=True)
class Remedy:
    """A remedy in bulk.

    Attributes:
        name: What commands call it.
        title: What a button says.
        explanation: One sentence: what it does, and what it does not.
        reason: What its decisions give as their reason.
        source: The finding that it answers.
        needs_near: Whether it needs the near-duplicates.
    """

    name: str
    title: str
    explanation: str
    reason: str
    source: str
    needs_near: bool = False


REMEDIES: tuple[Remedy, ...] = (
    Remedy(
        "drop-train-copies",
        "Drop train copies of validation and test images",
        "Training images with the very pixels of a validation or test image are left out; the "
        "held-out images stay, so that figures remain comparable.",
        "the same pixels stand in validation or test",
        "leaks",
    ),
    Remedy(
        "drop-train-near-copies",
        "Drop near-copies of validation and test images from train",
        "Training images that show the same photo as a validation or test image are left out.",
        "nearly the same image stands in validation or test",
        "near_leaks",
        needs_near=True,
    ),
    Remedy(
        "drop-repeats",
        "Drop repeated images within train",
        "Of training images with the same pixels and the same label only the first is kept.",
        "the same pixels with the same label stand in train already",
        "repeats",
    ),
    Remedy(
        "drop-conflicts",
        "Drop training images with conflicting labels",
        "Training images are left out whose very pixels stand somewhere under another label.",
        "the same pixels have another label elsewhere",
        "conflicts",
    ),
    Remedy(
        "drop-blanks",
        "Drop blank and nearly blank images",
        "Images without anything to see are left out, in all splits.",
        "there is no face to see",
        "blanks",
    ),
)


def remedy_by_name(name: str) -> Remedy:
    """A remedy by its name.

    Raises:
        InputError: There is none of that name.
    """
    for remedy in REMEDIES:
        if remedy.name == name:
            return remedy
    raise InputError(
        f"There is no remedy {name!r}; choose from {', '.join(remedy.name for remedy in REMEDIES)}."
    )


def remedy_entries(
    name: str,
    face_set: FaceSet,
    curation: Curation,
    *,
    near: NearDuplicates | None = None,
) -> tuple[CurationEntry, ...]:
    """The decisions that a remedy makes, to be handed to ``CurationFile.change``.

    Images that a person decided to keep, and those that are dropped already, are passed over.

    Args:
        name: Of one of ``REMEDIES``.
        face_set: The dataset as it was imported.
        curation: What was decided so far.
        near: Its near-duplicates, where the remedy needs them.

    Raises:
        InputError: There is no such remedy.
        ValueError: It needs the near-duplicates, and there are none.
    """
    remedy = remedy_by_name(name)
    decided = match_curation(curation, face_set).by_row
    dropped = {row for row, entry in decided.items() if entry.action == "drop"}
    settled = dropped | {row for row, entry in decided.items() if entry.action == "keep"}
    if remedy.needs_near:
        if near is None:
            raise ValueError(f"{name} needs near")
        rows = _near_copies(face_set, near)
    elif name == "drop-repeats":
        rows = _repeats(face_set, dropped)
    else:
        rows = _ROWS[name](face_set)
    return entries_for(
        face_set,
        [int(row) for row in rows if int(row) not in settled],
        "drop",
        reason=remedy.reason,
        source=remedy.source,
    )


def _near_copies(face_set: FaceSet, near: NearDuplicates) -> NDArray[np.intp]:
    """Training rows that are a held-out image's near-duplicate, with the exact copies of both."""
    keys = content_keys(face_set.images)
    train = face_set.rows("train")
    held_out = np.unique(keys[face_set.splits != SPLITS.index("train")])
    one, other = keys[near.first], keys[near.second]
    found = np.concatenate([other[np.isin(one, held_out)], one[np.isin(other, held_out)]])
    return train[np.isin(keys[train], found)]


def _repeats(face_set: FaceSet, dropped: set[int]) -> NDArray[np.intp]:
    # Among what is left: the last one of an image must stay.
    rows = np.setdiff1d(face_set.rows("train"), np.array(sorted(dropped), np.intp))
    pairs = np.stack([content_keys(face_set.images)[rows], face_set.labels[rows]])
    _, first = np.unique(pairs, axis=1, return_index=True)
    return np.setdiff1d(rows, rows[first])


def _conflicts(face_set: FaceSet) -> NDArray[np.intp]:
    groups = audit_duplicates(face_set).conflicting_groups
    rows = np.concatenate([*groups, np.zeros(0, np.intp)]).astype(np.intp)
    return np.sort(rows[face_set.splits[rows] == SPLITS.index("train")])


def _blanks(face_set: FaceSet) -> NDArray[np.intp]:
    quality = image_quality(face_set.images)
    return np.sort(np.concatenate([quality.blank_rows(), quality.nearly_blank_rows()]))


_ROWS: dict[str, Callable[[FaceSet], NDArray[np.intp]]] = {
    "drop-train-copies": leaking_training_rows,
    "drop-conflicts": _conflicts,
    "drop-blanks": _blanks,
}
