"""What a page shows beside the stream, as of one moment."""

from __future__ import annotations

from dataclasses import dataclass

from fer_core.vision.boxes import FaceBox


@dataclass(frozen=True)
class LiveFace:
    """A face in the picture.

    Attributes:
        person: Their number, from 1.
        box: Where, in pixels of the camera's picture, not mirrored.
        label: The most probable emotion.
        score: Its probability, 0 to 1, smoothed.
        is_unsure: Whether the score is below what was asked for.
        probability_by_emotion: All seven, smoothed.
    """

    person: int
    box: FaceBox
    label: str
    score: float
    is_unsure: bool
    probability_by_emotion: dict[str, float]


@dataclass(frozen=True)
class LiveSnapshot:
    """The state of a stream; what is not known yet is None.

    Attributes:
        faces: Those in the latest frame, by number.
        frames: Frames since the stream began.
        frames_per_second: Over the last two seconds.
        frame_milliseconds: Work per frame, median of the last frames.
        slow_frame_milliseconds: Their 95th percentile.
        detection_milliseconds: How long looking for faces took lately, beside the frames.
        looks_per_second: How often that was done over the last two seconds.
        network_milliseconds: How long reading the faces of a frame took, median of the last frames.
        frames_dropped: Frames that came while another was worked on, since the stream began.
        seconds_without_face: Since a face was last seen, or since the stream began; 0 with faces.
        seconds_since_frame: Since the latest frame came: large when the stream stands still.
        width: Of the picture, in pixels.
        height: Likewise.
        error: What went wrong, in one sentence; it stays until the controls change.
    """

    faces: tuple[LiveFace, ...] = ()
    frames: int = 0
    frames_per_second: float | None = None
    frame_milliseconds: float | None = None
    slow_frame_milliseconds: float | None = None
    detection_milliseconds: float | None = None
    looks_per_second: float | None = None
    network_milliseconds: float | None = None
    frames_dropped: int = 0
    seconds_without_face: float | None = None
    seconds_since_frame: float | None = None
    width: int | None = None
    height: int | None = None
    error: str | None = None
