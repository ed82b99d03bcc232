"""The job that analyzes one video: it reads ``settings.json`` and writes the table.

The results are stored in segments of 30 seconds of video. A job that was stopped or killed
continues after the last finished segment.

The command ``video`` calls ``run_analysis`` in its own process. For the page, the queue starts a
new process: ``python -m fer_core.video.analysis_job DIR``.
"""

from __future__ import annotations

import logging
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fer_core.bundle import find_bundle
from fer_core.errors import InputError
from fer_core.files import is_disk_full, write_text
from fer_core.phrases import counted
from fer_core.predictor import load_predictor
from fer_core.processes import stop_on_signals
from fer_core.settings import Settings, load_settings
from fer_core.video.analysis_folder import (
    ANNOTATED_FILE,
    PLAYER_FILE,
    SUBTITLES_FILE,
    AnalysisFolder,
    AnalysisState,
    AnalysisStatus,
    Segment,
    row_arrays,
)
from fer_core.video.analysis_queue import start_next_analysis_or_log
from fer_core.video.analysis_settings import AnalysisSettings
from fer_core.video.edits import EditHistory
from fer_core.video.face_table import FaceTable, read_table
from fer_core.video.observation import FaceObserver, FaceRow, PreparedFrame
from fer_core.video.read_ahead import ReadAhead
from fer_core.video.reader import (
    ReadReport,
    VideoFrame,
    VideoInfo,
    describe_reading,
    probe_video,
    read_frames,
)
from fer_core.video.rendering import RenderingOptions, render_video
from fer_core.video.table_writer import write_table
from fer_core.video.timecode import format_time
from fer_core.video.webvtt import to_webvtt
from fer_core.vision.analyzer import Analyzer
from fer_core.vision.detect import make_detector

#: Duration of a segment in seconds: long enough that smoothing needs only the previous and the next
#: segment, and short enough that little work is lost when a job is killed.
SEGMENT_SECONDS = 30.0
#: Maximum length of an analyzed range. The table of a longer range would not fit into the memory of
#: a page.
MAX_HOURS = 6.0
#: Number of prepared frames that may wait until they are analyzed.
_MAX_PREPARED_FRAMES = 6
#: Minimum time between two writes of ``status.json`` within a phase, in seconds.
_STATUS_SECONDS = 0.5
#: The video is divided into periods of this length, and one thumbnail is stored for each period.
_THUMBNAIL_SECONDS = 1.0
#: Maximum width and height of a thumbnail.
_THUMBNAIL_SIDE = 320
#: Maximum size of a video that the page plays directly. For larger videos, and for videos that
#: browsers do not play, the job makes a copy for the player.
MAX_PLAYER_BYTES = 250 << 20
#: Maximum area of a frame of the player's copy, in pixels.
_PLAYER_PIXELS = 1280 * 720

#: Called with the finished and the total seconds of video; the total is 0 if it is unknown.
ProgressCallback = Callable[[float, float], None]


@dataclass(frozen=True, eq=False)
class AnalysisOutcome:
    """How an analysis ended.

    Attributes:
        folder: Folder of the analysis.
        status: The last status: finished or stopped.
        table: The rows of the finished segments.
    """

    folder: AnalysisFolder
    status: AnalysisStatus
    table: FaceTable


class _StoppedError(BaseException):
    """Ends the analysis after a request to stop.

    It is a ``BaseException``, so that no ``except Exception`` between ``raise`` and ``run`` catches
    it.
    """


