"""Tables as CSV, for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

#: First characters of cells that a spreadsheet interprets as formulas.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Format a table as the text of a CSV file.

    Text that a spreadsheet would run as a formula, such as the name of an image or a class, gets a
    leading apostrophe. Do not use this function for files that the program reads back, because the
    apostrophes would stay in the text.

    Args:
        header: The names of the columns.
        rows: The cells of each row; None is an empty cell.
    """
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerows([escaped_cell(cell) for cell in row] for row in (header, *rows))
    return buffer.getvalue()


def escaped_cell(cell: object) -> object:
    """Return a cell with a leading apostrophe if a spreadsheet would run it as a formula."""
    if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS) and not _is_number(cell):
        return f"'{cell}"
    return cell


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
