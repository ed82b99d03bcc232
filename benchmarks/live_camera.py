"""Simulate a webcam: 640x480 video, 30 frames per second, in an endless loop."""

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
#: Number of black and white cells that encode the frame number, in the lowest sixteenth of a
#: frame.
STRIP_CELLS = 24
_STRIP_START, _STRIP_END = "1011", "0010"
#: Minimum length of the video. Longer delays cannot be measured, because frame numbers repeat.
_MIN_VIDEO_FRAMES = 20 * FRAMES_PER_SECOND
_MAX_VIDEO_FRAMES = 4096  # the strip encodes 12 bits


def load_loop(path: Path) -> list[Picture]:
    """Read a video as a loop without a jump: forward, then backward.

    Args:
        path: Any video that FFmpeg reads.

    Returns:
        RGB frames, uint8 ``[480, 640, 3]``, 30 per second, cropped around the center if necessary.

    Raises:
        ValueError: The video has fewer than two frames.
    """
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        rate = float(stream.average_rate or FRAMES_PER_SECOND)
        pictures = [
            _fitted(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8))
            for frame in container.decode(stream)
        ]
    if len(pictures) < 2:
        raise ValueError(f"{path} should be a video of at least two frames; choose another file.")
    count = round(len(pictures) * FRAMES_PER_SECOND / rate)
    forward = [
        pictures[min(int(number * rate / FRAMES_PER_SECOND), len(pictures) - 1)]
        for number in range(count)
    ]
    return forward + forward[-2:0:-1]


def sample_loop(seconds: float = 4.0) -> list[Picture]:
    """Return a video of the person in the sample photo, who moves sideways, closer and away.

    Returns:
        Frames as returned by ``load_loop``.

    Raises:
        InputError: The sample picture is not installed.
    """
    name, content = sample_picture()
    person = decode_picture(content, name)
    height, width = person.shape[:2]
    pictures = []
    for angle in np.linspace(0, np.pi, round(seconds * FRAMES_PER_SECOND / 2)):
        # The face has about a quarter of the image's height and is above the center.
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
    count = min(-(-_MIN_VIDEO_FRAMES // len(loop)) * len(loop), _MAX_VIDEO_FRAMES)
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
    crop_width, crop_height = round(WIDTH * scale), round(HEIGHT * scale)
    left, top = (width - crop_width) // 2, (height - crop_height) // 2
    cropped = picture[top : top + crop_height, left : left + crop_width]
    return np.asarray(cv2.resize(cropped, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)


def _draw_strip(picture: NDArray[Any], number: int) -> None:
    """Draw a frame number from left to right: start mark, 12 bits, 4 check bits, end mark."""
    check = (number ^ (number >> 4) ^ (number >> 8) ^ 0b0101) & 0xF
    bits = f"{_STRIP_START}{number:012b}{check:04b}{_STRIP_END}"
    top = HEIGHT - HEIGHT // 16
    for cell, bit in enumerate(bits):
        left, right = (round(edge * WIDTH / STRIP_CELLS) for edge in (cell, cell + 1))
        picture[top:, left:right] = 235 if bit == "1" else 16
