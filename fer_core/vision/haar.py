"""The built-in face detector: the face cascades of OpenCV's package, and a face check."""

import math
import threading
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_core.vision.boxes import BoxGeometry, FaceBox
from fer_core.vision.crop import resize_square
from fer_core.vision.detector_files import HAAR
from fer_core.vision.face import Face
from fer_core.vision.face_check import FaceCheck, cut_squares
from fer_core.vision.working_size import shrink_to

#: FER2013's square is the detector's box itself, because FER2013 was cropped with this cascade.
HAAR_GEOMETRY = BoxGeometry(relative_side=1.0, offset_x=0.0, offset_y=0.0)

# This path does not use cv2.data, because OpenCV's type stubs do not declare it.
_CASCADES_FOLDER = Path(cv2.__file__).parent / "data"

#: Area to which larger pictures are shrunk for the detection.
_WORKING_PIXELS = 1024 * 768
#: Minimum side of a face in the shrunk picture, in pixels.
_SMALLEST_FACE = 20
#: Ratio of consecutive window sizes: a cascade examines square windows of many sizes and positions.
#: A window is positive if the cascade recognizes a face in it.
_CANDIDATE_SCALE = 1.1
#: Positive windows that differ by less than this share of their size are combined into one
#: candidate: they agree on a face.
_GROUPING_TOLERANCE = 0.2

# Three values are combined per candidate: the logit of the face check's probability, the logarithm
# of the number of agreeing windows, and the logarithm of the votes of two other cascades, which
# were trained differently and examine the candidate at a fixed size. The weights are those of a
# logistic regression on about 1,000 candidates in photos, video frames and composed pictures. The
# votes are needed: without them, fewer faces are found at the same number of false faces
# (benchmarks/detectors.md).
_CHECK_WEIGHT = 0.45
_WINDOWS_WEIGHT = 0.55
_VOTES_WEIGHT = 0.45
_OFFSET = -1.3
#: The minimum log-odds of a face. The value is above 0 (equal odds), because a false face is worse
#: than a missed face.
_MIN_LOG_ODDS = 1.1
#: The votes are assumed to add at most this value to the log-odds. If a candidate needs more to
#: count as a face, the voting cascades do not examine it.
_MAX_VOTES_LOG_ODDS = 2.5

#: Side in pixels of the square that the voting cascades examine.
_VOTING_SIDE = 64
#: Size of this square relative to the candidate.
_VOTING_CONTEXT = 1.5
#: Ratio of consecutive window sizes that the voting cascades try.
_VOTING_SCALE = 1.05
#: Limits for the side of a window that counts as a vote, in pixels of the square.
_MIN_VOTING_WINDOW, _MAX_VOTING_WINDOW = 30, 56
#: A window counts as a vote only if the distance between its center and the center of the square is
#: less than this number of pixels, horizontally and vertically.
_MAX_VOTING_DISTANCE = 9


@dataclass(frozen=True)
class _Candidate:
    """A possible face in the shrunk picture.

    Attributes:
        box: Box in pixels of the shrunk picture.
        window_count: Number of positive windows that agree on the face.
    """

    box: FaceBox
    window_count: int


