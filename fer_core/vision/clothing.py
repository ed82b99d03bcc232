"""Describe a person by colors, to distinguish people whose paths cross.

Faces are matched by position. Where two faces meet, or a person returns at another position, the
colors of hair and clothes decide. Histograms of hue and saturation are compared by the
Bhattacharyya coefficient (Comaniciu, Ramesh and Meer, "Kernel-based object tracking", PAMI 2003).
Such a histogram is not a biometric feature and identifies nobody.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_core.vision.boxes import FaceBox

#: Edges of the region whose colors are counted: offsets from the upper left corner of the face box,
#: in widths and heights of the box. The region includes the hair above and the shoulders below.
_LEFT, _RIGHT = -0.4, 1.4
_TOP, _BOTTOM = -0.35, 2.0
#: Number of bins: a colored pixel is counted by hue and saturation, a gray pixel by brightness.
_HUES, _SATURATIONS, _GRAYS = 12, 4, 8
#: Minimum saturation of a colored pixel, 0 to 255. The hue of less saturated pixels is noise.
_MIN_SATURATION = 40
#: A wider region is subsampled before its colors are counted: to at least this width in pixels, and
#: less than twice this width.
_WORKING_WIDTH = 48


def color_histogram(image: NDArray[np.uint8], box: FaceBox) -> NDArray[np.float32] | None:
    """Return the color histogram of a person's hair and clothes.

    Args:
        image: Upright RGB, uint8 ``[height, width, 3]``.
        box: The person's face.

    Returns:
        float32 ``[56]`` with sum 1; None if the part of the region inside the picture is less than
        two pixels wide or high.
    """
    height, width = image.shape[:2]
    left = min(max(round(box.x + _LEFT * box.width), 0), width)
    right = min(max(round(box.x + _RIGHT * box.width), 0), width)
    top = min(max(round(box.y + _TOP * box.height), 0), height)
    bottom = min(max(round(box.y + _BOTTOM * box.height), 0), height)
    if right - left < 2 or bottom - top < 2:
        return None
    step = max((right - left) // _WORKING_WIDTH, 1)
    region = np.ascontiguousarray(image[top:bottom:step, left:right:step])
    hue, saturation, value = cv2.split(cv2.cvtColor(region, cv2.COLOR_RGB2HSV))
    is_gray = saturation < _MIN_SATURATION
    # OpenCV's hue is 0 to 179, saturation and value are 0 to 255.
    colored = (hue.astype(int) * _HUES // 180) * _SATURATIONS + (
        saturation.astype(int) * _SATURATIONS // 256
    )
    gray = _HUES * _SATURATIONS + value.astype(int) * _GRAYS // 256
    bins = np.where(is_gray, gray, colored)
    counts = np.bincount(bins.ravel(), minlength=_HUES * _SATURATIONS + _GRAYS)
    return np.asarray(counts / counts.sum(), np.float32)


def similarity(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Return the Bhattacharyya coefficient of two histograms, 0 to 1."""
    return float(np.sqrt(first * second).sum())
