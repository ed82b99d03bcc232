"""A face's place in fractions of pixels: what is followed moves by less than one at a time."""

from __future__ import annotations

from dataclasses import dataclass

from fer_core.vision.boxes import FaceBox


@dataclass(frozen=True)
class Rectangle:
    """A place in a picture, in pixels of it.

    Attributes:
        x: Left edge; may be negative.
        y: Upper edge; may be negative.
        width: Above 0.
        height: Above 0.
    """

    x: float
    y: float
    width: float
    height: float

    def __post_init__(self) -> None:
        if not (self.width > 0 and self.height > 0):
            raise ValueError(f"A rectangle needs a width and a height. Received: {self}")

    @classmethod
    def of(cls, box: FaceBox) -> Rectangle:
        """A detector's box."""
        return cls(float(box.x), float(box.y), float(box.width), float(box.height))

    @property
    def center(self) -> tuple[float, float]:
        """Its middle, x and y."""
        return self.x + self.width / 2, self.y + self.height / 2

    def moved(self, right: float, down: float, scale: float = 1.0) -> Rectangle:
        """Shifted by pixels, and enlarged about its own middle."""
        width, height = self.width * scale, self.height * scale
        center_x, center_y = self.center
        return Rectangle(center_x + right - width / 2, center_y + down - height / 2, width, height)

    def scaled(self, factor_x: float, factor_y: float) -> Rectangle:
        """The same place in a picture of another size."""
        return Rectangle(
            self.x * factor_x, self.y * factor_y, self.width * factor_x, self.height * factor_y
        )

    def towards(self, other: Rectangle, share: float) -> Rectangle:
        """Part of the way to another place: 0 stays, 1 is there."""
        return Rectangle(
            self.x + share * (other.x - self.x),
            self.y + share * (other.y - self.y),
            self.width + share * (other.width - self.width),
            self.height + share * (other.height - self.height),
        )

    def overlap(self, other: Rectangle) -> float:
        """Intersection over union, 0 to 1."""
        width = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        height = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        common = max(width, 0.0) * max(height, 0.0)
        return common / (self.width * self.height + other.width * other.height - common)

    def to_box(self, score: float | None = None) -> FaceBox:
        """Rounded to whole pixels."""
        return FaceBox(
            round(self.x),
            round(self.y),
            max(1, round(self.width)),
            max(1, round(self.height)),
            score,
        )
