"""Analyze photos from the bytes of their files, and convert the results to JSON and CSV."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_core.classes import class_columns
from fer_core.csv_text import csv_text
from fer_core.errors import InputError
from fer_core.vision.analyzer import Analyzer
from fer_core.vision.decode import decode_picture, full_size, picture_slot
from fer_core.vision.face import Face

_log = logging.getLogger(__name__)

#: Minimum width and height of a picture in pixels. A smaller picture cannot show a face.
_SMALLEST_SIDE = 12


@dataclass(frozen=True)
class PhotoResult:
    """The result for one file.

    Attributes:
        file: Name or path of the file, as the caller stated it.
        width: Width of the upright picture, in pixels; None if it could not be decoded.
        height: Height of the upright picture, in pixels; None if it could not be decoded.
        faces: The faces, from left to right. In results of ``crop_photo``, the faces are not
            classified yet.
        error: One sentence on why the file could not be analyzed; None on success.
        analyzed_size: Width and height of the reduced picture if the picture was too large to be
            analyzed at its full size; the boxes of the faces are in pixels of the reduced picture.
            None if the picture was not reduced.
    """

    file: str
    width: int | None = None
    height: int | None = None
    faces: tuple[Face, ...] = field(default=(), repr=False)
    error: str | None = None
    analyzed_size: tuple[int, int] | None = None

    @property
    def note(self) -> str | None:
        """A sentence about the reduction of the picture; None if it was not reduced."""
        if self.analyzed_size is None:
            return None
        width, height = self.analyzed_size
        return (
            f"The picture has {self.width:,} x {self.height:,} pixels and was analyzed at "
            f"{width:,} x {height:,}."
        )

    def full_box(self, face: Face) -> list[int]:
        """Return the box of a face in pixels of the full picture: x, y, width, height."""
        if self.analyzed_size is None or self.width is None or self.height is None:
            return list(face.box.rounded())
        factors = self.width / self.analyzed_size[0], self.height / self.analyzed_size[1]
        return list(face.box.scaled(*factors).rounded())

    def to_json(self) -> dict[str, Any]:
        """Return the file's entry in the JSON output of the command ``classify``.

        The entry has a ``note`` only if the picture was reduced.
        """
        return {
            "file": self.file,
            "width": self.width,
            "height": self.height,
            "faces": [
                {
                    "box": self.full_box(face),
                    "label": face.label,
                    "score": face.score,
                    "probabilities": face.probability_by_class(),
                    "is_confident": face.is_confident,
                    "is_too_small": face.is_too_small,
                }
                for face in self.faces
            ],
            "error": self.error,
        } | ({} if self.note is None else {"note": self.note})

    def to_rows(self) -> list[dict[str, Any]]:
        """Return the file's rows of the CSV table: one per face, or a single row without a face."""
        shared = {"file": self.file, "width": self.width, "height": self.height}
        if not self.faces:
            return [shared | {"error": self.error}]
        rows = []
        for number, face in enumerate(self.faces, start=1):
            box = dict(zip(_BOX_COLUMNS, self.full_box(face), strict=True))
            label = {"face": number, "label": face.label, "score": face.score}
            columns = class_columns(face.classes, _OTHER_COLUMNS)
            probabilities = dict(zip(columns, face.probability_by_class().values(), strict=True))
            certainty = {"is_confident": face.is_confident, "is_too_small": face.is_too_small}
            rows.append(shared | box | label | probabilities | certainty | {"error": None})
        return rows


_BOX_COLUMNS = ("x", "y", "box_width", "box_height")
_FIRST_COLUMNS = ("file", "width", "height", "face", *_BOX_COLUMNS, "label", "score")
_LAST_COLUMNS = ("is_confident", "is_too_small", "error")
_OTHER_COLUMNS = (*_FIRST_COLUMNS, *_LAST_COLUMNS)


def analyze_photo(
    content: bytes, name: str, analyzer: Analyzer, *, as_one_face: bool | None = None
) -> tuple[PhotoResult, NDArray[np.uint8] | None]:
    """Decode and analyze one file. If this fails, the result's ``error`` states the reason.

    Args:
        content: The file's bytes.
        name: The file's name, for the result and its messages.
        analyzer: Detects and classifies the faces.
        as_one_face: True to classify the whole picture as one face, False to classify only detected
            faces, None to choose by the picture; see ``Analyzer.analyze``.

    Returns:
        The result, and the upright RGB picture, uint8 ``[height, width, 3]``; None instead of the
        picture if the file could not be decoded.
    """
    with picture_slot(content):
        return _analyze(content, name, partial(analyzer.analyze, as_one_face=as_one_face))


