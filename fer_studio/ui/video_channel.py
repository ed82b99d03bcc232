"""The server side of a video connection: process the newest frames and send them back.

This module replaces the callbacks of streamlit-webrtc, which have three disadvantages. They delay
every frame by at least the duration of one frame. While a frame is processed, they encode and send
the previous frame again. If a callback raises an exception, the stream ends without a message.

Here, a thread processes only the newest frames, and each processed frame is sent once. On a slow
machine, frames are dropped and counted, so that the delay does not grow.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import av
import numpy as np
from aiortc import MediaStreamTrack
from aiortc.contrib.media import MediaRelay, RelayStreamTrack
from aiortc.mediastreams import MediaStreamError
from numpy.typing import NDArray

logger = logging.getLogger(__name__)

#: Units of a frame's timestamp per second; video in RTP has this rate.
_CLOCK_RATE = 90_000
_TIME_BASE = Fraction(1, _CLOCK_RATE)

#: A function that processes a picture. It takes the picture, RGB uint8 ``[height, width, 3]``, and
#: the time of the picture in seconds on the camera's clock. It returns RGB of the same shape.
FrameProcessor = Callable[[NDArray[np.uint8], float], NDArray[np.uint8]]

#: Maximum number of waiting frames. Threads and the network often deliver two frames at once, which
#: should not be lost. More than two waiting frames would add a delay.
_MAX_WAITING = 2


class _NewestFrames(asyncio.Queue[Any]):
    """A queue that drops the oldest item when it is full."""

    def __init__(self) -> None:
        super().__init__(_MAX_WAITING)

    def put_nowait(self, item: Any) -> None:
        """Add an item; never raise ``QueueFull``."""
        if self.full():
            self.get_nowait()
        super().put_nowait(item)


class NewestFrameRelay(MediaRelay):
    """A relay whose consumers always get the newest frames.

    aiortc's relay keeps every frame for a slow consumer. On a busy machine, an encoder would
    therefore fall further and further behind.
    """

    def subscribe(self, track: MediaStreamTrack, buffered: bool = True) -> MediaStreamTrack:
        """Subscribe as in the base class, but with at most two waiting frames.

        ``buffered`` is ignored: there is always a buffer.
        """
        proxy = super().subscribe(track, buffered=True)
        # A private attribute as of aiortc 1.16.0; a test fails when it changes.
        assert isinstance(proxy, RelayStreamTrack)
        proxy._queue = _NewestFrames()
        return proxy


class AnnotatedTrack(MediaStreamTrack):
    """The track that sends each frame to the browser once, as soon as the frame is available."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self._frames: asyncio.Queue[av.VideoFrame | None] = _NewestFrames()
        self._start = time.monotonic()

    def send(self, frame: av.VideoFrame) -> None:
        """Send a frame. Must be called in the event loop."""
        # The timestamp is the time of sending, not of capture. The time between the two varies, and
        # a browser that receives irregular timestamps delays the picture.
        frame.pts = int((time.monotonic() - self._start) * _CLOCK_RATE)
        frame.time_base = _TIME_BASE
        self._frames.put_nowait(frame)

    async def recv(self) -> av.VideoFrame:
        """Wait for the next frame.

        Raises:
            MediaStreamError: The track has ended.
        """
        frame = await self._frames.get() if self.readyState == "live" else None
        if self.readyState != "live" or frame is None:
            raise MediaStreamError
        return frame

    def stop(self) -> None:
        """End the track. Must be called in the event loop."""
        super().stop()
        self._frames.put_nowait(None)


class VideoChannel:
    """Reads the frames of one connection, and sends the processed frames to ``output``.

    The class implements streamlit-webrtc's ``MediaSink``, whose methods have aiortc's names.
    """

    def __init__(
        self,
        process: FrameProcessor,
        *,
        count_dropped: Callable[[int], None] = lambda frames: None,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        """Create the channel; ``start`` starts its thread and task.

        Args:
            process: Annotates a frame; called in the channel's thread.
            count_dropped: Called in the event loop with the number of frames that were dropped.
            on_end: Called in the channel's thread when the connection has ended for any reason.
        """
        self._process = process
        self._count_dropped = count_dropped
        self._on_end = on_end
        self.output = AnnotatedTrack()
        self._track: MediaStreamTrack | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reader: asyncio.Task[None] | None = None
        self._change = threading.Condition()
        self._newest: deque[av.VideoFrame] = deque(maxlen=_MAX_WAITING)
        self._is_closed = False
        self._has_failed = False

    def addTrack(self, track: MediaStreamTrack) -> None:  # noqa: N802 (aiortc's name)
        """Set the camera's track."""
        self._track = track

    def hasTrack(self) -> bool:  # noqa: N802 (aiortc's name)
        """Return True if the camera's track is set."""
        return self._track is not None

    def start(self) -> None:
        """Start processing. Must be called in the event loop."""
        assert self._track is not None
        self._loop = asyncio.get_running_loop()
        self._reader = self._loop.create_task(self._read(self._track))
        threading.Thread(target=self._process_frames, name="live-video", daemon=True).start()

    def stop(self) -> None:
        """End the task, the thread and the output, without processing the waiting frames.

        May be called in any thread.
        """
        self._close()
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._end_in_loop)

    def _close(self) -> None:
        with self._change:
            self._is_closed = True
            self._newest.clear()
            self._change.notify_all()

    def _end_in_loop(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
        self.output.stop()

    async def _read(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                frame = await track.recv()
                assert isinstance(frame, av.VideoFrame)
                with self._change:
                    drops_oldest = len(self._newest) == _MAX_WAITING
                    self._newest.append(frame)
                    self._change.notify_all()
                if drops_oldest:
                    self._count_dropped(1)
        except MediaStreamError:
            pass  # the camera was switched off, or the browser disconnected
        finally:
            self._close()
            self.output.stop()

    def _process_frames(self) -> None:
        assert self._loop is not None
        while (frame := self._next_frame()) is not None:
            result = self._annotate(frame)
            try:
                self._loop.call_soon_threadsafe(self.output.send, result)
            except RuntimeError:
                break  # the server is shutting down
        self._on_end()

    def _next_frame(self) -> av.VideoFrame | None:
        """Wait for a frame; return None after the end of the stream."""
        with self._change:
            self._change.wait_for(lambda: self._is_closed or len(self._newest) > 0)
            return self._newest.popleft() if self._newest else None

    def _annotate(self, frame: av.VideoFrame) -> av.VideoFrame:
        try:
            image = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            image = self._process(image, frame.time or 0.0)
            return av.VideoFrame.from_ndarray(image, format="rgb24")
        except Exception:
            # An error in one frame must not end the stream, so the frame is sent unchanged. Only
            # the first error is logged, because every frame may raise the same one.
            if not self._has_failed:
                logger.exception("A frame could not be processed and is shown unchanged")
            self._has_failed = True
            return frame
