"""The table of an analysis: one row per person and analyzed frame."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fer_core.csv_text import escaped_cell
from fer_core.errors import InputError, first_line
from fer_core.vision.face import SMALLEST_READABLE_SIDE
from fer_core.vision.face_tracker import smoothing_weight

if TYPE_CHECKING:
    import pyarrow as pa

#: Prefix of the columns with smoothed probabilities.
_SMOOTHED_PREFIX = "smoothed_"
#: Key in the metadata of a Parquet file. Its value is a JSON string with the attributes of the
#: table that are not columns.
_METADATA_KEY = b"fer_studio"
_BOX_COLUMNS = ("x", "y", "width", "height")
#: The columns that are not named after a class.
_OTHER_COLUMNS = {
    *("video", "frame", "time_s", "person", *_BOX_COLUMNS, "detection_score"),
    *("label", "score", "is_confident", "duration_s", "name"),
}
#: Decimal digits in tables. The last bits of a result differ between machines; rounding removes
#: these differences.
_PROBABILITY_DIGITS, _BOX_DIGITS = 4, 1


@dataclass(frozen=True, eq=False)
class FaceTable:
    """The rows of an analysis, ordered by frame and then by person.

    Each array is a column: ``frame``, ``duration`` and ``person`` have one value per row. The
    numbers of the distinct persons are in the property ``persons``.

    Attributes:
        video: The video's file name.
        classes: The names of the classes.
        minimum_confidence: Minimum score of a confident row, 0 to 1. Rows of faces that are too
            small are never confident.
        frame: Index of the frame in the file, from 0, int64.
        seconds: Time of the frame, float64.
        duration: Seconds until the next analyzed frame, float64.
        person: Number of the person, from 1, int32.
        boxes: x, y, width, height in pixels of the upright frame, float32 ``[n, 4]``.
        detection_score: Score of the detector, 0 to 1, float32.
        probabilities: float32 ``[n, classes]``.
        smoothed: Probabilities averaged over time without delay, float32 ``[n, classes]``.
    """

    video: str
    classes: tuple[str, ...]
    minimum_confidence: float
    frame: NDArray[np.int64] = field(repr=False)
    seconds: NDArray[np.float64] = field(repr=False)
    duration: NDArray[np.float64] = field(repr=False)
    person: NDArray[np.int32] = field(repr=False)
    boxes: NDArray[np.float32] = field(repr=False)
    detection_score: NDArray[np.float32] = field(repr=False)
    probabilities: NDArray[np.float32] = field(repr=False)
    smoothed: NDArray[np.float32] = field(repr=False)

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def persons(self) -> list[int]:
        """The distinct numbers of the persons in the table, in order."""
        return [int(number) for number in np.unique(self.person)]

    @property
    def label_indices(self) -> NDArray[np.intp]:
        """The index of the most probable class of each row."""
        return np.asarray(self.probabilities.argmax(axis=1))

    @property
    def scores(self) -> NDArray[np.float32]:
        """The probability of the most probable class of each row."""
        return np.asarray(self.probabilities.max(axis=1, initial=0), np.float32)

    @property
    def is_too_small(self) -> NDArray[np.bool_]:
        """Whether the face of each row has too few pixels to show an expression, bool ``[n]``."""
        return np.asarray(self.boxes[:, 2:].min(axis=1, initial=np.inf) < SMALLEST_READABLE_SIDE)

    def selected(self, rows: NDArray[Any]) -> FaceTable:
        """Return a table of some rows.

        Args:
            rows: A mask, bool ``[n]``, or the indices of the rows.
        """
        return replace(
            self,
            frame=self.frame[rows],
            seconds=self.seconds[rows],
            duration=self.duration[rows],
            person=self.person[rows],
            boxes=self.boxes[rows],
            detection_score=self.detection_score[rows],
            probabilities=self.probabilities[rows],
            smoothed=self.smoothed[rows],
        )

    def of_person(self, person: int) -> FaceTable:
        """Return the rows of one person."""
        return self.selected(self.person == person)

    def in_frame(self, frame: int) -> FaceTable:
        """Return the rows of one frame."""
        start, end = np.searchsorted(self.frame, [frame, frame + 1])
        return self.selected(np.arange(start, end))

    def nearest_frame(self, seconds: float) -> int | None:
        """Return the index of the frame that is nearest to a time, among the frames with faces.

        Return None if the table has no rows.
        """
        if not len(self):
            return None
        after = int(np.searchsorted(self.seconds, seconds))
        candidates = [index for index in (after - 1, after) if 0 <= index < len(self)]
        return int(
            self.frame[min(candidates, key=lambda index: abs(self.seconds[index] - seconds))]
        )


def class_column(label: str) -> str:
    """Return the name of the column with the probabilities of a class.

    It is the name of the class, with a prefix if a column of ``_OTHER_COLUMNS`` has this name.
    """
    return f"class_{label}" if label in _OTHER_COLUMNS else label


def empty_table(video: str, classes: tuple[str, ...], minimum_confidence: float) -> FaceTable:
    """Return a table without rows."""
    class_count = len(classes)
    return FaceTable(
        video=video,
        classes=classes,
        minimum_confidence=minimum_confidence,
        frame=np.zeros(0, np.int64),
        seconds=np.zeros(0),
        duration=np.zeros(0),
        person=np.zeros(0, np.int32),
        boxes=np.zeros((0, 4), np.float32),
        detection_score=np.zeros(0, np.float32),
        probabilities=np.zeros((0, class_count), np.float32),
        smoothed=np.zeros((0, class_count), np.float32),
    )


def smoothed_over_time(
    seconds: NDArray[np.float64], values: NDArray[np.float32], time_constant: float
) -> NDArray[np.float32]:
    """Average values over time: return the mean of a forward and a backward exponential average.

    The forward average shows a change too late, the backward average shows it too early. In their
    mean, a sudden change keeps its time.

    Args:
        seconds: Increasing times, float64 ``[n]``.
        values: The values of one person at these times, float32 ``[n, classes]``.
        time_constant: Time constant of the averages, in seconds; 0 for no averaging.
    """
    if time_constant <= 0 or len(values) < 2:
        return values
    weights = np.array([smoothing_weight(step, time_constant) for step in np.diff(seconds)])
    forward, backward = values.astype(np.float64), values.astype(np.float64)
    for row in range(1, len(values)):
        weight = weights[row - 1]
        forward[row] = forward[row - 1] + weight * (values[row] - forward[row - 1])
    for row in range(len(values) - 2, -1, -1):
        weight = weights[row]
        backward[row] = backward[row + 1] + weight * (values[row] - backward[row + 1])
    return ((forward + backward) / 2).astype(np.float32)


def to_arrow(table: FaceTable, names: Mapping[int, str] | None = None) -> pa.Table:
    """Return the table with the columns that docs/video.md describes.

    Args:
        table: The rows of an analysis.
        names: Names of persons by number; None if no person has a name.
    """
    import pyarrow as pa

    names = names or {}
    probabilities = np.round(table.probabilities, _PROBABILITY_DIGITS)
    smoothed = np.round(table.smoothed, _PROBABILITY_DIGITS)
    boxes = np.round(table.boxes, _BOX_DIGITS)
    scores = probabilities.max(axis=1, initial=0)
    labels = pa.array(probabilities.argmax(axis=1).astype(np.int32))
    columns: dict[str, Any] = {
        "video": _constant(table.video, len(table)),
        "frame": table.frame,
        "time_s": np.round(table.seconds, 6),
        "person": table.person,
        **{name: boxes[:, index] for index, name in enumerate(_BOX_COLUMNS)},
        "detection_score": np.round(table.detection_score, _PROBABILITY_DIGITS),
        **{class_column(name): probabilities[:, index] for index, name in enumerate(table.classes)},
        "label": pa.DictionaryArray.from_arrays(labels, pa.array(table.classes, pa.string())),
        "score": scores,
        "is_confident": (scores >= np.float32(table.minimum_confidence)) & ~table.is_too_small,
        **{_SMOOTHED_PREFIX + name: smoothed[:, index] for index, name in enumerate(table.classes)},
        "duration_s": np.round(table.duration, 6),
        "name": pa.array([names.get(int(person), "") for person in table.person], pa.string()),
    }
    description = json.dumps(
        {
            "video": table.video,
            "classes": table.classes,
            "minimum_confidence": table.minimum_confidence,
        }
    )
    return pa.table(columns).replace_schema_metadata({_METADATA_KEY: description.encode()})


def _constant(text: str, count: int) -> Any:
    """Return a column with the same text in every row."""
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array([text]))


def read_table(path: Path) -> FaceTable:
    """Read a Parquet file that contains a table from ``to_arrow``.

    Raises:
        InputError: The file is missing or damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        description = json.loads(table.schema.metadata[_METADATA_KEY])
        return from_arrow(
            table,
            empty_table(
                str(description["video"]),
                tuple(description["classes"]),
                float(description["minimum_confidence"]),
            ),
        )
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing; analyze the video again.") from error
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is damaged ({first_line(error)}); analyze the video again."
        ) from error


