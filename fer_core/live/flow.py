"""Where faces have moved from one frame to another, without looking for them again.

The median flow of points on each face, trusted where following them forth and back ends where it
began: Kalal, Mikolajczyk and Matas, "Forward-backward error: automatic detection of tracking
failures", ICPR 2010, on the pyramidal Lucas-Kanade method in OpenCV.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_core.live.rectangle import Rectangle
from fer_core.vision.working_size import shrink_to

#: Enough for a face that fills a twentieth of the picture, and followed in about a millisecond.
_WORKING_PIXELS = 320 * 240
_GRID = 6
#: Points lie within this share of the box: its corners show what is behind the face.
_INNER_SHARE = 0.7
_WINDOW = (11, 11)
_LEVELS = 3
_CRITERIA = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 10, 0.03)
#: In working pixels: a face whose points come back further away than this is lost.
_LARGEST_RETURN_ERROR = 1.5
_FEWEST_POINTS = 8
#: Between two frames nobody's head grows or shrinks by more; beyond it the points lie.
_LARGEST_SCALE = 1.25


@dataclass(frozen=True, eq=False)
class FlowFrame:
    """A frame as motion is measured on it: small and grey.

    Attributes:
        shape: Height and width of the full frame.
        grey: uint8 ``[height, width]``.
        factor_x: Takes x in the small picture to the full frame's.
        factor_y: Likewise for y.
    """

    shape: tuple[int, int]
    grey: NDArray[np.uint8] = field(repr=False)
    factor_x: float
    factor_y: float

    @classmethod
    def of(cls, image: NDArray[np.uint8]) -> FlowFrame:
        """Prepare a frame, upright RGB uint8 ``[height, width, 3]``."""
        small, factor_x, factor_y = shrink_to(image, _WORKING_PIXELS)
        grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
        return cls((image.shape[0], image.shape[1]), grey, factor_x, factor_y)


def follow(
    rectangles: Sequence[Rectangle], before: FlowFrame, now: FlowFrame
) -> list[Rectangle | None]:
    """Where faces of one frame are in another.

    Args:
        rectangles: Their places in the earlier frame, in its full pixels.
        before: The earlier frame.
        now: The later frame, of the same size.

    Returns:
        For each its place in the later frame; None where it cannot be followed.

    Raises:
        ValueError: The frames differ in size.
    """
    if before.shape != now.shape:
        raise ValueError(f"frames should be of one size. Received: {before.shape}, {now.shape}")
    if not rectangles:
        return []
    factors = (1 / now.factor_x, 1 / now.factor_y)
    starts = np.stack([_grid(one.scaled(*factors)) for one in rectangles])
    points = starts.reshape(-1, 1, 2)
    there, found = _flow(before.grey, now.grey, points)
    back, returned = _flow(now.grey, before.grey, there)
    errors = np.linalg.norm((back - points).reshape(len(rectangles), -1, 2), axis=2)
    errors[~(found & returned).reshape(errors.shape)] = np.inf
    ends = there.reshape(starts.shape)
    return [
        _moved(rectangle, start, end, error, (now.factor_x, now.factor_y))
        for rectangle, start, end, error in zip(rectangles, starts, ends, errors, strict=True)
    ]


def _flow(
    before: NDArray[np.uint8], now: NDArray[np.uint8], points: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Where points, float32 ``[n, 1, 2]``, have gone, and which of them could be followed."""
    # Without OPTFLOW_USE_INITIAL_FLOW in its flags, OpenCV does not look at the first guess.
    ends, found, _ = cv2.calcOpticalFlowPyrLK(
        before,
        now,
        points,
        points.copy(),
        winSize=_WINDOW,
        maxLevel=_LEVELS,
        criteria=_CRITERIA,
    )
    return np.asarray(ends, np.float32), np.asarray(found, bool)


def _grid(rectangle: Rectangle) -> NDArray[np.float32]:
    """Points on a face, float32 ``[36, 2]``."""
    center_x, center_y = rectangle.center
    steps = np.linspace(-0.5, 0.5, _GRID) * _INNER_SHARE
    xs, ys = np.meshgrid(center_x + steps * rectangle.width, center_y + steps * rectangle.height)
    return np.stack([xs.ravel(), ys.ravel()], axis=1).astype(np.float32)


def _moved(
    rectangle: Rectangle,
    start: NDArray[np.float32],
    end: NDArray[np.float32],
    errors: NDArray[np.floating],
    factors: tuple[float, float],
) -> Rectangle | None:
    # The better half, as in the paper, and of it what really came back.
    trusted = (errors <= np.median(errors)) & (errors <= _LARGEST_RETURN_ERROR)
    if np.count_nonzero(trusted) < _FEWEST_POINTS:
        return None
    start, end = start[trusted], end[trusted]
    right, down = np.median(end - start, axis=0)
    first, second = np.triu_indices(len(start), k=1)
    distances = np.linalg.norm(start[first] - start[second], axis=1)
    later = np.linalg.norm(end[first] - end[second], axis=1)
    scale = float(np.median(later / np.maximum(distances, 1e-3)))
    if not 1 / _LARGEST_SCALE < scale < _LARGEST_SCALE:
        return None
    return rectangle.moved(float(right) * factors[0], float(down) * factors[1], scale)
