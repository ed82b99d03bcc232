"""Shrink a picture to the size at which faces are detected or followed."""

import cv2
import numpy as np
from numpy.typing import NDArray

#: Maximum width and height in pixels. Without this limit, a picture that is one pixel high could
#: remain many thousand pixels wide. Detectors pad it to their minimum height, which would take much
#: memory.
_MAX_SIDE = 4096


def shrink_to(image: NDArray[np.uint8], max_pixels: int) -> tuple[NDArray[np.uint8], float, float]:
    """Shrink a picture to about ``max_pixels`` pixels, and to at most 4096 pixels per side.

    A picture within both limits is not changed. The first limit is an area and not a side, so that
    faces in a panorama remain large enough.

    Args:
        image: uint8 ``[height, width]`` or ``[height, width, 3]``.
        max_pixels: The maximum area, in pixels.

    Returns:
        The shrunk picture, and the factors that convert x and y in the shrunk picture to x and y in
        ``image``.
    """
    height, width = image.shape[:2]
    scale = min(1.0, (max_pixels / (width * height)) ** 0.5, _MAX_SIDE / max(width, height))
    if scale == 1.0:
        return image, 1.0, 1.0
    new_width, new_height = max(1, round(width * scale)), max(1, round(height * scale))
    smaller = cv2.resize(image, (new_width, new_height), interpolation=cv2.INTER_AREA)
    return np.asarray(smaller, np.uint8), width / new_width, height / new_height
