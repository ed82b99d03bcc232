"""The record of a session: who showed which emotion when. Numbers only, never pictures."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from fer_core.csv_text import csv_text
from fer_core.emotions import EMOTIONS
from fer_core.vision.face import Face

#: A person is noted down so often: enough for any expression, and 36,000 lines for two people in
#: an hour.
_ROWS_PER_SECOND = 5.0
#: About ten hours of one person; 12 MB.
_MOST_ROWS = 180_000
#: A gap longer than this is time in which the person was not seen.
_LONGEST_STEP_SECONDS = 1.0
_FIRST_ROOM = 1024
_FIRST_COLUMNS = ("time", "seconds", "person", "x", "y", "width", "height", "label", "score")


@dataclass(frozen=True, eq=False)
class RecordRows:
    """Part of a record, in the order of time.

    Attributes:
        seconds: Since the record began, float64 ``[n]``.
        persons: Their numbers, int32 ``[n]``.
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
        """The most probable emotion of each row."""
        return [self.classes[index] for index in self.probabilities.argmax(axis=1)]


class SessionRecord:
    """Takes down every person a few times a second; may be read while it is written."""

    def __init__(
        self,
        classes: tuple[str, ...] = EMOTIONS,
        most_rows: int = _MOST_ROWS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin an empty record.

        Args:
            classes: The names of the classes that are recorded.
            most_rows: When there are as many, later ones are only counted.
            clock: Seconds; exchanged in tests.
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
        self._most_rows = most_rows
        self._clock = clock
        self._lock = threading.Lock()
        self._last_by_person: dict[int, float] = {}
        self._count = 0
        self._dropped = 0
        self._start = 0.0
        self._started_at: datetime | None = None
        self._table = np.empty(min(_FIRST_ROOM, most_rows), self._row)

    def add(self, face: Face) -> None:
        """Add a row, now, unless the person's last one is less than a fifth of a second old.

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
            # A little less than the pause, so that frames at 30 a second fall on it evenly.
            if last is not None and seconds - last < 0.95 / _ROWS_PER_SECOND:
                return
            self._last_by_person[person] = seconds
            if self._count >= self._most_rows:
                self._dropped += 1
                return
            if self._count == len(self._table):
                longer = np.empty(min(2 * self._count, self._most_rows), self._row)
                longer[: self._count] = self._table
                self._table = longer
            self._table[self._count] = (seconds, person, face.box.rounded(), face.probabilities)
            self._count += 1

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._count = self._dropped = 0
            self._started_at = None
            self._last_by_person.clear()
            self._table = np.empty(min(_FIRST_ROOM, self._most_rows), self._row)

    def __len__(self) -> int:
        return self._count

    @property
    def dropped_rows(self) -> int:
        """Rows that found no room any more."""
        return self._dropped

    @property
    def is_full(self) -> bool:
        """Whether there is no room for another row."""
        return self._count >= self._most_rows

    @property
    def started_at(self) -> str | None:
        """When the first row was noted, UTC, ISO 8601; None while there is none."""
        return None if self._started_at is None else self._started_at.isoformat(timespec="seconds")

    @property
    def seconds(self) -> float:
        """Since the record began; 0 while it is empty."""
        return 0.0 if self._started_at is None else self._clock() - self._start

    def rows(self, since: float = -float("inf")) -> RecordRows:
        """A copy of the rows from a moment on.

        Args:
            since: In seconds since the record began.
        """
        return self._whole(since)[1]

    def _whole(self, since: float = -float("inf")) -> tuple[datetime | None, RecordRows]:
        """When the record began, and a copy of its rows: of one moment, whoever clears it next."""
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
        """For each person, the share of the time seen in which each emotion was the likeliest.

        Each row stands for the time until the person's next one, a second at most; shares are 0 to
        1 and add up to 1.
        """
        return _shares(self.rows())

    def to_csv(self) -> str:
        """One line per row: time, seconds, person, box, label, score, the seven probabilities."""
        started_at, rows = self._whole()
        lines = []
        for seconds, person, box, probabilities, label in zip(
            rows.seconds, rows.persons, rows.boxes, rows.probabilities, rows.labels, strict=True
        ):
            assert started_at is not None  # there are rows
            moment = started_at + timedelta(seconds=float(seconds))
            lines.append(
                [
                    moment.isoformat(timespec="milliseconds"),
                    f"{seconds:.2f}",
                    int(person),
                    *map(int, box),
                    label,
                    f"{probabilities.max():.4f}",
                    *(f"{probability:.4f}" for probability in probabilities),
                ]
            )
        return csv_text((*_FIRST_COLUMNS, *self.classes), lines)

    def to_json(self) -> str:
        """The same as a document, with when it began and what each person's shares are."""
        started_at, rows = self._whole()
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
        mine = np.flatnonzero(rows.persons == person)
        steps = np.clip(np.diff(rows.seconds[mine]), 0.0, _LONGEST_STEP_SECONDS)
        # The last row has no next one; it stands for a usual step.
        usual = 1 / _ROWS_PER_SECOND
        durations = np.append(steps, usual)
        totals = np.bincount(labels[mine], weights=durations, minlength=len(rows.classes))
        shares = totals / totals.sum()
        result[int(person)] = dict(zip(rows.classes, map(float, shares), strict=True))
    return result
