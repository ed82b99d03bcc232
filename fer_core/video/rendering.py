"""Write an annotated or blurred copy of a video: an MP4 file with the same sound."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_core.files import atomic_write_file
from fer_core.video.face_table import FaceTable
from fer_core.video.read_ahead import ReadAhead
from fer_core.video.reader import VideoFrame, read_frames
from fer_core.vision.boxes import FaceBox
from fer_core.vision.draw import LabeledBox, draw_boxes, label_text, labeled_box
from fer_core.vision.face import Face, is_too_small

_TIME_BASE = Fraction(1, 90_000)
#: Preset and quality (CRF) of the encoder, fast enough for real time on two cores.
_PRESET, _QUALITY = "veryfast", "23"
#: Audio codecs that MP4 files may contain and browsers play. Other audio is encoded as AAC.
_COPIED_AUDIO_CODECS = {"aac", "mp3", "opus"}
#: Number of drawn frames that may wait until they are encoded.
_MAX_DRAWN_FRAMES = 6
#: Maximum area of a frame. Larger frames are shrunk, because few devices play H.264 above 4K.
_MAX_PIXELS = 3840 * 2160
#: If two consecutive rows of a person are at most this many seconds apart, the box is interpolated
#: in the frames between them. Otherwise, the person counts as absent in these frames.
_MAX_GAP_SECONDS = 1.2
#: A face is also blurred in frames without a row, for this time before and after each row of the
#: person. Therefore gaps of up to twice this time are blurred completely.
_BLUR_MARGIN_SECONDS = 0.5
#: Size of the blurred part of the picture relative to the face box.
_BLUR_SCALE = 1.35
#: Number of pixels per side to which the blurred part is reduced.
_BLUR_PIXELS = 6
#: Tolerance in seconds when rows are looked up by time.
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class RenderingOptions:
    """What is drawn into the new video.

    Attributes:
        annotates: True to draw boxes and labels.
        blurs: True to blur the faces of all persons, also of those in ``hidden``.
        names: Names of persons by number.
        hidden: Numbers of the persons who get neither box nor label.
        max_pixels: Area to which larger frames are shrunk; None to keep their size.
    """

    annotates: bool = True
    blurs: bool = False
    names: Mapping[int, str] = field(default_factory=dict)
    hidden: frozenset[int] = frozenset()
    max_pixels: int | None = _MAX_PIXELS


def render_video(
    source: Path,
    table: FaceTable,
    target: Path,
    rendering: RenderingOptions,
    *,
    start: float = 0.0,
    end: float = math.inf,
    progress: Callable[[float], None] = lambda seconds: None,
) -> None:
    """Write every frame of the range as H.264, with the sound of the range.

    Args:
        source: The video.
        table: The faces that the analysis found.
        target: The MP4 file; written under another name and renamed when it is complete.
        rendering: What is drawn.
        start: Beginning of the range in seconds; time 0 of the new file.
        end: End of the range in seconds.
        progress: Called with the time of each written frame; may raise an exception to end the
            rendering.

    Raises:
        InputError: The video cannot be read.
        OSError: The file cannot be written.
    """
    drawer = _PersonDrawer(table, rendering)
    frames = read_frames(source, start=start, end=end, max_pixels=rendering.max_pixels)
    ahead = ReadAhead(frames, drawer.draw, _MAX_DRAWN_FRAMES)
    try:
        with atomic_write_file(target) as temporary:
            _write_video(ahead, source, temporary, limits=(start, end), progress=progress)
    finally:
        ahead.close()


def _write_video(
    frames: ReadAhead[VideoFrame, tuple[float, NDArray[np.uint8]]],
    source: Path,
    target: Path,
    *,
    limits: tuple[float, float],
    progress: Callable[[float], None],
) -> None:
    import av

    start, end = limits
    with av.open(str(target), "w", options={"movflags": "+faststart"}) as output:
        stream: Any = None
        sound: _SoundWriter | None = None
        last_pts = -1
        for seconds, image in frames:
            if stream is None:
                stream = output.add_stream("libx264", options={"preset": _PRESET, "crf": _QUALITY})
                # H.264 with 4:2:0 chroma requires even sizes.
                stream.width = max(image.shape[1] // 2 * 2, 2)
                stream.height = max(image.shape[0] // 2 * 2, 2)
                stream.pix_fmt = "yuv420p"
                stream.codec_context.time_base = _TIME_BASE
                sound = _SoundWriter(source, output, start, end)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame = frame.reformat(width=stream.width, height=stream.height, format="yuv420p")
            frame.pts = max(last_pts + 1, round((seconds - start) / _TIME_BASE))
            frame.time_base = _TIME_BASE
            last_pts = frame.pts
            assert sound is not None  # it was created together with the stream
            sound.write_until(seconds)
            output.mux(stream.encode(frame))
            progress(seconds)
        if stream is not None and sound is not None:
            output.mux(stream.encode(None))  # the frames that the encoder still holds
            # The duration of the last frame is unknown, so write up to one second of its sound.
            sound.write_until(min(end, last_pts * float(_TIME_BASE) + start + 1.0))
            sound.close()


class _SoundWriter:
    """Copies the first audio stream of a video, or encodes it as AAC.

    If the video has no sound, or its sound cannot be read, nothing is written.
    """

    def __init__(self, source: Path, output: Any, start: float, end: float) -> None:
        import av

        self._output = output
        self._start, self._end = start, end
        self._stream: Any = None
        self._packets: Iterator[Any] = iter(())
        self._pending_packet: Any = None
        self._input: Any = None
        try:
            self._input = av.open(str(source))
            audio_streams = self._input.streams.audio
        except (av.error.FFmpegError, OSError):
            return
        if not audio_streams:
            return
        audio = audio_streams[0]
        self._origin = (self._input.start_time or 0) / 1_000_000
        self._is_copied = audio.codec_context.name in _COPIED_AUDIO_CODECS
        if self._is_copied:
            self._stream = output.add_stream_from_template(audio)
        else:
            rate = min(audio.codec_context.sample_rate or 48_000, 48_000)
            self._stream = output.add_stream("aac", rate=rate)
        if start > 0:
            with suppress(av.error.FFmpegError):
                offset = round((start + self._origin) / audio.time_base)
                self._input.seek(offset, stream=audio, backward=True)
        self._packets = self._input.demux(audio)

    def write_until(self, seconds: float) -> None:
        """Write the sound up to a time of the source video, in seconds."""
        import av

        while self._stream is not None:
            packet, self._pending_packet = self._pending_packet, None
            if packet is None:
                try:
                    packet = next(self._packets)
                except (StopIteration, av.error.FFmpegError):
                    return
            if packet.pts is None:
                continue
            moment = float(packet.pts * packet.time_base) - self._origin
            if moment >= self._end - _TOLERANCE:
                return
            if moment > seconds:
                self._pending_packet = packet
                return
            # The first packets of AAC are before time 0: decoders need them and do not play them.
            if self._start <= 0 or moment >= self._start - _TOLERANCE:
                self._write_packet(packet)

    def close(self) -> None:
        """Write the last packets of the encoder, and close the source video."""
        if self._stream is not None and not self._is_copied:
            self._output.mux(self._stream.encode(None))
        if self._input is not None:
            self._input.close()

    def _write_packet(self, packet: Any) -> None:
        import av

        offset = round((self._start + self._origin) / packet.time_base)
        if self._is_copied:
            packet.pts -= offset
            packet.dts = packet.pts if packet.dts is None else packet.dts - offset
            packet.stream = self._stream
            self._output.mux(packet)
            return
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            return  # a damaged part of the sound
        for frame in frames:
            if frame.pts is not None:
                frame.pts -= round((self._start + self._origin) / frame.time_base)
            self._output.mux(self._stream.encode(frame))


class _PersonDrawer:
    """Draws the persons into frames, also into frames that were not analyzed."""

    def __init__(self, table: FaceTable, rendering: RenderingOptions) -> None:
        self._rendering = rendering
        self._persons = {person: table.of_person(person) for person in table.persons}

    def draw(self, frame: VideoFrame) -> tuple[float, NDArray[np.uint8]]:
        """Return the time of a frame, and its picture with the drawings."""
        image = frame.image
        factors = image.shape[1] / frame.width, image.shape[0] / frame.height
        if self._rendering.blurs:
            image = image.copy()
            for rows in self._persons.values():
                box = _box_at(rows, frame.seconds, 2 * _BLUR_MARGIN_SECONDS, _BLUR_MARGIN_SECONDS)
                if box is not None:
                    _blur(image, box.scaled(*factors))
        if self._rendering.annotates:
            labeled = [
                self._person_box(person, rows, frame.seconds, factors)
                for person, rows in self._persons.items()
                if person not in self._rendering.hidden
            ]
            visible = [box for box in labeled if box is not None]
            image = draw_boxes(image, visible) if visible else image
        return frame.seconds, image

    def _person_box(
        self, person: int, rows: FaceTable, seconds: float, factors: tuple[float, float]
    ) -> LabeledBox | None:
        """Return the box and the label of a person at a time; None if the person is absent."""
        box = _box_at(rows, seconds, _MAX_GAP_SECONDS, 0.0)
        if box is None:
            return None
        row = max(int(np.searchsorted(rows.seconds, seconds + _TOLERANCE)) - 1, 0)
        face = Face(
            box.scaled(*factors),
            probabilities=rows.smoothed[row],
            classes=rows.classes,
            track_id=person,
            minimum_confidence=rows.minimum_confidence,
            is_too_small=is_too_small(box),
        )
        name = self._rendering.names.get(person)
        text = label_text(face, None if name else person)
        return labeled_box(face, f"{name}: {text}" if name else text)


def _box_at(rows: FaceTable, seconds: float, max_gap: float, margin: float) -> FaceBox | None:
    """Return a person's box at a time; None if the person is absent.

    Args:
        rows: The person's rows.
        seconds: The time.
        max_gap: Maximum time between two rows, in seconds, for the box to be interpolated.
        margin: Seconds. If the box is not interpolated, the box of a row is returned from
            ``margin`` before the row until ``margin`` after it, or until the end of the row's
            duration if that is later.
    """
    next_row = int(np.searchsorted(rows.seconds, seconds + _TOLERANCE))
    previous_row = next_row - 1
    if previous_row >= 0 and abs(rows.seconds[previous_row] - seconds) <= _TOLERANCE:
        return _box(rows, previous_row)
    if previous_row >= 0 and next_row < len(rows):
        gap = rows.seconds[next_row] - rows.seconds[previous_row]
        # If few frames per second were analyzed, even the rows of consecutive analyzed frames may
        # be more than max_gap apart.
        if gap <= max(max_gap, 1.5 * float(rows.duration[previous_row])):
            share = float((seconds - rows.seconds[previous_row]) / gap)
            return _box(rows, previous_row).interpolated(_box(rows, next_row), share)
    if previous_row >= 0 and seconds < rows.seconds[previous_row] + max(
        rows.duration[previous_row], margin
    ):
        return _box(rows, previous_row)
    if next_row < len(rows) and rows.seconds[next_row] - seconds <= margin:
        return _box(rows, next_row)
    return None


def _box(rows: FaceTable, row: int) -> FaceBox:
    return FaceBox(*(float(number) for number in rows.boxes[row]))


def _blur(image: NDArray[np.uint8], box: FaceBox) -> None:
    """Replace a face by a few large soft squares, in which nobody can be recognized."""
    height, width = image.shape[:2]
    enlarged = box.moved(0.0, 0.0, _BLUR_SCALE)
    left, top = max(round(enlarged.x), 0), max(round(enlarged.y), 0)
    right = min(round(enlarged.x + enlarged.width), width)
    bottom = min(round(enlarged.y + enlarged.height), height)
    if right <= left or bottom <= top:
        return
    region = image[top:bottom, left:right]
    reduced = cv2.resize(region, (_BLUR_PIXELS, _BLUR_PIXELS), interpolation=cv2.INTER_AREA)
    image[top:bottom, left:right] = cv2.resize(
        reduced, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR
    )
