"""One photo from its file's bytes to its readings, and results as tables and documents."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_core.csv_text import csv_text
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.vision.analyzer import Analyzer, FaceReading
from fer_core.vision.decode import decode_picture

_log = logging.getLogger(__name__)

#: Pixels: what is smaller shows no face that anyone could read.
_SMALLEST_SIDE = 12


@dataclass(frozen=True)
class PhotoResult:
    """What came of one file.

    Attributes:
        file: Its name or path, as it was given.
        width: Of the upright picture, in pixels; None if it could not be decoded.
        height: Likewise.
        readings: Its faces, left to right.
        error: One sentence on why it could not be analyzed; None if it could.
    """

    file: str
    width: int | None = None
    height: int | None = None
    readings: tuple[FaceReading, ...] = field(default=(), repr=False)
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """A file's entry in the contract's document of ``classify``."""
        return {
            "file": self.file,
            "width": self.width,
            "height": self.height,
            "faces": [
                {
                    "box": _box_list(reading),
                    "label": reading.label,
                    "score": reading.score,
                    "probabilities": reading.probability_by_emotion,
                }
                for reading in self.readings
            ],
            "error": self.error,
        }

    def to_rows(self) -> list[dict[str, Any]]:
        """Rows of a table, one per face; one without a face for a file that has none."""
        shared = {"file": self.file, "width": self.width, "height": self.height}
        if not self.readings:
            return [shared | {"error": self.error}]
        rows = []
        for number, reading in enumerate(self.readings, start=1):
            x, y, width, height = _box_list(reading)
            box = {"face": number, "x": x, "y": y, "box_width": width, "box_height": height}
            label = {"label": reading.label, "score": reading.score}
            rows.append(shared | box | label | reading.probability_by_emotion | {"error": None})
        return rows


_COLUMNS = (
    *("file", "width", "height", "face", "x", "y", "box_width", "box_height", "label", "score"),
    *EMOTIONS,
    "error",
)


def results_document(results: Sequence[PhotoResult]) -> dict[str, Any]:
    """The contract's document of ``classify``."""
    return {"files": [result.to_json() for result in results]}


def results_as_json(results: Sequence[PhotoResult]) -> str:
    """The same as text."""
    return json.dumps(results_document(results), indent=2, ensure_ascii=False) + "\n"


def results_as_csv(results: Sequence[PhotoResult]) -> str:
    """One line per face, with a heading; one line for a file without faces."""
    rows = (row for result in results for row in result.to_rows())
    return csv_text(_COLUMNS, ([row.get(column) for column in _COLUMNS] for row in rows))


def _box_list(reading: FaceReading) -> list[int]:
    box = reading.box
    return [box.x, box.y, box.width, box.height]


def analyze_photo(
    content: bytes, name: str, analyzer: Analyzer, *, whole: bool | None = None
) -> tuple[PhotoResult, NDArray[np.uint8] | None]:
    """Decode and analyze one file; whatever is wrong with it becomes the result's ``error``.

    Args:
        content: The file's bytes.
        name: What to call it.
        analyzer: Finds and reads the faces.
        whole: As for ``Analyzer.analyze``.

    Returns:
        The result, and the upright RGB picture, uint8 ``[height, width, 3]``, if it could be
        decoded.
    """
    image = None
    try:
        image = decode_picture(content, name)
        if min(image.shape[:2]) < _SMALLEST_SIDE:
            raise InputError(
                f"{name} is {image.shape[1]}x{image.shape[0]} pixels, too small to show a face; "
                "use a larger picture."
            )
        readings = tuple(analyzer.analyze(image, whole=whole))
        return PhotoResult(name, image.shape[1], image.shape[0], readings), image
    except InputError as error:
        sentence = str(error)
    except Exception:
        # One file must not end a batch of hundreds; the defect itself is logged whole.
        _log.exception("unexpected error while analyzing %s", name)
        sentence = (
            f"{name} could not be analyzed because of an unexpected error; it is in the "
            "program's log."
        )
    if image is None:
        return PhotoResult(name, error=sentence), None
    return PhotoResult(name, image.shape[1], image.shape[0], error=sentence), image