def crop_photo(
    content: bytes, name: str, analyzer: Analyzer, *, as_one_face: bool | None = None
) -> PhotoResult:
    """Decode a file and crop its faces, which ``classify_photos`` can classify later.

    Args:
        content: The file's bytes.
        name: The file's name, for the result and its messages.
        analyzer: Detects the faces.
        as_one_face: True to crop the whole picture as one face, False to crop only detected faces,
            None to choose by the picture; see ``Analyzer.analyze``.

    Returns:
        The result, whose faces are not classified yet.
    """
    with picture_slot(content):
        return _analyze(content, name, partial(analyzer.detect_and_crop, as_one_face=as_one_face))[
            0
        ]


def classify_photos(photos: Sequence[PhotoResult], analyzer: Analyzer) -> list[PhotoResult]:
    """Classify the cropped faces of many files in one call of the network.

    Args:
        photos: Results of ``crop_photo``.
        analyzer: Classifies the faces.

    Returns:
        The results with classified faces, in the order of ``photos``.
    """
    try:
        faces = iter(analyzer.classify_crops([face for photo in photos for face in photo.faces]))
        return [replace(photo, faces=tuple(islice(faces, len(photo.faces)))) for photo in photos]
    except Exception as error:
        if len(photos) == 1:
            return [replace(photos[0], faces=(), error=_failure(photos[0].file, error))]
    # Classify each file on its own, so that only the files that cause the error get an error.
    return [classify_photos([photo], analyzer)[0] for photo in photos]


def _analyze(
    content: bytes, name: str, faces_of: Callable[[NDArray[np.uint8]], list[Face]]
) -> tuple[PhotoResult, NDArray[np.uint8] | None]:
    """Decode a file, and call ``faces_of`` with the picture to get the faces of the result."""
    image = None
    width = height = 0
    analyzed_size = None
    try:
        image = decode_picture(content, name)
        width, height = image.shape[1], image.shape[0]
        full_width, full_height = full_size(content, name)
        # The sizes differ only if the picture was reduced.
        if full_width > width or full_height > height:
            analyzed_size = (width, height)
            width, height = full_width, full_height
        if min(image.shape[:2]) < _SMALLEST_SIDE:
            raise InputError(
                f"{name} is {image.shape[1]}x{image.shape[0]} pixels, too small to show a face; "
                "use a larger picture."
            )
        faces = tuple(faces_of(image))
        return PhotoResult(name, width, height, faces, analyzed_size=analyzed_size), image
    except Exception as error:
        # An unexpected error in one file must not end a batch of hundreds of files.
        sentence = _failure(name, error)
    if image is None:
        return PhotoResult(name, error=sentence), None
    return PhotoResult(name, width, height, error=sentence, analyzed_size=analyzed_size), image


def _failure(name: str, error: Exception) -> str:
    """Return the sentence that tells the user about an error; log the error if it is unexpected."""
    if isinstance(error, InputError):
        return str(error)
    _log.error("unexpected error while analyzing %s", name, exc_info=error)
    return (
        f"{name} could not be analyzed because of an unexpected error; the program's log has the "
        "details."
    )


def results_document(results: Sequence[PhotoResult]) -> dict[str, Any]:
    """Return the JSON output of the command ``classify``, as a dictionary."""
    return {"files": [result.to_json() for result in results]}


def results_as_json(results: Sequence[PhotoResult]) -> str:
    """Return the JSON output of the command ``classify``, as text."""
    return json.dumps(results_document(results), indent=2, ensure_ascii=False) + "\n"


def results_as_csv(results: Sequence[PhotoResult], classes: tuple[str, ...]) -> str:
    """Return a CSV table with one line per face; a file without faces has a single line.

    Args:
        results: The results, all of one model.
        classes: The classes of the model. The table has a column for the probability of each class.
    """
    columns = (*_FIRST_COLUMNS, *class_columns(classes, _OTHER_COLUMNS), *_LAST_COLUMNS)
    rows = (row for result in results for row in result.to_rows())
    return csv_text(columns, ([row.get(column) for column in columns] for row in rows))
