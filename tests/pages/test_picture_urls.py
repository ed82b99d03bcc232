"""Pictures as data URLs."""

import base64

import cv2
import numpy as np

from fer_studio.ui.pictures import jpeg_url, png_url

RGB = np.array([[[255, 0, 0], [0, 0, 255]]], np.uint8).repeat(8, axis=0).repeat(8, axis=1)


def pixels_of(url: str) -> np.ndarray:
    """Decode a data URL to RGB, or to gray if the picture is gray."""
    content = np.frombuffer(base64.b64decode(url.partition(",")[2]), np.uint8)
    picture = cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
    return picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def test_a_png_keeps_gray_and_rgb_pixels() -> None:
    gray = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert png_url(gray).startswith("data:image/png;base64,")
    assert np.array_equal(pixels_of(png_url(gray)), gray)
    assert np.array_equal(pixels_of(png_url(RGB)), RGB)


def test_a_jpeg_keeps_the_order_of_the_colors() -> None:
    assert jpeg_url(RGB).startswith("data:image/jpeg;base64,")
    picture = pixels_of(jpeg_url(RGB)).astype(int)
    assert picture[0, 0].argmax() == 0
    assert picture[-1, -1].argmax() == 2


def test_files_are_sent_unchanged() -> None:
    assert png_url(b"png") == "data:image/png;base64,cG5n"
    assert jpeg_url(b"jpeg") == "data:image/jpeg;base64,anBlZw=="
