"""The better detector: YuNet, a small network that OpenCV runs."""

import threading
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_core.vision.boxes import BoxGeometry, FaceBox
from fer_core.vision.working_size import shrink_to

# Measured with benchmarks/crop_geometry.py on 1,500 of FER2013's own pictures, which are that
# square: side 1.106 +- 0.159 times the box's geometric mean, centre 0.3 % left and 0.9 % above the
# box's. Between YuNet and the cascade on photos (39 faces): 1.117 +- 0.105, 1.2 % right, 1.3 %
# above. The mean of width and height serves better than either: an open mouth lengthens the box
# and a turned head narrows it, and with the mean surprised faces are cut like the others.
YUNET_GEOMETRY = BoxGeometry(side=1.11, right=0.0, down=-0.01)

_SCORE_THRESHOLD = 0.7
_OVERLAP_THRESHOLD = 0.3
_MOST_FACES = 5000

# The network sees faces of about 10 to 500 pixels. One look costs in proportion to the area: on
# two cores about 2, 12 and 80 ms at most. The first two are always taken; the third only where
# the second saw nothing or a face so small that its neighbours may have been missed.
_SMALLEST_SIDE = 10
_COARSE_PIXELS = 320 * 240
_USUAL_PIXELS = 960 * 540
_FINE_PIXELS = 1920 * 1080
_SMALL_FACE_WIDTH = 28
#: Below this width in the coarse look, the usual look sees the face better.
_LARGE_FACE_WIDTH = 80


class YuNetDetector:
    """YuNet at up to three sizes of the picture, so that near and far faces are found."""

    name = "yunet"
    geometry = YUNET_GEOMETRY

    def __init__(self, path: Path) -> None:
        """Load the network from its ONNX file; the caller has checked that file."""
        # One for each size of look: a network that changes its input size plans its buffers
        # anew, which takes longer than a look.
        self._networks = {
            pixels: cv2.FaceDetectorYN.create(
                str(path), "", (320, 320), _SCORE_THRESHOLD, _OVERLAP_THRESHOLD, _MOST_FACES
            )
            for pixels in (_COARSE_PIXELS, _USUAL_PIXELS, _FINE_PIXELS)
        }
        # A network keeps its input size and its buffers, so that threads must take turns.
        self._lock = threading.Lock()

    def detect(self, image: NDArray[np.uint8]) -> list[FaceBox]:
        """Find the faces in upright RGB, uint8 ``[height, width, 3]``. Boxes have scores."""
        # Once for all looks: going through a 60-megapixel picture takes longer than a look.
        image, factor_x, factor_y = shrink_to(image, _FINE_PIXELS)
        pixels = image.shape[0] * image.shape[1]
        usual, usual_scale = self._look(image, _USUAL_PIXELS)
        looks = [usual]
        if pixels > _COARSE_PIXELS:
            coarse, scale = self._look(image, _COARSE_PIXELS)
            looks.append([box for box in coarse if box.width >= _LARGE_FACE_WIDTH * scale])
        smallest = min((box.width for box in usual), default=0)
        if pixels > _USUAL_PIXELS and smallest < _SMALL_FACE_WIDTH * usual_scale:
            looks.append(self._look(image, _FINE_PIXELS)[0])
        return [_enlarged(box, factor_x, factor_y) for box in _merged(looks)]

    def _look(self, image: NDArray[np.uint8], pixels: int) -> tuple[list[FaceBox], float]:
        """Find faces with a picture shrunk to ``pixels``.

        Returns:
            Boxes in the given picture's pixels, and how many of these one pixel of the shrunk
            picture is wide.
        """
        small, factor_x, factor_y = shrink_to(image, pixels)
        if min(small.shape[:2]) < _SMALLEST_SIDE:
            return [], factor_x
        # The network was trained on OpenCV's order of colours.
        small = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2BGR), np.uint8)
        with self._lock:
            network = self._networks[pixels]
            network.setInputSize((small.shape[1], small.shape[0]))
            found = network.detect(small)[1]
        factors = np.array([factor_x, factor_y, factor_x, factor_y])
        rows = np.zeros((0, 15)) if found is None else np.asarray(found, np.float64)
        boxes = (_box(row[:4] * factors, float(row[14]), image.shape) for row in rows)
        return [box for box in boxes if box is not None], factor_x


def _box(
    numbers: NDArray[np.float64], score: float, picture_shape: tuple[int, ...]
) -> FaceBox | None:
    """One of the network's rows as a box.

    Args:
        numbers: x, y, width and height in pixels of the picture.
        score: As the network gives it.
        picture_shape: Of the picture: height, width, ...

    Returns:
        The box; None if it cannot be a face, because the network gives infinite sizes and places
        far outside for some pictures without any.
    """
    x, y, width, height = (float(number) for number in numbers)
    picture_height, picture_width = picture_shape[:2]
    is_inside = 0 <= x + width / 2 <= picture_width and 0 <= y + height / 2 <= picture_height
    if not (np.isfinite(numbers).all() and np.isfinite(score) and is_inside):
        return None
    if not (1 <= width <= 3 * picture_width and 1 <= height <= 3 * picture_height):
        return None
    return FaceBox(round(x), round(y), round(width), round(height), min(max(score, 0.0), 1.0))


def _enlarged(box: FaceBox, factor_x: float, factor_y: float) -> FaceBox:
    return FaceBox(
        round(box.x * factor_x),
        round(box.y * factor_y),
        max(1, round(box.width * factor_x)),
        max(1, round(box.height * factor_y)),
        box.score,
    )


def _merged(looks: list[list[FaceBox]]) -> list[FaceBox]:
    """Each face once: an earlier look's boxes first, later looks add what they alone saw."""
    merged: list[FaceBox] = []
    for boxes in looks:
        known = tuple(merged)
        merged.extend(box for box in boxes if not any(box.is_same_face(one) for one in known))
    return merged
