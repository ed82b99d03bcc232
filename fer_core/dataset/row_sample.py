"""A sample of a dataset's images, to measure something quickly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.face_set import FaceSet


def sample_rows(face_set: FaceSet, count: int) -> tuple[str, NDArray[np.intp]]:
    """Return rows of one split, evenly spaced.

    Args:
        face_set: The data.
        count: Maximum number of rows.

    Returns:
        The split and its rows: validation, or the first of test and train that has images if
        validation has none. No rows if the dataset has no images.
    """
    for split in ("validation", "test", "train"):
        rows = face_set.rows(split)
        if len(rows) > count:
            rows = rows[np.linspace(0, len(rows) - 1, count).astype(np.intp)]
        if len(rows):
            break
    return split, rows
