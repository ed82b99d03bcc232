import io
import time

import av
import numpy as np
import pytest
from live_scenes import scene

from fer_core.live.recording import VideoRecording


def decoded(content: bytes) -> list[av.VideoFrame]:
    with av.open(io.BytesIO(content)) as container:
        return list(container.decode(video=0))


def add_frames(recording: VideoRecording, count: int, first: int = 0) -> None:
    for frame in range(first, first + count):
        image = scene((10 + 5 * frame, 100))
        recording.add(image, frame / 30)
        # The recording skips frames if the encoder is behind: add the frame again.
        while recording.is_running and recording.seconds < frame / 30:
            time.sleep(0.001)
            recording.add(image, frame / 30)


def test_a_recording_has_the_original_speed() -> None:
    recording = VideoRecording()
    recording.start()
    assert recording.is_running
    add_frames(recording, 31)
    content = recording.stop()
    assert content is not None
    frames = decoded(content)
    assert len(frames) == 31
    assert frames[0].width, frames[0].height == (640, 480)
    assert frames[-1].time == pytest.approx(1.0, abs=0.05)
    picture = frames[0].to_ndarray(format="rgb24").astype(int)
    assert np.abs(picture - scene((10, 100))).mean() < 20
    assert not recording.is_running
    assert recording.result == content
    recording.discard()
    assert recording.result is None


def test_a_recording_stops_at_its_maximum_length() -> None:
    recording = VideoRecording(max_seconds=0.5)
    recording.start()
    add_frames(recording, 40)
    assert not recording.is_running
    content = recording.stop()
    assert content is not None
    assert decoded(content)[-1].time <= 0.5


def test_frames_of_another_size_are_resized() -> None:
    recording = VideoRecording()
    recording.start()
    add_frames(recording, 5)
    recording.add(scene((5, 5), size=(241, 321)), 0.5)
    content = recording.stop()
    assert content is not None
    assert {(frame.width, frame.height) for frame in decoded(content)} == {(640, 480)}


def test_nothing_is_recorded_without_a_request() -> None:
    recording = VideoRecording()
    add_frames(recording, 3)
    assert recording.stop() is None
    recording.start()
    assert recording.stop() is None


def test_an_encoder_error_is_reported_and_does_not_block() -> None:
    recording = VideoRecording()
    recording.start()
    recording.add(np.zeros((1, 1, 3), np.uint8), 0.0)  # no film is a pixel wide
    add_frames(recording, 40, first=1)
    assert recording.stop() is None
    assert "could not be recorded" in (recording.error or "")
    recording.start()
    add_frames(recording, 5)
    assert recording.stop() is not None
    assert recording.error is None
