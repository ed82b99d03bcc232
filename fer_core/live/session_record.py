"""The record of a live session: predictions per person over time, without pictures.

A person is a track: somebody who leaves and returns may get a new number.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fer_core.classes import class_columns
from fer_core.csv_text import csv_text
from fer_core.emotions import EMOTIONS
from fer_core.vision.face import NOT_SURE, Face

#: Number of recorded rows per second and person. This is enough for any expression, and amounts to
#: 36,000 rows per hour for two persons.
_ROWS_PER_SECOND = 5.0
#: Maximum number of rows: about ten hours of one person, 16 MB.
_MAX_ROWS = 180_000
#: Maximum time for which a row counts in ``shares``. A longer gap between two rows means that the
#: person was not in the picture.
_MAX_STEP_SECONDS = 1.0
#: Number of rows for which memory is reserved at first. The memory is doubled whenever it is full.
_INITIAL_ROWS = 1024
_FIRST_COLUMNS = ("time", "seconds", "person", "x", "y", "width", "height", "label", "score")
#: Prefix of the columns with the probabilities of a single prediction, without smoothing.
_RAW_PREFIX = "raw_"
_CONTEXT_COLUMNS = (
    *("model", "detector", "emphasis", "minimum_confidence", "smoothing_seconds", "mirrored"),
    *("picture_width", "picture_height"),
)


@dataclass(frozen=True)
class RecordContext:
    """The settings with which a row was recorded, and the size of the picture at that time.

    Attributes:
        model: The name of the model.
        detector: The name of the detector.
        emphasis: How strongly rare classes are favored; see ``fer_core.calibration.Emphasis``.
        minimum_confidence: The minimum score of a label that is shown as certain, 0 to 1.
        smoothing_seconds: Time constant of the smoothed probabilities.
        is_mirrored: True if the picture is shown and recorded as in a mirror.
        width: Width of the picture in pixels.
        height: Height of the picture in pixels.
    """

    model: str = ""
    detector: str = ""
    emphasis: str = "default"
    minimum_confidence: float = 0.0
    smoothing_seconds: float = 0.0
    is_mirrored: bool = False
    width: int = 0
    height: int = 0

    def cells(self) -> list[object]:
        """Return the values of ``_CONTEXT_COLUMNS``."""
        return [
            self.model,
            self.detector,
            self.emphasis,
            f"{self.minimum_confidence:g}",
            f"{self.smoothing_seconds:g}",
            str(self.is_mirrored).lower(),
            self.width,
            self.height,
        ]


class RecordRow(NamedTuple):
    """One row of a record. ``RecordRows`` describes the values."""

    seconds: float
    person: int
    box: NDArray[np.int32]
    probabilities: NDArray[np.float32]
    label: str
    is_confident: bool
    raw_probabilities: NDArray[np.float32]
    context_index: int


@dataclass(frozen=True, eq=False)
class RecordRows:
    """Rows of a record, in the order of time.

    Attributes:
        seconds: Seconds since the start of the record, float64 ``[n]``.
        persons: Track ids, int32 ``[n]``.
        boxes: x, y, width and height, in pixels of the shown picture, which may be mirrored, int32
            ``[n, 4]``.
        probabilities: Smoothed probabilities, float32 ``[n, classes]``.
        classes: The names of the classes.
        is_confident: Whether the label was certain, bool ``[n]``.
        raw_probabilities: Probabilities without smoothing, float32 ``[n, classes]``.
        context_indices: The index of each row's context in ``contexts``, int32 ``[n]``.
        contexts: The contexts of the whole record.
    """

    seconds: NDArray[np.float64]
    persons: NDArray[np.int32]
    boxes: NDArray[np.int32] = field(repr=False)
    probabilities: NDArray[np.float32] = field(repr=False)
    classes: tuple[str, ...]
    is_confident: NDArray[np.bool_] = field(repr=False)
    raw_probabilities: NDArray[np.float32] = field(repr=False)
    context_indices: NDArray[np.int32] = field(repr=False)
    contexts: tuple[RecordContext, ...]

    def __len__(self) -> int:
        return len(self.seconds)

    def __iter__(self) -> Iterator[RecordRow]:
        return map(
            RecordRow,
            self.seconds.tolist(),
            self.persons.tolist(),
            self.boxes,
            self.probabilities,
            self.labels,
            self.is_confident.tolist(),
            self.raw_probabilities,
            self.context_indices.tolist(),
        )

    @property
    def labels(self) -> list[str]:
        """The most probable class of each row."""
        return [self.classes[index] for index in self.probabilities.argmax(axis=1)]


class SessionRecord:
    """A table that gets about five rows per second for every person in the picture.

    Other threads may read the rows while one thread adds rows.
    """

    def __init__(
        self,
        classes: tuple[str, ...] = EMOTIONS,
        max_rows: int = _MAX_ROWS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create an empty record.

        Args:
            classes: The names of the classes that are recorded.
            max_rows: Maximum number of rows; further rows are only counted.
            clock: Returns seconds; replaced in tests.
        """
        self.classes = classes
        self._row_type = np.dtype(
            [
                ("seconds", np.float64),
                ("person", np.int32),
                ("box", np.int32, (4,)),
                ("probabilities", np.float32, (len(classes),)),
                ("is_confident", np.bool_),
                ("raw", np.float32, (len(classes),)),
                ("context", np.int32),
            ]
        )
        self._max_rows = max_rows
        self._clock = clock
        self._lock = threading.Lock()
        self._last_seconds_by_person: dict[int, float] = {}
        self._contexts: list[RecordContext] = []
        self._count = 0
        self._dropped = 0
        # The time of the first row: in seconds of the clock, and as date and time.
        self._start = 0.0
        self._started_at: datetime | None = None
        self._table = np.empty(min(_INITIAL_ROWS, max_rows), self._row_type)

    def add(
        self,
        face: Face,
        raw_probabilities: NDArray[np.float32] | None = None,
        context: RecordContext | None = None,
    ) -> None:
        """Add a row with the current time; skip it if the person's last row is too recent.

        Args:
            face: A classified face with a track id and a box in pixels of the camera's picture.
            raw_probabilities: Probabilities without smoothing; by default those of the face.
            context: The settings and the size of the picture; None for an empty context.

        Raises:
            ValueError: The face has no track id, or its classes are not those of the record.
        """
        person = face.track_id
        if person is None or face.classes != self.classes:
            raise ValueError(
                f"face should have a track id and classes={self.classes}. Received: {face}"
            )
        with self._lock:
            if self._started_at is None:
                self._start, self._started_at = self._clock(), datetime.now(UTC)
            seconds = self._clock() - self._start
            last = self._last_seconds_by_person.get(person)
            # The limit is slightly less than the interval between rows. At 30 frames per second,
            # every sixth frame is recorded, even if it arrives a little early.
            if last is not None and seconds - last < 0.95 / _ROWS_PER_SECOND:
                return
            self._last_seconds_by_person[person] = seconds
            if self._count >= self._max_rows:
                self._dropped += 1
                return
            if self._count == len(self._table):
                longer = np.empty(min(2 * self._count, self._max_rows), self._row_type)
                longer[: self._count] = self._table
                self._table = longer
            context = context or RecordContext()
            if not self._contexts or self._contexts[-1] != context:
                self._contexts.append(context)
            self._table[self._count] = (
                seconds,
                person,
                _shown_box(face, context),
                face.probabilities,
                face.is_confident,
                face.probabilities if raw_probabilities is None else raw_probabilities,
                len(self._contexts) - 1,
            )
            self._count += 1

    def clear(self) -> None:
        """Delete all rows."""
        with self._lock:
            self._count = self._dropped = 0
            self._started_at = None
            self._last_seconds_by_person.clear()
            self._contexts.clear()
            self._table = np.empty(min(_INITIAL_ROWS, self._max_rows), self._row_type)

    def __len__(self) -> int:
        return self._count

    @property
    def dropped_rows(self) -> int:
        """The number of rows that were not recorded because the record was full."""
        return self._dropped

    @property
    def is_full(self) -> bool:
        """True if no further rows are recorded."""
        return self._count >= self._max_rows

    @property
    def started_at(self) -> str | None:
        """Time of the first row, UTC, ISO 8601; None if the record is empty."""
        return None if self._started_at is None else self._started_at.isoformat(timespec="seconds")

    @property
    def seconds(self) -> float:
        """Seconds since the first row; 0 if the record is empty."""
        return 0.0 if self._started_at is None else self._clock() - self._start

    def rows(self, since: float = -float("inf")) -> RecordRows:
        """Return a copy of the rows that were added since a certain time.

        Args:
            since: Start of the returned rows, in seconds since the start of the record.
        """
        return self._copy_rows(since)[1]

    def _copy_rows(self, since: float = -float("inf")) -> tuple[datetime | None, RecordRows]:
        """Return the start time and a copy of the rows, consistent with each other."""
        with self._lock:
            table = self._table[: self._count]
            selected = table[int(np.searchsorted(table["seconds"], since)) :]
            return self._started_at, RecordRows(
                seconds=selected["seconds"].copy(),
                persons=selected["person"].copy(),
                boxes=selected["box"].copy(),
                probabilities=selected["probabilities"].copy(),
                classes=self.classes,
                is_confident=selected["is_confident"].copy(),
                raw_probabilities=selected["raw"].copy(),
                context_indices=selected["context"].copy(),
                contexts=tuple(self._contexts),
            )

    def shares(self) -> dict[int, dict[str, float]]:
        """Return for each person the share of time in which each class was shown.

        The last share, "not sure", is the share of time in which the class was uncertain. Each row
        counts for the time until the person's next row, at most one second. The shares of a person
        are between 0 and 1, and their sum is 1.
        """
        return _shares(self.rows())

    def to_csv(self) -> str:
        """Return a CSV table with one line per row: predictions and settings."""
        started_at, rows = self._copy_rows()
        lines = []
        for row in rows:
            assert started_at is not None  # rows exist
            time_of_row = started_at + timedelta(seconds=row.seconds)
            lines.append(
                [
                    time_of_row.isoformat(timespec="milliseconds"),
                    f"{row.seconds:.2f}",
                    row.person,
                    *map(int, row.box),
                    row.label,
                    f"{row.probabilities.max():.4f}",
                    *(f"{probability:.4f}" for probability in row.probabilities),
                    str(row.is_confident).lower(),
                    *(f"{probability:.4f}" for probability in row.raw_probabilities),
                    *rows.contexts[row.context_index].cells(),
                ]
            )
        raw_columns = [_RAW_PREFIX + name for name in self.classes]
        last_columns = ("is_confident", *raw_columns, *_CONTEXT_COLUMNS)
        columns = class_columns(self.classes, (*_FIRST_COLUMNS, *last_columns))
        return csv_text((*_FIRST_COLUMNS, *columns, *last_columns), lines)

    def to_json(self) -> str:
        """Return the rows as a JSON document, with start time, settings and shares per person."""
        started_at, rows = self._copy_rows()
        document = {
            "started_at": None if started_at is None else started_at.isoformat(timespec="seconds"),
            "dropped_rows": self.dropped_rows,
            "shares": {str(person): shares for person, shares in _shares(rows).items()},
            "settings": [asdict(context) for context in rows.contexts],
            "rows": [
                {
                    "seconds": round(row.seconds, 2),
                    "person": row.person,
                    "box": [int(number) for number in row.box],
                    "label": row.label,
                    "score": round(float(row.probabilities.max()), 4),
                    "probabilities": self._by_class(row.probabilities),
                    "is_confident": row.is_confident,
                    "raw_probabilities": self._by_class(row.raw_probabilities),
                    # Index in the list "settings".
                    "settings": row.context_index,
                }
                for row in rows
            ],
        }
        return json.dumps(document)

    def _by_class(self, probabilities: NDArray[np.float32]) -> dict[str, float]:
        return {
            name: round(float(probability), 4)
            for name, probability in zip(self.classes, probabilities, strict=True)
        }


