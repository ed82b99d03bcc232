"""Faces in, emotions out: the one path for photos, video and webcam."""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fer_core.emotions import EMOTIONS
from fer_core.vision.boxes import FaceBox, FaceDetector
from fer_core.vision.crop import CROP_SIDE, crop_face, whole_picture_crop

#: A picture in which no face is found is taken for a face crop if its sides are at most this long
#: (pixels) and differ by at most this share. Faces that others cut out are rarely larger.
_LONGEST_CROP_SIDE = 128
_SIDE_DIFFERENCE = 0.10


class EmotionPredictor(Protocol):
    """What the analyzer needs of the project's predictor."""

    def probabilities(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Classify crops, uint8 ``[n, 48, 48]``.

        Returns:
            float32 ``[n, 7]`` in the order of ``EMOTIONS``, each row adding up to 1.
        """
        ...


@dataclass(frozen=True, eq=False)
class FaceReading:
    """One face and what the network makes of it.

    Attributes:
        box: Where it is in the upright picture, as the detector gave it; the whole picture if that
            was classified whole.
        crop: What the network saw: grey, uint8 ``[48, 48]``.
        probabilities: float32 ``[7]`` in the order of ``EMOTIONS``, after temperature.
    """

    box: FaceBox
    crop: NDArray[np.uint8] = field(repr=False)
    probabilities: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.crop.shape != (CROP_SIDE, CROP_SIDE) or self.crop.dtype != np.uint8:
            raise ValueError(
                f"crop should be uint8 [48, 48]. Received: {self.crop.dtype} {self.crop.shape}"
            )
        if self.probabilities.shape != (len(EMOTIONS),):
            raise ValueError(
                f"probabilities should be [{len(EMOTIONS)}]. Received: {self.probabilities.shape}"
            )
        if not np.all((self.probabilities >= 0) & (self.probabilities <= 1 + 1e-5)):
            raise ValueError(f"probabilities lie between 0 and 1. Received: {self.probabilities}")

    @property
    def label(self) -> str:
        """The most probable emotion."""
        return EMOTIONS[int(self.probabilities.argmax())]

    @property
    def score(self) -> float:
        """The label's probability, 0 to 1."""
        return float(self.probabilities.max())

    @property
    def probability_by_emotion(self) -> dict[str, float]:
        """All seven probabilities by name, in the order of ``EMOTIONS``."""
        return dict(zip(EMOTIONS, map(float, self.probabilities), strict=True))


class Analyzer:
    """Finds the faces of a picture and classifies them in one call of the network."""

    def __init__(self, predictor: EmotionPredictor, detector: FaceDetector) -> None:
        self._predictor = predictor
        self._detector = detector

    def analyze(self, image: NDArray[np.uint8], *, whole: bool | None = None) -> list[FaceReading]:
        """Read every face in a picture.

        Args:
            image: Upright RGB, uint8 ``[height, width, 3]``.
            whole: True classifies the picture as one face crop, False never does. None does where
                the picture has the network's own 48x48 pixels, or is small and nearly square and
                no face is found in it.

        Returns:
            One reading per face, left to right and then top to bottom; none if there is no face.

        Raises:
            ValueError: The array is not such a picture.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            raise ValueError(
                "image should be uint8 [height, width, 3], not empty. "
                f"Received: {image.dtype} {image.shape}"
            )
        if whole or (whole is None and image.shape[:2] == (CROP_SIDE, CROP_SIDE)):
            # At 48x48 a box within the picture would only lose pixels that the network was
            # trained to see, so that no detector is asked.
            return self._read_whole(image)
        boxes = sorted(self._detector.detect(image), key=lambda box: (box.x, box.y))
        if boxes:
            square = self._detector.geometry.square
            crops = np.stack([crop_face(image, square(box)) for box in boxes])
            return self._read(boxes, crops)
        if whole is None and _may_be_face_crop(image):
            return self._read_whole(image)
        return []

    def _read_whole(self, image: NDArray[np.uint8]) -> list[FaceReading]:
        height, width = image.shape[:2]
        return self._read([FaceBox(0, 0, width, height)], whole_picture_crop(image)[None])

    def _read(self, boxes: list[FaceBox], crops: NDArray[np.uint8]) -> list[FaceReading]:
        rows = self._predictor.probabilities(crops)
        return [
            FaceReading(box=box, crop=crop, probabilities=np.asarray(row, np.float32))
            for box, crop, row in zip(boxes, crops, rows, strict=True)
        ]


def _may_be_face_crop(image: NDArray[np.uint8]) -> bool:
    height, width = (int(side) for side in image.shape[:2])
    shorter, longer = min(height, width), max(height, width)
    return longer <= _LONGEST_CROP_SIDE and longer - shorter <= _SIDE_DIFFERENCE * longer
