"""Decode a picture to gray, as the pictures of a dataset are stored."""

from __future__ import annotations

from contextlib import suppress

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_core.errors import InputError
from fer_core.picture_header import heif_format

# OpenCV need not print messages about damaged pictures, because the InputError states the reason.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def decode_gray_directly(content: bytes, name: str) -> NDArray[np.uint8]:
    """Decode a picture in this process, without a time limit.

    OpenCV decodes the formats that it supports, so that the gray values are the same as in datasets
    that earlier versions imported. Pillow decodes HEIC, AVIF, and files that OpenCV cannot decode.
    OpenCV and Pillow both apply the rotation that a file states.

    Args:
        content: The whole file.
        name: The file's name, for messages.

    Returns:
        Gray, uint8 ``[height, width]``, contiguous. If the file has several frames, the first one.

    Raises:
        InputError: The content is not a supported picture, or is damaged.
    """
    if heif_format(content) is None:
        picture = None
        with suppress(cv2.error):
            picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
        if picture is not None:
            return np.ascontiguousarray(picture, np.uint8)
    # Imported here, because a machine that only trains may lack Pillow.
    try:
        from fer_core.vision.decode import decode_directly
    except ImportError as error:
        raise InputError(
            f"{name} cannot be read without Pillow; run 'pip install pillow pillow-heif'."
        ) from error
    color = decode_directly(content, name)
    return np.ascontiguousarray(cv2.cvtColor(color, cv2.COLOR_RGB2GRAY), np.uint8)
