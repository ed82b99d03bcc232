"""Near-duplicates: copies of a photo that are brighter, darker, shifted, recompressed or mirrored.

``near_search`` finds the pairs. This module derives groups, conflicts and leaks from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.disjoint_sets import DisjointSets
from fer_core.dataset.duplicates import content_keys
from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.finding_cache import Arrays, cached_arrays
from fer_core.dataset.near_search import find_pairs, first_copies
from fer_core.progress import ProgressReport

#: Version of the method. It is part of the cache key, so that results of an older method are not
#: used.
_VERSION = "2"


@dataclass(frozen=True)
class NearDuplicates:
    """Pairs of images that show the same photo with different pixels, and the groups they form.

    Attributes:
        first: The smaller row number of each pair, intp ``[p]``. The pairs contain only the first
            image of each group of exact copies.
        second: The larger row number of each pair, intp ``[p]``.
        correlation: Correlation of the pixels of each pair at the best shift, float32 ``[p]``, up
            to 1.
        is_mirrored: True for pairs whose images are mirrored copies of each other, bool ``[p]``.
        groups: Row numbers of each group of images that pairs connect, including exact copies of
            these images.
        conflicting_groups: The groups whose images have different labels.
        leaked_rows: For validation and test, the rows that are near-duplicates, but not exact
            copies, of a training image.
        is_complete: False if so many images look alike that not all pairs were verified.
    """

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    correlation: NDArray[np.float32]
    is_mirrored: NDArray[np.bool_]
    groups: tuple[NDArray[np.intp], ...]
    conflicting_groups: tuple[NDArray[np.intp], ...]
    leaked_rows: dict[str, NDArray[np.intp]]
    is_complete: bool = True

    def to_json(self) -> dict[str, object]:
        """Return the counts for ``dataset audit``."""
        return {
            "near_duplicate_groups": len(self.groups),
            "near_duplicate_images": sum(len(group) for group in self.groups),
            "near_duplicate_conflicting_groups": len(self.conflicting_groups),
            "near_leaks": {split: len(rows) for split, rows in self.leaked_rows.items()},
        }


def find_near_duplicates(face_set: FaceSet, report: ProgressReport | None = None) -> NearDuplicates:
    """Find the near-duplicates of a dataset by comparing all pairs of images.

    Args:
        face_set: The data.
        report: Called with the amounts of finished work and of all work, in an arbitrary unit.
    """
    return _with_groups(face_set, _pairs(face_set, report))


def cached_near_duplicates(
    face_set: FaceSet, folder: Path | None, report: ProgressReport | None = None
) -> NearDuplicates:
    """Find near-duplicates, or read them from the cache in the dataset's folder.

    Args:
        face_set: The data.
        folder: ``data/<name>``; None for data read from a path.
        report: Called with the amounts of finished work and of all work, in an arbitrary unit.
    """
    key = f"{_VERSION}-{face_set.fingerprint}"
    return _with_groups(
        face_set,
        cached_arrays(folder, "near-duplicates", key, lambda: _pairs(face_set, report)),
    )


def _pairs(face_set: FaceSet, report: ProgressReport | None) -> Arrays:
    """Return the pairs of near-duplicates as arrays by name, as the cache stores them."""
    pairs = find_pairs(face_set.images, first_copies(content_keys(face_set.images)), report=report)
    return {
        "is_complete": np.array(pairs.is_complete),
        "first": pairs.first,
        "second": pairs.second,
        "correlation": pairs.correlation,
        "is_mirrored": pairs.is_mirrored,
    }


def _with_groups(face_set: FaceSet, pairs: Arrays) -> NearDuplicates:
    """Return the pairs, and the groups, conflicts and leaks that follow from the pairs."""
    first, second = pairs["first"], pairs["second"]
    connected = DisjointSets(len(face_set))
    for first_row, second_row in zip(first.tolist(), second.tolist(), strict=True):
        connected.join(first_row, second_row)
    keys = content_keys(face_set.images)
    copies: dict[int, list[int]] = {}
    for row, key in enumerate(keys.tolist()):
        copies.setdefault(key, []).append(row)
    members: dict[int, set[int]] = {}
    for row in np.unique(np.concatenate([first, second])).tolist():
        members.setdefault(connected.root(row), set()).update(copies[int(keys[row])])
    groups = tuple(np.array(sorted(group), np.intp) for group in sorted(members.values(), key=min))
    return NearDuplicates(
        first=first,
        second=second,
        correlation=pairs["correlation"],
        is_mirrored=pairs["is_mirrored"],
        groups=groups,
        conflicting_groups=tuple(
            group for group in groups if len(np.unique(face_set.labels[group])) > 1
        ),
        leaked_rows=_near_leaks(face_set, keys, first, second),
        is_complete=bool(pairs["is_complete"]),
    )


def _near_leaks(
    face_set: FaceSet,
    keys: NDArray[np.int64],
    first: NDArray[np.intp],
    second: NDArray[np.intp],
) -> dict[str, NDArray[np.intp]]:
    """Return the validation and test rows with a near-duplicate, but no exact copy, in train.

    The function uses pairs instead of groups, because two images of a group need not be
    near-duplicates of each other: a third image, which is a near-duplicate of both, may connect
    them.
    """
    train_keys = np.unique(keys[face_set.rows("train")])
    first_keys, second_keys = keys[first], keys[second]
    near_keys = np.concatenate(
        [
            second_keys[np.isin(first_keys, train_keys)],
            first_keys[np.isin(second_keys, train_keys)],
        ]
    )
    near_keys = np.setdiff1d(near_keys, train_keys)
    leaks = {}
    for split in ("validation", "test"):
        rows = face_set.rows(split)
        leaks[split] = rows[np.isin(keys[rows], near_keys)]
    return leaks
