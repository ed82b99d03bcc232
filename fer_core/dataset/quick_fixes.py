"""Quick fixes: from a kind of finding to decisions about all images that it lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
class QuickFix:
    """One change for all images of a finding.

    Attributes:
        name: Its name on the command line.
        title: The text of its button.
        explanation: One sentence: what it does, and what it does not do.
        reason: The reason that its decisions state.
        source: The kind of finding that it fixes.
        needs_near: Whether it needs the near-duplicates.
        depends_on_dropped: Whether the images that it would drop depend on those that are dropped
            already, apart from those themselves.
    """

    name: str
    title: str
    explanation: str
    reason: str
    source: str
    needs_near: bool = False
    depends_on_dropped: bool = False


QUICK_FIXES: tuple[QuickFix, ...] = (
    QuickFix(
        "drop-train-copies",
        "Drop train copies of validation and test images",
        "Drops training images that have the same pixels as a validation or test image. "
        "Validation and test stay complete, so that results remain comparable.",
        "the same pixels are in validation or test",
        "leaks",
    ),
    QuickFix(
        "drop-train-near-copies",
        "Drop near-duplicates of validation and test images from train",
        "Drops training images that show the same photo as a validation or test image.",
        "nearly the same image is in validation or test",
        "near_leaks",
        needs_near=True,
    ),
    QuickFix(
        "drop-repeats",
        "Drop repeated images within train",
        "Keeps only the first of training images with the same pixels and the same label.",
        "the same pixels with the same label are in train already",
        "repeats",
        depends_on_dropped=True,
    ),
    QuickFix(
        "drop-conflicts",
        "Drop training images with conflicting labels",
        "Drops training images whose exact pixels also occur under another label.",
        "the same pixels have another label elsewhere",
        "conflicts",
    ),
    QuickFix(
        "drop-blanks",
        "Drop blank and nearly blank images",
        "Drops images that show nothing, in all splits.",
        "there is no face to see",
        "blanks",
    ),
)


def quick_fix_by_name(name: str) -> QuickFix:
    """Return a quick fix by its name.

    Raises:
        InputError: There is no quick fix of that name.
    """
    for fix in QUICK_FIXES:
        if fix.name == name:
            return fix
    raise InputError(
        f"There is no quick fix {name!r}; choose from {', '.join(fix.name for fix in QUICK_FIXES)}."
    )


def quick_fix_entries(
    name: str,
    face_set: FaceSet,
    curation: Curation,
    *,
    near: NearDuplicates | None = None,
) -> tuple[CurationEntry, ...]:
    """Return the decisions of a quick fix, for ``CurationFile.change``.

    Images that already have a decision (dropped, kept or relabeled) are skipped.

    Args:
        name: Name of one of ``QUICK_FIXES``.
        face_set: The dataset as imported.
        curation: The earlier decisions.
        near: The near-duplicates of the dataset, where the quick fix needs them.

    Raises:
        InputError: There is no such quick fix.
        ValueError: It needs the near-duplicates, and ``near`` is None.
    """
    fix = quick_fix_by_name(name)
    decided = match_curation(curation, face_set).by_row
    dropped = {row for row, entry in decided.items() if entry.action == "drop"}
    rows = quick_fix_rows(fix, face_set, dropped if fix.depends_on_dropped else (), near=near)
    return entries_for(
        face_set,
        [int(row) for row in rows if int(row) not in decided],
        "drop",
        reason=fix.reason,
        source=fix.source,
    )


def quick_fix_rows(
    fix: QuickFix,
    face_set: FaceSet,
    dropped: Iterable[int] = (),
    *,
    near: NearDuplicates | None = None,
) -> NDArray[np.intp]:
    """Return the rows that a quick fix would drop, including rows that already have a decision.

    Args:
        fix: The quick fix.
        face_set: The dataset as imported.
        dropped: Rows that are dropped already, if the fix depends on them.
        near: The near-duplicates of the dataset, where the fix needs them.

    Raises:
        ValueError: It needs the near-duplicates, and ``near`` is None.
    """
    if fix.needs_near:
        if near is None:
            raise ValueError(f"{fix.name} needs the near-duplicates")
        return _near_duplicate_rows(face_set, near)
    if fix.depends_on_dropped:
        return _repeats(face_set, set(dropped))
    return _ROWS[fix.name](face_set)


def _near_duplicate_rows(face_set: FaceSet, near: NearDuplicates) -> NDArray[np.intp]:
    """Return training rows that are near-duplicates of held-out images, and their exact copies."""
    keys = content_keys(face_set.images)
    train = face_set.rows("train")
    held_out = np.unique(keys[face_set.splits != SPLITS.index("train")])
    first_keys, second_keys = keys[near.first], keys[near.second]
    near_keys = np.concatenate(
        [
            second_keys[np.isin(first_keys, held_out)],
            first_keys[np.isin(second_keys, held_out)],
        ]
    )
    return train[np.isin(keys[train], near_keys)]


def _repeats(face_set: FaceSet, dropped: set[int]) -> NDArray[np.intp]:
    """Return training rows that repeat an earlier one that is not dropped."""
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
