"""The settings of a video analysis: the content of ``settings.json``."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from fer_core.validation import IGNORE_UNKNOWN, Flag, Number, Text, from_dict

#: Maximum number of analyzed frames per second. Common cameras record fewer.
MAX_PER_SECOND = 240.0
MAX_SMOOTHING_SECONDS = 3.0


@dataclass(frozen=True, config=IGNORE_UNKNOWN)
class AnalysisSettings:
    """Everything that determines the results of an analysis, and its owner and creation time.

    Attributes:
        video: The video's file name.
        source: The video's path; relative to the analysis folder if the video is stored in it.
        model: The name or folder of the model.
        classes: The classes of the model, in its order.
        detector: The name of the face detector.
        emphasis: How strongly rare classes are favored; see ``fer_core.calibration.Emphasis``.
        per_second: Analyzed frames per second; None for every frame.
        start: Start of the range in seconds; frames before it are not analyzed.
        end: End of the range in seconds: frames from this time on are not analyzed. None for the
            end of the video.
        detection_seconds: Maximum time between two detections. In the frames between them, optical
            flow follows the faces. If a face appears, disappears or cannot be followed in these
            frames, faces are detected in each of them. Faces are also detected in the last frame
            before each cut.
        smoothing_seconds: Time constant of the exponential smoothing of the probabilities, in
            seconds. The boxes are smoothed with half this time constant.
        minimum_confidence: Minimum score of a confident prediction, 0 to 1.
        annotates: True to draw the results into a new video.
        blurs: True to blur the faces in the new video.
        keeps_video: True to keep an uploaded video until the analysis is deleted; False to delete
            it when the analysis is finished.
        prepares_player: True to make a copy for the player if the video is too large, or if
            browsers cannot play its format.
        owner: The e-mail address of the person who started the analysis; empty without a login.
        created: When the analysis was created, UTC, ISO 8601.
    """

    video: Text
    source: Text
    model: Text
    classes: Annotated[tuple[Text, ...], Field(min_length=2)]
    detector: Text
    emphasis: Text = "default"
    per_second: Annotated[Number, Field(gt=0, le=MAX_PER_SECOND)] | None = None
    start: Annotated[Number, Field(ge=0)] = 0.0
    end: Annotated[Number, Field(gt=0)] | None = None
    detection_seconds: Annotated[Number, Field(ge=0, le=2)] = 0.2
    smoothing_seconds: Annotated[Number, Field(ge=0, le=MAX_SMOOTHING_SECONDS)] = 0.2
    minimum_confidence: Annotated[Number, Field(ge=0, le=1)] = 0.4
    annotates: Flag = False
    blurs: Flag = False
    keeps_video: Flag = True
    prepares_player: Flag = False
    owner: Text = ""
    created: Text = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        if self.end is not None and self.end <= self.start:
            raise ValueError(
                f"the end of the range should be after its start. Received: start={self.start:g}, "
                f"end={self.end:g}"
            )
        return self

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``settings.json``."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Any) -> AnalysisSettings:
        """Read the content of ``settings.json``.

        Raises:
            ValueError: The content is damaged.
        """
        return from_dict(cls, values)

    def gives_same_results_as(self, other: AnalysisSettings) -> bool:
        """Return True if both settings lead to the same table for the same file."""
        ignored = {"source", "annotates", "blurs", "keeps_video", "prepares_player"}
        ignored |= {"owner", "created"}
        values, other_values = self.to_json(), other.to_json()
        return all(values[key] == other_values[key] for key in values.keys() - ignored)
