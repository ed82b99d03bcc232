"""The video that Chromium's fake camera plays: the sample picture, moving left and right."""

import io
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_core.vision.sample import sample_picture

WIDTH, HEIGHT = 640, 480
#: At 30 frames per second, Chromium encodes many frames that a busy machine never shows.
FRAMES_PER_SECOND = 15
FRAMES = 2 * FRAMES_PER_SECOND


@cache
def camera_frames() -> tuple[NDArray[np.uint8], ...]:
    """Return two seconds: the astronaut in front of a gray wall.

    Each frame is uint8 ``[480, 640, 3]``, RGB.
    """
    astronaut = np.asarray(Image.open(io.BytesIO(sample_picture()[1])).convert("RGB"))
    astronaut = astronaut[:400, 60:460]
    frames = []
    for number in range(FRAMES):
        image = np.full((HEIGHT, WIDTH, 3), 110, np.uint8)
        left = 120 + round(60 * np.sin(2 * np.pi * number / FRAMES))
        image[40:440, left : left + 400] = astronaut
        frames.append(image)
    return tuple(frames)


def write_camera_video(path: Path) -> None:
    """Write the frames as a YUV4MPEG2 file, which Chromium repeats."""
    with path.open("wb") as file:
        file.write(
            f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FRAMES_PER_SECOND}:1 Ip A1:1 C420jpeg\n".encode()
        )
        for frame in camera_frames():
            file.write(b"FRAME\n" + cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420).tobytes())
