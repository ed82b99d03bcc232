"""The state of a live stream at one moment, as a page shows it."""

from __future__ import annotations

from dataclasses import dataclass

from fer_core.vision.face import Face


@dataclass(frozen=True)
class LiveSnapshot:
    """The state of a stream; unknown values are None.

    Attributes:
        faces: The classified faces of the latest frame, in the order of their track ids. Boxes are
            in pixels of the camera's picture, not mirrored. Probabilities are smoothed, as they are
            drawn and recorded.
        frames: Frames since the stream started.
        frames_per_second: Over the last two seconds.
        frame_milliseconds: Processing time per frame, median of the last frames.
        slow_frame_milliseconds: Processing time per frame, 95th percentile.
        detection_milliseconds: Duration of one detection, median; detections run in the background.
        detections_per_second: Over the last two seconds.
        network_milliseconds: Time to crop and classify the faces of a frame, median.
        frames_dropped: Frames skipped since the stream started because another was being processed.
        seconds_without_face: Since the last face, or since the stream started; 0 with faces.
        seconds_blank: For how long the picture has shown nothing, because the camera is off or
            covered; 0 if it shows something.
        seconds_since_frame: Since the latest frame arrived; large if the stream has stalled.
        width: Width of the picture, in pixels.
        height: Height of the picture, in pixels.
        error: One sentence about the error that stopped the analysis; cleared when new
            ``LiveControls`` are set.
    """

    faces: tuple[Face, ...] = ()
    frames: int = 0
    frames_per_second: float | None = None
    frame_milliseconds: float | None = None
    slow_frame_milliseconds: float | None = None
    detection_milliseconds: float | None = None
    detections_per_second: float | None = None
    network_milliseconds: float | None = None
    frames_dropped: int = 0
    seconds_without_face: float | None = None
    seconds_blank: float = 0.0
    seconds_since_frame: float | None = None
    width: int | None = None
    height: int | None = None
    error: str | None = None
