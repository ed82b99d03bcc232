"""What is drawn on the webcam's picture: frames, labels and, on request, bars."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from fer_core.emotions import EMOTIONS, emotion_color_rgb
from fer_core.live.controls import LiveControls
from fer_core.live.snapshot import LiveFace
from fer_core.vision.boxes import FaceBox
from fer_core.vision.draw import LabelledBox, draw_boxes, label_text, reading_color

#: Shares of the picture's longer side.
_BAR_TEXT_SHARE = 1 / 54
_SMALLEST_BAR_TEXT = 9
_PANEL_COLOR = (24, 24, 24)
_TEXT_COLOR = (240, 240, 240)


def draw_overlay(
    image: NDArray[np.uint8], faces: Sequence[LiveFace], controls: LiveControls
) -> NDArray[np.uint8]:
    """The picture as it goes back to the browser.

    Args:
        image: The camera's frame, RGB uint8 ``[height, width, 3]``; it is not changed.
        faces: Who is in it.
        controls: What is drawn, and whether the picture is mirrored.

    Returns:
        RGB uint8 of the same shape; texts are never mirrored.
    """
    width = image.shape[1]
    boxes = [face.box for face in faces]
    if controls.is_mirrored:
        image = np.asarray(cv2.flip(image, 1), np.uint8)
        boxes = [FaceBox(width - box.x - box.width, box.y, box.width, box.height) for box in boxes]
    if faces and (controls.shows_boxes or controls.shows_labels):
        image = draw_boxes(
            image,
            [
                LabelledBox(
                    box,
                    reading_color(face.label, face.score, controls.unsure_below),
                    _text(face, controls.unsure_below) if controls.shows_labels else "",
                    controls.shows_boxes,
                )
                for face, box in zip(faces, boxes, strict=True)
            ],
        )
    if faces and controls.shows_bars:
        image = image.copy()
        for face, box in zip(faces, boxes, strict=True):
            _draw_bars(image, face, box)
    return image


def _text(face: LiveFace, unsure_below: float) -> str:
    return label_text(face.label, face.score, unsure_below, face.person)


def _draw_bars(image: NDArray[np.uint8], face: LiveFace, box: FaceBox) -> None:
    """Seven bars in a panel beside a face, on whichever side has more room."""
    height, width = image.shape[:2]
    names = _names_panel(max(_SMALLEST_BAR_TEXT, round(max(height, width) * _BAR_TEXT_SHARE)))
    row_height = names.shape[0] // len(EMOTIONS)
    bar_room = 3 * row_height
    panel_height, panel_width = names.shape[0], names.shape[1] + bar_room
    if panel_height > height or panel_width > width:
        return
    right_room, left_room = width - box.x - box.width, box.x
    left = box.x + box.width if right_room >= left_room else box.x - panel_width
    left = min(max(left, 0), width - panel_width)
    top = min(max(box.y, 0), height - panel_height)
    panel = image[top : top + panel_height, left : left + panel_width]
    panel[:, : names.shape[1]] = names
    panel[:, names.shape[1] :] = _PANEL_COLOR
    for row, emotion in enumerate(EMOTIONS):
        length = round(face.probability_by_emotion[emotion] * (bar_room - 2))
        bar_top = row * row_height + 1
        bar = panel[bar_top : bar_top + row_height - 2, names.shape[1] : names.shape[1] + length]
        bar[:] = emotion_color_rgb(emotion)


@lru_cache(maxsize=8)
def _names_panel(text_size: int) -> NDArray[np.uint8]:
    """The emotions' names, one below the other: uint8 ``[7 * row height, width, 3]``."""
    font = ImageFont.load_default(size=text_size)
    row_height = text_size + 4
    width = round(max(font.getlength(emotion) for emotion in EMOTIONS)) + 8
    picture = Image.new("RGB", (width, row_height * len(EMOTIONS)), _PANEL_COLOR)
    pen = ImageDraw.Draw(picture)
    for row, emotion in enumerate(EMOTIONS):
        pen.text((4, (row + 0.5) * row_height), emotion, _TEXT_COLOR, font=font, anchor="lm")
    return np.array(picture, np.uint8)
