"""Parse a row of a table of faces: ``emotion,pixels,Usage`` in any order of the columns."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.face_set import FACE_SIZE
from fer_core.dataset.persons import Person
from fer_core.dataset.readers.class_register import ClassRegister
from fer_core.dataset.readers.pictures import to_face
from fer_core.dataset.readers.problems import SkipReason, printable_text, shortened
from fer_core.dataset.readers.split_names import split_from_name
from fer_core.dataset.readers.table_columns import (
    MIN_PIXELS,
    TableColumns,
    pixel_words,
    split_line,
)

_PIXEL_COUNT = FACE_SIZE * FACE_SIZE

#: A number that is not negative. The number of digits is limited, because converting a very long
#: number would be slow.
_PIXEL_NUMBER = re.compile(rb"\+?\d{1,9}(?:\.\d{0,20})?(?:[eE][+-]?\d{1,2})?|\.\d{1,20}")
#: The pixel values, by their usual notation. One look-up parses and validates a value.
_PIXEL_VALUES = {str(value).encode(): value for value in range(256)}

#: Maximum length of the name of a class, in characters. Longer texts are cut.
_MAX_CLASS_TEXT = 100

NO_LABEL = SkipReason("has no label")


@dataclass(frozen=True)
class TableRow:
    """The values of a valid row.

    Attributes:
        image: uint8 ``[48, 48]``.
        label: The label that ``ClassRegister.count_and_label`` returns.
        split: Index into ``SPLITS``; None if the table has no column of splits.
        is_official: True if the split is one of FER2013's official test sets.
        person: The person in the image; None if the table does not name one.
    """

    image: NDArray[np.uint8]
    label: int
    split: int | None
    is_official: bool
    person: Person | None = None


class RowParser:
    """Parses the rows of one table.

    Args:
        columns: The columns of the table.
        register: Gives the classes their labels.
    """

    def __init__(self, columns: TableColumns, register: ClassRegister) -> None:
        self._columns = columns
        self._register = register
        self._label_position, self._split_position = columns.label, columns.split
        #: Width and height of the first valid picture, in pixels. All other pictures must have this
        #: size. None until a picture is valid.
        self._side: int | None = None

    def parse(self, line: bytes) -> TableRow | SkipReason | None:
        """Return the values of a row, or the reason for skipping the row.

        The result is None if the class of the row is left out.
        """
        fields = _fields(line, self._columns)
        if isinstance(fields, SkipReason):
            return fields
        position = self._label_position
        named_class = None if position is None else class_from(fields[position])
        if named_class is None:
            return NO_LABEL
        name, is_number = named_class
        label = self._register.count_and_label(name, is_number=is_number)
        if label is None:
            return None
        split, is_official = None, False
        if self._split_position is not None:
            usage = _text(fields[self._split_position])
            named_split = split_from_name(usage)
            if named_split is None:
                return unknown_usage(usage)
            split, is_official = named_split
        pixels = self._columns.pixels
        has_single_column = len(pixels) == 1
        picture = parse_pixels(
            fields[pixels[0]]
            if has_single_column
            else b" ".join(fields[position] for position in pixels),
            self._side,
        )
        if isinstance(picture, SkipReason):
            return picture
        self._side = len(picture)
        return TableRow(
            to_face(picture), label, split, is_official, named_person(fields, self._columns)
        )


def named_person(fields: Sequence[bytes], columns: TableColumns) -> Person | None:
    """Return the person that a row names; None if the column or its value is missing."""
    position = columns.person
    name = "" if position is None else _text(fields[position])
    if position is None or not name:
        return None
    return Person(name.casefold(), f"column {columns.names[position]!r}")


def unknown_usage(usage: str) -> SkipReason:
    """Return the reason for skipping a row whose usage is not the name of a split."""
    return SkipReason(
        f"has the usage {usage!r}, not Training, PublicTest or PrivateTest",
        "has a usage other than Training, PublicTest or PrivateTest",
    )


def _fields(line: bytes, columns: TableColumns) -> list[bytes] | SkipReason:
    """Split a row into its fields, or return why it does not have the columns of its table."""
    fields = split_line(line, columns.delimiter)
    count = len(columns.names)
    surplus = len(fields) - count
    if surplus > 0 and len(columns.pixels) == 1:
        # If the pixels are not in quotes, the delimiter may also separate the pixels. In this case,
        # the fields of all pixels are joined to one field.
        start = columns.pixels[0]
        pixels = fields[start : start + surplus + 1]
        if len(pixels) >= MIN_PIXELS and math.isqrt(len(pixels)) ** 2 == len(pixels):
            return [*fields[:start], b" ".join(pixels), *fields[start + len(pixels) :]]
    if surplus < 0 or any(field.strip() for field in fields[count:]):
        return SkipReason(
            f"has {len(fields)} columns instead of {count}", "has the wrong number of columns"
        )
    return fields


def register_row(line: bytes, columns: TableColumns, register: ClassRegister) -> None:
    """Count the class of a row without parsing its pixels."""
    fields = _fields(line, columns)
    if columns.label is not None and not isinstance(fields, SkipReason):
        named_class = class_from(fields[columns.label])
        if named_class is not None:
            register.count_and_label(named_class[0], is_number=named_class[1])


@lru_cache(maxsize=1024)
def class_from(field: bytes) -> tuple[str, bool] | None:
    """Return the class in a field, and whether the class is a number (``3``, ``3.0``).

    The result is None if the field is empty.
    """
    try:
        text = field.decode("utf-8")
    except UnicodeDecodeError:
        text = field.decode("latin-1")
    text = shortened(printable_text(text.strip().strip("\"'").strip()), _MAX_CLASS_TEXT)
    number = re.fullmatch(r"([+-]?\d{1,9})(?:\.0*)?", text, re.ASCII)
    if number:
        return str(int(number[1])), True
    return (text, False) if text else None


def parse_pixels(field: bytes, side: int | None = None) -> NDArray[np.uint8] | SkipReason:
    """Parse the pixels of a square picture.

    Args:
        field: Values from 0 to 255, or fractions from 0 to 1. They may be separated by spaces,
            commas, semicolons or ``|``, may be in brackets, and may have decimals.
        side: The width and height that the picture should have; None for any.

    Returns:
        uint8 ``[side, side]``, or why the row is skipped.
    """
    words = field.split()
    try:
        values = bytes(map(_PIXEL_VALUES.__getitem__, words))
    except KeyError:
        return _unusual_pixels(pixel_words(field), side)
    return _to_image(values, side)


def _unusual_pixels(words: list[bytes], side: int | None) -> NDArray[np.uint8] | SkipReason:
    """Parse pixel values in another notation, such as ``070`` or ``70.0``."""
    values = []
    for word in words:
        text = word.strip(b"\"'")
        number = _PIXEL_NUMBER.fullmatch(text)
        value = float(text) if number else -1.0
        if not 0 <= value <= 255:
            return SkipReason(
                f"has the pixel value {_text(text)!r}, not 0 to 255",
                "has a pixel value that is not 0 to 255",
            )
        values.append(value)
    if not values:
        return _to_image(b"", side)
    numbers = np.array(values)
    # Fractions from 0 to 1 are pixel values that were divided by 255.
    if numbers.max() <= 1 and not (numbers % 1 == 0).all():
        numbers *= 255
    return _to_image(np.rint(numbers).astype(np.uint8).tobytes(), side)


def _to_image(values: bytes, side: int | None) -> NDArray[np.uint8] | SkipReason:
    picture_side = math.isqrt(len(values))
    is_square = picture_side**2 == len(values) and len(values) >= MIN_PIXELS
    if not is_square or (side is not None and picture_side != side):
        expected = _PIXEL_COUNT if side is None else side**2
        return SkipReason(
            f"has {len(values)} pixel values instead of {expected}",
            f"does not have {expected} pixel values",
        )
    return np.frombuffer(values, dtype=np.uint8).reshape(picture_side, picture_side)


def _text(field: bytes) -> str:
    """Return a field as text for comparisons and messages, shortened."""
    return shortened(printable_text(field.decode("latin-1").strip()))
