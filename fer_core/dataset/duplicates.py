"""Exact duplicates: images with the same pixels, within a split and across splits."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.face_set import SPLITS, FaceSet

#: An image is blank if the standard deviation of its pixel intensities is below this value.
#: FER2013's blank images have a single intensity; the deviations of its darkest real faces are well
#: above this value.
BLANK_DEVIATION = 2.0


def content_keys(
    images: NDArray[np.uint8], rows: NDArray[np.intp] | Sequence[int] | None = None
) -> NDArray[np.int64]:
    """Return a key for each image, int64 ``[k]``. Images with equal pixels have equal keys.

    A key is a cryptographic hash of eight bytes. Among a million images, the probability that any
    two different images have the same key is below one in ten million.

    Args:
        images: uint8 ``[n, 48, 48]``.
        rows: The row numbers of the ``k`` images; by default all. Passing row numbers takes less
            memory than passing ``images[rows]``, which copies the images.
    """
    selected = images if rows is None else (images[row] for row in rows)
    digests = (hashlib.blake2b(image.tobytes(), digest_size=8).digest() for image in selected)
    return np.frombuffer(b"".join(digests), dtype=np.int64)


@dataclass(frozen=True)
class DuplicateAudit:
    """Exact duplicates and blank images of a dataset.

    Attributes:
        groups: Row numbers of each group of two or more equal images.
        conflicting_groups: The groups whose images have different labels.
        leaked_rows: For validation and test, the rows whose images have the same pixels as an image
            in train.
        blank_rows: Row numbers of images that show nothing.
    """

    groups: tuple[NDArray[np.intp], ...]
    conflicting_groups: tuple[NDArray[np.intp], ...]
    leaked_rows: dict[str, NDArray[np.intp]]
    blank_rows: NDArray[np.intp]

    def to_json(self) -> dict[str, object]:
        """Return the counts, for the JSON output of ``dataset audit``."""
        return {
            "duplicate_groups": len(self.groups),
            "duplicate_images": sum(len(group) for group in self.groups),
            "conflicting_groups": len(self.conflicting_groups),
            "leaks": {split: len(rows) for split, rows in self.leaked_rows.items()},
            "blank_images": len(self.blank_rows),
        }


def audit_duplicates(face_set: FaceSet) -> DuplicateAudit:
    """Find exact duplicates, conflicting labels among them, leaks and blank images."""
    keys = content_keys(face_set.images)
    order = np.argsort(keys, kind="stable")
    bounds = np.concatenate(([0], np.flatnonzero(np.diff(keys[order])) + 1, [len(order)]))
    repeated = np.flatnonzero(np.diff(bounds) > 1)
    groups = tuple(order[bounds[index] : bounds[index + 1]] for index in repeated)
    # cv2.meanStdDev takes a tenth of the time of NumPy's std, which converts the pixels to floats.
    deviations = np.array([cv2.meanStdDev(image)[1].item() for image in face_set.images])
    return DuplicateAudit(
        groups=groups,
        conflicting_groups=tuple(
            group for group in groups if len(np.unique(face_set.labels[group])) > 1
        ),
        leaked_rows={
            split: leaked_rows(face_set, split, keys) for split in SPLITS if split != "train"
        },
        blank_rows=np.flatnonzero(deviations < BLANK_DEVIATION),
    )


def leaked_rows(
    face_set: FaceSet, split: str, keys: NDArray[np.int64] | None = None
) -> NDArray[np.intp]:
    """Return the rows of a split whose images have the same pixels as an image in train.

    Args:
        face_set: The data.
        split: The name of the split.
        keys: ``content_keys`` of all images of ``face_set``; computed by default.
    """
    keys = content_keys(face_set.images) if keys is None else keys
    rows = face_set.rows(split)
    return rows[np.isin(keys[rows], keys[face_set.rows("train")])]


def leaking_training_rows(face_set: FaceSet) -> NDArray[np.intp]:
    """Return the rows of train whose images have the same pixels as a validation or test image."""
    keys = content_keys(face_set.images)
    rows = face_set.rows("train")
    return rows[np.isin(keys[rows], keys[face_set.splits != SPLITS.index("train")])]
