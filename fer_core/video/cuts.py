"""Find hard cuts: frames that show another scene than the frame before.

A cut changes most of the picture at once. Motion changes parts of it, and a flash or a change of
the exposure changes the brightness but not the structure. Therefore two measures have to agree, on
thumbnails in which small motion disappears: the mean absolute difference, which also has to be
several times the usual one (the adaptive threshold of PySceneDetect), and the correlation.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_SIZE = (32, 24)
#: Mean absolute difference of the color channels, 0 to 255.
_MIN_DIFFERENCE = 18.0
_MIN_RATIO = 4.0
_MAX_CORRELATION = 0.7
#: Weight of a new difference in the usual one.
_UPDATE = 0.1


def thumbnail(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the small picture in which cuts are searched: uint8 ``[24, 32, 3]``.

    Args:
        image: RGB, uint8 ``[height, width, 3]``.
    """
    return np.asarray(cv2.resize(image, _SIZE, interpolation=cv2.INTER_AREA), np.uint8)


class CutDetector:
    """Compares each frame with the one before."""

    def __init__(self) -> None:
        self._last: NDArray[np.uint8] | None = None
        self._usual = 0.0

    def is_cut(self, small: NDArray[np.uint8]) -> bool:
        """Return True if this frame, as a ``thumbnail``, shows another scene than the last one."""
        before, self._last = self._last, small
        if before is None:
            return False
        old, new = before.astype(np.float64), small.astype(np.float64)
        difference = float(np.abs(new - old).mean())
        is_sudden = difference >= max(_MIN_DIFFERENCE, _MIN_RATIO * self._usual)
        if is_sudden and _correlation(old, new) <= _MAX_CORRELATION:
            return True
        # Limited, because a flash must not hide the next cut.
        self._usual += _UPDATE * (min(difference, _MIN_DIFFERENCE) - self._usual)
        return False

    def to_json(self) -> dict[str, Any]:
        """Return the state as a JSON document."""
        last = None if self._last is None else self._last.ravel().tolist()
        return {"last": last, "usual": self._usual}

    def restore(self, state: dict[str, Any]) -> None:
        """Replace the state by one from ``to_json``.

        Raises:
            KeyError, TypeError, ValueError: It is damaged.
        """
        last = state["last"]
        shape = (_SIZE[1], _SIZE[0], 3)
        self._last = None if last is None else np.array(last, np.uint8).reshape(shape)
        self._usual = float(state["usual"])


def _correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return the correlation of two pictures over all pixels and channels; 0 if one is uniform."""
    first, second = first - first.mean(), second - second.mean()
    norm = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / norm if norm > 0 else 0.0
