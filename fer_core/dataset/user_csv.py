"""Read CSV files that users make and edit. The whole file is in memory; columns are found by name.

If a row cannot be read, the next rows are still read. Tables of faces are too large for memory, so
``fer_core.dataset.readers`` reads them as a stream.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from fer_core.errors import InputError, first_line


@dataclass(frozen=True)
class CsvKind:
    """The expected kind of file.

    Attributes:
        name: The kind in messages: "curation file" in "votes.csv is not a curation file".
        required: The columns that the file must have.
        expected: A description of the columns for messages: "the columns name, key, action".
        suggested_file: The description of a valid file, for the message that a file is too large.
        max_bytes: Maximum size of a file. Larger files are rejected.
        synonyms: Maps other names of a column, in lower case, to its expected name.
    """

    name: str
    required: tuple[str, ...]
    expected: str
    suggested_file: str
    max_bytes: int
    synonyms: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CsvRow:
    """A row of a file. It has several lines if a quoted cell contains line breaks.

    Attributes:
        line: The number of the row's first line, from 1.
        cells: The cells of the row, or the error if they cannot be read.
        text: The text of the row, with line breaks.
    """

    line: int
    cells: list[str] | csv.Error
    text: str


@dataclass(frozen=True)
class CsvContent:
    """A file whose first line has the expected columns.

    Attributes:
        header: The names of the columns, in lower case.
        rows: Iterator over the rows after the header that are not blank. It can be used only
            once.
    """

    header: list[str]
    rows: Iterator[CsvRow]


def read_csv(content: bytes, file_name: str, kind: CsvKind) -> CsvContent:
    """Read the header of a file. The rows in the result are read while they are iterated over.

    Args:
        content: The content of the file; UTF-8, with or without a byte order mark.
        file_name: The name or path of the file, for messages.
        kind: The expected kind of file.

    Raises:
        InputError: The file is too large or not text, or its first line cannot be read or lacks a
            column.
    """
    if len(content) > kind.max_bytes:
        raise InputError(
            f"{file_name} is larger than {kind.max_bytes >> 20} MB and therefore not a "
            f"{kind.name}; provide {kind.suggested_file}."
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{file_name} is not text in UTF-8 ({first_line(error)}); save it as CSV in UTF-8."
        ) from error
    # With newline="", the text is split into the same lines that ``reader.line_num`` counts.
    lines = list(io.StringIO(text, newline=""))
    reader = csv.reader(lines)
    try:
        cells = next(reader, [])
    except csv.Error as error:
        raise InputError(
            f"{file_name} is not a {kind.name}: its first line cannot be read "
            f"({first_line(error)}); expected: {kind.expected}."
        ) from error
    header = [cell.strip().lower() for cell in cells]
    header = [kind.synonyms.get(cell, cell) for cell in header]
    missing = [column for column in kind.required if column not in header]
    if missing:
        raise InputError(
            f"{file_name} is not a {kind.name}: its first line lacks {', '.join(missing)}; "
            f"expected: {kind.expected}."
        )

    def rows() -> Iterator[CsvRow]:
        while True:
            lines_read = reader.line_num
            cells: list[str] | csv.Error
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                cells = error
            if isinstance(cells, csv.Error) or any(cell.strip() for cell in cells):
                yield CsvRow(lines_read + 1, cells, "".join(lines[lines_read : reader.line_num]))

    return CsvContent(header, rows())
