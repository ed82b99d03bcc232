"""The detector that is always there: the face cascades in OpenCV's own package."""

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

#: Its boxes are the squares in which FER2013 was cut, by definition.
HAAR_GEOMETRY = BoxGeometry(side=1.0, right=0.0, down=0.0)

# From the package's own place and not from cv2.data, which OpenCV's type stubs do not know.
_CASCADES_FOLDER = Path(cv2.__file__).parent / "data"

_WORKING_PIXELS = 1024 * 768
_SMALLEST_FACE = 20

# The first cascade proposes every place that even one of its windows takes for a face: on changed
# copies of the development photos (273 faces) and on frames of the development videos (38) no face
# was missing among these, where asking for two windows in agreement lost some turned and blurred
# ones.
_PROPOSAL_SCALE = 1.1
_SAME_PLACE = 0.2

# Three witnesses decide on a proposal: the face check's probability, how many windows agree, and
# the votes of two other cascades, trained differently, that look again at the place, enlarged or
# shrunk to one size. The weights are a logistic regression's, on about 1,000 proposals in those
# pictures and in composed ones; fitted without the photos they come out much the same, and do as
# well on the photos. No witness is enough alone: with 268 of the 273 faces the check by itself
# accepts 11 other places, and with 264 the cascades' votes by themselves 13.
_CHECK_WEIGHT = 0.45
_WINDOWS_WEIGHT = 0.55
_VOTES_WEIGHT = 0.45
_OFFSET = -1.3
#: Where the sum of the evidence becomes a face; 0 is as good as a throw of a coin, and a false
#: face annoys more than a missed one.
_EVIDENCE_NEEDED = 1.1
#: More than the votes ever give: without them, a proposal this far below needs no second look.
_MOST_VOTES_EVIDENCE = 2.5

_CHECK_SIDE = 64
_CHECK_CONTEXT = 1.5
_CHECK_SCALE = 1.05
_CHECK_SMALLEST, _CHECK_LARGEST = 30, 56
_CHECK_DISTANCE = 9


@dataclass(frozen=True)
class _Proposal:
    """A place in the working picture, and how many windows of the first cascade agree on it."""

    box: FaceBox
    windows: int


class HaarDetector:
    """OpenCV's frontal-face cascade; a network and two other cascades check what it proposes."""

    name = "haar"
    geometry = HAAR_GEOMETRY

    def __init__(self) -> None:
        self._proposer = _load_cascade("haarcascade_frontalface_default.xml")
        self._checkers = (
            _load_cascade("haarcascade_frontalface_alt2.xml"),
            _load_cascade("haarcascade_frontalface_alt.xml"),
        )
        self._face_check = FaceCheck()
        # A cascade keeps the picture it works on, so that two threads must not share it.
        self._lock = threading.Lock()

    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        """Find the faces in upright RGB, uint8 ``[height, width, 3]``.

        Returns:
            Square boxes, the surest first; their score is the probability of a face.
        """
        small, factor_x, factor_y = shrink_to(image, _WORKING_PIXELS)
        grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
        if min(grey.shape) < _SMALLEST_FACE:
            return []
        with self._lock:
            proposals = self._propose(grey)
        squares = [(float(one.box.x), float(one.box.y), float(one.box.width)) for one in proposals]
        checked = self._face_check.probabilities(cut_squares(grey, squares))
        candidates = []
        for proposal, probability in zip(proposals, checked, strict=True):
            evidence = _logit(float(probability)) * _CHECK_WEIGHT + _OFFSET
            evidence += math.log(proposal.windows) * _WINDOWS_WEIGHT
            if evidence + _MOST_VOTES_EVIDENCE >= _EVIDENCE_NEEDED:
                with self._lock:
                    votes = self._check(grey, proposal.box)
                evidence += math.log1p(votes) * _VOTES_WEIGHT
            if evidence >= _EVIDENCE_NEEDED:
                candidates.append((evidence, proposal.box))
        faces: list[tuple[float, FaceBox]] = []
        for evidence, box in sorted(candidates, key=lambda one: -one[0]):
            if not any(box.is_same_face(known) for _, known in faces):
                faces.append((evidence, box))
        return [
            Face(_scaled(box, factor_x, factor_y), detection_score=1 / (1 + math.exp(-evidence)))
            for evidence, box in faces
        ]

    def _propose(self, grey: NDArray[np.uint8]) -> list[_Proposal]:
        """Everything that may be a face in a working picture, uint8 ``[height, width]``."""
        windows = self._proposer.detectMultiScale(
            grey, _PROPOSAL_SCALE, 0, minSize=(_SMALLEST_FACE, _SMALLEST_FACE)
        )
        # Sorted, because the cascade's own threads finish in any order. Each window twice, because
        # OpenCV drops places on which a single one stands.
        rows = sorted([int(number) for number in window] for window in windows)
        places, counts = cv2.groupRectangles(rows * 2, 1, _SAME_PLACE)
        return [
            _Proposal(FaceBox(int(x), int(y), int(side), int(side)), int(count) // 2)
            for (x, y, side, _), count in zip(places, np.ravel(counts), strict=True)
        ]

    def _check(self, grey: NDArray[np.uint8], box: FaceBox) -> int:
        """How many votes the two other cascades have for a face at the box."""
        center = (box.x + box.width / 2, box.y + box.height / 2)
        around = max(2, round(box.width * _CHECK_CONTEXT))
        patch = cv2.getRectSubPix(grey, (around, around), center)
        way = cv2.INTER_AREA if around > _CHECK_SIDE else cv2.INTER_LINEAR
        patch = cv2.resize(patch, (_CHECK_SIDE, _CHECK_SIDE), interpolation=way)
        patch = cv2.equalizeHist(patch)
        votes = 0
        for checker in self._checkers:
            seen = _votes_at_center(checker, np.asarray(patch, np.uint8))
            if seen == 0:
                # Nearly every real face has votes from both, and most proposals end here.
                return 0
            votes += seen
        return votes


def _votes_at_center(checker: cv2.CascadeClassifier, patch: NDArray[np.uint8]) -> int:
    """The most votes for a face in the middle of a square patch."""
    found, votes = checker.detectMultiScale2(
        patch,
        _CHECK_SCALE,
        1,
        minSize=(_CHECK_SMALLEST, _CHECK_SMALLEST),
        maxSize=(_CHECK_LARGEST, _CHECK_LARGEST),
    )
    best = 0
    for (x, y, side, _), count in zip(found, np.ravel(np.asarray(votes)), strict=True):
        away = max(abs(x + side / 2 - _CHECK_SIDE / 2), abs(y + side / 2 - _CHECK_SIDE / 2))
        if away < _CHECK_DISTANCE:
            best = max(best, int(count))
    return best


def _scaled(box: FaceBox, factor_x: float, factor_y: float) -> FaceBox:
    side = max(1, round(box.width * (factor_x + factor_y) / 2))
    return FaceBox(round(box.x * factor_x), round(box.y * factor_y), side, side)


def _logit(probability: float) -> float:
    bounded = min(max(probability, 1e-4), 1 - 1e-4)
    return math.log(bounded / (1 - bounded))


def _load_cascade(file_name: str) -> cv2.CascadeClassifier:
    cascade = cv2.CascadeClassifier(str(_CASCADES_FOLDER / file_name))
    if cascade.empty():
        # Not the person's input: the installation lacks a part (OpenCV 5 dropped the cascades).
        raise RuntimeError(f"OpenCV's package lacks {file_name}; install OpenCV 4")
    return cascade
