"""A small sample of a dataset's images, for quick measurements."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.face_set import FaceSet


def sample_rows(face_set: FaceSet, count: int) -> tuple[str, NDArray[np.intp]]:
    """Return a split and evenly spaced rows of this split.

    The split is the first of validation, test and train that has images.

    Args:
        face_set: The data.
        count: Maximum number of rows.

    Returns:
        The name of the split and the numbers of the rows. If the dataset has no images, there are
        no rows.
    """
    for split in ("validation", "test", "train"):
        rows = face_set.rows(split)
        if len(rows) > count:
            rows = rows[np.linspace(0, len(rows) - 1, count).astype(np.intp)]
        if len(rows):
            break
    return split, rows
