"""The record of a live session: predictions per person over time, without pictures."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from fer_core.classes import class_columns
from fer_core.csv_text import csv_text
from fer_core.emotions import EMOTIONS
from fer_core.vision.face import Face

#: Recording rate per person. It is fast enough for any expression, and gives 36,000 rows per hour
#: for two persons.
_ROWS_PER_SECOND = 5.0
#: Maximum number of rows: about ten hours of one person, 12 MB.
_MAX_ROWS = 180_000
#: Maximum time that a row counts for: after a longer gap the person was not in the picture.
_MAX_STEP_SECONDS = 1.0
_INITIAL_ROWS = 1024
_FIRST_COLUMNS = ("time", "seconds", "person", "x", "y", "width", "height", "label", "score")


@dataclass(frozen=True, eq=False)
class RecordRows:
    """Rows of a record, in the order of time.

    Attributes:
        seconds: Since the start of the record, float64 ``[n]``.
        persons: Track ids, int32 ``[n]``.
        boxes: x, y, width, height in pixels of the camera's picture, int32 ``[n, 4]``.
        probabilities: Smoothed, float32 ``[n, classes]``.
        classes: The names of the classes.
    """

    seconds: NDArray[np.float64]
    persons: NDArray[np.int32]
    boxes: NDArray[np.int32] = field(repr=False)
    probabilities: NDArray[np.float32] = field(repr=False)
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.seconds)

    @property
    def labels(self) -> list[str]:
        """The most probable class of each row."""
        return [self.classes[index] for index in self.probabilities.argmax(axis=1)]


class SessionRecord:
    """Records every person a few times a second; may be read while it is written."""

    def __init__(
        self,
        classes: tuple[str, ...] = EMOTIONS,
        max_rows: int = _MAX_ROWS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create an empty record.

        Args:
            classes: The names of the classes that are recorded.
            max_rows: Further rows are only counted.
            clock: Returns seconds; replaced in tests.
        """
        self.classes = classes
        self._row = np.dtype(
            [
                ("seconds", np.float64),
                ("person", np.int32),
                ("box", np.int32, (4,)),
                ("probabilities", np.float32, (len(classes),)),
            ]
        )
        self._max_rows = max_rows
        self._clock = clock
        self._lock = threading.Lock()
        self._last_by_person: dict[int, float] = {}
        self._count = 0
        self._dropped = 0
        self._start = 0.0
        self._started_at: datetime | None = None
        self._table = np.empty(min(_INITIAL_ROWS, max_rows), self._row)

    def add(self, face: Face) -> None:
        """Add a row with the current time, unless the person's last one is less than 0.2 s old.

        Args:
            face: Classified, with a track id.

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
            last = self._last_by_person.get(person)
            # Slightly less than the interval: at 30 fps every sixth frame is recorded, even if it
            # arrives a little early.
            if last is not None and seconds - last < 0.95 / _ROWS_PER_SECOND:
                return
            self._last_by_person[person] = seconds
            if self._count >= self._max_rows:
                self._dropped += 1
                return
            if self._count == len(self._table):
                longer = np.empty(min(2 * self._count, self._max_rows), self._row)
                longer[: self._count] = self._table
                self._table = longer
            self._table[self._count] = (seconds, person, face.box.rounded(), face.probabilities)
            self._count += 1

    def clear(self) -> None:
        """Delete all rows."""
        with self._lock:
            self._count = self._dropped = 0
            self._started_at = None
            self._last_by_person.clear()
            self._table = np.empty(min(_INITIAL_ROWS, self._max_rows), self._row)

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
        """Return a copy of the rows from a time on.

        Args:
            since: In seconds since the start of the record.
        """
        return self._copy(since)[1]

    def _copy(self, since: float = -float("inf")) -> tuple[datetime | None, RecordRows]:
        """Return the start time and a copy of the rows, consistent with each other."""
        with self._lock:
            table = self._table[: self._count]
            part = table[int(np.searchsorted(table["seconds"], since)) :]
            return self._started_at, RecordRows(
                seconds=part["seconds"].copy(),
                persons=part["person"].copy(),
                boxes=part["box"].copy(),
                probabilities=part["probabilities"].copy(),
                classes=self.classes,
            )

    def shares(self) -> dict[int, dict[str, float]]:
        """Return for each person the share of time in which each class was the most probable.

        Each row counts for the time until the person's next row, at most one second. Shares are
        between 0 and 1 and sum to 1.
        """
        return _shares(self.rows())

    def to_csv(self) -> str:
        """Return a CSV table: time, seconds, person, box, label, score and all probabilities."""
        started_at, rows = self._copy()
        lines = []
        for seconds, person, box, probabilities, label in zip(
            rows.seconds, rows.persons, rows.boxes, rows.probabilities, rows.labels, strict=True
        ):
            assert started_at is not None  # rows exist
            time_of_row = started_at + timedelta(seconds=float(seconds))
            lines.append(
                [
                    time_of_row.isoformat(timespec="milliseconds"),
                    f"{seconds:.2f}",
                    int(person),
                    *map(int, box),
                    label,
                    f"{probabilities.max():.4f}",
                    *(f"{probability:.4f}" for probability in probabilities),
                ]
            )
        columns = class_columns(self.classes, _FIRST_COLUMNS)
        return csv_text((*_FIRST_COLUMNS, *columns), lines)

    def to_json(self) -> str:
        """Return the rows as a JSON document, with the start time and the shares per person."""
        started_at, rows = self._copy()
        document = {
            "started_at": None if started_at is None else started_at.isoformat(timespec="seconds"),
            "dropped_rows": self.dropped_rows,
            "shares": {str(person): shares for person, shares in _shares(rows).items()},
            "rows": [
                {
                    "seconds": round(float(seconds), 2),
                    "person": int(person),
                    "box": [int(number) for number in box],
                    "label": label,
                    "score": round(float(probabilities.max()), 4),
                    "probabilities": {
                        emotion: round(float(probability), 4)
                        for emotion, probability in zip(self.classes, probabilities, strict=True)
                    },
                }
                for seconds, person, box, probabilities, label in zip(
                    rows.seconds,
                    rows.persons,
                    rows.boxes,
                    rows.probabilities,
                    rows.labels,
                    strict=True,
                )
            ],
        }
        return json.dumps(document)


def _shares(rows: RecordRows) -> dict[int, dict[str, float]]:
    labels = rows.probabilities.argmax(axis=1)
    result: dict[int, dict[str, float]] = {}
    for person in np.unique(rows.persons):
        indices = np.flatnonzero(rows.persons == person)
        steps = np.clip(np.diff(rows.seconds[indices]), 0.0, _MAX_STEP_SECONDS)
        # The last row has no next row; it counts for one recording interval.
        interval = 1 / _ROWS_PER_SECOND
        durations = np.append(steps, interval)
        totals = np.bincount(labels[indices], weights=durations, minlength=len(rows.classes))
        shares = totals / totals.sum()
        result[int(person)] = dict(zip(rows.classes, map(float, shares), strict=True))
    return result
