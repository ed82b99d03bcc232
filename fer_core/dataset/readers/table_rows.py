"""One row of a table of faces: ``emotion,pixels,Usage`` in any order of the columns."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.face_set import FACE_SIZE
from fer_core.dataset.persons import Person
from fer_core.dataset.readers.class_register import ClassRegister
from fer_core.dataset.readers.problems import SkipReason, as_text, shortened
from fer_core.dataset.readers.split_names import split_from_name

_DELIMITERS = (b",", b";", b"\t")
_LABEL_COLUMNS = ("emotion", "label", "class")
_SPLIT_COLUMNS = ("usage", "split")
_PERSON_COLUMNS = ("subject", "person", "identity", "subject_id", "person_id")
_PIXEL_COUNT = FACE_SIZE * FACE_SIZE

#: All pixel values in their usual notation. One look-up per value parses and validates it.
_PIXEL_VALUES = {str(value).encode(): value for value in range(256)}

#: Maximum length of the name of a class, in characters. Longer texts are cut.
_MAX_CLASS_TEXT = 100

NO_LABEL = SkipReason("has no label")


@dataclass(frozen=True)
class TableColumns:
    """The columns of a table.

    Attributes:
        delimiter: Separates the columns.
        names: The names of the columns, in lower case.
    """

    delimiter: bytes
    names: tuple[str, ...]

    def _position(self, names: tuple[str, ...]) -> int | None:
        return next((self.names.index(name) for name in names if name in self.names), None)

    @property
    def pixels(self) -> int:
        """Position of the column of pixel values."""
        return self.names.index("pixels")

    @property
    def label(self) -> int | None:
        """Position of the column of the emotion, if there is one."""
        return self._position(_LABEL_COLUMNS)

    @property
    def split(self) -> int | None:
        """Position of the column of the usage, if there is one."""
        return self._position(_SPLIT_COLUMNS)

    @property
    def person(self) -> int | None:
        """Position of the column of the person, if there is one."""
        return self._position(_PERSON_COLUMNS)


@dataclass(frozen=True)
class TableRow:
    """A valid row.

    Attributes:
        image: uint8 ``[48, 48]``.
        label: As ``ClassRegister.label`` returns it.
        split: Index into ``SPLITS``; None if the table has no such column.
        is_official: Whether the split is one of FER2013's official test sets.
        person: The person in the image; None if the table does not name one.
    """

    image: NDArray[np.uint8]
    label: int
    split: int | None
    is_official: bool
    person: Person | None = None


def table_columns(header: bytes) -> TableColumns | None:
    """Return the columns of a table from its first line; None if it is not a table of faces."""
    for delimiter in _DELIMITERS:
        fields = split_line(header, delimiter)
        names = tuple(
            field.decode("latin-1").strip().strip("\"'").strip().lower() for field in fields
        )
        if names.count("pixels") == 1:
            return TableColumns(delimiter, names)
    return None


def split_line(line: bytes, delimiter: bytes) -> list[bytes]:
    """Split a line into fields.

    Each line is a row, so that a quote that is never closed affects no other row.
    """
    if b'"' not in line:
        return line.split(delimiter)
    # Latin-1 maps any bytes to text for the csv module, and back.
    text = line.decode("latin-1")
    try:
        row = next(csv.reader([text], delimiter=delimiter.decode(), skipinitialspace=True), [])
    except csv.Error:
        return line.split(delimiter)
    return [field.encode("latin-1") for field in row]


class RowParser:
    """Parses the rows of one table.

    Args:
        columns: Its columns.
        register: Gives the classes their labels.
    """

    def __init__(self, columns: TableColumns, register: ClassRegister) -> None:
        self._columns = columns
        self._register = register
        self._pixels, self._label, self._split = columns.pixels, columns.label, columns.split

    def parse(self, line: bytes) -> TableRow | SkipReason | None:
        """Return the row, why it is skipped, or None if its class is left out as a whole."""
        fields = split_line(line, self._columns.delimiter)
        count = len(self._columns.names)
        if len(fields) < count or any(field.strip() for field in fields[count:]):
            return SkipReason(
                f"has {len(fields)} columns instead of {count}", "has the wrong number of columns"
            )
        named_class = None if self._label is None else _class_from(fields[self._label])
        if named_class is None:
            return NO_LABEL
        name, is_number = named_class
        label = self._register.label(name, is_number=is_number)
        if label is None:
            return None
        split, is_official = None, False
        if self._split is not None:
            usage = _text(fields[self._split])
            named_split = split_from_name(usage)
            if named_split is None:
                return SkipReason(
                    f"has the usage {usage!r}, not Training, PublicTest or PrivateTest",
                    "has a usage other than Training, PublicTest or PrivateTest",
                )
            split, is_official = named_split
        image = parse_pixels(fields[self._pixels])
        if isinstance(image, SkipReason):
            return image
        return TableRow(image, label, split, is_official, self._named_person(fields))

    def _named_person(self, fields: list[bytes]) -> Person | None:
        position = self._columns.person
        name = "" if position is None else _text(fields[position])
        if position is None or not name:
            return None
        return Person(name.casefold(), f"column {self._columns.names[position]!r}")


def register_row(line: bytes, columns: TableColumns, register: ClassRegister) -> None:
    """Count the class of a row without parsing its pixels."""
    fields = split_line(line, columns.delimiter)
    if columns.label is not None and len(fields) > columns.label:
        named_class = _class_from(fields[columns.label])
        if named_class is not None:
            register.label(named_class[0], is_number=named_class[1])


@lru_cache(maxsize=1024)
def _class_from(field: bytes) -> tuple[str, bool] | None:
    """Return the name of a class, and whether it is a number (``3``, ``3.0``); None for no text."""
    try:
        text = field.decode("utf-8")
    except UnicodeDecodeError:
        text = field.decode("latin-1")
    text = shortened(as_text(text.strip()), _MAX_CLASS_TEXT)
    number = re.fullmatch(r"([+-]?\d{1,9})(?:\.0*)?", text, re.ASCII)
    if number:
        return str(int(number[1])), True
    return (text, False) if text else None


def parse_pixels(field: bytes) -> NDArray[np.uint8] | SkipReason:
    """Parse 2,304 values of 0 to 255, separated by spaces, as uint8 ``[48, 48]``."""
    words = field.split()
    try:
        values = bytes(map(_PIXEL_VALUES.__getitem__, words))
    except KeyError:
        return _unusual_pixels(words)
    return _to_image(values)


def _unusual_pixels(words: list[bytes]) -> NDArray[np.uint8] | SkipReason:
    """Parse values in another notation (``070``), or return the first invalid one."""
    values = bytearray()
    for word in words:
        # Longer numbers are invalid as well, and converting them takes very long.
        value = int(word) if word.isdigit() and len(word) <= 9 else -1
        if not 0 <= value <= 255:
            return SkipReason(
                f"has the pixel value {_text(word)!r}, not 0 to 255",
                "has a pixel value that is not 0 to 255",
            )
        values.append(value)
    return _to_image(bytes(values))


def _to_image(values: bytes) -> NDArray[np.uint8] | SkipReason:
    if len(values) != _PIXEL_COUNT:
        return SkipReason(
            f"has {len(values)} pixel values instead of {_PIXEL_COUNT}",
            f"does not have {_PIXEL_COUNT} pixel values",
        )
    return np.frombuffer(values, dtype=np.uint8).reshape(FACE_SIZE, FACE_SIZE)


def _text(field: bytes) -> str:
    return shortened(as_text(field.decode("latin-1").strip()))
