"""Face boxes, and the squares to which faces are cropped.

Models are trained on FER2013, whose pictures are square face crops. A face in a photo must be
cropped in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class FaceBox:
    """An axis-aligned box in a picture, in pixels. It may extend beyond the picture's edges.

    Attributes:
        x: Left edge; may be negative.
        y: Upper edge; may be negative.
        width: Width, above 0.
        height: Height, above 0.
    """

    x: float
    y: float
    width: float
    height: float

    def __post_init__(self) -> None:
        if not (self.width > 0 and self.height > 0):
            raise ValueError(f"width and height should be above 0. Received: {self}")

    @property
    def area(self) -> float:
        """Width times height, in square pixels."""
        return self.width * self.height

    @property
    def center(self) -> tuple[float, float]:
        """x and y of the center."""
        return self.x + self.width / 2, self.y + self.height / 2

    def rounded(self) -> tuple[int, int, int, int]:
        """x, y, width and height in whole pixels; width and height are at least 1."""
        return (
            round(self.x),
            round(self.y),
            max(1, round(self.width)),
            max(1, round(self.height)),
        )

    def moved(self, dx: float, dy: float, scale: float = 1.0) -> FaceBox:
        """Return the box shifted by ``dx`` and ``dy`` pixels and scaled about its center."""
        width, height = self.width * scale, self.height * scale
        center_x, center_y = self.center
        return FaceBox(center_x + dx - width / 2, center_y + dy - height / 2, width, height)

    def scaled(self, factor_x: float, factor_y: float) -> FaceBox:
        """Return the same box in the pixels of a picture resized by these factors."""
        return FaceBox(
            self.x * factor_x, self.y * factor_y, self.width * factor_x, self.height * factor_y
        )

    def interpolated(self, other: FaceBox, share: float) -> FaceBox:
        """Return a box between this one (``share`` 0) and another one (``share`` 1)."""
        return FaceBox(
            self.x + share * (other.x - self.x),
            self.y + share * (other.y - self.y),
            self.width + share * (other.width - self.width),
            self.height + share * (other.height - self.height),
        )

    def intersection(self, other: FaceBox) -> float:
        """Return the area shared with another box, in square pixels."""
        width = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        height = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        return max(width, 0) * max(height, 0)

    def iou(self, other: FaceBox) -> float:
        """Return the intersection over union with another box, 0 to 1."""
        common = self.intersection(other)
        return common / (self.area + other.area - common)

    def is_same_face(self, other: FaceBox) -> bool:
        """Return True if the boxes overlap by more than half of the smaller box."""
        return 2 * self.intersection(other) > min(self.area, other.area)


@dataclass(frozen=True)
class FaceSquare:
    """The square to which a face is cropped, as in FER2013, in pixels of the picture.

    Attributes:
        center_x: x of the center, which may be outside the picture.
        center_y: y of the center, which may be outside the picture.
        side: Side of the square, above 0.
    """

    center_x: float
    center_y: float
    side: float

    def __post_init__(self) -> None:
        if not self.side > 0:
            raise ValueError(f"side should be above 0. Received: {self}")


@dataclass(frozen=True)
class BoxGeometry:
    """Size and position of the ``FaceSquare`` relative to the face boxes of one detector.

    Attributes:
        relative_side: Side of the square divided by the geometric mean of the box's width and
            height.
        offset_x: Horizontal offset of the square's center from the box's center, in box widths;
            positive to the right.
        offset_y: Vertical offset of the square's center from the box's center, in box heights;
            positive downward.
    """

    relative_side: float
    offset_x: float
    offset_y: float

    def square(self, box: FaceBox) -> FaceSquare:
        """Return the square to which the face in a box is cropped."""
        return FaceSquare(
            center_x=box.x + box.width * (0.5 + self.offset_x),
            center_y=box.y + box.height * (0.5 + self.offset_y),
            side=self.relative_side * float(np.sqrt(box.width * box.height)),
        )
