"""Animations in WebP, which FFmpeg does not decode."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_core.errors import InputError, first_line

#: Duration of a frame for which the file states no duration. Viewers use the same default.
_DEFAULT_MILLISECONDS = 100
#: Size of the header of an extended WebP file, up to and including the byte with the flags.
_HEADER_BYTES = 21
#: The flag of a file with an animation.
_ANIMATION_FLAG = 0x02


class WebpAnimation:
    """An animation whose frames are decoded one after the other."""

    def __init__(self, path: Path, name: str) -> None:
        """Read the size of the animation and the duration of each frame.

        Raises:
            InputError: The file is damaged.
        """
        self.name = name
        self._path = path
        try:
            with Image.open(path) as picture:
                self.width, self.height = picture.size
                self.frame_count = getattr(picture, "n_frames", 1)
                self._milliseconds = []
                for number in range(self.frame_count):
                    picture.seek(number)
                    picture.load()
                    duration = picture.info.get("duration") or _DEFAULT_MILLISECONDS
                    self._milliseconds.append(int(duration))
        except (OSError, ValueError, SyntaxError) as error:
            raise InputError(
                f"{name} is damaged ({first_line(error)}); create the animation again."
            ) from error

    @staticmethod
    def is_animation(path: Path) -> bool:
        """Return True if a file is an animated WebP."""
        try:
            with path.open("rb") as file:
                header = file.read(_HEADER_BYTES)
        except OSError:
            return False
        is_extended = header[:4] == b"RIFF" and header[8:16] == b"WEBPVP8X"
        return is_extended and len(header) == _HEADER_BYTES and bool(header[20] & _ANIMATION_FLAG)

    @property
    def seconds(self) -> float:
        """The duration of the animation, in seconds."""
        return sum(self._milliseconds) / 1000

    def frames(self, start: float, end: float) -> Iterator[AnimationFrame]:
        """Yield the frames from ``start`` (inclusive) to ``end`` (exclusive), in seconds."""
        milliseconds = 0
        with Image.open(self._path) as picture:
            for number, duration in enumerate(self._milliseconds):
                seconds = milliseconds / 1000
                milliseconds += duration
                if start <= seconds < end:
                    picture.seek(number)
                    yield AnimationFrame(number, seconds, picture.convert("RGB"))


class AnimationFrame:
    """A frame of an animation."""

    def __init__(self, index: int, seconds: float, picture: Image.Image) -> None:
        self.index = index
        self.seconds = seconds
        self.width, self.height = picture.size
        self._picture = picture

    def convert(self, max_pixels: int | None) -> NDArray[np.uint8]:
        """Return RGB, uint8 ``[height, width, 3]``.

        Animations are small and never shrunk. ``max_pixels`` exists because frames of other videos
        have the same method.
        """
        return np.array(self._picture, np.uint8)
