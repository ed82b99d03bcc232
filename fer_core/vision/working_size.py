"""Shrinking a picture to the size in which faces are looked for."""

import cv2
import numpy as np
from numpy.typing import NDArray

#: A picture of one pixel's height may be as wide as the whole pixel budget; detectors pad such
#: strips to their own smallest height, so that the width needs a bound of its own.
_LONGEST_SIDE = 4096


def shrink_to(image: NDArray[np.uint8], pixels: int) -> tuple[NDArray[np.uint8], float, float]:
    """Shrink a picture to at most about ``pixels`` pixels; smaller ones stay as they are.

    The area is bounded and not the longer side, so that a panorama keeps its faces.

    Args:
        image: uint8 ``[height, width]`` or ``[height, width, 3]``.
        pixels: The largest area.

    Returns:
        The picture, and the factors that take its x and y back to the full picture's.
    """
    height, width = image.shape[:2]
    scale = min(1.0, (pixels / (width * height)) ** 0.5, _LONGEST_SIDE / max(width, height))
    if scale == 1.0:
        return image, 1.0, 1.0
    new_width, new_height = max(1, round(width * scale)), max(1, round(height * scale))
    smaller = cv2.resize(image, (new_width, new_height), interpolation=cv2.INTER_AREA)
    return np.asarray(smaller, np.uint8), width / new_width, height / new_height
