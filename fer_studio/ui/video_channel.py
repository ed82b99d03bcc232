"""A connection's way through the server: newest frame in, annotated frame out, nothing in between.

streamlit-webrtc's own way for callbacks holds every frame back for at least one more, repeats old
frames while a new one is worked on, and encodes those too. It ends in silence when the callback
raises. Here a thread works on the newest frame only, and only what is new is sent back, so that the
delay does not grow when the machine is slow: frames are passed over and counted.
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

_CLOCK_RATE = 90_000
_TIME_BASE = Fraction(1, _CLOCK_RATE)

#: Takes RGB uint8 ``[height, width, 3]`` and its time in seconds on the camera's clock; gives RGB
#: of the same shape.
Process = Callable[[NDArray[np.uint8], float], NDArray[np.uint8]]


#: Frames that may wait: threads and the network deliver them in bursts of two, of which none need
#: be lost. More would be a lag.
_MOST_WAITING = 2


class _NewestFrames(asyncio.Queue[Any]):
    """A queue that makes room for what is new by dropping what is oldest."""

    def __init__(self) -> None:
        super().__init__(_MOST_WAITING)

    def put_nowait(self, item: Any) -> None:
        """Add a frame; never raises for want of room."""
        if self.full():
            self.get_nowait()
        super().put_nowait(item)


class NewestFrameRelay(MediaRelay):
    """A relay whose consumers get the newest frames, however slow they are.

    aiortc's own keeps every frame for a consumer that falls behind: an encoder on a busy machine is
    then fed with the past, later and later.
    """

    def subscribe(self, track: MediaStreamTrack, buffered: bool = True) -> MediaStreamTrack:
        """As the base class, but never with more than two frames waiting."""
        proxy = super().subscribe(track, buffered=True)
        # Private, as seen in aiortc 1.16.0; a test notices when it is no longer so.
        assert isinstance(proxy, RelayStreamTrack)
        proxy._queue = _NewestFrames()
        return proxy


class AnnotatedTrack(MediaStreamTrack):
    """What goes back to the browser: each frame once, as soon as it is there."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self._frames: asyncio.Queue[av.VideoFrame | None] = _NewestFrames()
        self._start = time.monotonic()

    def show(self, frame: av.VideoFrame) -> None:
        """Send a frame. To be called in the event loop."""
        # The moment of sending, not the camera's: a browser delays the whole picture by the
        # differences between the two.
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
        """End the track. To be called in the event loop."""
        super().stop()
        self._frames.put_nowait(None)


class VideoChannel:
    """Takes the camera's track and feeds ``output``; made anew for every connection.

    It is a ``MediaSink`` of streamlit-webrtc, whose methods are named as aiortc's.
    """

    def __init__(
        self,
        process: Process,
        *,
        count_dropped: Callable[[int], None] = lambda frames: None,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare; threads and tasks begin with ``start``.

        Args:
            process: Annotates a frame; called in a thread of the channel's own.
            count_dropped: Told how many frames were passed over; called in the event loop.
            on_end: Called in the channel's thread when the connection has ended, however it did.
        """
        self._process = process
        self._count_dropped = count_dropped
        self._on_end = on_end
        self.output = AnnotatedTrack()
        self._track: MediaStreamTrack | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reader: asyncio.Task[None] | None = None
        self._change = threading.Condition()
        self._newest: deque[av.VideoFrame] = deque(maxlen=_MOST_WAITING)
        self._is_closed = False
        self._has_failed = False

    def addTrack(self, track: MediaStreamTrack) -> None:  # noqa: N802 (aiortc's name)
        """Take the camera's track."""
        self._track = track

    def hasTrack(self) -> bool:  # noqa: N802 (aiortc's name)
        """Whether there is a camera's track."""
        return self._track is not None

    def start(self) -> None:
        """Begin. To be called in the event loop."""
        assert self._track is not None
        self._loop = asyncio.get_running_loop()
        self._reader = self._loop.create_task(self._read(self._track))
        threading.Thread(target=self._work, name="live-video", daemon=True).start()

    def stop(self) -> None:
        """End task, thread and output, from any thread; what is being worked on is dropped."""
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
                    is_passed_over = len(self._newest) == _MOST_WAITING
                    self._newest.append(frame)
                    self._change.notify_all()
                if is_passed_over:
                    self._count_dropped(1)
        except MediaStreamError:
            pass  # the camera was switched off, or the browser is gone
        finally:
            self._close()
            self.output.stop()

    def _work(self) -> None:
        assert self._loop is not None
        while (frame := self._next_frame()) is not None:
            result = self._annotated(frame)
            try:
                self._loop.call_soon_threadsafe(self.output.show, result)
            except RuntimeError:
                break  # the server is shutting down
        self._on_end()

    def _next_frame(self) -> av.VideoFrame | None:
        """Wait for a frame; None when there will be no more."""
        with self._change:
            self._change.wait_for(lambda: self._is_closed or len(self._newest) > 0)
            return self._newest.popleft() if self._newest else None

    def _annotated(self, frame: av.VideoFrame) -> av.VideoFrame:
        try:
            image = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            image = self._process(image, frame.time or 0.0)
            return av.VideoFrame.from_ndarray(image, format="rgb24")
        except Exception:
            # The picture goes on, whatever happens; thirty times a second is no way to log it.
            if not self._has_failed:
                logger.exception("A frame could not be worked on and is shown as it came")
            self._has_failed = True
            return frame
