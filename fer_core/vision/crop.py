"""Crop a square of a picture to the size of the network's input, as in FER2013."""

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_core.vision.boxes import FaceSquare

#: Width and height of FER2013's pictures, in pixels.
FER2013_SIDE = 48
#: Height, width and channels of FER2013's pictures.
FER2013_SHAPE = (FER2013_SIDE, FER2013_SIDE, 1)


def crop_face(
    image: NDArray[np.uint8],
    square: FaceSquare,
    shape: tuple[int, int, int] = FER2013_SHAPE,
) -> NDArray[np.uint8]:
    """Crop a square of a picture and resize it.

    Where the square extends beyond the picture, the nearest pixels of the edge are repeated.

    Args:
        image: Upright RGB, uint8 ``[height, width, 3]``.
        square: The region to crop; its corner and side are rounded to whole pixels.
        shape: Height, width and channels of the result: 1 channel for gray, 3 for RGB.

    Returns:
        Gray, uint8 ``[height, width]``, or RGB, uint8 ``[height, width, 3]``.

    Raises:
        ValueError: The number of channels is neither 1 nor 3.
    """
    crop_height, crop_width, channels = shape
    if channels not in (1, 3):
        raise ValueError(f"channels should be 1 or 3. Received: shape={shape}")
    side = max(1, round(square.side))
    left = round(square.center_x - side / 2)
    top = round(square.center_y - side / 2)
    height, width = image.shape[:2]
    if left >= 0 and top >= 0 and left + side <= width and top + side <= height:
        region = image[top : top + side, left : left + side]
    else:
        rows = np.clip(np.arange(top, top + side), 0, height - 1)
        columns = np.clip(np.arange(left, left + side), 0, width - 1)
        region = image[rows[:, None], columns]
    region = np.ascontiguousarray(region)
    pixels = cv2.cvtColor(region, cv2.COLOR_RGB2GRAY) if channels == 1 else region
    return resize_square(np.asarray(pixels, np.uint8), crop_width, crop_height)


def resize_square(square: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Resize a square region of a picture.

    The region is shrunk by area averaging, which prevents aliasing, and enlarged by interpolation.

    Args:
        square: uint8 ``[side, side]`` or ``[side, side, 3]``.
        width: Width of the result, in pixels.
        height: Height of the result, in pixels.

    Returns:
        uint8 ``[height, width]`` or ``[height, width, 3]``.
    """
    method = cv2.INTER_AREA if len(square) > max(width, height) else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(square, (width, height), interpolation=method), np.uint8)


def crop_whole_picture(
    image: NDArray[np.uint8], shape: tuple[int, int, int] = FER2013_SHAPE
) -> NDArray[np.uint8]:
    """Turn a picture that is itself a face crop into the network's input.

    Args:
        image: Upright RGB, uint8 ``[height, width, 3]``. If it is not square, its center square is
            used, because stretching would change the expression.
        shape: See ``crop_face``.

    Returns:
        See ``crop_face``. The gray values of a gray picture do not change if ``shape`` has the size
        of the picture and 1 channel.
    """
    height, width = image.shape[:2]
    return crop_face(image, FaceSquare(width / 2, height / 2, min(width, height)), shape)
