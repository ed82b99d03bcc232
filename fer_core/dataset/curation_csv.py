"""A curation as a CSV file, as it is kept, exported and written by hand."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, fields

from fer_core.dataset.curation import Curation, CurationEntry, Identity, one_line
from fer_core.dataset.hand_csv import CsvKind, read_csv
from fer_core.emotions import EMOTIONS, emotion_from_name
from fer_core.errors import first_line

#: A file with this many unreadable lines is no curation: the rest is only counted.
MAX_PROBLEMS = 1_000

_COLUMNS = tuple(field.name for field in fields(CurationEntry))

#: What a hand-written file may not leave out.
_REQUIRED_COLUMNS = ("name", "key", "action")

_KIND = CsvKind(
    name="curation file",
    required=_REQUIRED_COLUMNS,
    expected=f"the columns {', '.join(_COLUMNS)}",
    remedy="one that was exported here",
    # A decision for each image of a million fits.
    max_bytes=256 << 20,
)


def curation_csv(curation: Curation) -> str:
    """A curation as the text of a CSV file, one line for each decision."""
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    for entry in curation.entries:
        values = asdict(entry)
        writer.writerow(values | {"label": values["label"] or ""})
    return buffer.getvalue()


def parse_curation(content: bytes, label: str) -> Curation:
    """Read a curation's CSV file.

    Columns are found by name, in any order; ``split``, ``reason``, ``source`` and ``time`` may be
    missing. Where an image stands in several lines the last one counts.

    Args:
        content: The file; UTF-8, with or without a byte order mark.
        label: What messages call it.

    Returns:
        The decisions, and a sentence for each line that could not be read.

    Raises:
        InputError: The file is too large, no text, or has not the columns of a curation.
    """
    table = read_csv(content, label, _KIND)
    entries: dict[Identity, CurationEntry] = {}
    problems: list[str] = []
    more = 0
    for number, cells in table.lines:
        try:
            if isinstance(cells, csv.Error):
                raise cells
            entry = _entry_from(dict(zip(table.header, cells, strict=False)))
        except (ValueError, csv.Error) as error:
            if len(problems) < MAX_PROBLEMS:
                problems.append(f"{label}, line {number}: {first_line(error)}.")
            else:
                more += 1
            continue
        entries.pop(entry.identity, None)
        entries[entry.identity] = entry
    if more:
        problems.append(f"{label}: {more:,} more lines cannot be read.")
    return Curation(tuple(entries.values()), tuple(problems))


def _entry_from(values: dict[str, str]) -> CurationEntry:
    """One line's decision.

    Raises:
        ValueError: It is none.
    """
    absent = [column for column in _REQUIRED_COLUMNS if not values.get(column, "").strip()]
    if absent:
        raise ValueError(f"there is no {absent[0]}")
    label = values.get("label", "").strip()
    emotion = emotion_from_name(label) if label else None
    if label and emotion is None:
        raise ValueError(f"label should be one of {', '.join(EMOTIONS)}. Received: {label!r}")
    return CurationEntry(
        name=values["name"],
        key=values["key"].strip().lower(),
        split=values.get("split", "").strip().lower() or "train",
        action=values["action"].strip().lower(),
        label=emotion,
        reason=one_line(values.get("reason", "")),
        source=one_line(values.get("source", "")),
        time=one_line(values.get("time", "")),
    )
