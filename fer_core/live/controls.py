"""What a person can change while the stream goes on."""

from __future__ import annotations

from dataclasses import dataclass, field

from fer_core.vision.analyzer import EmotionPredictor
from fer_core.vision.boxes import FaceDetector

LONGEST_SMOOTHING_SECONDS = 3.0


@dataclass(frozen=True)
class LiveControls:
    """Model, detector and options; exchanged as a whole, and in force from the next frame on.

    Attributes:
        predictor: Reads the faces.
        detector: Finds them.
        unsure_below: Readings with a lower score, 0 to 1, are shown as unsure.
        smoothing_seconds: Time constant over which probabilities and the corrections of boxes are
            averaged, 0 (not at all) to 3.
        is_mirrored: Whether the picture is shown as in a mirror.
        shows_boxes: Whether faces are framed.
        shows_labels: Whether each face carries its person's number, emotion and probability.
        shows_bars: Whether each face carries its seven probabilities as bars.
    """

    predictor: EmotionPredictor = field(repr=False)
    detector: FaceDetector = field(repr=False)
    unsure_below: float = 0.4
    smoothing_seconds: float = 0.4
    is_mirrored: bool = True
    shows_boxes: bool = True
    shows_labels: bool = True
    shows_bars: bool = False

    def __post_init__(self) -> None:
        if not 0.0 <= self.unsure_below <= 1.0:
            raise ValueError(
                f"unsure_below lies between 0 and 1. Received: unsure_below={self.unsure_below}"
            )
        if not 0.0 <= self.smoothing_seconds <= LONGEST_SMOOTHING_SECONDS:
            raise ValueError(
                f"smoothing_seconds lies between 0 and {LONGEST_SMOOTHING_SECONDS:g}. "
                f"Received: smoothing_seconds={self.smoothing_seconds}"
            )
