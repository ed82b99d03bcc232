"""The state of a live stream at one moment, as a page shows it."""

from __future__ import annotations

from dataclasses import dataclass

from fer_core.vision.face import Face


@dataclass(frozen=True)
class LiveSnapshot:
    """The state of a stream; unknown values are None.

    Attributes:
        faces: The classified faces of the latest frame, in the order of their track ids. Boxes are
            in pixels of the camera's picture, which is not mirrored. Probabilities are smoothed,
            like those that are drawn and recorded.
        frame_count: Number of processed frames since the stream started.
        frames_per_second: Processed frames per second, over the last two seconds.
        frame_milliseconds: Median of the processing times of the latest frames.
        slow_frame_milliseconds: 95th percentile of the processing times of the latest frames.
        detection_milliseconds: Median duration of the latest detections (in the background).
        detections_per_second: Detections per second, over the last two seconds.
        network_milliseconds: Median of the times to crop and classify the faces of a frame.
        dropped_frame_count: Number of frames since the stream started that were skipped, because
            another frame was being processed.
        seconds_without_face: Seconds since the last frame with a face; 0 if the latest frame has
            faces. If there was no face yet, seconds since the first frame. A gap in the stream
            counts like a new start.
        seconds_blank: Seconds for which the picture has been blank, because the camera is off or
            covered; 0 if it is not blank.
        seconds_since_frame: Seconds since the latest frame arrived; large if the stream has
            stalled.
        width: Width of the picture, in pixels.
        height: Height of the picture, in pixels.
        error: One sentence about the error that stopped the analysis; cleared when new
            ``LiveControls`` are set.
    """

    faces: tuple[Face, ...] = ()
    frame_count: int = 0
    frames_per_second: float | None = None
    frame_milliseconds: float | None = None
    slow_frame_milliseconds: float | None = None
    detection_milliseconds: float | None = None
    detections_per_second: float | None = None
    network_milliseconds: float | None = None
    dropped_frame_count: int = 0
    seconds_without_face: float | None = None
    seconds_blank: float = 0.0
    seconds_since_frame: float | None = None
    width: int | None = None
    height: int | None = None
    error: str | None = None
