"""What a face detector gives: boxes, and how its boxes lie around a face."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class FaceBox:
    """A face's place in the upright picture, as the detector gave it.

    It may reach over the picture's edge where the face does.

    Attributes:
        x: Left edge in pixels; may be negative.
        y: Upper edge in pixels; may be negative.
        width: In pixels, at least 1.
        height: In pixels, at least 1.
        score: How sure the detector is, 0 to 1; None if it does not say.
    """

    x: int
    y: int
    width: int
    height: int
    score: float | None = None

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(f"A box needs a width and a height. Received: {self}")
        if self.score is not None and not 0.0 <= self.score <= 1.0:
            raise ValueError(f"A box's score lies between 0 and 1. Received: {self.score}")

    def intersection(self, other: "FaceBox") -> int:
        """The common area with another box, in square pixels."""
        width = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        height = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        return max(width, 0) * max(height, 0)

    def is_same_face(self, other: "FaceBox") -> bool:
        """Whether the boxes overlap by more than half of the smaller one."""
        smaller = min(self.width * self.height, other.width * other.height)
        return 2 * self.intersection(other) > smaller


@dataclass(frozen=True)
class FaceSquare:
    """The square that FER2013 would have cut out of a picture for a face, in pixels.

    Coordinates are those of the picture's plane: the picture spans 0 to width and 0 to height.
    """

    center_x: float
    center_y: float
    side: float

    def __post_init__(self) -> None:
        if not self.side > 0:
            raise ValueError(f"A square needs a side. Received: {self}")


@dataclass(frozen=True)
class BoxGeometry:
    """Where FER2013's square lies, relative to the boxes of one detector.

    Attributes:
        side: Side of the square over the geometric mean of the box's width and height.
        right: From the box's centre to the square's, in box widths.
        down: From the box's centre to the square's, in box heights.
    """

    side: float
    right: float
    down: float

    def square(self, box: FaceBox) -> FaceSquare:
        """The square that belongs to a box."""
        return FaceSquare(
            center_x=box.x + box.width * (0.5 + self.right),
            center_y=box.y + box.height * (0.5 + self.down),
            side=self.side * float(np.sqrt(box.width * box.height)),
        )


class FaceDetector(Protocol):
    """Finds faces. Implementations may be called from several threads at once."""

    @property
    def name(self) -> str:
        """What people choose it by, such as ``"yunet"``."""
        ...

    @property
    def geometry(self) -> BoxGeometry:
        """How its boxes are mapped to FER2013's square."""
        ...

    def detect(self, image: NDArray[np.uint8]) -> list[FaceBox]:
        """Find the faces in upright RGB, uint8 ``[height, width, 3]``; in no particular order."""
        ...
