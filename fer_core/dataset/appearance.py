"""What the faces of a dataset look like on average, and which of them look least like it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.face_set import FACE_SIZE
from fer_core.emotions import EMOTIONS

#: Rows that are turned into floats at once: all together would be eight times the images.
_CHUNK = 2048

GREY_LEVELS = 256


def mean_face(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The mean of faces, pixel by pixel.

    Args:
        images: uint8 ``[n, 48, 48]``, at least one.

    Returns:
        float64 ``[48, 48]``, 0 to 255.

    Raises:
        ValueError: There are no images.
    """
    if not len(images):
        raise ValueError("images should hold at least one face. Received: 0")
    return np.asarray(images.mean(axis=0, dtype=np.float64))


def mean_faces(
    images: NDArray[np.uint8], labels: NDArray[np.int8]
) -> dict[str, NDArray[np.float64]]:
    """The mean face of each emotion of which there is an image.

    Args:
        images: uint8 ``[n, 48, 48]``.
        labels: int8 ``[n]``.

    Returns:
        float64 ``[48, 48]``, 0 to 255, by emotion, in the emotions' order.
    """
    return {
        emotion: mean_face(images[labels == index])
        for index, emotion in enumerate(EMOTIONS)
        if np.any(labels == index)
    }


def as_picture(mean: NDArray[np.float64]) -> NDArray[np.uint8]:
    """A mean face as grey values, uint8, stretched so that its darkest is 0 and brightest 255.

    Means of many faces are flat and grey; stretched, their features can be seen.
    """
    low, high = float(mean.min()), float(mean.max())
    if high - low < 1e-9:
        return np.full(mean.shape, round(low), dtype=np.uint8)
    return np.rint((mean - low) * (255 / (high - low))).astype(np.uint8)


def grey_histogram(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The share of pixels at each grey value.

    Args:
        images: uint8 ``[n, 48, 48]``.

    Returns:
        float64 ``[256]`` that sums to 1; zeros without images.
    """
    counts = np.zeros(GREY_LEVELS, dtype=np.int64)
    for start in range(0, len(images), _CHUNK):
        counts += np.bincount(images[start : start + _CHUNK].ravel(), minlength=GREY_LEVELS)
    return counts / max(int(counts.sum()), 1)


def distance_from_class_mean(
    images: NDArray[np.uint8], labels: NDArray[np.int8]
) -> NDArray[np.float32]:
    """How unlike each face is to the mean face of its emotion.

    Both are freed of their brightness and contrast first, so that dark pictures are not simply
    the farthest.

    Args:
        images: uint8 ``[n, 48, 48]``.
        labels: int8 ``[n]``.

    Returns:
        float32 ``[n]``: one minus the correlation with the mean, 0 (the mean itself) to 2 (its
        negative); 1 for a face of one grey.
    """
    distances = np.ones(len(images), dtype=np.float32)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        pattern = _normalized(mean_face(images[rows]).reshape(1, -1).astype(np.float32))[0]
        for start in range(0, len(rows), _CHUNK):
            part = rows[start : start + _CHUNK]
            faces = images[part].reshape(len(part), FACE_SIZE * FACE_SIZE).astype(np.float32)
            distances[part] = 1 - _normalized(faces) @ pattern
    return distances


def _normalized(faces: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows with mean 0 and length 1; those of one grey become zeros."""
    centred = faces - faces.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    result: NDArray[np.float32] = centred / np.maximum(lengths, np.float32(1e-6))
    return result
