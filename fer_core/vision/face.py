"""``Face``: the type of a face from its detection through its classification to its drawing."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fer_core.vision.boxes import FaceBox

#: A probability may exceed 1 by this tolerance, because of rounding.
_PROBABILITY_TOLERANCE = 1e-5

#: Minimum width and height of a face in pixels of its picture. Smaller faces show no expression: a
#: face of this size has only a quarter of the pixels of FER2013's pictures.
SMALLEST_READABLE_SIDE = 24.0

#: The descriptions of a face whose class is uncertain, and of a face that is too small.
NOT_SURE = "not sure"
TOO_SMALL = "too small to read"


@dataclass(frozen=True, eq=False)
class Face:
    """A face. ``Analyzer`` adds crop and probabilities to a detected face, a tracker adds the id.

    Attributes:
        box: Box in pixels of the upright picture, as returned by the detector or tracker.
        detection_score: The detector's confidence, 0 to 1; None if the box is not from a detector.
        crop: The network's input: gray uint8 ``[height, width]`` or RGB uint8 ``[height, width,
            3]``; None before the face is cropped.
        probabilities: float32 ``[classes]`` in the order of ``classes``, after temperature scaling;
            None before classification.
        classes: The names of the model's classes; empty before classification.
        track_id: Number of the track, from 1; None in a photo, and until the tracker confirms the
            track.
        minimum_confidence: Minimum ``score`` at which ``is_confident`` can be True, 0 to 1.
        is_too_small: True if the face has too few pixels to show an expression.
    """

    box: FaceBox
    detection_score: float | None = None
    crop: NDArray[np.uint8] | None = field(default=None, repr=False)
    probabilities: NDArray[np.float32] | None = None
    classes: tuple[str, ...] = ()
    track_id: int | None = None
    minimum_confidence: float = 0.0
    is_too_small: bool = False

    def __post_init__(self) -> None:
        if self.detection_score is not None and not 0.0 <= self.detection_score <= 1.0:
            raise ValueError(
                "detection_score should be between 0 and 1. "
                f"Received: detection_score={self.detection_score}"
            )
        if self.crop is not None and not _is_crop(self.crop):
            raise ValueError(
                "crop should be uint8 [height, width] or [height, width, 3]. "
                f"Received: {self.crop.dtype} {list(self.crop.shape)}"
            )
        values = self.probabilities
        if values is None:
            return
        if values.shape != (len(self.classes),) or not len(self.classes):
            raise ValueError(
                f"probabilities should be [{len(self.classes)}], one for each of "
                f"classes={self.classes}. Received: {list(values.shape)}"
            )
        # For the few values of a face, this is several times as fast as NumPy.
        if not all(0 <= value <= 1 + _PROBABILITY_TOLERANCE for value in values.tolist()):
            raise ValueError(f"probabilities should be between 0 and 1. Received: {values}")

    @property
    def is_classified(self) -> bool:
        """True if the face has probabilities."""
        return self.probabilities is not None

    @property
    def label(self) -> str:
        """The most probable class.

        Raises:
            ValueError: The face is not classified yet.
        """
        return self.classes[int(self._known_probabilities().argmax())]

    @property
    def score(self) -> float:
        """The probability of ``label``, 0 to 1.

        Raises:
            ValueError: The face is not classified yet.
        """
        return float(self._known_probabilities().max())

    @property
    def is_confident(self) -> bool:
        """True if the face is large enough and ``score`` reaches the minimum confidence."""
        return not self.is_too_small and self.score >= self.minimum_confidence

    @property
    def description(self) -> str:
        """The label as text, or the two most probable classes if the label is uncertain.

        Examples: "happy 93 %", "not sure: neutral or sad", "too small to read".
        """
        if self.is_too_small:
            return TOO_SMALL
        if self.is_confident:
            return f"{self.label} {100 * self.score:.0f} %"
        first, second = np.argsort(-self._known_probabilities(), kind="stable")[:2]
        return f"{NOT_SURE}: {self.classes[first]} or {self.classes[second]}"

    def probability_by_class(self) -> dict[str, float]:
        """Return all probabilities by class name, in the order of ``classes``.

        Use it for JSON and tables. Use ``probabilities`` for computations.

        Raises:
            ValueError: The face is not classified yet.
        """
        return dict(zip(self.classes, map(float, self._known_probabilities()), strict=True))

    def _known_probabilities(self) -> NDArray[np.float32]:
        if self.probabilities is None:
            raise ValueError(f"The face is not classified yet. Received: {self}")
        return self.probabilities


def is_too_small(box: FaceBox) -> bool:
    """Return True if a face is too small to show an expression.

    Args:
        box: The face, in pixels of its picture.
    """
    return min(box.width, box.height) < SMALLEST_READABLE_SIDE


def _is_crop(crop: NDArray[np.uint8]) -> bool:
    is_gray = crop.ndim == 2
    is_rgb = crop.ndim == 3 and crop.shape[2] == 3
    return crop.dtype == np.uint8 and crop.size > 0 and (is_gray or is_rgb)