def unsure_name(classes: tuple[str, ...]) -> str:
    """Return the name for the share of time in which the class was uncertain.

    No class has this name.
    """
    return f"({NOT_SURE})" if NOT_SURE in classes else NOT_SURE


def _shown_box(face: Face, context: RecordContext) -> tuple[int, int, int, int]:
    """Return a face's box in the shown picture, which may be mirrored."""
    box = face.box
    if context.is_mirrored:
        box = replace(box, x=context.width - box.x - box.width)
    return box.rounded()


def _shares(rows: RecordRows) -> dict[int, dict[str, float]]:
    """Return the shares of some rows, see ``SessionRecord.shares``."""
    class_count = len(rows.classes)
    # The index after the last class stands for "not sure".
    indices_shown = np.where(rows.is_confident, rows.probabilities.argmax(axis=1), class_count)
    names = (*rows.classes, unsure_name(rows.classes))
    result: dict[int, dict[str, float]] = {}
    for person in np.unique(rows.persons):
        is_person = rows.persons == person
        steps = np.clip(np.diff(rows.seconds[is_person]), 0.0, _MAX_STEP_SECONDS)
        # No row follows a person's last row, so it counts for the usual time between two rows.
        durations = np.append(steps, 1 / _ROWS_PER_SECOND)
        totals = np.bincount(indices_shown[is_person], weights=durations, minlength=class_count + 1)
        shares = totals / totals.sum()
        result[int(person)] = dict(zip(names, map(float, shares), strict=True))
    return result
