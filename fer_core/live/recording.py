"""Record the annotated video on request: in memory, and for a limited time."""

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

#: Maximum length of a recording. At 640x480, a recording of this length takes about 20 MB.
MAX_RECORDING_SECONDS = 120.0
_BITS_PER_SECOND = 1_500_000
_TIME_BASE = Fraction(1, 90_000)
#: Maximum number of frames that wait for the encoder; further frames are skipped.
_MAX_WAITING_FRAMES = 15


class VideoRecording:
    """An MP4 of the annotated frames, encoded in a background thread; nothing is written to disk.

    ``add`` is called by the stream's thread and returns at once.
    """

    def __init__(self, max_seconds: float = MAX_RECORDING_SECONDS) -> None:
        """Create an empty recording; nothing is recorded before ``start``.

        Args:
            max_seconds: Length after which the recording stops automatically.
        """
        self._max_seconds = max_seconds
        self._lock = threading.Lock()
        self._frames: queue.Queue[tuple[NDArray[np.uint8], float] | None] | None = None
        self._thread: threading.Thread | None = None
        #: Time of the first frame on the camera's clock; None before the first frame.
        self._first_seconds: float | None = None
        self._seconds = 0.0
        self._result: bytes | None = None
        self._error: str | None = None

    @property
    def is_running(self) -> bool:
        """True while frames are recorded."""
        return self._frames is not None

    @property
    def seconds(self) -> float:
        """The length of the running or finished recording, in seconds."""
        return self._seconds

    @property
    def max_seconds(self) -> float:
        """The length after which a recording stops automatically, in seconds."""
        return self._max_seconds

    @property
    def result(self) -> bytes | None:
        """The finished recording, an MP4 file; None if there is none."""
        return self._result

    @property
    def error(self) -> str | None:
        """One sentence on why the most recent recording failed; None if it did not fail."""
        return self._error

    def start(self) -> None:
        """Start a new recording and discard the previous one."""
        self.stop()
        with self._lock:
            self._first_seconds, self._seconds = None, 0.0
            self._result = self._error = None
            self._frames = queue.Queue(_MAX_WAITING_FRAMES)
            self._thread = threading.Thread(
                target=self._encode, args=(self._frames,), name="live-recording", daemon=True
            )
            self._thread.start()

    def add(self, image: NDArray[np.uint8], seconds: float) -> None:
        """Add a frame if a recording is running.

        Args:
            image: RGB, uint8 ``[height, width, 3]``; must not be changed afterwards.
            seconds: The time of the frame, on the camera's clock.
        """
        with self._lock:
            frames = self._frames
            if frames is None:
                return
            if self._first_seconds is None:
                self._first_seconds = seconds
            video_seconds = seconds - self._first_seconds
            if video_seconds < self._seconds:
                return  # the camera's clock was set back, because the stream was restarted
            if video_seconds <= self._max_seconds:
                try:
                    frames.put_nowait((image, video_seconds))
                except queue.Full:
                    return
                self._seconds = video_seconds
                return
        # The recording has its maximum length.
        self._end(wait=False)

    def stop(self) -> bytes | None:
        """End the recording.

        Returns:
            The MP4 file; None if no frame was recorded, or the recording failed (see ``error``).
        """
        self._end(wait=True)
        return self._result

    def discard(self) -> None:
        """Delete a finished recording from memory."""
        self._result = None

    def _end(self, *, wait: bool) -> None:
        """Accept no more frames, and let the encoder complete the file.

        Args:
            wait: True to return only when the file is complete.
        """
        with self._lock:
            frames, self._frames = self._frames, None
            thread = self._thread
        if frames is not None:
            # If the queue is full, this waits only briefly, because the encoder takes frames from
            # it.
            frames.put(None)
        if wait and thread is not None:
            thread.join()

    def _encode(self, frames: queue.Queue[tuple[NDArray[np.uint8], float] | None]) -> None:
        """Encode the frames and store the file or an error; this runs in the encoder's thread."""
        try:
            content = _encode_mp4(frames)
        except Exception as error:
            logger.exception("The video could not be recorded")
            self._error = f"The video could not be recorded ({error}); record it again."
            with self._lock:
                if self._frames is frames:
                    self._frames = None
            # Empty the queue so that a thread that waits in ``_end`` continues.
            with contextlib.suppress(queue.Empty):
                while True:
                    frames.get_nowait()
            return
        self._result = content or None


def _encode_mp4(frames: queue.Queue[tuple[NDArray[np.uint8], float] | None]) -> bytes:
    """Encode frames as H.264, which every browser and player supports, until None arrives.

    Args:
        frames: Pictures with their times in seconds, then None.

    Returns:
        The content of the MP4 file; empty if there was no frame.
    """
    import av

    buffer = io.BytesIO()
    container: Any = None
    stream: Any = None
    last_pts = -1
    while (item := frames.get()) is not None:
        image, seconds = item
        if container is None:
            container = av.open(buffer, "w", format="mp4")
            stream = container.add_stream("libx264", options={"preset": "ultrafast"})
            # H.264 with 4:2:0 chroma requires even sizes.
            stream.width, stream.height = image.shape[1] // 2 * 2, image.shape[0] // 2 * 2
            stream.pix_fmt = "yuv420p"
            stream.bit_rate = _BITS_PER_SECOND
            stream.codec_context.time_base = _TIME_BASE
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        # A camera's picture may change its size, but a video file has one size.
        frame = frame.reformat(width=stream.width, height=stream.height, format="yuv420p")
        frame.pts = max(last_pts + 1, round(seconds / _TIME_BASE))
        frame.time_base = _TIME_BASE
        last_pts = frame.pts
        container.mux(stream.encode(frame))
    if container is None:
        return b""
    container.mux(stream.encode(None))
    container.close()
    return buffer.getvalue()
