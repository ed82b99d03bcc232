"""Looking for faces beside the stream: the detector works while frames go on.

A look takes longer than a frame lasts, on a slow machine or with the cascades. Frames do not wait
for it: what it finds is carried along to where it is by the time that it is found.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from fer_core.live.flow import FlowFrame
from fer_core.vision.detect import FaceDetector
from fer_core.vision.face import Face
from fer_core.vision.working_size import shrink_to

#: Faces before a camera are large; in 640x480 those from about 27 pixels on are still found, in
#: half the time that the whole picture takes.
_LOOK_PIXELS = 480 * 360
#: Of one core: what a stream spends on looking for faces at most. Between looks they are followed.
_SHARE_OF_CORE = 0.125
_SHORTEST_PAUSE_SECONDS = 0.15
_LONGEST_PAUSE_SECONDS = 1.0
#: When a face could not be followed, the next look does not wait for its turn.
_URGENT_PAUSE_SECONDS = 0.04

#: One thread for all streams: two people's looks take turns instead of the frames' time. It lives
#: as long as the program, so that there is none to be left over when a stream ends.
_SHARED_EXECUTOR = ThreadPoolExecutor(max_workers=1, thread_name_prefix="face-detection")


@dataclass(frozen=True, eq=False)
class Look:
    """What a detector has found in one frame.

    Attributes:
        faces: The faces, with boxes in full pixels.
        flow: The frame, for carrying them to a later one.
        seconds: When the frame was taken.
        milliseconds: How long the detector took.
    """

    faces: Sequence[Face]
    flow: FlowFrame = field(repr=False)
    seconds: float
    milliseconds: float


class Lookout:
    """Decides when to look, and keeps one look under way at most."""

    def __init__(self, executor: Executor | None = None) -> None:
        """Begin.

        Args:
            executor: Where looks are made; by default one thread that all streams share.
        """
        self._executor = executor or _SHARED_EXECUTOR
        self._pending: Future[Look] | None = None
        self._last_start = -float("inf")
        self._cost = 0.0

    def look(
        self,
        detector: FaceDetector,
        image: NDArray[np.uint8],
        flow: FlowFrame,
        seconds: float,
        *,
        is_urgent: bool = False,
    ) -> None:
        """Have a frame looked at, if it is time and no look is under way.

        Args:
            detector: What looks.
            image: Upright RGB, uint8 ``[height, width, 3]``; must not be changed later.
            flow: The same frame, prepared.
            seconds: When it was taken.
            is_urgent: Whether somebody is lost, so that the usual pause is not kept.
        """
        if self._pending is not None:
            return
        pause = min(
            max(self._cost / _SHARE_OF_CORE, _SHORTEST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS
        )
        if is_urgent:
            pause = max(_URGENT_PAUSE_SECONDS, self._cost)
        # Clocks of streams start anew: a time before the last look's is no reason to wait.
        if 0 <= seconds - self._last_start < pause:
            return
        self._last_start = seconds
        self._pending = self._executor.submit(_look, detector, image, flow, seconds)

    def found(self) -> Look | None:
        """The look that has ended since the last call, if any.

        Raises:
            Exception: Whatever the detector raised.
        """
        if self._pending is None or not self._pending.done():
            return None
        finished, self._pending = self._pending, None
        look = finished.result()
        # One slow look, when something else ran, should not make the next ones rare.
        cost = look.milliseconds / 1000
        self._cost = cost if not self._cost else 0.7 * self._cost + 0.3 * cost
        return look

    def forget(self) -> None:
        """Drop a look that is under way; the next one may start at once."""
        if self._pending is not None:
            self._pending.cancel()
        self._pending = None
        self._last_start = -float("inf")


def _look(
    detector: FaceDetector, image: NDArray[np.uint8], flow: FlowFrame, seconds: float
) -> Look:
    start = time.perf_counter()
    small, factor_x, factor_y = shrink_to(image, _LOOK_PIXELS)
    faces = [
        replace(face, box=face.box.scaled(factor_x, factor_y)) for face in detector.detect(small)
    ]
    return Look(faces, flow, seconds, 1000 * (time.perf_counter() - start))
