"""Read a video: upright frames with their times.

A frame is upright after the rotation in the file's metadata was applied. Times come from the
stream's timestamps, so that a variable frame rate is handled correctly. The demuxer applies edit
lists. Time 0 is the start of the file, as in a player.

In some files, pixels are not square. Such frames are stretched, so that all sizes are in square
pixels, as a player shows them.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_core.errors import InputError, first_line, system_reason
from fer_core.phrases import counted
from fer_core.video.timecode import format_time
from fer_core.video.webp_animation import AnimationFrame, WebpAnimation

#: Maximum area of a picture for the analysis. Larger pictures are shrunk when they are converted:
#: faces of about 20 pixels and more are still found, and the memory of the analysis does not depend
#: on the size of the video.
ANALYSIS_PIXELS = 1920 * 1080
#: Maximum area of a frame of the file, slightly more than 8K. For larger frames, the decoder alone
#: would need gigabytes.
_MAX_PIXELS = 8192 * 4352
#: Maximum area of a frame that several threads decode, in pixels. Larger frames are decoded by one
#: thread, because a decoder keeps several frames per thread in memory.
_MAX_THREADED_PIXELS = 2560 * 1440
#: Number of threads that decode frames of at most ``_MAX_THREADED_PIXELS``.
_THREADS = 2
#: Tolerance in seconds when times are compared with the limits of a range.
_TOLERANCE = 1e-6
#: A video counts as truncated if more than this time is missing at its end, in seconds.
_MIN_MISSING_SECONDS = 0.5


@dataclass(frozen=True)
class VideoInfo:
    """What is known about a video before its frames are decoded.

    Attributes:
        name: The file's name, for messages.
        width: Width of the upright picture in square pixels.
        height: Height of the upright picture in square pixels.
        seconds: Duration; None if the file does not state it.
        frames_per_second: Average frame rate; None if the file does not state it.
        codec: Name of the codec, such as "h264".
        pixel_format: Name of the pixel format, such as "yuv420p".
        container: The demuxer's name, such as "mov,mp4,m4a,3gp,3g2,mj2".
        has_sound: True if there is an audio stream.
    """

    name: str
    width: int
    height: int
    seconds: float | None
    frames_per_second: float | None
    codec: str
    pixel_format: str
    container: str
    has_sound: bool

    @property
    def plays_in_browsers(self) -> bool:
        """True if all current browsers can play the file without conversion."""
        is_mp4 = "mp4" in self.container and self.codec in ("h264", "av1", "vp9")
        # The demuxer has the same name for WebM and Matroska, but browsers play only WebM.
        is_webm = self.name.lower().endswith(".webm") and self.codec in ("vp8", "vp9", "av1")
        return (is_mp4 or is_webm) and self.pixel_format in ("yuv420p", "yuvj420p")


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """A decoded frame.

    Attributes:
        index: Index of the frame in the file, from 0.
        seconds: Time of the frame in seconds, from the start of the file.
        image: Upright RGB, uint8 ``[height, width, 3]``, possibly shrunk.
        width: Width of the upright frame before shrinking, in square pixels.
        height: Height of the upright frame before shrinking, in square pixels.
    """

    index: int
    seconds: float
    image: NDArray[np.uint8] = field(repr=False)
    width: int
    height: int


@dataclass
class ReadReport:
    """What is known about a video only after its frames have been read.

    Attributes:
        damaged_frames: Number of frames that could not be decoded and were left out.
        resolutions: Width and height of the first frame, and again after each change of the size.
        ended_at: The end of the last frame, in seconds.
        is_truncated: True if reading ended early, or if the frames ended before the duration that
            the file states.
        error: Why reading ended early, in a few words; empty if it did not end early.
    """

    damaged_frames: int = 0
    resolutions: list[tuple[int, int]] = field(default_factory=list)
    ended_at: float = 0.0
    is_truncated: bool = False
    error: str = ""


def probe_video(path: Path, name: str | None = None) -> VideoInfo:
    """Read the properties of a video, and check that its first frame can be decoded.

    Args:
        path: The file.
        name: Name of the video in messages; by default the file name.

    Raises:
        InputError: The file is missing, is not a video, has too large frames, or cannot be decoded.
    """
    name = name or path.name
    if WebpAnimation.is_animation(path):
        return _webp_info(WebpAnimation(path, name))
    with _opened(path, name) as (container, stream):
        first = _first_frame(container, stream, name)
        width, height = _upright_size(first, _pixel_aspect(stream))
        if first.width * first.height > _MAX_PIXELS:
            raise InputError(
                f"{name} has frames of {first.width}x{first.height} pixels; at most 8192x4352 "
                "can be analyzed: convert it to a smaller size."
            )
        if _uses_picture_demuxer(container) or _is_single_picture(container, stream):
            raise InputError(
                f"{name} is a picture, not a video; analyze it with 'Analyze photos' or 'classify'."
            )
        rate = stream.average_rate or stream.guessed_rate
        return VideoInfo(
            name=name,
            width=width,
            height=height,
            seconds=_duration(container, stream),
            frames_per_second=float(rate) if rate else None,
            codec=str(stream.codec_context.codec.canonical_name),
            pixel_format=str(first.format.name),
            container=str(container.format.name),
            has_sound=bool(container.streams.audio),
        )


def read_frames(
    path: Path,
    *,
    name: str | None = None,
    start: float = 0.0,
    end: float = math.inf,
    per_second: float | None = None,
    max_pixels: int | None = ANALYSIS_PIXELS,
    report: ReadReport | None = None,
    needs_exact_index: bool = True,
) -> Iterator[VideoFrame]:
    """Decode the frames of a video in the order of their times.

    Frames that cannot be decoded are left out, and their number is added to the report.

    Args:
        path: The file.
        name: Name of the video in messages; by default the file name.
        start: Start of the range in seconds: frames before this time are left out.
        end: End of the range in seconds: frames at and after this time are left out.
        per_second: Number of frames per second: the first frame of the range, and the first frame
            at or after each multiple of ``1 / per_second``, are returned. None returns every frame.
        max_pixels: Larger pictures are shrunk to about this area; None to keep their size.
        report: Filled while the frames are read, for a WebP animation only with the resolutions;
            None if the caller does not need it.
        needs_exact_index: False if the caller does not use the index of the frames. This saves
            time, because the frames before ``start`` are not counted, but the index may be wrong.

    Raises:
        InputError: The file is missing or is not a video.
    """
    name = name or path.name
    report = report if report is not None else ReadReport()
    frames: Iterator[_DecodedFrame | AnimationFrame]
    if WebpAnimation.is_animation(path):
        frames = WebpAnimation(path, name).frames(start, end)
    else:
        frames = _frames_in_range(
            path, name, (start, end), report, needs_exact_index=needs_exact_index
        )
    sampler = _Sampler(per_second)
    for frame in frames:
        if not report.resolutions or report.resolutions[-1] != (frame.width, frame.height):
            report.resolutions.append((frame.width, frame.height))
        if sampler.takes(frame.seconds):
            image = frame.convert(max_pixels)
            yield VideoFrame(frame.index, frame.seconds, image, frame.width, frame.height)


class _Sampler:
    """Chooses the first frame that it gets, and after it the first frame of each period.

    The periods have the length ``1 / per_second`` and are counted from time 0, even if reading
    starts later.
    """

    def __init__(self, per_second: float | None) -> None:
        self._per_second = per_second
        self._last_period = -1

    def takes(self, seconds: float) -> bool:
        """Return True if the frame at this time is chosen."""
        if self._per_second is None:
            return True
        period = math.floor((seconds + _TOLERANCE) * self._per_second)
        is_first = period > self._last_period
        self._last_period = max(period, self._last_period)
        return is_first


class _DecodedFrame:
    """A frame of PyAV with its index and time, converted to RGB only if it is used."""

    def __init__(self, frame: Any, index: int, seconds: float, aspect: Fraction) -> None:
        self._frame = frame
        self.index = index
        self.seconds = seconds
        self.width, self.height = _upright_size(frame, aspect)

    def convert(self, max_pixels: int | None) -> NDArray[np.uint8]:
        """Return upright RGB with square pixels, uint8 ``[height, width, 3]``."""
        quarter_turns = _quarter_turns(self._frame)
        width, height = self.width, self.height
        if max_pixels is not None and width * height > max_pixels:
            scale = math.sqrt(max_pixels / (width * height))
            width, height = max(round(width * scale), 1), max(round(height * scale), 1)
        if quarter_turns % 2:
            width, height = height, width
        image = self._frame.to_ndarray(format="rgb24", width=width, height=height)
        if quarter_turns:
            image = np.ascontiguousarray(np.rot90(image, quarter_turns))
        return np.asarray(image, np.uint8)


def _frames_in_range(
    path: Path,
    name: str,
    limits: tuple[float, float],
    report: ReadReport,
    *,
    needs_exact_index: bool,
) -> Iterator[_DecodedFrame]:
    """Yield the frames of a range with index and time; ``limits`` are its start and end."""
    start, end = limits
    with _opened(path, name) as (container, stream):
        origin = _start_time(container)
        time_base = float(stream.time_base)
        next_index = 0
        if start > 0:
            keyframe = _seek(container, stream, start + origin)
            if keyframe is not None and needs_exact_index:
                next_index = _count_frames_before(keyframe, path, name)
        context = stream.codec_context
        context.thread_type = "AUTO"
        context.thread_count = (
            1 if context.width * context.height > _MAX_THREADED_PIXELS else _THREADS
        )
        aspect = _pixel_aspect(stream)
        rate = stream.average_rate or stream.guessed_rate
        frame_seconds = 1 / float(rate) if rate else 0.0
        pending_times: list[int] = []  # times of packets whose frames are not returned yet
        last_seconds = -math.inf
        for frame in _decode(container, stream, pending_times, report):
            if frame.pts is None:
                is_first = math.isinf(last_seconds)
                seconds = 0.0 if is_first else last_seconds + frame_seconds
            else:
                seconds = round(frame.pts * time_base - origin, 6)
                # The decoder does not return damaged frames, but the index counts them.
                while pending_times and pending_times[0] < frame.pts:
                    heapq.heappop(pending_times)
                    next_index += 1
                if pending_times and pending_times[0] == frame.pts:
                    heapq.heappop(pending_times)
            index, next_index = next_index, next_index + 1
            if seconds <= last_seconds:
                continue  # a player shows only one of two frames with the same time
            if seconds >= end - _TOLERANCE:
                return
            last_seconds = seconds
            if frame.duration and frame.pts is not None:
                frame_seconds = frame.duration * time_base
            report.ended_at = seconds + frame_seconds
            if seconds >= start - _TOLERANCE:
                yield _DecodedFrame(frame, index, max(seconds, 0.0), aspect)
        expected = _duration(container, stream)
        missing = 0.0 if expected is None else expected - report.ended_at
        tolerance = max(_MIN_MISSING_SECONDS, 3 * frame_seconds)
        report.is_truncated = bool(report.error) or missing > tolerance


def _decode(
    container: Any, stream: Any, pending_times: list[int], report: ReadReport
) -> Iterator[Any]:
    """Yield the decoded frames; damaged ones are only counted.

    Args:
        container: The open file.
        stream: The video stream of the file.
        pending_times: Receives the time of each packet in units of ``stream.time_base``, as a heap.
        report: Receives the number of damaged frames, and the error that ended the reading.
    """
    import av

    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except (av.error.FFmpegError, OSError) as error:
            report.error = first_line(error)
            return
        if packet.pts is not None and not packet.is_discard:
            heapq.heappush(pending_times, packet.pts)
        try:
            frames = packet.decode()
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            report.damaged_frames += 1
            continue
        for frame in frames:
            if frame.is_corrupt:
                report.damaged_frames += 1
            else:
                yield frame


def _seek(container: Any, stream: Any, seconds: float) -> tuple[int | None, ...] | None:
    """Move to the last keyframe before a time; return the identity of the keyframe's packet.

    If seeking in the file is not possible, move to its start and return None.
    """
    import av

    target = math.floor(seconds / float(stream.time_base))
    try:
        container.seek(target, stream=stream, backward=True)
        keyframe = _identity(next(container.demux(stream)))
        # Reading the packet has moved the position in the file, so go back to the keyframe.
        container.seek(target, stream=stream, backward=True)
    except (av.error.FFmpegError, StopIteration):
        with suppress(av.error.FFmpegError):
            container.seek(0, stream=stream, backward=True)
        return None
    return keyframe


def _count_frames_before(keyframe: tuple[int | None, ...], path: Path, name: str) -> int:
    """Return the number of frames in a file before the packet of a keyframe."""
    count = 0
    with _opened(path, name) as (container, stream):
        for packet in container.demux(stream):
            if _identity(packet) == keyframe:
                break
            count += packet.pts is not None and not packet.is_discard
    return count


def _identity(packet: Any) -> tuple[int | None, ...]:
    """Return values that distinguish a packet from the other packets of its stream."""
    return packet.pts, packet.dts, packet.pos, packet.size


@contextmanager
def _opened(path: Path, name: str) -> Iterator[tuple[Any, Any]]:
    """Open a file within a ``with`` block; yield the container and its video stream.

    Raises:
        InputError: The file is missing or contains no video.
    """
    import av

    try:
        if not path.is_file():
            reason = "is not a file" if path.exists() else "does not exist"
            raise InputError(f"{name} {reason}; check the path {path}.")
        if path.stat().st_size == 0:
            raise InputError(f"{name} is empty; record or copy it again.")
        container = av.open(str(path))
    except (av.error.PermissionError, PermissionError) as error:
        raise InputError(f"{name} cannot be read (permission denied); check {path}.") from error
    except (av.error.FFmpegError, OSError) as error:
        raise InputError(_unreadable_message(path, name, error)) from error
    with container:
        streams = [stream for stream in container.streams.video if not _is_cover(stream)]
        if not streams:
            if container.streams.audio:
                raise InputError(f"{name} contains only sound; choose a file with video.")
            raise InputError(
                f"{name} contains no video; choose an MP4, MOV, MKV, WebM or AVI file."
            )
        yield container, streams[0]


def _unreadable_message(path: Path, name: str, error: Exception) -> str:
    """Return the message about a file that FFmpeg cannot open."""
    if _lacks_mp4_index(path):
        return (
            f"{name} has no index (its 'moov' part is missing), so the recording was not finished "
            "or not copied completely; copy it again, or repair it with the camera's software."
        )
    # Use only the reason. FFmpeg's complete message contains the path, which the user may not know.
    reason = system_reason(error)
    return (
        f"{name} is not a video that can be read ({reason}); choose an MP4, MOV, MKV, WebM or AVI "
        "file."
    )


def _lacks_mp4_index(path: Path) -> bool:
    """Return True for an MP4 or MOV file without a box "moov" at its top level."""
    with suppress(OSError), path.open("rb") as file:
        end = path.stat().st_size
        offset = 0
        kinds: list[bytes] = []
        while offset + 8 <= end and len(kinds) < 1000:  # a damaged file may have countless boxes
            file.seek(offset)
            header = file.read(16)
            size, kind = int.from_bytes(header[:4], "big"), header[4:8]
            kinds.append(kind)
            if size == 1:  # the actual size follows, because it does not fit into four bytes
                size = int.from_bytes(header[8:16], "big")
            if size < 8:  # the box reaches to the end of the file, or the file is damaged
                break
            offset += size
        return b"ftyp" in kinds[:2] and b"moov" not in kinds
    return False


def _is_cover(stream: Any) -> bool:
    """Return True for the cover picture of a music file."""
    import av

    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _first_frame(container: Any, stream: Any, name: str) -> Any:
    """Return the first frame that can be decoded.

    Raises:
        InputError: No frame can be decoded.
    """
    report = ReadReport()
    stream.codec_context.thread_type = "NONE"
    for frame in _decode(container, stream, [], report):
        return frame
    if report.damaged_frames:
        raise InputError(
            f"None of the {report.damaged_frames:,} frames of {name} can be decoded; convert it to "
            "H.264 and try again."
        )
    raise InputError(f"{name} contains no frames; record or copy it again.")


def _uses_picture_demuxer(container: Any) -> bool:
    """Return True if FFmpeg reads the file with a demuxer for single pictures."""
    name = str(container.format.name)
    return name == "image2" or name.endswith("_pipe")


def _is_single_picture(container: Any, stream: Any) -> bool:
    """Return True for a file with one picture in a format that may contain an animation."""
    brand = container.metadata.get("major_brand", "")
    is_picture_format = str(container.format.name) in ("gif", "apng") or brand in ("avif", "heic")
    return is_picture_format and stream.frames == 1


def _start_time(container: Any) -> float:
    """Return the timestamp of the start of the file, in seconds."""
    return (container.start_time or 0) / 1_000_000


def _duration(container: Any, stream: Any) -> float | None:
    """Return the duration in seconds; None if the file does not state it."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    # Matroska files state the duration of a stream as text, such as "00:01:15.5".
    parts = stream.metadata.get("DURATION", "").split(":")
    with suppress(ValueError):
        if len(parts) == 3:
            hours, minutes, seconds = (float(part) for part in parts)
            return 3600 * hours + 60 * minutes + seconds
    # Use the duration of the whole file only if that of the video stream is unknown, because the
    # audio may be longer.
    return container.duration / 1_000_000 if container.duration else None


