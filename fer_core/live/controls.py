"""The options of a live stream that the user can change while it runs."""

from __future__ import annotations

from dataclasses import dataclass, field

from fer_core.vision.analyzer import Analyzer

MAX_SMOOTHING_SECONDS = 3.0


@dataclass(frozen=True)
class LiveControls:
    """Analyzer and display options of a stream. A new object applies from the next frame on.

    Attributes:
        analyzer: Model and detector.
        model: The name of the model, for the session record.
        detector: The name of the detector, for the session record.
        emphasis: How strongly rare classes are favored, for the session record; see
            ``fer_core.calibration.Emphasis``.
        minimum_confidence: Faces with a lower score, 0 to 1, are marked as uncertain.
        smoothing_seconds: Time constant of the exponential average of the probabilities, 0 (off) to
            3. Drawn boxes approach the detected boxes with half this time constant.
        is_mirrored: True to show the picture as in a mirror.
        shows_boxes: True to draw the faces' boxes.
        shows_labels: True to draw track number, emotion and probability of each face.
        shows_bars: True to draw all probabilities of each face as bars.
    """

    analyzer: Analyzer = field(repr=False)
    model: str = ""
    detector: str = ""
    emphasis: str = "default"
    minimum_confidence: float = 0.4
    smoothing_seconds: float = 0.4
    is_mirrored: bool = True
    shows_boxes: bool = True
    shows_labels: bool = True
    shows_bars: bool = False

    def __post_init__(self) -> None:
        if not 0.0 <= self.minimum_confidence <= 1.0:
            raise ValueError(
                "minimum_confidence should be between 0 and 1. "
                f"Received: minimum_confidence={self.minimum_confidence}"
            )
        if not 0.0 <= self.smoothing_seconds <= MAX_SMOOTHING_SECONDS:
            raise ValueError(
                f"smoothing_seconds should be between 0 and {MAX_SMOOTHING_SECONDS:g}. "
                f"Received: smoothing_seconds={self.smoothing_seconds}"
            )
