"""Counting a dataset."""

from __future__ import annotations

import numpy as np

from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.emotions import EMOTIONS


def class_counts(face_set: FaceSet) -> dict[str, dict[str, int]]:
    """Images per split and emotion; an absent split is an empty dictionary."""
    counts: dict[str, dict[str, int]] = {}
    for index, split in enumerate(SPLITS):
        labels = face_set.labels[face_set.splits == index]
        per_class = np.bincount(labels, minlength=len(EMOTIONS))
        counts[split] = dict(zip(EMOTIONS, per_class.tolist(), strict=True)) if len(labels) else {}
    return counts


def imbalance_ratio(face_set: FaceSet) -> float | None:
    """Images of the training split's largest class for each one of its smallest.

    Classes without any image are passed over; None if there are no training images.
    """
    counts = [count for count in class_counts(face_set)["train"].values() if count]
    return max(counts) / min(counts) if counts else None
