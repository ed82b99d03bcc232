"""CSV files that people make and mend by hand: read whole, columns by name, line by line.

A line that cannot be read costs itself and no other. Tables of faces are another matter: they are
large, and ``fer_core.dataset.readers`` reads them piece by piece.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from fer_core.errors import InputError, first_line


@dataclass(frozen=True)
class CsvKind:
    """What a file is expected to be.

    Attributes:
        name: Behind "no": "curation file".
        required: Columns that it must have.
        expected: Its columns, for people.
        remedy: What to give instead of a file that is far too large.
        max_bytes: What is larger is another file.
        synonyms: Other names of columns.
    """

    name: str
    required: tuple[str, ...]
    expected: str
    remedy: str
    max_bytes: int
    synonyms: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CsvContent:
    """A file whose first line is what was expected.

    Attributes:
        header: The columns' names, in lower case.
        lines: For each line that is not blank its number, from 1, and its cells; or what is wrong
            with it. They can be gone through once.
    """

    header: list[str]
    lines: Iterator[tuple[int, list[str] | csv.Error]]


def read_csv(content: bytes, label: str, kind: CsvKind) -> CsvContent:
    """Read a file's first line, and the others as they are asked for.

    Args:
        content: The file; UTF-8, with or without a byte order mark.
        label: What messages call it.
        kind: What it should be.

    Raises:
        InputError: It is too large, no text, or lacks a column.
    """
    if len(content) > kind.max_bytes:
        raise InputError(
            f"{label} is larger than {kind.max_bytes >> 20} MB and so no {kind.name}; give "
            f"{kind.remedy}."
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{label} is no text in UTF-8 ({first_line(error)}); save it as CSV in UTF-8."
        ) from error
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        cells = next(reader, [])
    except csv.Error as error:
        raise InputError(
            f"{label} is no {kind.name}: its first line cannot be read ({first_line(error)}); "
            f"expected are {kind.expected}."
        ) from error
    header = [cell.strip().lower() for cell in cells]
    header = [kind.synonyms.get(cell, cell) for cell in header]
    missing = [column for column in kind.required if column not in header]
    if missing:
        raise InputError(
            f"{label} is no {kind.name}: its first line lacks {', '.join(missing)}; expected are "
            f"{kind.expected}."
        )

    def lines() -> Iterator[tuple[int, list[str] | csv.Error]]:
        while True:
            # Where a cell holds line breaks, the number of its first line.
            number = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield number, error
                continue
            if any(cell.strip() for cell in cells):
                yield number, cells

    return CsvContent(header, lines())
