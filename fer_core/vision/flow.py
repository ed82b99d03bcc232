"""Follow faces from one frame to another by optical flow, without running the detector.

The box of a face is moved by the median movement of points on the face. A point counts only if it
returns to its start when it is followed to the later frame and back (Kalal, Mikolajczyk and Matas,
"Forward-backward error: automatic detection of tracking failures", ICPR 2010). OpenCV's pyramidal
Lucas-Kanade method follows the points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_core.vision.boxes import FaceBox
from fer_core.vision.working_size import shrink_to

#: Size of the picture in which faces are followed. It is sufficient for faces that fill a
#: twentieth of the picture, and following one face takes about a millisecond.
_WORKING_PIXELS = 320 * 240
#: Number of points per row and per column on a face.
_GRID = 6
#: Share of the box that the points cover; the corners of the box show the background.
_INNER_SHARE = 0.7
_STEPS = np.linspace(-0.5, 0.5, _GRID) * _INNER_SHARE
#: x and y of the points, relative to the center and the size of the box, float64 ``[36, 2]``.
_RELATIVE_POINTS = np.stack([axis.ravel() for axis in np.meshgrid(_STEPS, _STEPS)], axis=1)
# Options of the Lucas-Kanade method: size of the window, number of pyramid levels, and the criteria
# that end the iterations.
_WINDOW = (11, 11)
_LEVELS = 3
_CRITERIA = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 10, 0.03)
#: Maximum forward-backward error of a point, in pixels of the small picture.
_MAX_RETURN_ERROR = 1.5
#: Minimum number of reliable points to follow a face.
_MIN_POINTS = 8
#: Maximum factor between a face's sizes in the two frames. A larger factor is a tracking failure.
_MAX_SCALE = 1.25


@dataclass(frozen=True, eq=False)
class FlowFrame:
    """A frame prepared for optical flow: small and gray.

    Attributes:
        shape: Height and width of the full frame.
        gray: uint8 ``[height, width]``.
        factor_x: Ratio of x in the full frame to x in the small picture.
        factor_y: Ratio of y in the full frame to y in the small picture.
    """

    shape: tuple[int, int]
    gray: NDArray[np.uint8] = field(repr=False)
    factor_x: float
    factor_y: float

    @classmethod
    def of(cls, image: NDArray[np.uint8]) -> FlowFrame:
        """Prepare a frame, upright RGB uint8 ``[height, width, 3]``."""
        small, factor_x, factor_y = shrink_to(image, _WORKING_PIXELS)
        gray = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
        return cls((image.shape[0], image.shape[1]), gray, factor_x, factor_y)


def follow(boxes: Sequence[FaceBox], before: FlowFrame, after: FlowFrame) -> list[FaceBox | None]:
    """Follow boxes from an earlier frame to a later frame.

    Args:
        boxes: Boxes in pixels of the earlier frame at its full size.
        before: The earlier frame.
        after: The later frame, of the same size.

    Returns:
        For each box, the box of the same face in the later frame; None if the face could not be
        followed.

    Raises:
        ValueError: The frames differ in size.
    """
    if before.shape != after.shape:
        raise ValueError(
            f"both frames should have the same size. Received: {before.shape}, {after.shape}"
        )
    if not boxes:
        return []
    factors = (1 / after.factor_x, 1 / after.factor_y)
    starts = np.stack([_grid(box.scaled(*factors)) for box in boxes])
    points = starts.reshape(-1, 1, 2)
    forward, is_found = _flow(before.gray, after.gray, points)
    backward, is_returned = _flow(after.gray, before.gray, forward)
    errors = np.linalg.norm((backward - points).reshape(len(boxes), -1, 2), axis=2)
    errors[~(is_found & is_returned).reshape(errors.shape)] = np.inf
    ends = forward.reshape(starts.shape)
    return [
        _moved(box, start, end, error, (after.factor_x, after.factor_y))
        for box, start, end, error in zip(boxes, starts, ends, errors, strict=True)
    ]


def _flow(
    before: NDArray[np.uint8], after: NDArray[np.uint8], points: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the new positions of points, float32 ``[n, 1, 2]``, and whether each was found."""
    # OpenCV requires initial values of the new positions, but ignores them without the flag
    # OPTFLOW_USE_INITIAL_FLOW.
    ends, found, _ = cv2.calcOpticalFlowPyrLK(
        before,
        after,
        points,
        points.copy(),
        winSize=_WINDOW,
        maxLevel=_LEVELS,
        criteria=_CRITERIA,
    )
    return np.asarray(ends, np.float32), np.asarray(found, bool)


def _grid(box: FaceBox) -> NDArray[np.float32]:
    """Return the points on a face that are followed, x and y, float32 ``[36, 2]``."""
    points = np.array(box.center) + _RELATIVE_POINTS * (box.width, box.height)
    return points.astype(np.float32)


def _moved(
    box: FaceBox,
    start: NDArray[np.float32],
    end: NDArray[np.float32],
    errors: NDArray[np.floating],
    factors: tuple[float, float],
) -> FaceBox | None:
    """Move and scale a box like the points on it, and return the new box.

    Return None if too few points are reliable, or if the size of the face changes too much.

    Args:
        box: Box in pixels of the full frame.
        start: The points in the earlier frame, float32 ``[k, 2]`` in the small picture.
        end: The same points in the later frame.
        errors: Forward-backward error of each point, ``[k]``.
        factors: Ratios of x and y in the full frame to x and y in the small picture.
    """
    # As in the paper, use only the half of the points that has the smaller errors. Within this
    # half, leave out points with a large error.
    is_reliable = (errors <= np.median(errors)) & (errors <= _MAX_RETURN_ERROR)
    if np.count_nonzero(is_reliable) < _MIN_POINTS:
        return None
    start, end = start[is_reliable], end[is_reliable]
    dx, dy = np.median(end - start, axis=0)
    first, second = _pairs(len(start))
    distances_before = np.linalg.norm(start[first] - start[second], axis=1)
    distances_after = np.linalg.norm(end[first] - end[second], axis=1)
    scale = float(np.median(distances_after / np.maximum(distances_before, 1e-3)))
    if not 1 / _MAX_SCALE < scale < _MAX_SCALE:
        return None
    return box.moved(float(dx) * factors[0], float(dy) * factors[1], scale)


@lru_cache(maxsize=_GRID**2 + 1)
def _pairs(count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the indices of the first and the second point of each pair of ``count`` points."""
    first, second = np.triu_indices(count, k=1)
    return first, second
