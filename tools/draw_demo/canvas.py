"""Drawing in face units, transformed by the pose of the head, at four times the final size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

#: Factor between the size of the canvas and the final size; averaging then gives smooth edges.
OVERSAMPLING = 4

#: Fractional bits of coordinates: OpenCV draws in fixed point, so that the result does not depend
#: on how a machine rounds the last bit of a float.
_FRACTION_BITS = 4

#: Pixels per face unit, as a share of the picture's side: 20.6 pixels for a side of 48.
_UNIT = 0.43


@dataclass(frozen=True)
class Pose:
    """Position and orientation of the head in the picture.

    Attributes:
        right: Shift to the right, as a share of the picture's side.
        down: Shift downwards, as a share of the picture's side.
        scale: Factor on the face's size.
        roll: Rotation in the picture plane, in degrees, clockwise.
        yaw: Rotation to the left (-1) or right (1) of the picture; 1 is about 40 degrees.
        pitch: Rotation up (-1) or down (1).
    """

    right: float = 0.0
    down: float = 0.0
    scale: float = 1.0
    roll: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0


class Canvas:
    """A gray picture to draw on in face units.

    The origin is the middle of the face, x points to the picture's right and y down; see
    ``Identity`` for the unit.

    Attributes:
        pixels: uint8 ``[side, side]``.
    """

    def __init__(self, size: int, pose: Pose, gray: int, oversampling: int = OVERSAMPLING) -> None:
        """Create a canvas with uniform gray.

        Args:
            size: Side of the final picture in pixels.
            pose: Maps face units to the picture.
            gray: Initial gray, 0 to 255.
            oversampling: Factor between the side of the canvas and of the final picture.
        """
        self._pose = pose
        self._oversampling = oversampling
        side = size * oversampling
        self.pixels: NDArray[np.uint8] = np.full((side, side), gray, dtype=np.uint8)
        unit = _UNIT * pose.scale * side
        self._unit = unit
        angle = np.deg2rad(pose.roll)
        cosine, sine = float(np.cos(angle)), float(np.sin(angle))
        self._matrix = unit * np.array([[cosine, sine], [-sine, cosine]])
        self._center = side * np.array([0.5 + pose.right, 0.5 + pose.down]) - 0.5

    def to_pixels(self, points: Points) -> NDArray[np.float64]:
        """Return the pixel coordinates of points of the face, float64 ``[n, 2]``, x first."""
        rotated = points.copy()
        # The middle of the face is closest to the viewer and moves most when the head rotates.
        x, y = points[:, 0], points[:, 1]
        rotated[:, 0] += 0.24 * self._pose.yaw * np.maximum(1.0 - x * x, -0.2)
        rotated[:, 1] += 0.12 * self._pose.pitch * np.maximum(1.0 - 0.7 * y * y, -0.2)
        return rotated @ self._matrix + self._center

    def _fixed(self, points: Points) -> NDArray[np.int32]:
        return np.rint(self.to_pixels(points) * (1 << _FRACTION_BITS)).astype(np.int32)

    def fill(self, gray: float, *outlines: Points) -> None:
        """Fill closed outlines, each float64 ``[n, 2]`` in face units; they should not overlap."""
        cv2.fillPoly(
            self.pixels,
            [self._fixed(outline) for outline in outlines],
            _gray(gray),
            lineType=cv2.LINE_AA,
            shift=_FRACTION_BITS,
        )

    def stroke(self, gray: float, width: float, *lines: Points, is_closed: bool = False) -> None:
        """Draw lines, each float64 ``[n, 2]`` in face units, with round ends."""
        cv2.polylines(
            self.pixels,
            [self._fixed(line) for line in lines],
            is_closed,
            _gray(gray),
            thickness=max(round(width * self._unit), 1),
            lineType=cv2.LINE_AA,
            shift=_FRACTION_BITS,
        )

    def averaged(self) -> NDArray[np.uint8]:
        """Return the picture at its final size, uint8 ``[size, size]``."""
        factor = self._oversampling
        side = self.pixels.shape[0] // factor
        # Computed with integers, which all machines round in the same way.
        sums = self.pixels.reshape(side, factor, side, factor).sum(axis=(1, 3), dtype=np.uint32)
        mean = (sums + factor * factor // 2) // (factor * factor)
        return np.asarray(mean, dtype=np.uint8)


def _gray(value: float) -> int:
    return min(max(round(value), 0), 255)


def points(*pairs: tuple[float, float]) -> Points:
    """Return points as an array, float64 ``[n, 2]``."""
    return np.array(pairs, dtype=np.float64)


def moved(outline: Points, x: float, y: float) -> Points:
    """Return an outline shifted to the right and down."""
    return np.asarray(outline + np.array((x, y)))


def mirrored(outline: Points) -> Points:
    """Return an outline mirrored to the other side of the face."""
    return outline * (-1.0, 1.0)


def oval(x: float, y: float, half_width: float, half_height: float, tilt: float = 0.0) -> Points:
    """Return the outline of an ellipse, float64 ``[24, 2]``.

    Args:
        x: x of the center.
        y: y of the center.
        half_width: Half of the width.
        half_height: Half of the height.
        tilt: Shift of the lower end to the right, as a share of ``half_height``.
    """
    outline = _unit_circle() * (half_width, half_height)
    outline[:, 0] += tilt * outline[:, 1]
    return moved(outline, x, y)


@lru_cache(maxsize=1)
def _unit_circle() -> Points:
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def curve(controls: Points, *, is_closed: bool = False) -> Points:
    """Return a smooth line through the control points (Catmull-Rom spline), float64 ``[m, 2]``."""
    return _spline_basis(len(controls), is_closed) @ controls


@lru_cache(maxsize=64)
def _spline_basis(count: int, is_closed: bool) -> NDArray[np.float64]:
    """Return the weights of the control points for each curve point, float64 ``[m, count]``."""
    per_piece = 6
    pieces = count if is_closed else count - 1
    basis = np.zeros((pieces * per_piece + (0 if is_closed else 1), count))
    for row in range(len(basis)):
        piece, step = divmod(row, per_piece)
        if piece == pieces:
            piece, step = piece - 1, per_piece
        t = step / per_piece
        weights = (
            -0.5 * t + t**2 - 0.5 * t**3,
            1 - 2.5 * t**2 + 1.5 * t**3,
            0.5 * t + 2 * t**2 - 1.5 * t**3,
            -0.5 * t**2 + 0.5 * t**3,
        )
        for offset, weight in enumerate(weights, start=-1):
            index = piece + offset
            index = index % count if is_closed else min(max(index, 0), count - 1)
            basis[row, index] += weight
    return basis
