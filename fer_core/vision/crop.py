"""The network's input: a square of a picture as 48x48 grey, cut as FER2013's faces were."""

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_core.vision.boxes import FaceSquare

#: Width and height of the network's input in pixels.
CROP_SIDE = 48


def crop_face(image: NDArray[np.uint8], square: FaceSquare) -> NDArray[np.uint8]:
    """Cut a square out of a picture.

    What lies beyond the picture's edge is filled by repeating the edge.

    Args:
        image: Upright RGB, uint8 ``[height, width, 3]``.
        square: Which part; its corner and side are rounded to whole pixels.

    Returns:
        Grey, uint8 ``[48, 48]``.
    """
    side = max(1, round(square.side))
    left = round(square.center_x - side / 2)
    top = round(square.center_y - side / 2)
    height, width = image.shape[:2]
    if left >= 0 and top >= 0 and left + side <= width and top + side <= height:
        part = image[top : top + side, left : left + side]
    else:
        rows = np.clip(np.arange(top, top + side), 0, height - 1)
        columns = np.clip(np.arange(left, left + side), 0, width - 1)
        part = image[rows[:, None], columns]
    grey = cv2.cvtColor(np.ascontiguousarray(part), cv2.COLOR_RGB2GRAY)
    # Averaging what is shrunk keeps fine patterns from turning into noise; enlarging needs the
    # values between pixels.
    way = cv2.INTER_AREA if side > CROP_SIDE else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(grey, (CROP_SIDE, CROP_SIDE), interpolation=way), np.uint8)


def whole_picture_crop(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The network's input for a picture that is itself a face crop.

    Args:
        image: Upright RGB, uint8 ``[height, width, 3]``. Of one that is not square the middle is
            taken, because stretching would change the expression.

    Returns:
        Grey, uint8 ``[48, 48]``; of a grey 48x48 picture, its own pixels unchanged.
    """
    height, width = image.shape[:2]
    return crop_face(image, FaceSquare(width / 2, height / 2, min(width, height)))
