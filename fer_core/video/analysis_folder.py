"""An analysis on disk: ``analyses/<id>/``.

``settings.json`` is written when the analysis is created, and again if an annotated video is
requested later. The page writes ``control.json``, ``edits.json`` and an uploaded video. The job
writes the results in segments, each segment when it is complete. Therefore a job that was killed
can continue after its last finished segment.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass as validated_dataclass

from fer_core.errors import InputError
from fer_core.files import (
    atomic_write_file,
    create_numbered_folder,
    os_errors_as_input_errors,
    read_arrays,
    read_errors_as_input_errors,
    read_json,
    to_plain_name,
    write_json,
    write_new_json,
)
from fer_core.job_process import is_job_running, take_job_lock
from fer_core.processes import process_start
from fer_core.validation import IGNORE_UNKNOWN, Integer, Number, Text, from_dict
from fer_core.video.analysis_settings import AnalysisSettings
from fer_core.video.observation import FaceRow

SETTINGS_FILE = "settings.json"
STATUS_FILE = "status.json"
CONTROL_FILE = "control.json"
TABLE_FILE = "faces.parquet"
LOG_FILE = "analysis.log"
ANNOTATED_FILE = "annotated.mp4"
PLAYER_FILE = "player.mp4"
SUBTITLES_FILE = "emotions.vtt"
#: Name of an uploaded video in the folder, without its suffix.
_SOURCE_STEM = "source"
#: Names of the subfolders.
_SEGMENTS, _THUMBNAILS, _PORTRAITS = "segments", "thumbnails", "persons"
_JPEG_PARAMETERS = [cv2.IMWRITE_JPEG_QUALITY, 85]

AnalysisState = Literal["running", "finished", "stopped", "failed"]


@validated_dataclass(frozen=True, config=IGNORE_UNKNOWN)
class AnalysisStatus:
    """The state of an analysis: the content of ``status.json``.

    Attributes:
        state: Whether the job is running, or how it ended.
        message: A few words or a sentence for the user; may be empty.
        phase: What the job is doing, such as "analyzing"; empty before the first phase and after
            the end.
        done: Finished part of the phase, in seconds of video.
        total: Length of the phase, in seconds of video; 0 if unknown.
        frames: Number of analyzed frames. While a continued analysis is running, only the frames
            analyzed since it was continued are counted.
        seconds_left: Estimated time left in the phase; None if unknown.
        notes: Sentences about the video file, for example about damaged frames.
        width: Width of the upright frames in pixels; 0 if unknown.
        height: Height of the upright frames in pixels; 0 if unknown.
        seconds: Duration of the video; None if unknown.
        process_id: ID of the job's process.
        process_started: Start time of that process, from ``process_start``; None if unknown.
        updated: Time at which the status was written, UTC, ISO 8601.
    """

    state: AnalysisState
    message: Text = ""
    phase: Text = ""
    done: Number = 0.0
    total: Number = 0.0
    frames: Integer = 0
    seconds_left: Number | None = None
    notes: tuple[Text, ...] = ()
    width: Integer = 0
    height: Integer = 0
    seconds: Number | None = None
    process_id: Integer = Field(default_factory=os.getpid)
    process_started: Number | None = Field(default_factory=lambda: process_start(os.getpid()))
    updated: Text = Field(default_factory=lambda: datetime.now(UTC).isoformat())


@dataclass(frozen=True, eq=False)
class Segment:
    """The results for a period of the video. A row is a face in a frame.

    Attributes:
        start: Start of the period, in seconds.
        end: Time of the first frame of the next segment; infinite for the last segment.
        frames: Index in the file of each analyzed frame, from 0, int64.
        seconds: Times of the frames, float64.
        row_frames: Index in the file of each row's frame, int64. A row is stored only after the
            face was detected in this frame or a later one. Therefore a segment may also contain
            rows for the last frames of the previous segment.
        row_seconds: Time of each row, float64.
        persons: Person number of each row, int32.
        boxes: x, y, width, height in pixels of the upright frame, float32 ``[n, 4]``.
        detection_scores: Scores of the detector, 0 to 1, float32.
        probabilities: float32 ``[n, classes]``.
        cuts: Times of hard cuts, in seconds.
        state: State of the ``FaceObserver`` at the end of the period. The next segment continues
            from this state.
        report: The ``ReadReport`` about the frames from the start of the analysis to the end of the
            period.
    """

    start: float
    end: float
    frames: NDArray[np.int64] = field(repr=False)
    seconds: NDArray[np.float64] = field(repr=False)
    row_frames: NDArray[np.int64] = field(repr=False)
    row_seconds: NDArray[np.float64] = field(repr=False)
    persons: NDArray[np.int32] = field(repr=False)
    boxes: NDArray[np.float32] = field(repr=False)
    detection_scores: NDArray[np.float32] = field(repr=False)
    probabilities: NDArray[np.float32] = field(repr=False)
    cuts: list[float]
    state: dict[str, Any] = field(repr=False)
    report: dict[str, Any]

    @property
    def is_last(self) -> bool:
        """True if no other segment follows."""
        return math.isinf(self.end)


#: The attributes of ``Segment`` that are arrays.
_ARRAYS = (
    *("frames", "seconds", "row_frames", "row_seconds", "persons", "boxes"),
    *("detection_scores", "probabilities"),
)


def row_arrays(rows: Sequence[FaceRow], class_count: int) -> dict[str, NDArray[Any]]:
    """Return the attributes of ``Segment`` that have one value per row, as arrays by name.

    Args:
        rows: Classified rows.
        class_count: The number of classes.
    """
    boxes = [(row.box.x, row.box.y, row.box.width, row.box.height) for row in rows]
    probabilities = [row.probabilities for row in rows]
    return {
        "row_frames": np.array([row.frame for row in rows], np.int64),
        "row_seconds": np.array([row.seconds for row in rows], np.float64),
        "persons": np.array([row.person for row in rows], np.int32),
        "boxes": np.array(boxes, np.float32).reshape(-1, 4),
        "detection_scores": np.array([row.detection_score for row in rows], np.float32),
        "probabilities": np.array(probabilities, np.float32).reshape(-1, class_count),
    }


class AnalysisFolder:
    """Reads and writes the folder of one analysis."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def id(self) -> str:
        """The name of the folder."""
        return self.path.name

    @property
    def table_path(self) -> Path:
        """Path of the table of results."""
        return self.path / TABLE_FILE

    def create(self, settings: AnalysisSettings) -> None:
        """Create the folder and write ``settings.json``.

        Raises:
            InputError: The folder contains an analysis already, or cannot be written.
        """
        with os_errors_as_input_errors(f"The analysis cannot be stored in {self.path}"):
            self.path.mkdir(parents=True, exist_ok=True)
            is_new = write_new_json(self.path / SETTINGS_FILE, settings.to_json())
        if not is_new:
            raise InputError(
                f"{self.path} already contains an analysis; choose another folder, or delete the "
                "analysis."
            )

    def change_settings(self, settings: AnalysisSettings) -> None:
        """Replace ``settings.json``.

        The caller changes only settings that do not affect the table; this is not checked.

        Raises:
            InputError: The folder cannot be written.
        """
        with os_errors_as_input_errors(f"The analysis in {self.path} cannot be changed"):
            write_json(self.path / SETTINGS_FILE, settings.to_json())

    def read_settings(self) -> AnalysisSettings:
        """Read ``settings.json``.

        Raises:
            InputError: The file is missing or damaged.
        """
        path = self.path / SETTINGS_FILE
        missing = (
            f"{self.path} contains no analysis ({SETTINGS_FILE} is missing); choose another folder."
        )
        advice = "delete the analysis and start it again"
        with read_errors_as_input_errors(path, advice, missing=missing):
            return AnalysisSettings.from_json(read_json(path))

    def source_path(self, settings: AnalysisSettings) -> Path:
        """Return the path of the video."""
        return self.path / settings.source

    def upload_path(self, suffix: str) -> Path:
        """Return the path at which an uploaded video is stored."""
        return self.path / f"{_SOURCE_STEM}{suffix.lower()}"

    def is_source_inside(self, settings: AnalysisSettings) -> bool:
        """Return True if the path of the video is in this folder, even if the file was deleted."""
        return not Path(settings.source).is_absolute()

    @contextmanager
    def locked(self) -> Iterator[AnalysisSettings]:
        """Lock the analysis within a ``with`` block, or until this process is killed.

        Yields:
            The content of ``settings.json``.

        Raises:
            InputError: The folder is missing or damaged, or another process works on the analysis.
        """
        settings = self.read_settings()
        descriptor = take_job_lock(
            self.path / SETTINGS_FILE,
            requests_path=self.path / CONTROL_FILE,
            busy_message=f"{settings.video} is being analyzed by another process ({self.path}); "
            "wait until it ends.",
        )
        try:
            yield settings
        finally:
            os.close(descriptor)

    @property
    def is_active(self) -> bool:
        """True if a process works on the analysis."""
        return is_job_running(self.path / SETTINGS_FILE, self.read_status)

    def write_status(self, status: AnalysisStatus) -> None:
        """Replace ``status.json``."""
        write_json(self.path / STATUS_FILE, asdict(status))

    def read_status(self) -> AnalysisStatus | None:
        """Read ``status.json``; return None if it is missing or damaged."""
        try:
            return from_dict(AnalysisStatus, read_json(self.path / STATUS_FILE))
        except (OSError, ValueError, RecursionError):
            return None

    def request_stop(self) -> None:
        """Ask the job to end.

        Raises:
            InputError: No job is running, or the folder cannot be written.
        """
        if not self.is_active:
            raise InputError(f"The analysis {self.id} is not running; reload the page.")
        with os_errors_as_input_errors(f"{self.path / CONTROL_FILE} cannot be written"):
            write_json(self.path / CONTROL_FILE, {"request": "stop"})

    def is_stop_requested(self) -> bool:
        """Return True if the job was asked to end."""
        try:
            return bool(read_json(self.path / CONTROL_FILE)["request"] == "stop")
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def discard_request(self) -> None:
        """Remove a handled request."""
        (self.path / CONTROL_FILE).unlink(missing_ok=True)

    def write_segment(self, number: int, segment: Segment) -> None:
        """Store a finished segment, and wait until the disk has written it."""
        path = self._segment_path(number)
        path.parent.mkdir(exist_ok=True)
        document = {"cuts": segment.cuts, "state": segment.state, "report": segment.report}
        arrays: dict[str, Any] = {name: getattr(segment, name) for name in _ARRAYS}
        arrays["limits"] = np.array([segment.start, segment.end])
        arrays["document"] = np.array(json.dumps(document))
        with atomic_write_file(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)

    def read_segment(self, number: int) -> Segment | None:
        """Return a finished segment; None if it is missing or damaged."""
        try:
            arrays: dict[str, Any] = read_arrays(self._segment_path(number))
            document = json.loads(str(arrays.pop("document")))
            start, end = (float(limit) for limit in arrays.pop("limits"))
            return Segment(start=start, end=end, **arrays, **document)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def last_segment(self) -> tuple[int, Segment | None]:
        """Return the number of finished segments, and the last one or None.

        Damaged segments at the end do not count.
        """
        count = self.count_segments()
        while count and (last := self.read_segment(count - 1)) is None:
            count -= 1
        return count, last if count else None

    def count_segments(self) -> int:
        """Return the number of finished segments before the first missing number."""
        return next(
            number for number in itertools.count() if not self._segment_path(number).is_file()
        )

    def _segment_path(self, number: int) -> Path:
        return self.path / _SEGMENTS / f"{number:05}.npz"

    def write_thumbnail(self, seconds: float, image: NDArray[np.uint8]) -> None:
        """Store a small picture of the frame at a time; RGB uint8 ``[height, width, 3]``."""
        path = self.path / _THUMBNAILS / f"{round(1000 * seconds):010}.jpg"
        _write_jpeg(path, image)

    def thumbnail_near(self, seconds: float) -> tuple[float, Path] | None:
        """Return time and path of the thumbnail nearest to a time; None if there is none."""
        paths = (self.path / _THUMBNAILS).glob("[!.]*.jpg")
        timed = ((int(path.stem) / 1000, path) for path in paths if path.stem.isdecimal())
        return min(timed, key=lambda pair: abs(pair[0] - seconds), default=None)

    def write_portrait(self, person: int, image: NDArray[np.uint8]) -> None:
        """Store the picture of a person's face; RGB uint8 ``[height, width, 3]``."""
        _write_jpeg(self.path / _PORTRAITS / f"{person}.jpg", image)

    def portrait_path(self, person: int) -> Path | None:
        """Return the path of a person's picture; None if there is none."""
        path = self.path / _PORTRAITS / f"{person}.jpg"
        return path if path.is_file() else None


def new_analysis_folder(video: str, root: Path) -> AnalysisFolder:
    """Create a new folder, named after the current time and the video.

    Raises:
        InputError: ``root`` cannot be written.
    """
    stem = re.sub(r"\.[A-Za-z0-9]{1,5}$", "", video)
    base = f"{datetime.now():%Y%m%d-%H%M%S}-{to_plain_name(stem)[:40] or 'video'}"
    with os_errors_as_input_errors(f"No analysis can be stored in {root}"):
        return AnalysisFolder(create_numbered_folder(root, base))


def _write_jpeg(path: Path, image: NDArray[np.uint8]) -> None:
    content = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), _JPEG_PARAMETERS)[1]
    # A thumbnail is written for every second of video, so do not wait for the disk each time.
    with atomic_write_file(path, is_durable=False) as temporary:
        temporary.write_bytes(content.tobytes())