class HaarDetector:
    """OpenCV's frontal-face cascade; a network and two other cascades check its candidates."""

    name = HAAR
    geometry = HAAR_GEOMETRY

    def __init__(self) -> None:
        """Load the cascades.

        Raises:
            RuntimeError: The installed OpenCV package does not contain the cascades.
        """
        self._cascade = _load_cascade("haarcascade_frontalface_default.xml")
        self._voting_cascades = (
            _load_cascade("haarcascade_frontalface_alt2.xml"),
            _load_cascade("haarcascade_frontalface_alt.xml"),
        )
        self._face_check = FaceCheck()
        # A cascade stores the picture that it processes, so only one thread at a time may run it.
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
        boxes = [candidate.box for candidate in candidates]
        squares = [(box.x, box.y, box.width) for box in boxes]
        probabilities = self._face_check.probabilities(cut_squares(gray, squares))
        accepted = []
        for candidate, probability in zip(candidates, probabilities, strict=True):
            log_odds = _logit(float(probability)) * _CHECK_WEIGHT + _OFFSET
            log_odds += math.log(candidate.window_count) * _WINDOWS_WEIGHT
            if log_odds + _MAX_VOTES_LOG_ODDS >= _MIN_LOG_ODDS:
                with self._lock:
                    votes = self._votes(gray, candidate.box)
                log_odds += math.log1p(votes) * _VOTES_WEIGHT
            if log_odds >= _MIN_LOG_ODDS:
                accepted.append((log_odds, candidate.box))
        # If candidates overlap, only the most probable one is a face.
        faces: list[tuple[float, FaceBox]] = []
        for log_odds, box in sorted(accepted, key=lambda pair: -pair[0]):
            if not any(box.is_same_face(better) for _, better in faces):
                faces.append((log_odds, box))
        return [
            Face(_scaled(box, factor_x, factor_y), detection_score=1 / (1 + math.exp(-log_odds)))
            for log_odds, box in faces
        ]

    def _candidates(self, gray: NDArray[np.uint8]) -> list[_Candidate]:
        """Return every possible face in the shrunk gray picture, uint8 ``[height, width]``.

        A single positive window is enough for a candidate. With this rule, all 311 faces of the
        development pictures are candidates. If two windows were required, some turned and blurred
        faces would be missed.
        """
        windows = self._cascade.detectMultiScale(
            gray, _CANDIDATE_SCALE, 0, minSize=(_SMALLEST_FACE, _SMALLEST_FACE)
        )
        # Sort the windows, because the order of the cascade's threads varies. Pass every window
        # twice, because OpenCV drops groups of a single window.
        rows = sorted([int(number) for number in window] for window in windows)
        boxes, counts = cv2.groupRectangles(rows * 2, 1, _GROUPING_TOLERANCE)
        return [
            _Candidate(FaceBox(int(x), int(y), int(side), int(side)), int(count) // 2)
            for (x, y, side, _), count in zip(boxes, np.ravel(counts), strict=True)
        ]

    def _votes(self, gray: NDArray[np.uint8], box: FaceBox) -> int:
        """Return how many windows of the voting cascades agree that a candidate is a face.

        The number is 0 if only one of the two cascades finds a face there.
        """
        center = (box.x + box.width / 2, box.y + box.height / 2)
        side = max(2, round(box.width * _VOTING_CONTEXT))
        square = np.asarray(cv2.getRectSubPix(gray, (side, side), center), np.uint8)
        square = resize_square(square, _VOTING_SIDE, _VOTING_SIDE)
        equalized = np.asarray(cv2.equalizeHist(square), np.uint8)
        votes = 0
        for cascade in self._voting_cascades:
            votes_of_cascade = _votes_at_center(cascade, equalized)
            if votes_of_cascade == 0:
                # Nearly every face has votes of both cascades. Most candidates are not faces, and
                # for them the second cascade need not run.
                return 0
            votes += votes_of_cascade
        return votes


def _votes_at_center(cascade: cv2.CascadeClassifier, square: NDArray[np.uint8]) -> int:
    """Return the largest number of windows that agree on a face at the center of a square."""
    boxes, counts = cascade.detectMultiScale2(
        square,
        _VOTING_SCALE,
        1,
        minSize=(_MIN_VOTING_WINDOW, _MIN_VOTING_WINDOW),
        maxSize=(_MAX_VOTING_WINDOW, _MAX_VOTING_WINDOW),
    )
    middle = _VOTING_SIDE / 2
    return max(
        (
            int(count)
            for (x, y, side, _), count in zip(boxes, np.ravel(np.asarray(counts)), strict=True)
            if max(abs(x + side / 2 - middle), abs(y + side / 2 - middle)) < _MAX_VOTING_DISTANCE
        ),
        default=0,
    )


def _scaled(box: FaceBox, factor_x: float, factor_y: float) -> FaceBox:
    """Scale a square box, and round it to a square of whole pixels."""
    side = max(1, round(box.width * (factor_x + factor_y) / 2))
    return FaceBox(round(box.x * factor_x), round(box.y * factor_y), side, side)


def _logit(probability: float) -> float:
    """Return the log-odds of a probability, without infinite values for 0 and 1."""
    bounded = min(max(probability, 1e-4), 1 - 1e-4)
    return math.log(bounded / (1 - bounded))


def _load_cascade(file_name: str) -> cv2.CascadeClassifier:
    cascade = cv2.CascadeClassifier(str(_CASCADES_FOLDER / file_name))
    if cascade.empty():
        # This is not an InputError: the installation is incomplete (OpenCV 5 has no cascades).
        raise RuntimeError(f"OpenCV's package lacks {file_name}; install OpenCV 4")
    return cascade
