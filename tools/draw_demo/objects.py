"""Draw pictures without a face, as they occur in collections of web photos."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.face_set import FACE_SIZE
from tools.draw_demo.chance import between, generator_for, pick

_SEED = 48_2014
_SIDE = 4 * FACE_SIZE


def draw_object(number: int) -> NDArray[np.uint8]:
    """Draw a picture without a face.

    Args:
        number: Selects the picture.

    Returns:
        uint8 ``[48, 48]``; the same number always gives the same picture.
    """
    generator = generator_for(_SEED, number)
    draw = (_bricks, _house, _tree, _cup, _stripes, _text_lines)[number % 6]
    picture = np.full((_SIDE, _SIDE), round(between(generator, 140, 230)), dtype=np.uint8)
    draw(picture, generator)
    sums = picture.reshape(FACE_SIZE, 4, FACE_SIZE, 4).sum(axis=(1, 3), dtype=np.int32)
    grain = generator.integers(-5, 6, (FACE_SIZE, FACE_SIZE))
    return np.asarray(np.clip(sums // 16 + grain, 0, 255), dtype=np.uint8)


def _fill(picture: NDArray[np.uint8], gray: float, *corners: tuple[float, float]) -> None:
    outline = np.rint(_SIDE * np.array(corners)).astype(np.int32)
    cv2.fillPoly(picture, [outline], round(gray), lineType=cv2.LINE_AA)


def _bricks(picture: NDArray[np.uint8], generator: np.random.Generator) -> None:
    height = int(generator.integers(18, 30))
    for row, y in enumerate(range(0, _SIDE, height)):
        for x in range(-height * (row % 2), _SIDE, 2 * height):
            gray = round(between(generator, 70, 125))
            cv2.rectangle(picture, (x + 2, y + 2), (x + 2 * height - 3, y + height - 3), gray, -1)


def _house(picture: NDArray[np.uint8], generator: np.random.Generator) -> None:
    x, wall = between(generator, 0.15, 0.3), between(generator, 90, 130)
    _fill(picture, 0.6 * wall, (0, 0.85), (1, 0.85), (1, 1), (0, 1))
    _fill(picture, wall, (x, 0.45), (x + 0.5, 0.45), (x + 0.5, 0.88), (x, 0.88))
    _fill(picture, 0.45 * wall, (x - 0.08, 0.47), (x + 0.25, 0.15), (x + 0.58, 0.47))
    _fill(picture, 30, (x + 0.2, 0.62), (x + 0.32, 0.62), (x + 0.32, 0.88), (x + 0.2, 0.88))
    _fill(picture, 235, (x + 0.37, 0.55), (x + 0.46, 0.55), (x + 0.46, 0.67), (x + 0.37, 0.67))


def _tree(picture: NDArray[np.uint8], generator: np.random.Generator) -> None:
    x, gray = between(generator, 0.35, 0.65), between(generator, 50, 90)
    _fill(picture, 0.8 * gray, (x - 0.05, 0.5), (x + 0.05, 0.5), (x + 0.07, 1), (x - 0.07, 1))
    for _ in range(14):
        center = (
            round(_SIDE * _foliage_x(generator, x)),
            round(_SIDE * between(generator, 0.15, 0.5)),
        )
        cv2.circle(picture, center, _SIDE // 9, round(gray * between(generator, 0.8, 1.5)), -1)


def _foliage_x(generator: np.random.Generator, x: float) -> float:
    """Return a random x in the foliage of a tree whose trunk is at ``x``."""
    return x + between(generator, -0.22, 0.22)


def _cup(picture: NDArray[np.uint8], generator: np.random.Generator) -> None:
    gray = between(generator, 40, 110)
    _fill(picture, 0.7 * gray + 60, (0, 0.78), (1, 0.78), (1, 1), (0, 1))
    center = (round(0.68 * _SIDE), round(0.52 * _SIDE))
    cv2.ellipse(picture, center, (_SIDE // 7, _SIDE // 7), 0, 0, 360, round(gray), _SIDE // 22)
    _fill(picture, gray, (0.24, 0.3), (0.68, 0.3), (0.62, 0.85), (0.3, 0.85))
    top = (round(0.46 * _SIDE), round(0.3 * _SIDE))
    cv2.ellipse(picture, top, (round(0.22 * _SIDE), _SIDE // 18), 0, 0, 360, 25, -1)


def _stripes(picture: NDArray[np.uint8], generator: np.random.Generator) -> None:
    step, slope = int(generator.integers(18, 34)), int(generator.integers(-60, 61))
    gray = round(between(generator, 30, 110))
    for x in range(-100, _SIDE + 100, step):
        cv2.line(picture, (x, 0), (x + slope, _SIDE), gray, step // 2)


def _text_lines(picture: NDArray[np.uint8], generator: np.random.Generator) -> None:
    for y in range(24, _SIDE - 8, 26):
        x = 14
        while x < _SIDE - 50:
            length = pick(generator, ((18, 2), (30, 2), (44, 1)))
            cv2.line(picture, (x, y), (x + length, y + int(generator.integers(-2, 3))), 40, 7)
            x += length + 16
