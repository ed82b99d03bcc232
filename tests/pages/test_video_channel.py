"""The video channel, fed by a synthetic camera in this process."""

import asyncio
import threading
import time
from collections.abc import Callable
from fractions import Fraction

import av
import numpy as np
import pytest
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from numpy.typing import NDArray

from fer_studio.ui.video_channel import NewestFrameRelay, VideoChannel

Image = NDArray[np.uint8]


class Camera(MediaStreamTrack):
    """A given number of frames, each of one gray value: 0, 1, 2, …

    With ``is_patient`` it waits until ``received`` contains the previous one, so that none is
    skipped however busy the machine is.
    """

    kind = "video"

    def __init__(self, frames: int, pause: float = 0.01, *, is_patient: bool = False) -> None:
        super().__init__()
        self.given = 0
        self.received: list[av.VideoFrame] = []
        self._frames = frames
        self._pause = pause
        self._is_patient = is_patient

    async def recv(self) -> av.VideoFrame:
        if self.readyState != "live" or self.given >= self._frames:
            self.stop()
            raise MediaStreamError
        await asyncio.sleep(self._pause)
        while self._is_patient and len(self.received) < self.given:
            await asyncio.sleep(0.001)
        image = np.full((48, 64, 3), self.given, np.uint8)
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts, frame.time_base = 3000 * self.given, Fraction(1, 90_000)
        self.given += 1
        return frame


def live_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "live-video"]


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


async def receive(channel: VideoChannel, camera: Camera) -> list[av.VideoFrame]:
    try:
        while True:
            camera.received.append(await asyncio.wait_for(channel.output.recv(), 120))
    except MediaStreamError:
        return camera.received


def play(channel: VideoChannel, camera: Camera) -> list[av.VideoFrame]:
    async def session() -> list[av.VideoFrame]:
        channel.addTrack(camera)
        assert channel.hasTrack()
        channel.start()
        return await receive(channel, camera)

    return asyncio.run(session())


def test_every_frame_is_processed_with_its_time() -> None:
    seen: list[tuple[int, float]] = []

    def invert(image: Image, seconds: float) -> Image:
        seen.append((int(image[0, 0, 0]), seconds))
        return 255 - image

    frames = play(VideoChannel(invert), Camera(20, is_patient=True))
    gray = [int(frame.to_ndarray(format="rgb24")[0, 0, 0]) for frame in frames]
    # The last one may be lost with the end of the stream.
    assert gray in (list(range(255, 235, -1)), list(range(255, 236, -1)))
    assert all(seconds == pytest.approx(number / 30) for number, seconds in seen)
    moments = [frame.pts for frame in frames]
    assert moments == sorted(set(moments))


def test_slow_processing_drops_frames_and_counts_them() -> None:
    dropped: list[int] = []
    worked_on: list[int] = []
    camera = Camera(60, pause=0.005)

    def slow(image: Image, seconds: float) -> Image:
        """Take as long as the camera takes for five frames."""
        worked_on.append(int(image[0, 0, 0]))
        target = min(camera.given + 5, 60)
        wait_for(lambda: camera.given >= target)
        return image

    play(VideoChannel(slow, count_dropped=dropped.append), camera)
    # The thread may have taken its last frame and not yet begun to process it.
    wait_for(lambda: live_threads() == [])
    assert len(worked_on) < 20
    assert sum(dropped) > 30
    # Frames that wait at the end of the stream are neither processed nor counted.
    assert camera.given - 2 <= len(worked_on) + sum(dropped) <= camera.given


def test_processing_errors_return_the_frames_unchanged_and_are_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(image: Image, seconds: float) -> Image:
        raise RuntimeError("no")

    frames = play(VideoChannel(broken), Camera(10, is_patient=True))
    assert len(frames) >= 9
    assert (
        len([record for record in caplog.records if "could not be processed" in record.message])
        == 1
    )


def test_the_end_of_the_camera_ends_thread_and_output() -> None:
    ends: list[str] = []
    channel = VideoChannel(lambda image, seconds: image, on_end=lambda: ends.append("end"))
    play(channel, Camera(3))
    wait_for(lambda: live_threads() == [])
    assert ends == ["end"]
    assert channel.output.readyState == "ended"


def test_stop_from_another_thread_ends_everything_at_once() -> None:
    channel = VideoChannel(lambda image, seconds: image)

    async def session() -> None:
        channel.addTrack(Camera(10_000))
        channel.start()
        await channel.output.recv()
        await asyncio.to_thread(channel.stop)
        with pytest.raises(MediaStreamError):
            while True:
                await asyncio.wait_for(channel.output.recv(), 120)

    asyncio.run(session())
    wait_for(lambda: live_threads() == [])
    channel.stop()  # once more does no harm


def test_a_channel_that_never_started_can_be_dropped() -> None:
    VideoChannel(lambda image, seconds: image).stop()


def test_a_slow_consumer_of_the_relay_gets_the_newest_frame() -> None:
    async def session() -> int:
        camera = Camera(100, pause=0.005)
        consumer = NewestFrameRelay().subscribe(camera)
        await consumer.recv()
        while camera.given < 20:
            await asyncio.sleep(0.005)
        frame = await consumer.recv()
        assert isinstance(frame, av.VideoFrame)
        behind = camera.given - 1 - int(frame.to_ndarray(format="rgb24")[0, 0, 0])
        camera.stop()
        return behind

    assert asyncio.run(session()) <= 1
