"""A small sample of a dataset's images, for quick measurements."""

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
        The split and its rows. The split is validation; if it has no images, it is test; if test
        has none either, it is train. There are no rows if the dataset has no images.
    """
    for split in ("validation", "test", "train"):
        rows = face_set.rows(split)
        if len(rows) > count:
            rows = rows[np.linspace(0, len(rows) - 1, count).astype(np.intp)]
        if len(rows):
            break
    return split, rows