def run_analysis(
    folder: AnalysisFolder,
    settings: Settings,
    *,
    analyzer: Analyzer | None = None,
    progress: ProgressCallback = lambda done, total: None,
    handles_signals: bool = True,
) -> AnalysisOutcome:
    """Analyze a video, or continue its analysis after the last finished segment.

    Args:
        folder: The folder of the analysis.
        settings: The program's folders.
        analyzer: Model and detector; by default the ones in the settings of the analysis.
        progress: See ``ProgressCallback``.
        handles_signals: True if an interrupt or terminate signal should have the same effect as a
            request to stop. The table then contains the finished segments, and the analysis can be
            continued. False if the caller handles signals.

    Raises:
        InputError: The folder contains no valid analysis, or another process works on it; in these
            cases, ``status.json`` does not change. It is also raised if the video, the model or the
            detector cannot be used; then ``status.json`` contains the reason.
    """
    stopping = (
        stop_on_signals("stopping; the finished part is kept")
        if handles_signals
        else nullcontext(threading.Event())
    )
    with folder.locked() as analysis, stopping as stop:
        job = _Job(folder, analysis, stop, progress)
        try:
            outcome = job.run(analyzer or _load_analyzer(analysis, settings))
        except BaseException as error:
            job.record_failure(error)
            raise
        finally:
            with suppress(OSError):
                folder.discard_request()
        if outcome.status.state == "finished":
            _delete_source(folder, analysis)
        return outcome


def _load_analyzer(analysis: AnalysisSettings, settings: Settings) -> Analyzer:
    bundle = find_bundle(analysis.model, settings)
    predictor = load_predictor(bundle, emphasis=analysis.emphasis)  # type: ignore[arg-type]
    if predictor.classes != analysis.classes:
        raise InputError(
            f"The classes of the model {analysis.model!r} have changed since this analysis was "
            "started; start a new one."
        )
    return Analyzer(predictor, make_detector(analysis.detector, settings))


def _delete_source(folder: AnalysisFolder, analysis: AnalysisSettings) -> None:
    """Delete a stored video that should not be kept, and the player's copy of it."""
    if not analysis.keeps_video and folder.is_source_inside(analysis):
        folder.source_path(analysis).unlink(missing_ok=True)
        (folder.path / PLAYER_FILE).unlink(missing_ok=True)


@contextmanager
def _prepared_ahead(
    frames: Iterator[VideoFrame], observer: FaceObserver
) -> Iterator[ReadAhead[VideoFrame, PreparedFrame]]:
    """Prepare frames for the observer in other threads, one for each thread that OpenCV may use.

    If these threads also detect the faces, OpenCV uses only one thread per frame. Processing two
    frames concurrently with one thread each is faster than processing them one after the other with
    two threads.
    """
    threads = max(cv2.getNumThreads(), 1)
    ahead = ReadAhead(frames, observer.prepare, _MAX_PREPARED_FRAMES, max_workers=threads)
    if observer.detects_in_all_frames:
        cv2.setNumThreads(1)
    try:
        yield ahead
    finally:
        ahead.close()
        cv2.setNumThreads(threads)


