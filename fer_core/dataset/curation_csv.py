"""Write and read curations as CSV. The stored files and the exported files have this format.

Users can also write such a file by hand.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields

from fer_core.classes import match_class
from fer_core.dataset.curation import Curation, CurationEntry, Identity, one_line
from fer_core.dataset.user_csv import CsvKind, read_csv
from fer_core.errors import first_line

#: Maximum number of unreadable lines that are described by a sentence. Further unreadable lines are
#: only counted.
MAX_PROBLEMS = 1_000

_COLUMNS = tuple(field.name for field in fields(CurationEntry))

#: Columns that a file written by a user must have.
_REQUIRED_COLUMNS = ("name", "key", "action")

_KIND = CsvKind(
    name="curation file",
    required=_REQUIRED_COLUMNS,
    expected=f"the columns {', '.join(_COLUMNS)}",
    suggested_file="a curation file that FER Studio exported",
    # 256 MB are enough for decisions about a million images.
    max_bytes=256 << 20,
)


def curation_csv(curation: Curation) -> str:
    """Return a curation as the text of a CSV file, one line per decision."""
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    for entry in curation.entries:
        values = asdict(entry)
        writer.writerow(values | {"label": values["label"] or ""})
    return buffer.getvalue()


def parse_curation(
    content: bytes, file_name: str, classes: Sequence[str] | None = None
) -> Curation:
    """Read a curation's CSV file.

    Columns are found by name, in any order. All columns except ``name``, ``key`` and ``action`` may
    be missing. A missing split means train. If an image is in several lines, the last line counts.

    Args:
        content: The content of the file; UTF-8, with or without a byte order mark.
        file_name: The name or path of the file, for messages.
        classes: The classes of the dataset; a line with another label counts as unreadable. None
            to accept any label.

    Returns:
        The decisions, and the lines that could not be read.

    Raises:
        InputError: The file is too large, is not text, or lacks the columns of a curation.
    """
    table = read_csv(content, file_name, _KIND)
    entries: dict[Identity, CurationEntry] = {}
    problems: list[str] = []
    unreadable_lines: list[str] = []
    undescribed_count = 0
    for row in table.rows:
        try:
            # If the row cannot be divided into cells, ``cells`` is the error.
            if isinstance(row.cells, csv.Error):
                raise row.cells
            # ``strict=False``, because cells may be missing at the end of a line.
            entry = _entry_from(dict(zip(table.header, row.cells, strict=False)), classes)
        except (ValueError, csv.Error) as error:
            unreadable_lines.append(row.text)
            if len(problems) < MAX_PROBLEMS:
                problems.append(f"{file_name}, line {row.line}: {first_line(error)}.")
            else:
                undescribed_count += 1
            continue
        # The entries are in the order of their lines. If an earlier line is about the same image,
        # remove its entry first, because assigning to an existing key would keep the earlier place.
        entries.pop(entry.identity, None)
        entries[entry.identity] = entry
    if undescribed_count:
        problems.append(f"{file_name}: {undescribed_count:,} more lines cannot be read.")
    return Curation(tuple(entries.values()), tuple(problems), tuple(unreadable_lines))


def _entry_from(values: dict[str, str], classes: Sequence[str] | None) -> CurationEntry:
    """Return the decision of one line.

    Raises:
        ValueError: A value is missing or invalid.
    """
    missing = [column for column in _REQUIRED_COLUMNS if not values.get(column, "").strip()]
    if missing:
        raise ValueError(f"{missing[0]} is missing")
    label = values.get("label", "").strip()
    if label and classes is not None:
        class_index = match_class(label, classes)
        if class_index is None:
            raise ValueError(f"label should be one of {', '.join(classes)}. Received: {label!r}")
        label = classes[class_index]
    return CurationEntry(
        name=values["name"],
        key=values["key"].strip().lower(),
        split=values.get("split", "").strip().lower() or "train",
        action=values["action"].strip().lower(),
        label=label or None,
        reason=one_line(values.get("reason", "")),
        source=one_line(values.get("source", "")),
        time=one_line(values.get("time", "")),
    )
