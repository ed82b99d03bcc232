"""Quick fixes: rules that drop images of one kind of finding.

A quick fix does not change the imported images: it adds decisions to the curation of the dataset.
"""

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
    """A rule that drops images of one kind of finding.

    Attributes:
        name: The name of the quick fix on the command line.
        title: The text of its button.
        explanation: What the quick fix does and does not do, for users.
        reason: The reason that is stored with each decision.
        source: The kind of finding whose images the quick fix drops. It is stored as the source of
            each decision.
        needs_near_duplicates: True if the quick fix needs the near-duplicates of the dataset.
        depends_on_dropped: True if the earlier drops of the curation change which images the quick
            fix drops. For example, ``drop-repeats`` keeps the first of two copies and drops the
            second copy. If the first copy was dropped earlier, ``drop-repeats`` keeps the second.
    """

    name: str
    title: str
    explanation: str
    reason: str
    source: str
    needs_near_duplicates: bool = False
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
        needs_near_duplicates=True,
    ),
    QuickFix(
        "drop-repeats",
        "Drop repeated images within train",
        "Of training images with the same pixels and the same label, keeps only the first one.",
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
        InputError: There is no quick fix with this name.
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
        near: The near-duplicates of the dataset; None if the quick fix does not need them.

    Raises:
        InputError: There is no such quick fix.
        ValueError: The quick fix needs the near-duplicates, and ``near`` is None.
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
    """Return the rows that a quick fix would drop, including rows that were kept or relabeled.

    Args:
        fix: The quick fix.
        face_set: The dataset as imported.
        dropped: Rows that were dropped earlier. A quick fix with ``depends_on_dropped`` treats them
            as absent from the dataset; all others do not use this argument.
        near: The near-duplicates of the dataset; None if the quick fix does not need them.

    Raises:
        ValueError: The quick fix needs the near-duplicates, and ``near`` is None.
    """
    if fix.needs_near_duplicates:
        if near is None:
            raise ValueError(f"{fix.name} needs the near-duplicates")
        return _near_duplicate_rows(face_set, near)
    if fix.depends_on_dropped:
        return _repeats(face_set, set(dropped))
    return _ROWS_TO_DROP[fix.name](face_set)


def _near_duplicate_rows(face_set: FaceSet, near: NearDuplicates) -> NDArray[np.intp]:
    """Return the training rows that are near-duplicates of validation and test images.

    The pairs of near-duplicates contain only one image of each group of exact copies. The other
    copies have the same pixels, so the rows are found by the hash of their pixels.
    """
    keys = content_keys(face_set.images)
    train = face_set.rows("train")
    held_out_keys = np.unique(keys[face_set.splits != SPLITS.index("train")])
    first_keys, second_keys = keys[near.first], keys[near.second]
    near_keys = np.concatenate(
        [
            second_keys[np.isin(first_keys, held_out_keys)],
            first_keys[np.isin(second_keys, held_out_keys)],
        ]
    )
    return train[np.isin(keys[train], near_keys)]


def _repeats(face_set: FaceSet, dropped: set[int]) -> NDArray[np.intp]:
    """Return the training rows that have the pixels and the label of an earlier training row.

    Rows in ``dropped`` are ignored.
    """
    rows = np.setdiff1d(face_set.rows("train"), np.array(sorted(dropped), np.intp))
    keys_and_labels = np.stack([content_keys(face_set.images)[rows], face_set.labels[rows]])
    _, first_positions = np.unique(keys_and_labels, axis=1, return_index=True)
    return np.setdiff1d(rows, rows[first_positions])


def _conflicts(face_set: FaceSet) -> NDArray[np.intp]:
    groups = audit_duplicates(face_set).conflicting_groups
    # np.concatenate needs at least one array, but there may be no groups.
    rows = np.concatenate([*groups, np.zeros(0, np.intp)]).astype(np.intp)
    return np.sort(rows[face_set.splits[rows] == SPLITS.index("train")])


def _blanks(face_set: FaceSet) -> NDArray[np.intp]:
    quality = image_quality(face_set.images)
    return np.sort(np.concatenate([quality.blank_rows(), quality.nearly_blank_rows()]))


#: Functions that return the rows to drop, by the name of the quick fix. They exist only for quick
#: fixes that need no data other than the dataset.
_ROWS_TO_DROP: dict[str, Callable[[FaceSet], NDArray[np.intp]]] = {
    "drop-train-copies": leaking_training_rows,
    "drop-conflicts": _conflicts,
    "drop-blanks": _blanks,
}
