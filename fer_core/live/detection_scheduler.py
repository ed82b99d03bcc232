"""Run the face detector in the background while the frames of a stream are processed.

On a slow machine, or with the Haar cascades, a detection takes longer than the interval between two
frames. Frames do not wait for the detection: optical flow moves the detected boxes to the current
frame.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from fer_core.vision.detect import FaceDetector
from fer_core.vision.face import Face
from fer_core.vision.flow import FlowFrame
from fer_core.vision.working_size import shrink_to

#: Maximum area of the picture for the detection. Faces in front of a camera are large: at 640x480,
#: faces of at least 27 pixels are still found, in half the time that the full picture takes.
_DETECTION_PIXELS = 480 * 360
#: The share of one core that a stream should use for detection, so a slow detector runs less often.
#: Between two detections, optical flow follows the faces.
_SHARE_OF_CORE = 0.125
#: Limits of the interval between the starts of two detections. They have priority over the share.
_MIN_INTERVAL_SECONDS = 0.15
_MAX_INTERVAL_SECONDS = 1.0
#: The lower limit of the interval if a face could not be followed.
_URGENT_INTERVAL_SECONDS = 0.04

#: One thread for all streams, so that their detections do not run in parallel and do not slow down
#: the processing of frames. It lives as long as the process.
_SHARED_EXECUTOR = ThreadPoolExecutor(max_workers=1, thread_name_prefix="face-detection")


@dataclass(frozen=True, eq=False)
class DetectionResult:
    """The faces that the detector found in one frame.

    Attributes:
        faces: The faces, with boxes in pixels of the full frame.
        flow: The frame, prepared for optical flow to a later frame.
        seconds: The time of the frame.
        milliseconds: The duration of the detection.
    """

    faces: Sequence[Face]
    flow: FlowFrame = field(repr=False)
    seconds: float
    milliseconds: float


class DetectionScheduler:
    """Decides when to detect, and runs at most one detection at a time."""

    def __init__(self, executor: Executor | None = None) -> None:
        """Create a scheduler for one stream.

        Args:
            executor: Runs the detections; by default one thread that all streams share.
        """
        self._executor = executor or _SHARED_EXECUTOR
        self._pending: Future[DetectionResult] | None = None
        self._last_start = -float("inf")
        #: Moving average of the duration of a detection in seconds; 0 before the first result.
        self._mean_duration = 0.0

    def submit(
        self,
        detector: FaceDetector,
        image: NDArray[np.uint8],
        flow: FlowFrame,
        seconds: float,
        *,
        is_urgent: bool = False,
    ) -> None:
        """Start a detection if none is running and the previous one started long enough ago.

        Args:
            detector: The detector to run.
            image: Upright RGB, uint8 ``[height, width, 3]``; must not be changed afterwards.
            flow: The same frame, prepared for optical flow.
            seconds: The time of the frame.
            is_urgent: True to use a shorter interval, because a face could not be followed.
        """
        if self._pending is not None:
            return
        interval = min(
            max(self._mean_duration / _SHARE_OF_CORE, _MIN_INTERVAL_SECONDS), _MAX_INTERVAL_SECONDS
        )
        if is_urgent:
            interval = max(_URGENT_INTERVAL_SECONDS, self._mean_duration)
        # A negative difference means that the clock of the stream was set back. The time since the
        # previous start is then unknown, so the detection starts.
        if 0 <= seconds - self._last_start < interval:
            return
        self._last_start = seconds
        self._pending = self._executor.submit(_detect, detector, image, flow, seconds)

    def take_result(self) -> DetectionResult | None:
        """Return the result of a detection that has finished since the last call, or None.

        Raises:
            Exception: The exception that the detector raised.
        """
        if self._pending is None or not self._pending.done():
            return None
        finished, self._pending = self._pending, None
        result = finished.result()
        # With a moving average, a single slow detection hardly reduces the detection rate. A
        # detection may be slow because another process is running.
        duration, mean = result.milliseconds / 1000, self._mean_duration
        self._mean_duration = 0.7 * mean + 0.3 * duration if mean else duration
        return result

    def reset(self) -> None:
        """Discard a running detection, and let the next one start at once."""
        if self._pending is not None:
            self._pending.cancel()
        self._pending = None
        self._last_start = -float("inf")


def _detect(
    detector: FaceDetector, image: NDArray[np.uint8], flow: FlowFrame, seconds: float
) -> DetectionResult:
    start = time.perf_counter()
    small, factor_x, factor_y = shrink_to(image, _DETECTION_PIXELS)
    faces = [
        replace(face, box=face.box.scaled(factor_x, factor_y)) for face in detector.detect(small)
    ]
    return DetectionResult(faces, flow, seconds, 1000 * (time.perf_counter() - start))
