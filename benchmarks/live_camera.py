"""A video as a webcam sends it: 640x480, 30 frames per second, in an endless loop."""

from __future__ import annotations

from itertools import cycle, islice
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from fer_core.vision.decode import decode_picture
from fer_core.vision.sample import sample_picture

Picture = NDArray[np.uint8]

FRAMES_PER_SECOND = 30
WIDTH, HEIGHT = 640, 480
#: The lowest sixteenth of a frame contains its number, as black and white cells.
STRIP_CELLS = 24
_STRIP_START, _STRIP_END = "1011", "0010"
#: Delays longer than the video cannot be distinguished from short ones.
_SHORTEST_FILM_FRAMES = 20 * FRAMES_PER_SECOND
_NUMBERS = 4096


def load_loop(path: Path) -> list[Picture]:
    """Read a video as a loop without a jump: forward, then backward.

    Args:
        path: Any video that FFmpeg reads.

    Returns:
        RGB frames, uint8 ``[480, 640, 3]``, 30 per second, cropped around the center if necessary.

    Raises:
        ValueError: It has fewer than two frames.
    """
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        rate = float(stream.average_rate or FRAMES_PER_SECOND)
        pictures = [
            _fitted(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8))
            for frame in container.decode(stream)
        ]
    if len(pictures) < 2:
        raise ValueError(f"{path} should be a video of at least two frames; name another one.")
    count = round(len(pictures) * FRAMES_PER_SECOND / rate)
    forth = [
        pictures[min(int(n * rate / FRAMES_PER_SECOND), len(pictures) - 1)] for n in range(count)
    ]
    return forth + forth[-2:0:-1]


def sample_loop(seconds: float = 4.0) -> list[Picture]:
    """The person of the sample photo in front of a webcam, moving sideways and back and forth.

    Returns:
        As ``load_loop``.

    Raises:
        InputError: The sample picture is not installed.
    """
    name, content = sample_picture()
    person = decode_picture(content, name)
    height, width = person.shape[:2]
    pictures = []
    for angle in np.linspace(0, np.pi, round(seconds * FRAMES_PER_SECOND / 2)):
        # Her face has about a quarter of the image's height and is above the center.
        scale = 1.1 + 0.25 * np.sin(angle)
        left = WIDTH / 2 - scale * width / 2 + 90 * np.cos(angle)
        top = HEIGHT / 2 - scale * height / 2.6
        pictures.append(
            np.asarray(
                cv2.warpAffine(
                    person,
                    np.array([[scale, 0, left], [0, scale, top]]),
                    (WIDTH, HEIGHT),
                    borderMode=cv2.BORDER_REPLICATE,
                ),
                np.uint8,
            )
        )
    return pictures + pictures[-2:0:-1]


def write_camera_file(loop: list[Picture], path: Path) -> None:
    """Write a file for Chromium's camera: numbered frames, as Motion JPEG.

    Chromium plays such files in a loop, at 30 frames per second.
    """
    count = min(-(-_SHORTEST_FILM_FRAMES // len(loop)) * len(loop), _NUMBERS)
    quality: list[Any] = [cv2.IMWRITE_JPEG_QUALITY, 90]
    with path.open("wb") as file:
        for number, picture in enumerate(islice(cycle(loop), count)):
            numbered = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
            _draw_strip(numbered, number)
            file.write(cv2.imencode(".jpg", numbered, quality)[1].tobytes())


def _fitted(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    if (width, height) == (WIDTH, HEIGHT):
        return picture
    scale = min(width / WIDTH, height / HEIGHT)
    cut_width, cut_height = round(WIDTH * scale), round(HEIGHT * scale)
    left, top = (width - cut_width) // 2, (height - cut_height) // 2
    cut = picture[top : top + cut_height, left : left + cut_width]
    return np.asarray(cv2.resize(cut, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)


def _draw_strip(picture: NDArray[Any], number: int) -> None:
    """Draw a number: a mark, twelve bits, four check bits, a mark; from left to right."""
    check = (number ^ (number >> 4) ^ (number >> 8) ^ 0b0101) & 0xF
    bits = f"{_STRIP_START}{number:012b}{check:04b}{_STRIP_END}"
    top = HEIGHT - HEIGHT // 16
    for cell, bit in enumerate(bits):
        left, right = (round(edge * WIDTH / STRIP_CELLS) for edge in (cell, cell + 1))
        picture[top:, left:right] = 235 if bit == "1" else 16
