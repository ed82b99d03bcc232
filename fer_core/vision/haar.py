"""The built-in face detector: the frontal-face cascade of OpenCV's package, and a face check."""

import math
import threading
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_core.vision.boxes import BoxGeometry, FaceBox
from fer_core.vision.face import Face
from fer_core.vision.face_check import FaceCheck, cut_squares
from fer_core.vision.working_size import shrink_to

#: The identity, because FER2013's pictures were cropped to the boxes of this cascade.
HAAR_GEOMETRY = BoxGeometry(side=1.0, right=0.0, down=0.0)

# The package's own folder instead of cv2.data, which OpenCV's type stubs do not declare.
_CASCADE_PATH = Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_default.xml"

_WORKING_PIXELS = 1024 * 768
_SMALLEST_FACE = 20

# A single positive window is enough for a candidate: on the development pictures (311 faces) no
# face is missing among these candidates, while requiring two windows misses some turned and blurred
# faces.
_CANDIDATE_SCALE = 1.1
_GROUPING_TOLERANCE = 0.2

# Two scores are combined per candidate: the logit of the face check's probability, and the
# logarithm of the number of agreeing windows. The weights are those of a logistic regression on 713
# candidates in composed pictures and video frames. On the photos of benchmarks/detectors.py, on
# which it was not fitted, it finds 268 of 273 faces and no false face. Earlier versions also used
# the votes of two further cascades and found 272; the difference is blurred faces below 40 pixels.
_CHECK_WEIGHT = 0.52
_WINDOWS_WEIGHT = 0.99
_OFFSET = -1.67
#: The minimum log-odds of a face. Above 0, the point of equal odds, because a false face is worse
#: than a missed one.
_MIN_LOG_ODDS = 1.1


@dataclass(frozen=True)
class _Candidate:
    """A position in the working picture, with the number of the cascade's windows that agree."""

    box: FaceBox
    windows: int


class HaarDetector:
    """OpenCV's frontal-face cascade; a small network checks its candidates."""

    name = "haar"
    geometry = HAAR_GEOMETRY

    def __init__(self) -> None:
        """Load the cascade.

        Raises:
            RuntimeError: The installed OpenCV package does not contain it.
        """
        self._cascade = _load_cascade()
        self._face_check = FaceCheck()
        # A cascade stores the picture that it processes, so threads must not run it together.
        self._lock = threading.Lock()

    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        """Detect the faces in upright RGB, uint8 ``[height, width, 3]``.

        Returns:
            Faces with a square box in whole pixels and the probability of a face as the detection
            score, the most probable first.
        """
        small, factor_x, factor_y = shrink_to(image, _WORKING_PIXELS)
        gray = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
        if min(gray.shape) < _SMALLEST_FACE:
            return []
        with self._lock:
            candidates = self._candidates(gray)
        squares = [(one.box.x, one.box.y, one.box.width) for one in candidates]
        checked = self._face_check.probabilities(cut_squares(gray, squares))
        accepted = []
        for candidate, probability in zip(candidates, checked, strict=True):
            log_odds = _logit(float(probability)) * _CHECK_WEIGHT + _OFFSET
            log_odds += math.log(candidate.windows) * _WINDOWS_WEIGHT
            if log_odds >= _MIN_LOG_ODDS:
                accepted.append((log_odds, candidate.box))
        faces: list[tuple[float, FaceBox]] = []
        for log_odds, box in sorted(accepted, key=lambda one: -one[0]):
            if not any(box.is_same_face(known) for _, known in faces):
                faces.append((log_odds, box))
        return [
            Face(_scaled(box, factor_x, factor_y), detection_score=1 / (1 + math.exp(-log_odds)))
            for log_odds, box in faces
        ]

    def _candidates(self, gray: NDArray[np.uint8]) -> list[_Candidate]:
        """Return every possible face in a working picture, uint8 ``[height, width]``."""
        windows = self._cascade.detectMultiScale(
            gray, _CANDIDATE_SCALE, 0, minSize=(_SMALLEST_FACE, _SMALLEST_FACE)
        )
        # Sorted, because the order of the cascade's threads varies. Every window twice, because
        # OpenCV drops groups of a single window.
        rows = sorted([int(number) for number in window] for window in windows)
        boxes, counts = cv2.groupRectangles(rows * 2, 1, _GROUPING_TOLERANCE)
        return [
            _Candidate(FaceBox(int(x), int(y), int(side), int(side)), int(count) // 2)
            for (x, y, side, _), count in zip(boxes, np.ravel(counts), strict=True)
        ]


def _scaled(box: FaceBox, factor_x: float, factor_y: float) -> FaceBox:
    side = max(1, round(box.width * (factor_x + factor_y) / 2))
    return FaceBox(round(box.x * factor_x), round(box.y * factor_y), side, side)


def _logit(probability: float) -> float:
    bounded = min(max(probability, 1e-4), 1 - 1e-4)
    return math.log(bounded / (1 - bounded))


def _load_cascade() -> cv2.CascadeClassifier:
    cascade = cv2.CascadeClassifier(str(_CASCADE_PATH))
    if cascade.empty():
        # This is not an InputError: the installation is incomplete (OpenCV 5 has no cascades).
        raise RuntimeError(f"OpenCV's package lacks {_CASCADE_PATH.name}; install OpenCV 4")
    return cascade
