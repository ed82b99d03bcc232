"""Find hard cuts: frames that show a different scene than the previous frame.

A cut changes most of the picture at once. Motion changes parts of it, and a flash or a change of
the exposure changes the brightness but not the structure. Therefore a frame counts as a cut under
two conditions. First, its mean absolute difference from the previous frame must be large, and
several times the running average of these differences (the adaptive threshold of PySceneDetect).
Second, its correlation with the previous frame must be low. Difference and correlation are computed
on thumbnails, in which small motion disappears.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

#: Width and height of a thumbnail.
_SIZE = (32, 24)
#: Minimum difference of a cut: the mean over pixels and color channels, 0 to 255.
_MIN_DIFFERENCE = 18.0
#: Minimum difference of a cut, relative to the running average of the differences.
_MIN_RATIO = 4.0
#: Maximum correlation of a cut.
_MAX_CORRELATION = 0.7
#: Weight of a new difference in the running average.
_AVERAGE_WEIGHT = 0.1


def thumbnail(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the small picture that ``CutDetector`` compares: uint8 ``[24, 32, 3]``.

    Args:
        image: RGB, uint8 ``[height, width, 3]``.
    """
    return np.asarray(cv2.resize(image, _SIZE, interpolation=cv2.INTER_AREA), np.uint8)


class CutDetector:
    """Compares each frame with the previous one."""

    def __init__(self) -> None:
        self._last: NDArray[np.uint8] | None = None
        self._average_difference = 0.0

    def is_cut(self, small: NDArray[np.uint8]) -> bool:
        """Return True if the next frame shows a different scene than the previous frame.

        Args:
            small: The ``thumbnail`` of the next frame.
        """
        previous, self._last = self._last, small
        if previous is None:
            return False
        old, new = previous.astype(np.float64), small.astype(np.float64)
        difference = float(np.abs(new - old).mean())
        is_sudden = difference >= max(_MIN_DIFFERENCE, _MIN_RATIO * self._average_difference)
        if is_sudden and _correlation(old, new) <= _MAX_CORRELATION:
            return True
        # Limit the difference. Otherwise a flash would raise the average so much that the next cut
        # would not be found.
        self._average_difference += _AVERAGE_WEIGHT * (
            min(difference, _MIN_DIFFERENCE) - self._average_difference
        )
        return False

    def to_json(self) -> dict[str, Any]:
        """Return the state as values for JSON."""
        last = None if self._last is None else self._last.ravel().tolist()
        # "usual" is the former name of the average difference; stored analyses contain it.
        return {"last": last, "usual": self._average_difference}

    def restore(self, state: dict[str, Any]) -> None:
        """Replace the state by one from ``to_json``.

        Raises:
            KeyError, TypeError, ValueError: The state is damaged.
        """
        last = state["last"]
        shape = (_SIZE[1], _SIZE[0], 3)
        self._last = None if last is None else np.array(last, np.uint8).reshape(shape)
        self._average_difference = float(state["usual"])


def _correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return the correlation of two pictures over all pixels and channels; 0 if one is uniform."""
    first, second = first - first.mean(), second - second.mean()
    norm = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / norm if norm > 0 else 0.0
