"""The detector that is always there: the face cascades in OpenCV's own package."""

import threading
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_core.vision.boxes import BoxGeometry, FaceBox
from fer_core.vision.working_size import shrink_to

#: Its boxes are the squares in which FER2013 was cut, by definition.
HAAR_GEOMETRY = BoxGeometry(side=1.0, right=0.0, down=0.0)

# From the package's own place and not from cv2.data, which OpenCV's type stubs do not know.
_CASCADES_FOLDER = Path(cv2.__file__).parent / "data"

_WORKING_PIXELS = 1024 * 768
_SMALLEST_FACE = 20

# The first cascade proposes freely; two others, trained differently, look again at each proposal,
# enlarged or shrunk to one size, and their votes decide. Measured on the development photos (39
# faces, also at 0.6 times their size) the weakest face gets 25 votes and the strongest shirt or
# hand 11, where the proposing cascade's own votes and weights overlap widely. In 74 frames of the
# development videos a fold in a pair of jeans gets up to 21, and two of 54 proposed faces, turned
# and blurred, 9 and 16.
_PROPOSAL_SCALE = 1.15
_PROPOSAL_VOTES = 2
_VOTES_NEEDED = 22
_CHECK_SIDE = 64
_CHECK_CONTEXT = 1.5
_CHECK_SCALE = 1.05
_CHECK_SMALLEST, _CHECK_LARGEST = 30, 56
_CHECK_DISTANCE = 9


@dataclass(frozen=True)
class _Candidate:
    """A proposed box in pixels of the working picture, with the votes of its check."""

    box: FaceBox
    votes: int


class HaarDetector:
    """OpenCV's frontal-face cascade, its proposals checked by two other cascades."""

    name = "haar"
    geometry = HAAR_GEOMETRY

    def __init__(self) -> None:
        self._proposer = _load_cascade("haarcascade_frontalface_default.xml")
        self._checkers = (
            _load_cascade("haarcascade_frontalface_alt2.xml"),
            _load_cascade("haarcascade_frontalface_alt.xml"),
        )
        # A cascade keeps the picture it works on, so that two threads must not share it.
        self._lock = threading.Lock()

    def detect(self, image: NDArray[np.uint8]) -> list[FaceBox]:
        """Find the faces in upright RGB, uint8 ``[height, width, 3]``. Boxes are square."""
        small, factor_x, factor_y = shrink_to(image, _WORKING_PIXELS)
        grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
        if min(grey.shape) < _SMALLEST_FACE:
            return []
        with self._lock:
            candidates = [_Candidate(box, self._check(grey, box)) for box in self._propose(grey)]
        faces: list[FaceBox] = []
        for candidate in sorted(candidates, key=lambda one: -one.votes):
            is_new = not any(candidate.box.is_same_face(face) for face in faces)
            if candidate.votes >= _VOTES_NEEDED and is_new:
                faces.append(candidate.box)
        return [_scaled(face, factor_x, factor_y) for face in faces]

    def _propose(self, grey: NDArray[np.uint8]) -> list[FaceBox]:
        """Everything that may be a face in a working picture, uint8 ``[height, width]``."""
        found = self._proposer.detectMultiScale(
            cv2.equalizeHist(grey),
            _PROPOSAL_SCALE,
            _PROPOSAL_VOTES,
            minSize=(_SMALLEST_FACE, _SMALLEST_FACE),
        )
        return [FaceBox(int(x), int(y), int(side), int(side)) for x, y, side, _ in found]

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
                # Real faces have votes from both, and most proposals end here.
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


def _load_cascade(file_name: str) -> cv2.CascadeClassifier:
    cascade = cv2.CascadeClassifier(str(_CASCADES_FOLDER / file_name))
    if cascade.empty():
        # Not the person's input: the installation lacks a part (OpenCV 5 dropped the cascades).
        raise RuntimeError(f"OpenCV's package lacks {file_name}; install OpenCV 4")
    return cascade
