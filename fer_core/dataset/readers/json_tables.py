"""Tables in JSON: one record per line, a list of records, columns, or a class for each picture."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from fer_core.dataset.readers.picture_names import has_picture_suffix
from fer_core.dataset.readers.text_lines import Readable, table_lines, text_lines
from fer_core.files import parse_json

JSON_LINES_SUFFIXES = (".jsonl", ".ndjson")
JSON_SUFFIXES = (".json", *JSON_LINES_SUFFIXES)
#: Maximum size of a JSON file, which is parsed as a whole.
_MAX_JSON_BYTES = 64 * 2**20
#: Maximum length of a value, in characters; longer values are cut.
_MAX_VALUE = 10_000
#: The row that replaces a damaged record. It has too few fields, so that it is reported.
_DAMAGED_ROW = b" "


def rows_of_table(name: str, file: Readable) -> Iterator[tuple[int, bytes | None]]:
    """Yield the rows of a CSV or JSON table as lines of CSV, each with a number for messages.

    In CSV and in JSON lines, this number is the line number of the row's first line. In other JSON,
    it is the number of the record. Both begin at 1.

    Args:
        name: The file name; its suffix shows whether the file contains JSON.
        file: The open file.

    Yields:
        As ``table_lines``; nothing for JSON that is not a table.
    """
    lower = name.lower()
    if lower.endswith(JSON_LINES_SUFFIXES):
        yield from _csv_rows(_records_of_lines(file))
    elif lower.endswith(JSON_SUFFIXES):
        yield from _csv_rows(enumerate(_records(file), start=1))
    else:
        yield from table_lines(file)


def _records_of_lines(file: Readable) -> Iterator[tuple[int, Mapping[str, Any] | None]]:
    """Yield the number and the record of each line; None for a line that is not a record.

    Blank lines, and lines that are longer than ``MAX_LINE_BYTES``, are left out.
    """
    for number, line in text_lines(file):
        if line is None or not line.strip():
            continue
        try:
            record = parse_json(line.decode("utf-8", "replace"))
        except ValueError:
            record = None
        yield number, record if isinstance(record, dict) else None


def _records(file: Readable) -> Iterable[Mapping[str, Any]]:
    """Return the records of a JSON document; nothing if the document is not a table."""
    content = file.read(_MAX_JSON_BYTES + 1)
    try:
        is_small = len(content) <= _MAX_JSON_BYTES
        document = parse_json(content.decode("utf-8-sig")) if is_small else None
    except ValueError:
        return ()
    if isinstance(document, list) and all(isinstance(record, dict) for record in document):
        return document
    if not isinstance(document, dict) or not document:
        return ()
    if all(map(_is_scalar, document.values())):
        # A class for each picture: {"a.png": "happy"}.
        are_pictures = sum(map(has_picture_suffix, document)) > len(document) / 2
        pairs = document.items() if are_pictures else ()
        return [{"path": path, "class": name} for path, name in pairs]
    # Columns, as pandas writes them: lists of values, or values by the number of the row.
    columns = {
        name: list(column.values()) if isinstance(column, dict) else column
        for name, column in document.items()
    }
    are_lists = all(
        isinstance(column, list) and all(map(_is_scalar, column)) for column in columns.values()
    )
    if not are_lists or len({len(column) for column in columns.values()}) != 1:
        return ()
    return [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]


def _csv_rows(
    records: Iterable[tuple[int, Mapping[str, Any] | None]],
) -> Iterator[tuple[int, bytes | None]]:
    """Yield numbered records as lines of CSV, after a header with the keys of the first record."""
    names: list[str] = []
    damaged_before_header: list[int] = []
    for number, record in records:
        if record is None and not names:
            # The header has to be the first line, so this row is yielded after the header.
            damaged_before_header.append(number)
            continue
        if record is None:
            yield number, _DAMAGED_ROW
            continue
        if not names:
            names = list(record)
            yield number, _csv_line(names)
            yield from ((damaged, _DAMAGED_ROW) for damaged in damaged_before_header)
        yield number, _csv_line([_text(record.get(name)) for name in names])


def _csv_line(values: Sequence[str]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="").writerow([" ".join(value.split()) for value in values])
    return buffer.getvalue().encode(errors="replace")


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value[:_MAX_VALUE]
    return json.dumps(value)[:_MAX_VALUE]


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)