def from_arrow(table: pa.Table, empty: FaceTable) -> FaceTable:
    """Convert an Arrow table with the columns of ``to_arrow`` to a ``FaceTable``.

    Args:
        table: The rows of an analysis.
        empty: A table without rows that has the video, the classes and the minimum confidence.

    Raises:
        KeyError: A column is missing.
        ValueError: A column contains values of another type.
    """

    def column(name: str) -> NDArray[Any]:
        return np.asarray(table.column(name).to_numpy())

    def columns(names: tuple[str, ...]) -> NDArray[np.float32]:
        parts = [column(name) for name in names]
        return np.stack(parts, axis=1).astype(np.float32).reshape(-1, len(names))

    return replace(
        empty,
        frame=column("frame").astype(np.int64),
        seconds=column("time_s").astype(np.float64),
        duration=column("duration_s").astype(np.float64),
        person=column("person").astype(np.int32),
        boxes=columns(_BOX_COLUMNS),
        detection_score=column("detection_score").astype(np.float32),
        probabilities=columns(tuple(map(class_column, empty.classes))),
        smoothed=columns(tuple(_SMOOTHED_PREFIX + name for name in empty.classes)),
    )


def to_csv(table: FaceTable, names: Mapping[int, str] | None = None) -> bytes:
    """Return the table as CSV in UTF-8, with a header."""
    import pyarrow as pa
    import pyarrow.csv as pacsv

    arrow = to_arrow(replace(table, video=str(escaped_cell(table.video))), names)
    escaped = [str(escaped_cell(name)) for name in arrow.column("name").to_pylist()]
    name_index = arrow.schema.get_field_index("name")
    arrow = arrow.set_column(name_index, "name", pa.array(escaped, pa.string()))
    for index, column in enumerate(arrow.schema):
        if pa.types.is_dictionary(column.type):
            texts = [str(escaped_cell(text)) for text in arrow.column(index).to_pylist()]
            arrow = arrow.set_column(index, column.name, pa.array(texts, pa.string()))
    arrow = arrow.rename_columns([str(escaped_cell(name)) for name in arrow.column_names])
    buffer = io.BytesIO()
    pacsv.write_csv(arrow, buffer, pacsv.WriteOptions(quoting_style="needed"))
    return buffer.getvalue()


def to_parquet(table: FaceTable, names: Mapping[int, str] | None = None) -> bytes:
    """Return the table as a Parquet file."""
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(to_arrow(table, names), buffer, compression="zstd")
    return buffer.getvalue()


def to_columns(table: FaceTable, names: Mapping[int, str] | None = None) -> dict[str, list[Any]]:
    """Return the table as a dictionary of columns, for JSON."""
    arrow = to_arrow(table, names)
    columns: dict[str, list[Any]] = {}
    for name in arrow.column_names:
        values = arrow.column(name).to_pylist()
        has_floats = values and isinstance(values[0], float)
        columns[name] = [round(value, 6) for value in values] if has_floats else values
    return columns
