"""Mean faces, histograms of pixel intensities, and distances of faces from their class mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.face_set import FACE_SIZE

#: Number of images that are converted to float32 or int64 at a time. Converting all images at once
#: would take up to eight times their memory.
_CHUNK_SIZE = 2048

#: Number of possible pixel intensities.
GRAY_LEVELS = 256


def mean_face(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the mean of faces, pixel by pixel.

    Args:
        images: uint8 ``[n, 48, 48]``, at least one.

    Returns:
        float64 ``[48, 48]``, 0 to 255.

    Raises:
        ValueError: There are no images.
    """
    if not len(images):
        raise ValueError("images should contain at least one face. Received: 0")
    return np.asarray(images.mean(axis=0, dtype=np.float64))


def mean_faces(
    images: NDArray[np.uint8], labels: NDArray[np.int8], classes: Sequence[str]
) -> dict[str, NDArray[np.float64]]:
    """Return the mean face of each class that has at least one image.

    Args:
        images: uint8 ``[n, 48, 48]``.
        labels: int8 ``[n]``, indices into ``classes``.
        classes: The names of the classes.

    Returns:
        The mean faces, float64 ``[48, 48]``, 0 to 255, by class name, in the order of ``classes``.
    """
    return {
        name: mean_face(images[labels == index])
        for index, name in enumerate(classes)
        if np.any(labels == index)
    }


def stretch_contrast(mean: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Scale the intensities of a mean face linearly to the full range, uint8 0 to 255.

    A mean of many faces has little contrast; the scaling makes its facial features visible.
    """
    low, high = float(mean.min()), float(mean.max())
    if high - low < 1e-9:
        return np.full(mean.shape, round(low), dtype=np.uint8)
    return np.rint((mean - low) * (255 / (high - low))).astype(np.uint8)


def gray_histogram(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the share of pixels at each intensity.

    Args:
        images: uint8 ``[n, 48, 48]``.

    Returns:
        float64 ``[256]`` that sums to 1; all zeros if there are no images.
    """
    counts = np.zeros(GRAY_LEVELS, dtype=np.int64)
    for start in range(0, len(images), _CHUNK_SIZE):
        counts += np.bincount(images[start : start + _CHUNK_SIZE].ravel(), minlength=GRAY_LEVELS)
    return counts / max(int(counts.sum()), 1)


def distance_from_class_mean(
    images: NDArray[np.uint8], labels: NDArray[np.int8]
) -> NDArray[np.float32]:
    """Return the distance of each face from the mean face of its class.

    Both faces are first normalized for brightness and contrast. Without the normalization, dark
    images would have the largest distances.

    Args:
        images: uint8 ``[n, 48, 48]``.
        labels: int8 ``[n]``.

    Returns:
        float32 ``[n]``, one minus the correlation with the mean face: from 0 (the mean face itself)
        to 2 (the negative of the mean face); 1 for an image with a single intensity.
    """
    distances = np.ones(len(images), dtype=np.float32)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        mean = _normalized(mean_face(images[rows]).reshape(1, -1).astype(np.float32))[0]
        for start in range(0, len(rows), _CHUNK_SIZE):
            chunk = rows[start : start + _CHUNK_SIZE]
            faces = images[chunk].reshape(len(chunk), FACE_SIZE * FACE_SIZE).astype(np.float32)
            distances[chunk] = 1 - _normalized(faces) @ mean
    return distances


def _normalized(faces: NDArray[np.float32]) -> NDArray[np.float32]:
    """Normalize each row to mean 0 and length 1; a face with a single intensity becomes zeros."""
    centered = faces - faces.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(centered, axis=1, keepdims=True)
    result: NDArray[np.float32] = centered / np.maximum(lengths, np.float32(1e-6))
    return result