def _pixel_aspect(stream: Any) -> Fraction:
    """Return the width of a pixel divided by its height; 1 if the file does not state it."""
    aspect = stream.sample_aspect_ratio
    return Fraction(aspect) if aspect and aspect > 0 else Fraction(1)


def _quarter_turns(frame: Any) -> int:
    """Return by how many quarter turns, counterclockwise, the frame must be turned."""
    return round((frame.rotation or 0) / 90) % 4


def _upright_size(frame: Any, aspect: Fraction) -> tuple[int, int]:
    """Return width and height of the upright frame, in square pixels."""
    width, height = max(round(frame.width * aspect), 1), int(frame.height)
    return (height, width) if _quarter_turns(frame) % 2 else (width, height)


def _webp_info(animation: WebpAnimation) -> VideoInfo:
    return VideoInfo(
        name=animation.name,
        width=animation.width,
        height=animation.height,
        seconds=animation.seconds,
        frames_per_second=animation.frame_count / animation.seconds if animation.seconds else None,
        codec="webp",
        pixel_format="rgb24",
        container="webp",
        has_sound=False,
    )


def describe_reading(name: str, report: ReadReport) -> list[str]:
    """Return sentences about damage and other irregularities in a file.

    Args:
        name: The file's name.
        report: The report that ``read_frames`` has filled.
    """
    sentences = []
    if report.is_truncated:
        sentences.append(
            f"{name} ends early: its first {format_time(report.ended_at, 1)} were readable and "
            "were analyzed."
        )
    if report.damaged_frames:
        frames = counted(report.damaged_frames, "frame")
        sentences.append(f"{frames} of {name} could not be decoded and were left out.")
    if len(report.resolutions) > 1:
        sizes = ", ".join(f"{width}x{height}" for width, height in report.resolutions[:5])
        sentences.append(
            f"The resolution of {name} changes ({sizes}); each box is in pixels of its frame."
        )
    return sentences
