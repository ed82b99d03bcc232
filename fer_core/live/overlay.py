"""Draw boxes, labels and, on request, bars of probabilities on the webcam's picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from fer_core.classes import class_colors, color_rgb
from fer_core.live.controls import LiveControls
from fer_core.vision.boxes import FaceBox
from fer_core.vision.draw import draw_boxes, label_text, labeled_box
from fer_core.vision.face import Face
from fer_core.vision.fonts import font_for

#: Height of the text next to the bars: share of the picture's longer side, and minimum in pixels.
_BAR_TEXT_SHARE = 1 / 54
_SMALLEST_BAR_TEXT = 9
#: Distance of the names from the left and right edge of their panel, in pixels.
_PADDING = 4
_PANEL_COLOR = (24, 24, 24)
_TEXT_COLOR = (240, 240, 240)


def draw_overlay(
    image: NDArray[np.uint8], faces: Sequence[Face], controls: LiveControls
) -> NDArray[np.uint8]:
    """Return the picture that is sent back to the browser.

    Args:
        image: The camera's frame, RGB uint8 ``[height, width, 3]``; not changed.
        faces: The classified faces of the frame.
        controls: What to draw, and whether to mirror the picture.

    Returns:
        RGB uint8 of the same shape; text is never mirrored.
    """
    if controls.is_mirrored:
        image = np.asarray(cv2.flip(image, 1), np.uint8)
        faces = [_mirrored_face(face, image.shape[1]) for face in faces]
    if faces and (controls.shows_boxes or controls.shows_labels):
        image = draw_boxes(
            image,
            [
                labeled_box(
                    face,
                    label_text(face, face.track_id) if controls.shows_labels else "",
                    has_frame=controls.shows_boxes,
                )
                for face in faces
            ],
        )
    if faces and controls.shows_bars:
        image = image.copy()
        for face in faces:
            if not face.is_too_small:
                _draw_bars(image, face)
    return image


def _mirrored_face(face: Face, picture_width: int) -> Face:
    box = face.box
    x = picture_width - box.x - box.width
    return replace(face, box=FaceBox(x, box.y, box.width, box.height))


def _draw_bars(image: NDArray[np.uint8], face: Face) -> None:
    """Draw a bar per class in a panel next to a face, on the side with more space.

    Nothing is drawn if the panel is larger than the picture.
    """
    assert face.probabilities is not None  # only classified faces are drawn
    height, width = image.shape[:2]
    text_size = max(_SMALLEST_BAR_TEXT, round(max(height, width) * _BAR_TEXT_SHARE))
    names = _names_panel(face.classes, text_size)
    row_height = names.shape[0] // len(face.classes)
    longest_bar = 3 * row_height
    panel_height, panel_width = names.shape[0], names.shape[1] + longest_bar
    if panel_height > height or panel_width > width:
        return
    x, y, box_width, _ = face.box.rounded()
    right_space, left_space = width - x - box_width, x
    left = x + box_width if right_space >= left_space else x - panel_width
    left = min(max(left, 0), width - panel_width)
    top = min(max(y, 0), height - panel_height)
    # ``panel`` and ``bar`` are views of the image, so writing to them draws into the image.
    panel = image[top : top + panel_height, left : left + panel_width]
    panel[:, : names.shape[1]] = names
    panel[:, names.shape[1] :] = _PANEL_COLOR
    colors = class_colors(face.classes)
    for row, (name, probability) in enumerate(zip(face.classes, face.probabilities, strict=True)):
        length = round(float(probability) * (longest_bar - 2))
        bar_top = row * row_height + 1
        bar = panel[bar_top : bar_top + row_height - 2, names.shape[1] : names.shape[1] + length]
        bar[:] = color_rgb(colors[name])


@lru_cache(maxsize=8)
def _names_panel(classes: tuple[str, ...], text_size: int) -> NDArray[np.uint8]:
    """Return a picture of the class names, one below the other.

    Returns:
        RGB, uint8 ``[classes * row height, width, 3]``.
    """
    fonts = [font_for(name, text_size) for name in classes]
    row_height = text_size + 4
    lengths = [font.getlength(name) for name, font in zip(classes, fonts, strict=True)]
    width = round(max(lengths)) + 2 * _PADDING
    picture = Image.new("RGB", (width, row_height * len(classes)), _PANEL_COLOR)
    pen = ImageDraw.Draw(picture)
    for row, (name, font) in enumerate(zip(classes, fonts, strict=True)):
        pen.text((_PADDING, (row + 0.5) * row_height), name, _TEXT_COLOR, font=font, anchor="lm")
    return np.array(picture, np.uint8)
