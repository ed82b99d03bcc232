"""Recording the annotated video, where a person asks for it: in memory, and for a bounded time."""

from __future__ import annotations

import contextlib
import io
import logging
import queue
import threading
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

logger = logging.getLogger(__name__)

#: At 640x480 about 20 MB.
LONGEST_RECORDING_SECONDS = 120.0
_BITS_PER_SECOND = 1_500_000
_TIME_BASE = Fraction(1, 90_000)
#: Frames that wait for the encoder; when there are more, the newest are left out.
_MOST_WAITING = 15


class VideoRecording:
    """An MP4 of what is shown, encoded beside the stream; nothing is written to disk.

    ``add`` is called by the stream's thread and returns at once.
    """

    def __init__(self, longest_seconds: float = LONGEST_RECORDING_SECONDS) -> None:
        """Prepare; nothing is recorded before ``start``.

        Args:
            longest_seconds: When it stops by itself.
        """
        self._longest = longest_seconds
        self._lock = threading.Lock()
        self._frames: queue.Queue[tuple[NDArray[np.uint8], float] | None] | None = None
        self._thread: threading.Thread | None = None
        self._first: float | None = None
        self._seconds = 0.0
        self._result: bytes | None = None
        self._error: str | None = None

    @property
    def is_running(self) -> bool:
        """Whether frames are being recorded."""
        return self._frames is not None

    @property
    def seconds(self) -> float:
        """Length of the recording so far, or of the finished one."""
        return self._seconds

    @property
    def longest_seconds(self) -> float:
        """When a recording stops by itself."""
        return self._longest

    @property
    def result(self) -> bytes | None:
        """The finished recording, an MP4 file; None while there is none."""
        return self._result

    @property
    def error(self) -> str | None:
        """Why the last recording failed, in one sentence."""
        return self._error

    def start(self) -> None:
        """Begin a new recording; the one before is forgotten."""
        self.stop()
        with self._lock:
            self._first, self._seconds = None, 0.0
            self._result = self._error = None
            self._frames = queue.Queue(_MOST_WAITING)
            self._thread = threading.Thread(
                target=self._encode, args=(self._frames,), name="live-recording", daemon=True
            )
            self._thread.start()

    def add(self, image: NDArray[np.uint8], seconds: float) -> None:
        """Add a frame, if a recording runs.

        Args:
            image: RGB, uint8 ``[height, width, 3]``; must not be changed afterwards.
            seconds: When it was taken, on the camera's clock.
        """
        with self._lock:
            frames = self._frames
            if frames is None:
                return
            if self._first is None:
                self._first = seconds
            moment = seconds - self._first
            if moment < self._seconds:
                return  # the camera's clock was set back: a stream that was started anew
            if moment <= self._longest:
                try:
                    frames.put_nowait((image, moment))
                except queue.Full:
                    return
                self._seconds = moment
                return
        self._end(wait=False)

    def stop(self) -> bytes | None:
        """End the recording.

        Returns:
            The MP4 file; None if no frame was recorded or it failed (see ``error``).
        """
        self._end(wait=True)
        return self._result

    def forget(self) -> None:
        """Drop a finished recording from memory."""
        self._result = None

    def _end(self, *, wait: bool) -> None:
        with self._lock:
            frames, self._frames = self._frames, None
            thread = self._thread
        if frames is not None:
            # The encoder empties the queue, so that there is room in a moment.
            frames.put(None)
        if wait and thread is not None:
            thread.join()

    def _encode(self, frames: queue.Queue[tuple[NDArray[np.uint8], float] | None]) -> None:
        """The encoder's thread."""
        try:
            content = _encoded(frames)
        except Exception as error:
            logger.exception("The video could not be recorded")
            self._error = f"The video could not be recorded ({error}); record it again."
            with self._lock:
                if self._frames is frames:
                    self._frames = None
            # Whoever waits for room to say that it is over is let go.
            with contextlib.suppress(queue.Empty):
                while True:
                    frames.get_nowait()
            return
        self._result = content or None


def _encoded(frames: queue.Queue[tuple[NDArray[np.uint8], float] | None]) -> bytes:
    """Encode frames until None comes: H.264, which every browser and player shows."""
    import av

    buffer = io.BytesIO()
    container: Any = None
    stream: Any = None
    last = -1
    while (item := frames.get()) is not None:
        image, seconds = item
        if container is None:
            container = av.open(buffer, "w", format="mp4")
            stream = container.add_stream("libx264", options={"preset": "ultrafast"})
            # H.264 in its usual form knows even sizes only.
            stream.width, stream.height = image.shape[1] // 2 * 2, image.shape[0] // 2 * 2
            stream.pix_fmt = "yuv420p"
            stream.bit_rate = _BITS_PER_SECOND
            stream.codec_context.time_base = _TIME_BASE
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        # A camera's picture may change its size: a film does not.
        frame = frame.reformat(width=stream.width, height=stream.height, format="yuv420p")
        frame.pts = max(last + 1, round(seconds / _TIME_BASE))
        frame.time_base = _TIME_BASE
        last = frame.pts
        container.mux(stream.encode(frame))
    if container is None:
        return b""
    container.mux(stream.encode(None))
    container.close()
    return buffer.getvalue()