class _Job:
    """The steps of a running analysis, with their common state."""

    def __init__(
        self,
        folder: AnalysisFolder,
        analysis: AnalysisSettings,
        stop: threading.Event,
        progress: ProgressCallback,
    ) -> None:
        self._folder = folder
        self._analysis = analysis
        self._stop = stop
        self._call_progress = progress
        self._source = folder.source_path(analysis)
        self._status = AnalysisStatus(state="running", message="opening the video")
        self._next_status_time = -math.inf
        self._phase_start = time.monotonic()
        self._done_at_phase_start = 0.0
        self._thumbnail_period: int | None = None

    def run(self, analyzer: Analyzer) -> AnalysisOutcome:
        """Do the remaining work: segments, table, annotated video, copy for the player."""
        folder = self._folder
        self._write_status(force=True)
        _, last = folder.last_segment()
        is_complete = last is not None and last.is_last and folder.table_path.is_file()
        try:
            info = self._probe()
            if not is_complete:
                self._observe(analyzer, info)
            self._finish_table(info)
            self._render(info)
        except _StoppedError:
            return self._end_after_request()
        table = read_table(folder.table_path)
        persons = len(table.persons)
        persons_text = "no face was found" if not persons else counted(persons, "person")
        self._end("finished", f"finished: {persons_text} in {self._status.frames:,} frames")
        return AnalysisOutcome(folder, self._status, table)

    def record_failure(self, error: BaseException) -> None:
        """Write the reason of a failure to ``status.json``; unexpected errors also to the log."""
        if isinstance(error, InputError):
            reason = str(error)
        elif is_disk_full(error):
            reason = (
                f"The disk is full; the finished part of {self._analysis.video} is kept: free some "
                "space and continue the analysis."
            )
        elif isinstance(error, KeyboardInterrupt):
            reason = "interrupted; continue the analysis to complete it"
        elif isinstance(error, MemoryError):
            reason = "There is not enough memory; end other programs and continue the analysis."
        else:
            logging.getLogger(__name__).error(
                "%s could not be analyzed", self._analysis.video, exc_info=error
            )
            reason = (
                f"{self._analysis.video} could not be analyzed because of an unexpected error; the "
                "analysis's log has the details. The finished part is kept."
            )
        try:
            self._end("failed", reason)
        except OSError as status_error:
            print(f"status.json cannot be written: {status_error}", file=sys.stderr)

    def _probe(self) -> VideoInfo:
        """Read the properties of the video, and check that it can be analyzed."""
        analysis = self._analysis
        if not self._source.is_file():
            raise InputError(
                f"{analysis.video} does not exist any more at {self._source}; put it there again "
                "and continue the analysis, or delete the analysis."
            )
        info = probe_video(self._source, analysis.video)
        check_range(info, analysis.start, analysis.end)
        self._status = replace(
            self._status, width=info.width, height=info.height, seconds=info.seconds
        )
        return info

    def _observe(self, analyzer: Analyzer, info: VideoInfo) -> None:
        """Analyze the frames that are in no finished segment, and store them in new segments."""
        analysis, folder = self._analysis, self._folder
        observer = FaceObserver(analyzer, analysis)
        start, read_report = analysis.start, ReadReport()
        number, last = folder.last_segment()
        if last is not None:
            if last.is_last:
                return
            observer.restore(last.state)
            start, read_report = last.end, _report_from_json(last.report)
        end = math.inf if analysis.end is None else analysis.end
        self._begin_phase("analyzing", self._length(info), start - analysis.start)
        frames = read_frames(
            self._source,
            name=info.name,
            start=start,
            end=end,
            per_second=analysis.per_second,
            report=read_report,
        )
        segment = _UnfinishedSegment(start)
        with _prepared_ahead(frames, observer) as ahead:
            for prepared in ahead:
                frame = prepared.frame
                if segment.is_complete(frame):
                    finished = segment.finish(frame.seconds, observer, analysis, read_report)
                    self._store_segment(number, finished, observer)
                    number += 1
                    segment = _UnfinishedSegment(frame.seconds)
                self._store_thumbnail(frame)
                observer.add(prepared)
                segment.add(frame)
                self._status = replace(self._status, frames=self._status.frames + 1)
                self._progress(frame.seconds - analysis.start)
        finished = segment.finish(math.inf, observer, analysis, read_report)
        self._store_segment(number, finished, observer)

    def _length(self, info: VideoInfo) -> float:
        """Return the length of the range in seconds; 0 if it is unknown."""
        if info.seconds is None:
            return 0.0
        end = math.inf if self._analysis.end is None else self._analysis.end
        return min(end, info.seconds) - self._analysis.start

    def _store_segment(self, number: int, segment: Segment, observer: FaceObserver) -> None:
        """Store a finished segment, and the portraits that are new or better than stored ones."""
        for person, portrait in observer.portraits.items():
            if portrait.image is not None:
                self._folder.write_portrait(person, portrait.image)
                portrait.image = None  # the picture is stored, so its memory can be released
        self._folder.write_segment(number, segment)

    def _store_thumbnail(self, frame: VideoFrame) -> None:
        """Store a thumbnail of the frame if it is the first one of its period."""
        period = math.floor(frame.seconds / _THUMBNAIL_SECONDS)
        if period == self._thumbnail_period:
            return
        self._thumbnail_period = period
        height, width = frame.image.shape[:2]
        scale = min(_THUMBNAIL_SIDE / max(width, height), 1.0)
        size = max(round(width * scale), 1), max(round(height * scale), 1)
        small = cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA)
        self._folder.write_thumbnail(frame.seconds, np.asarray(small, np.uint8))

    def _finish_table(self, info: VideoInfo) -> None:
        """Write table and subtitles if they are missing or outdated.

        In any case, add the notes and the number of frames to the status.
        """
        if not self._is_table_current():
            self._begin_phase("writing the table", 0.0)
            write_table(self._folder, self._analysis)
            table = read_table(self._folder.table_path)
            write_text(self._folder.path / SUBTITLES_FILE, to_webvtt(table))
        segment_count, last = self._folder.last_segment()
        if last is not None:
            # Another process may have read a part of the frames, so the stored report is used.
            report = _report_from_json(last.report)
            self._status = replace(
                self._status,
                notes=tuple(describe_reading(info.name, report)),
                frames=self._count_frames(segment_count),
            )

    def _is_table_current(self) -> bool:
        """Return True if the table was written after the last segment."""
        path, count = self._folder.table_path, self._folder.count_segments()
        if not path.is_file() or not count:
            return False
        newest = self._folder.path / "segments" / f"{count - 1:05}.npz"
        return path.stat().st_mtime_ns >= newest.stat().st_mtime_ns

    def _count_frames(self, segment_count: int) -> int:
        """Return the number of analyzed frames in the finished segments."""
        segments = (self._folder.read_segment(number) for number in range(segment_count))
        return sum(len(segment.frames) for segment in segments if segment is not None)

    def _render(self, info: VideoInfo) -> None:
        """Write the annotated video, and a copy for the player if browsers need one."""
        analysis, folder = self._analysis, self._folder
        edits = EditHistory(folder.path).current
        if analysis.annotates and not (folder.path / ANNOTATED_FILE).is_file():
            self._begin_phase("drawing the annotated video", self._length(info))
            # The rows of excluded persons are needed to blur their faces.
            table = replace(edits, excluded=()).apply(read_table(folder.table_path))
            rendering = RenderingOptions(
                blurs=analysis.blurs,
                names=edits.name_by_person,
                hidden=frozenset(edits.excluded),
            )
            self._render_file(table, ANNOTATED_FILE, rendering)
        is_large = self._source.stat().st_size > MAX_PLAYER_BYTES
        needs_copy = is_large or not info.plays_in_browsers
        # If the video itself is not kept, the job deletes it and its copy at the end.
        wants_copy = analysis.prepares_player and (
            analysis.keeps_video or not folder.is_source_inside(analysis)
        )
        if wants_copy and needs_copy and not (folder.path / PLAYER_FILE).is_file():
            self._begin_phase("preparing the player's copy", info.seconds or 0.0)
            no_rows = read_table(folder.table_path).selected(np.zeros(0, np.int64))
            rendering = RenderingOptions(annotates=False, max_pixels=_PLAYER_PIXELS)
            self._render_file(no_rows, PLAYER_FILE, rendering, is_whole_video=True)

    def _render_file(
        self,
        table: FaceTable,
        name: str,
        rendering: RenderingOptions,
        *,
        is_whole_video: bool = False,
    ) -> None:
        start = 0.0 if is_whole_video else self._analysis.start
        end = math.inf if is_whole_video or self._analysis.end is None else self._analysis.end
        render_video(
            self._source,
            table,
            self._folder.path / name,
            rendering,
            start=start,
            end=end,
            progress=lambda seconds: self._progress(seconds - start),
        )

    def _end_after_request(self) -> AnalysisOutcome:
        """End after a stop request: write the table of the finished segments, report the stop."""
        folder, analysis = self._folder, self._analysis
        segment_count, last = folder.last_segment()
        write_table(folder, analysis)
        table = read_table(folder.table_path)
        if last is None:
            finished_part = "nothing was finished yet"
        elif last.is_last:
            finished_part = "the table is complete"
        else:
            finished_part = f"the table ends at {format_time(last.end)}"
        self._status = replace(self._status, frames=self._count_frames(segment_count))
        self._end("stopped", f"stopped: {finished_part}; continue the analysis to complete it")
        return AnalysisOutcome(folder, self._status, table)

    def _end(self, state: AnalysisState, message: str) -> None:
        """Report how the job ended."""
        self._status = replace(
            self._status, state=state, message=message, phase="", seconds_left=None
        )
        self._write_status(force=True)

    def _begin_phase(self, phase: str, total: float, done: float = 0.0) -> None:
        self._phase_start, self._done_at_phase_start = time.monotonic(), done
        self._status = replace(
            self._status, phase=phase, message=phase, done=done, total=total, seconds_left=None
        )
        self._write_status(force=True)

    def _progress(self, done: float) -> None:
        """Report progress, and end the analysis if a stop was requested."""
        if self._stop.is_set():
            raise _StoppedError
        now = time.monotonic()
        if now < self._next_status_time:
            return
        elapsed, newly_done = now - self._phase_start, done - self._done_at_phase_start
        total = self._status.total
        seconds_left = None
        if total and newly_done > 0:
            seconds_left = elapsed / newly_done * max(total - done, 0.0)
        self._status = replace(self._status, done=done, seconds_left=seconds_left)
        self._write_status()
        self._call_progress(done, total)
        if self._folder.is_stop_requested():
            raise _StoppedError

    def _write_status(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if force or now >= self._next_status_time:
            self._next_status_time = now + _STATUS_SECONDS
            updated = AnalysisStatus(state="running").updated  # the default is the current time
            self._folder.write_status(replace(self._status, updated=updated))


class _UnfinishedSegment:
    """The frames of the segment that is being analyzed."""

    def __init__(self, start: float) -> None:
        self._start = start
        self._frame_indices: list[int] = []
        self._seconds: list[float] = []

    def is_complete(self, next_frame: VideoFrame) -> bool:
        """Return True if the next frame belongs to the next segment."""
        return bool(self._frame_indices) and next_frame.seconds >= self._start + SEGMENT_SECONDS

    def add(self, frame: VideoFrame) -> None:
        """Add an analyzed frame."""
        self._frame_indices.append(frame.index)
        self._seconds.append(frame.seconds)

    def finish(
        self,
        end: float,
        observer: FaceObserver,
        analysis: AnalysisSettings,
        report: ReadReport,
    ) -> Segment:
        """Return the segment with all results of the observer.

        Args:
            end: Time of the first frame of the next segment; infinite for the last segment.
            observer: Has observed the frames of the segment.
            analysis: Settings of the analysis.
            report: What is known about the frames that have been read so far.
        """
        state = observer.end_segment()
        rows: list[FaceRow] = observer.take_rows()
        cuts, observer.cuts = observer.cuts, []
        return Segment(
            start=self._start,
            end=end,
            frames=np.array(self._frame_indices, np.int64),
            seconds=np.array(self._seconds, np.float64),
            **row_arrays(rows, len(analysis.classes)),
            cuts=cuts,
            state=state,
            report=asdict(report),
        )


def _report_from_json(values: dict[str, Any]) -> ReadReport:
    resolutions = [(int(width), int(height)) for width, height in values["resolutions"]]
    return ReadReport(**(values | {"resolutions": resolutions}))


def check_range(info: VideoInfo, start: float, end: float | None) -> None:
    """Check the range of an analysis. If the duration of the video is unknown, any range is valid.

    Raises:
        InputError: The range is outside the video, or longer than ``MAX_HOURS``.
    """
    if info.seconds is None:
        return
    if start >= info.seconds:
        raise InputError(
            f"{info.name} lasts {format_time(info.seconds, 1)}, so the range cannot start at "
            f"{format_time(start, 1)}; choose an earlier start."
        )
    length = min(end if end is not None else math.inf, info.seconds) - start
    if length > 3600 * MAX_HOURS:
        raise InputError(
            f"{info.name} lasts {format_time(info.seconds)}, and one analysis covers at most "
            f"{MAX_HOURS:.0f} hours; choose a range (start and end)."
        )


def main(arguments: list[str]) -> int:
    """Run the analysis whose folder is the only argument; return the exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    settings = load_settings()
    try:
        run_analysis(AnalysisFolder(Path(arguments[0])), settings)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    finally:
        start_next_analysis_or_log(settings)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
