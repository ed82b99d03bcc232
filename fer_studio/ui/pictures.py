"""Pictures as data URLs.

Streamlit serves the pictures of ``st.image`` as files, and deletes a file when a rerun of the page
draws another picture in its place. If reruns follow each other quickly, for example while the user
steps through the faces in a dialog with the arrow keys, the browser asks for files that no longer
exist. A data URL arrives together with the element.
"""

from __future__ import annotations

import base64

import cv2
import numpy as np
from numpy.typing import NDArray

_JPEG_QUALITY = 90


def png_url(picture: bytes | NDArray[np.uint8]) -> str:
    """Return a small picture as a data URL, without loss.

    Args:
        picture: A PNG file, or pixels: uint8 ``[height, width]``, or ``[height, width, 3]`` in RGB.
    """
    content = picture if isinstance(picture, bytes) else _encoded(picture, ".png")
    return _data_url("image/png", content)


def jpeg_url(picture: bytes | NDArray[np.uint8]) -> str:
    """Return a photo or a frame of a video as a data URL.

    Args:
        picture: A JPEG file, or pixels: RGB, uint8 ``[height, width, 3]``.
    """
    content = picture if isinstance(picture, bytes) else _encoded(picture, ".jpg")
    return _data_url("image/jpeg", content)


def _encoded(pixels: NDArray[np.uint8], suffix: str) -> bytes:
    parameters = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY] if suffix == ".jpg" else []
    bgr = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    return cv2.imencode(suffix, bgr, parameters)[1].tobytes()


def _data_url(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"
