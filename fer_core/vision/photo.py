"""One photo from its file's bytes to its faces, and results as tables and documents."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_core.classes import class_columns
from fer_core.csv_text import csv_text
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.vision.analyzer import Analyzer
from fer_core.vision.decode import decode_picture, picture_slot
from fer_core.vision.face import Face

_log = logging.getLogger(__name__)

#: Minimum width and height in pixels. Smaller pictures do not show an expression.
_SMALLEST_SIDE = 12


@dataclass(frozen=True)
class PhotoResult:
    """The result for one file.

    Attributes:
        file: Its name or path, as given.
        width: Of the upright picture, in pixels; None if it could not be decoded.
        height: Of the upright picture, in pixels; None if it could not be decoded.
        faces: Its classified faces, from left to right.
        error: One sentence on why it could not be analyzed; None on success.
    """

    file: str
    width: int | None = None
    height: int | None = None
    faces: tuple[Face, ...] = field(default=(), repr=False)
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the file's entry in the document of ``classify``."""
        return {
            "file": self.file,
            "width": self.width,
            "height": self.height,
            "faces": [
                {
                    "box": list(face.box.rounded()),
                    "label": face.label,
                    "score": face.score,
                    "probabilities": face.probability_by_class(),
                }
                for face in self.faces
            ],
            "error": self.error,
        }

    def to_rows(self) -> list[dict[str, Any]]:
        """Return table rows: one per face; a file without faces has a single row."""
        shared = {"file": self.file, "width": self.width, "height": self.height}
        if not self.faces:
            return [shared | {"error": self.error}]
        rows = []
        for number, face in enumerate(self.faces, start=1):
            box = dict(zip(_BOX_COLUMNS, face.box.rounded(), strict=True))
            label = {"face": number, "label": face.label, "score": face.score}
            columns = class_columns(face.classes, _OTHER_COLUMNS)
            shares = dict(zip(columns, face.probability_by_class().values(), strict=True))
            rows.append(shared | box | label | shares | {"error": None})
        return rows


_BOX_COLUMNS = ("x", "y", "box_width", "box_height")
_FIRST_COLUMNS = ("file", "width", "height", "face", *_BOX_COLUMNS, "label", "score")
_OTHER_COLUMNS = (*_FIRST_COLUMNS, "error")


def analyze_photo(
    content: bytes, name: str, analyzer: Analyzer, *, whole: bool | None = None
) -> tuple[PhotoResult, NDArray[np.uint8] | None]:
    """Decode and analyze one file; invalid input becomes the result's ``error``.

    Args:
        content: The file's bytes.
        name: The file's name, for the result and its messages.
        analyzer: Detects and classifies the faces.
        whole: As for ``Analyzer.analyze``.

    Returns:
        The result, and the upright RGB picture, uint8 ``[height, width, 3]``; None if it could not
        be decoded.
    """
    with picture_slot(content):
        return _analyze(content, name, analyzer, whole)


def _analyze(
    content: bytes, name: str, analyzer: Analyzer, whole: bool | None
) -> tuple[PhotoResult, NDArray[np.uint8] | None]:
    image = None
    try:
        image = decode_picture(content, name)
        if min(image.shape[:2]) < _SMALLEST_SIDE:
            raise InputError(
                f"{name} is {image.shape[1]}x{image.shape[0]} pixels, too small to show a face; "
                "use a larger picture."
            )
        faces = tuple(analyzer.analyze(image, whole=whole))
        return PhotoResult(name, image.shape[1], image.shape[0], faces), image
    except InputError as error:
        sentence = str(error)
    except Exception:
        # One file must not end a batch of hundreds; the log has the full traceback.
        _log.exception("unexpected error while analyzing %s", name)
        sentence = (
            f"{name} could not be analyzed because of an unexpected error; it is in the "
            "program's log."
        )
    if image is None:
        return PhotoResult(name, error=sentence), None
    return PhotoResult(name, image.shape[1], image.shape[0], error=sentence), image


def results_document(results: Sequence[PhotoResult]) -> dict[str, Any]:
    """Return the JSON document of ``classify``."""
    return {"files": [result.to_json() for result in results]}


def results_as_json(results: Sequence[PhotoResult]) -> str:
    """Return the JSON document of ``classify`` as text."""
    return json.dumps(results_document(results), indent=2, ensure_ascii=False) + "\n"


def results_as_csv(results: Sequence[PhotoResult], classes: tuple[str, ...] = EMOTIONS) -> str:
    """Return a CSV table with one line per face; a file without faces has a single line.

    Args:
        results: The results, all of one model.
        classes: The classes of the model, for results without faces.
    """
    faces = (face for result in results for face in result.faces)
    classes = next((face.classes for face in faces), classes)
    columns = (*_FIRST_COLUMNS, *class_columns(classes, _OTHER_COLUMNS), "error")
    rows = (row for result in results for row in result.to_rows())
    return csv_text(columns, ([row.get(column) for column in columns] for row in rows))
