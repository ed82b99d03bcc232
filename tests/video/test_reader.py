"""Frames, times and the messages about files that cannot be analyzed."""

import math
import os
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from drawn_videos import HEIGHT, WIDTH, Image, Person, at_rate, scene, write_video
from PIL import Image as Pillow

from fer_core.errors import InputError
from fer_core.video import reader
from fer_core.video.analysis_job import check_range
from fer_core.video.reader import (
    ReadReport,
    VideoInfo,
    describe_reading,
    probe_video,
    read_frames,
)
from fer_core.video.stills import read_still
from fer_core.video.timecode import format_time, parse_time


def numbered(count: int) -> list[Image]:
    """Frames that can be told apart: the square moves."""
    return [scene(Person(20 + 2 * number, 60)) for number in range(count)]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 frames at 20 per second with a keyframe every 8 frames, reordered frames, and sound."""
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    options = {"preset": "fast", "g": "8", "bf": "2"}
    return write_video(path, at_rate(numbered(40), 20), options=options, has_sound=True)


def test_frames_have_index_time_and_picture(clip: Path) -> None:
    info = probe_video(clip)
    assert (info.width, info.height, info.codec) == (WIDTH, HEIGHT, "h264")
    assert info.seconds == pytest.approx(2.0, abs=0.06)
    assert info.has_sound and info.plays_in_browsers
    report = ReadReport()
    frames = list(read_frames(clip, report=report))
    assert [frame.index for frame in frames] == list(range(40))
    assert [frame.seconds for frame in frames] == pytest.approx(np.arange(40) / 20, abs=1e-4)
    difference = np.abs(frames[11].image.astype(int) - numbered(12)[11].astype(int)).mean()
    assert difference < 6
    assert describe_reading("clip.mp4", report) == []


@pytest.mark.parametrize("first", [1, 7, 8, 21, 39])
def test_reading_may_start_at_any_time(clip: Path, first: int) -> None:
    everything = list(read_frames(clip))
    part = list(read_frames(clip, start=everything[first].seconds))
    assert [frame.index for frame in part] == list(range(first, 40))
    assert all(
        np.array_equal(one.image, other.image)
        for one, other in zip(part, everything[first:], strict=True)
    )


def test_a_range_excludes_its_end(clip: Path) -> None:
    frames = list(read_frames(clip, start=0.5, end=1.0))
    assert [frame.index for frame in frames] == list(range(10, 20))


def test_a_number_of_frames_per_second(clip: Path) -> None:
    assert [frame.index for frame in read_frames(clip, per_second=5)] == list(range(0, 40, 4))
    # The first frame at or after each third of a second.
    indices = [frame.index for frame in read_frames(clip, per_second=3)]
    assert indices == [0, 7, 14, 20, 27, 34]
    assert [frame.index for frame in read_frames(clip, per_second=100)] == list(range(40))


def test_the_frame_of_a_time(clip: Path) -> None:
    still = read_still(clip, 1.05)
    assert still is not None and still.seconds == pytest.approx(1.05, abs=1e-3)
    assert np.array_equal(still.image, list(read_frames(clip))[21].image)
    assert read_still(clip, 99.0) is None


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_rotated_videos_are_upright(tmp_path: Path, rotation: int) -> None:
    image = scene(Person(20, 60))
    path = write_video(tmp_path / "phone.mp4", at_rate([image] * 3), rotation=rotation)
    (frame, *_) = read_frames(path)
    expected = np.rot90(image, rotation // 90)
    assert frame.image.shape == expected.shape
    assert (frame.width, frame.height) == (expected.shape[1], expected.shape[0])
    assert np.abs(frame.image.astype(int) - expected.astype(int)).mean() < 6


def test_an_edit_list_shifts_the_times(tmp_path: Path) -> None:
    """The file begins before the time that players show first."""
    path = tmp_path / "edited.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"g": "1", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number, image in enumerate(numbered(20)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = number - 5
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    frames = list(read_frames(path))
    assert frames[0].seconds == pytest.approx(0.0, abs=1e-6)
    steps = np.diff([frame.seconds for frame in frames])
    assert steps == pytest.approx(0.04, abs=1e-3)


@pytest.mark.parametrize(
    "codec, pixel_format, name",
    [
        ("libx265", "yuv420p10le", "hevc10.mp4"),
        ("libsvtav1", "yuv420p", "av1.mp4"),
        ("prores_ks", "yuv422p10le", "prores.mov"),
        ("libvpx-vp9", "yuv420p", "vp9.webm"),
        ("mpeg4", "yuv420p", "old.avi"),
        ("mjpeg", "yuvj420p", "camera.mov"),
    ],
)
def test_other_codecs(tmp_path: Path, codec: str, pixel_format: str, name: str) -> None:
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    options |= {"preset": "12"} if codec == "libsvtav1" else {}
    options |= {"deadline": "realtime"} if codec == "libvpx-vp9" else {}
    images = numbered(5)
    path = write_video(
        tmp_path / name, at_rate(images), codec=codec, pixel_format=pixel_format, options=options
    )
    info = probe_video(path)
    frames = list(read_frames(path))
    assert len(frames) == 5
    assert np.abs(frames[0].image.astype(int) - images[0].astype(int)).mean() < 8
    assert info.plays_in_browsers == (name in ("av1.mp4", "vp9.webm"))


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_animations(tmp_path: Path, kind: str) -> None:
    images = [Pillow.fromarray(image) for image in numbered(4)]
    path = tmp_path / f"animation.{kind}"
    images[0].save(path, save_all=True, append_images=images[1:], duration=[100, 200, 100, 100])
    info = probe_video(path)
    assert info.seconds == pytest.approx(0.5, abs=0.11)
    frames = list(read_frames(path))
    assert [frame.seconds for frame in frames] == pytest.approx([0.0, 0.1, 0.3, 0.4])
    assert frames[2].image.shape == (HEIGHT, WIDTH, 3)
    assert len(list(read_frames(path, start=0.3))) == 2


def test_large_pictures_are_shrunk_while_they_are_decoded(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = next(read_frames(clip, max_pixels=WIDTH * HEIGHT // 4))
    assert frame.image.shape == (HEIGHT // 2, WIDTH // 2, 3)
    assert (frame.width, frame.height) == (WIDTH, HEIGHT)


def test_pixels_that_are_not_square_are_corrected(tmp_path: Path) -> None:
    path = tmp_path / "wide.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.sample_aspect_ratio = 2
        for image in numbered(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    frame = next(read_frames(path))
    assert frame.image.shape == (HEIGHT, 2 * WIDTH, 3)


def cut_off(clip: Path, target: Path, share: float) -> Path:
    content = clip.read_bytes()
    target.write_bytes(content[: round(share * len(content))])
    return target


def test_a_truncated_file_is_read_to_its_end_and_reported(tmp_path: Path) -> None:
    whole = write_video(
        tmp_path / "whole.mp4",
        at_rate(numbered(60), 20),
        options={"preset": "ultrafast", "g": "5"},
        container_options={"movflags": "+faststart"},
    )
    path = cut_off(whole, tmp_path / "part.mp4", 0.6)
    report = ReadReport()
    frames = list(read_frames(path, report=report))
    assert 20 < len(frames) < 45
    (sentence, *_) = describe_reading("part.mp4", report)
    assert sentence.startswith("part.mp4 ends early: its first 0:0")
    assert report.is_truncated


def test_damaged_frames_are_left_out_and_counted(tmp_path: Path) -> None:
    path = write_video(
        tmp_path / "damaged.avi", at_rate(numbered(20)), codec="mjpeg", pixel_format="yuvj420p"
    )
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.pos is not None]
    content = bytearray(path.read_bytes())
    middle = packets[10]
    assert middle.pos is not None
    content[middle.pos + 8 : middle.pos + 8 + middle.size] = bytes(middle.size)
    path.write_bytes(content)
    report = ReadReport()
    frames = list(read_frames(path, report=report))
    assert len(frames) == 19
    assert 10 not in {frame.index for frame in frames}
    assert describe_reading("damaged.avi", report) == [
        "1 frame of damaged.avi could not be decoded and were left out."
    ]


def test_a_changed_resolution_is_reported() -> None:
    report = ReadReport(resolutions=[(640, 480), (320, 240)])
    (sentence,) = describe_reading("a.ts", report)
    assert sentence == (
        "The resolution of a.ts changes (640x480, 320x240); each box is in pixels of its frame."
    )


def _only_sound(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _no_frames(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()


def _without_index(path: Path) -> None:
    whole = path.with_suffix(".whole.mp4")
    write_video(whole, at_rate(numbered(5)))
    content = whole.read_bytes()
    path.write_bytes(content[: content.index(b"moov") - 4])


def _picture(path: Path) -> None:
    path.write_bytes(cv2.imencode(".jpg", scene())[1].tobytes())


def _still_gif(path: Path) -> None:
    Pillow.fromarray(scene()).save(path, "GIF")


def _broken_webp(path: Path) -> None:
    images = [Pillow.fromarray(image) for image in numbered(3)]
    images[0].save(path, "WEBP", save_all=True, append_images=images[1:])
    path.write_bytes(path.read_bytes()[:120])


@pytest.mark.parametrize(
    "make, sentence",
    [
        (_only_sound, "contains only sound; choose a file with video."),
        (_no_frames, "contains no"),
        (_without_index, "has no index (its 'moov' part is missing)"),
        (_picture, "is a picture, not a video; analyze it with 'Analyze photos' or 'classify'."),
        (_still_gif, "is a picture, not a video"),
        (_broken_webp, "is damaged ("),
        (lambda path: path.write_bytes(b""), "is empty; record or copy it again."),
        (lambda path: path.write_bytes(b"no video " * 500), "is not a video that can be read"),
        (lambda path: path.mkdir(), "is not a file; check the path"),
        (lambda path: None, "does not exist; check the path"),
    ],
)
def test_what_is_not_a_video_gets_one_sentence(
    tmp_path: Path, make: Callable[[Path], object], sentence: str
) -> None:
    path = tmp_path / "clip.mp4"
    make(path)
    with pytest.raises(InputError) as caught:
        probe_video(path)
    message = str(caught.value)
    assert message.startswith("clip.mp4 ") and sentence in message
    assert message.endswith(".") and "\n" not in message


def test_a_file_that_may_not_be_read(clip: Path, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    path = cut_off(clip, tmp_path / "closed.mp4", 1.0)
    path.chmod(0)
    with pytest.raises(InputError, match=r"closed\.mp4 cannot be read \(permission denied\)"):
        probe_video(path)


def test_pictures_beyond_8k_are_refused(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_MAX_PIXELS", WIDTH * HEIGHT - 1)
    with pytest.raises(InputError, match=r"clip\.mp4 has frames of 320x240 pixels; at most 8192x"):
        probe_video(clip)


def info_of(seconds: float | None) -> VideoInfo:
    return VideoInfo("day.mp4", 640, 480, seconds, 30.0, "h264", "yuv420p", "mov,mp4", False)


@pytest.mark.parametrize(
    "seconds, start, end, sentence",
    [
        (86_400.0, 0.0, None, "day.mp4 lasts 24:00:00, and one analysis covers at most 6 hours"),
        (60.0, 75.0, None, "day.mp4 lasts 1:00.0, so the range cannot start at 1:15.0"),
    ],
)
def test_ranges_that_are_refused(
    seconds: float, start: float, end: float | None, sentence: str
) -> None:
    with pytest.raises(InputError) as caught:
        check_range(info_of(seconds), start, end)
    assert str(caught.value).startswith(sentence)


def test_ranges_that_are_accepted() -> None:
    check_range(info_of(86_400.0), 3600.0, 7200.0)
    check_range(info_of(None), 3600.0, None)
    check_range(info_of(10.0), 0.0, math.inf)


@pytest.mark.parametrize(
    "text, seconds",
    [("75", 75.0), ("1:15", 75.0), ("0:01:15.5", 75.5), ("75:00", 4500.0), (" 2.25 ", 2.25)],
)
def test_times_are_read(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["", "1:75", "1:75:00", "-3", "1:2:3:4", "soon", "1:", "nan"])
def test_what_is_not_a_time_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="A time should be in seconds"):
        parse_time(text)


@pytest.mark.parametrize(
    "seconds, digits, text",
    [(75.0, 0, "1:15"), (3675.04, 1, "1:01:15.0"), (59.96, 1, "1:00.0"), (0.0, 2, "0:00.00")],
)
def test_times_are_written(seconds: float, digits: int, text: str) -> None:
    assert format_time(seconds, digits) == text
