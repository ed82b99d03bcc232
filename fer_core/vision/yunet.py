"""YuNet, the recommended face detector: a small network that OpenCV runs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_core.vision.boxes import BoxGeometry, FaceBox
from fer_core.vision.detector_files import YUNET
from fer_core.vision.face import Face
from fer_core.vision.working_size import shrink_to

# Measured with benchmarks/crop_geometry.py on 1,500 pictures of FER2013, which are square crops of
# faces. The side of a picture is 1.106 +- 0.159 times the geometric mean of the width and height of
# YuNet's box. The picture's center is 0.3 % of the box's width to the left of the box's center, and
# 0.9 % of its height above it. FER2013 was cropped with OpenCV's frontal-face cascade. On photos
# (39 faces), the square of this cascade confirms the values: the side of the square is 1.117 +-
# 0.105 times the geometric mean, and its center is 1.2 % right of the box's center and 1.3 % above
# it. All these values are medians; a spread (+-) is half the distance from the 16th to the 84th
# percentile. The geometric mean of width and height is more stable than the width or the height: an
# open mouth lengthens the box, and a turned head narrows it. With the geometric mean, surprised
# faces are cropped like other faces.
YUNET_GEOMETRY = BoxGeometry(relative_side=1.11, offset_x=0.0, offset_y=-0.01)

#: Minimum detection score of a face.
_SCORE_THRESHOLD = 0.7
#: If two boxes have a larger intersection over union, OpenCV returns only the one with the higher
#: score.
_OVERLAP_THRESHOLD = 0.3
#: Maximum number of boxes before overlapping ones are removed.
_MAX_BOXES = 5000

#: Minimum width and height of a picture for the network, in pixels.
_SMALLEST_SIDE = 10
# The network detects faces of about 10 to 500 pixels, so it runs on up to three sizes of a picture:
# in a coarse, a medium and a fine pass. The constants below are the areas of these sizes in pixels.
# The time of a pass is proportional to its area: on two cores at most about 2, 12 and 80 ms. The
# medium pass always runs. The coarse pass runs if the picture is larger than the coarse area. The
# fine pass runs if the picture is larger than the medium area and the medium pass finds either no
# face, or a face so small that the pass may have missed others.
_COARSE_PIXELS = 320 * 240
_MEDIUM_PIXELS = 960 * 540
_FINE_PIXELS = 1920 * 1080
#: The fine pass runs if a face is narrower than this in the medium pass, in pixels.
_SMALL_FACE_WIDTH = 28
#: Faces narrower than this in the coarse pass, in pixels, are not used, because the medium pass
#: detects them better.
_LARGE_FACE_WIDTH = 80
#: Maximum number of concurrent coarse passes, and of concurrent medium passes.
_PARALLEL_PASSES = 2


class YuNetDetector:
    """Runs YuNet on up to three sizes of a picture, so that both near and far faces are found."""

    name = YUNET
    geometry = YUNET_GEOMETRY

    def __init__(self, path: Path) -> None:
        """Load the network from its ONNX file, whose checksum the caller has verified."""
        # Each size has its own networks, because changing a network's input size reallocates its
        # buffers, which takes longer than a pass.
        self._networks = {
            _COARSE_PIXELS: _NetworkPool(path, _PARALLEL_PASSES),
            _MEDIUM_PIXELS: _NetworkPool(path, _PARALLEL_PASSES),
            # The buffers of a fine pass take much memory, so only one runs at a time.
            _FINE_PIXELS: _NetworkPool(path, 1),
        }

    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        """Detect the faces in upright RGB, uint8 ``[height, width, 3]``.

        Returns:
            Faces with a box in whole pixels and a detection score.
        """
        # The picture is shrunk once for all passes, because reading a picture of 60 megapixels
        # takes longer than a pass.
        image, factor_x, factor_y = shrink_to(image, _FINE_PIXELS)
        pixels = image.shape[0] * image.shape[1]
        medium, medium_scale = self._detect_at(image, _MEDIUM_PIXELS)
        faces_by_pass = [medium]
        if pixels > _COARSE_PIXELS:
            coarse, coarse_scale = self._detect_at(image, _COARSE_PIXELS)
            minimum_width = _LARGE_FACE_WIDTH * coarse_scale
            faces_by_pass.append([face for face in coarse if face.box.width >= minimum_width])
        # If there is no face, the width 0 makes the fine pass run.
        smallest_width = min((face.box.width for face in medium), default=0)
        if pixels > _MEDIUM_PIXELS and smallest_width < _SMALL_FACE_WIDTH * medium_scale:
            faces_by_pass.append(self._detect_at(image, _FINE_PIXELS)[0])
        return [
            Face(_scaled(face.box, factor_x, factor_y), face.detection_score)
            for face in _merged(faces_by_pass)
        ]

    def _detect_at(self, image: NDArray[np.uint8], max_pixels: int) -> tuple[list[Face], float]:
        """Detect faces in a picture that is shrunk to about ``max_pixels`` pixels if it is larger.

        Args:
            image: Upright RGB, uint8 ``[height, width, 3]``.
            max_pixels: The area of one of the passes.

        Returns:
            Faces in pixels of ``image``, and the width of one pixel of the shrunk picture in
            pixels of ``image``.
        """
        small, factor_x, factor_y = shrink_to(image, max_pixels)
        if min(small.shape[:2]) < _SMALLEST_SIDE:
            return [], factor_x
        # The network was trained on OpenCV's channel order.
        small = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2BGR), np.uint8)
        with self._networks[max_pixels].network() as network:
            network.setInputSize((small.shape[1], small.shape[0]))
            detections = network.detect(small)[1]
        factors = np.array([factor_x, factor_y, factor_x, factor_y])
        # Columns: x, y, width and height, ten coordinates of landmarks, and the score.
        rows = np.zeros((0, 15)) if detections is None else np.asarray(detections, np.float64)
        faces = (_face(row[:4] * factors, float(row[14]), image.shape) for row in rows)
        return [face for face in faces if face is not None], factor_x


class _NetworkPool:
    """Copies of the network, because a network can be used by only one thread at a time."""

    def __init__(self, path: Path, size: int) -> None:
        """Load the first copy. The others are loaded when several threads need one each.

        Args:
            path: The ONNX file.
            size: Maximum number of copies; further threads wait.
        """
        self._path = path
        self._permits = threading.Semaphore(size)
        # The most recently used copy is taken first, so that a single thread always gets the same
        # copy and no other copies are loaded.
        self._idle = [self._load()]

    @contextmanager
    def network(self) -> Iterator[cv2.FaceDetectorYN]:
        """Reserve a copy for the calling thread within a ``with`` block."""
        with self._permits:
            try:
                network = self._idle.pop()
            except IndexError:
                network = self._load()
            try:
                yield network
            finally:
                self._idle.append(network)

    def _load(self) -> cv2.FaceDetectorYN:
        # Each pass replaces this input size with its own.
        return cv2.FaceDetectorYN.create(
            str(self._path), "", (320, 320), _SCORE_THRESHOLD, _OVERLAP_THRESHOLD, _MAX_BOXES
        )


def _face(
    numbers: NDArray[np.float64], score: float, picture_shape: tuple[int, ...]
) -> Face | None:
    """Convert one row of the network's output to a face.

    Args:
        numbers: x, y, width and height in pixels of the picture.
        score: The score that the network returned.
        picture_shape: Height and width of the picture; further numbers are ignored.

    Returns:
        The face; None if the row is implausible. For some pictures without faces, the network
        returns infinite sizes, or positions far outside the picture.
    """
    x, y, width, height = (float(number) for number in numbers)
    picture_height, picture_width = picture_shape[:2]
    is_inside = 0 <= x + width / 2 <= picture_width and 0 <= y + height / 2 <= picture_height
    if not (np.isfinite(numbers).all() and np.isfinite(score) and is_inside):
        return None
    if not (1 <= width <= 3 * picture_width and 1 <= height <= 3 * picture_height):
        return None
    box = FaceBox(round(x), round(y), round(width), round(height))
    return Face(box, min(max(score, 0.0), 1.0))


def _scaled(box: FaceBox, factor_x: float, factor_y: float) -> FaceBox:
    """Scale a box and round it to whole pixels."""
    return FaceBox(*box.scaled(factor_x, factor_y).rounded())


def _merged(faces_by_pass: list[list[Face]]) -> list[Face]:
    """Return each face once: a later pass only adds faces that the earlier passes missed."""
    merged: list[Face] = []
    for faces in faces_by_pass:
        known = tuple(face.box for face in merged)
        merged.extend(
            face for face in faces if not any(face.box.is_same_face(box) for box in known)
        )
    return merged
