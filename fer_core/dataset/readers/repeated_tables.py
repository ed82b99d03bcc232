"""Find tables that a source contains twice, such as ``fer2013.csv`` and ``copy/fer2013.csv``."""

from __future__ import annotations

import hashlib
from collections import Counter

from fer_core.dataset.readers.csv_tables import FaceTable
from fer_core.dataset.readers.problems import ProblemLog, SkipReason
from fer_core.dataset.readers.sources import Source

_BLOCK_BYTES = 2**20


def without_repeated_tables(
    source: Source, tables: list[FaceTable], problems: ProblemLog
) -> list[FaceTable]:
    """Return the tables without copies.

    Of several equal tables, the least deeply nested table is kept. Only tables with the same name
    and size are compared.

    Args:
        source: Contains the tables.
        tables: Tables, some of which may be copies.
        problems: Collects the copies.
    """
    counts = Counter(_key(table) for table in tables)
    originals: dict[bytes, str] = {}
    repeated: set[str] = set()
    for table in sorted(tables, key=lambda table: (table.name.count("/"), table.name)):
        if counts[_key(table)] == 1:
            continue
        digest = _digest(source, table.name)
        original = originals.setdefault(digest, table.name)
        if original != table.name:
            repeated.add(table.name)
            problems.add(
                table.name,
                SkipReason(f"repeats {original} and was left out", "repeats another table"),
            )
    return [table for table in tables if table.name not in repeated]


def _key(table: FaceTable) -> tuple[str, int]:
    return table.name.rpartition("/")[2].lower(), table.size


def _digest(source: Source, name: str) -> bytes:
    """Return a digest of the content, or the unique path of a table that cannot be read."""
    try:
        with source.open(name) as stream:
            digest = hashlib.sha256()
            while block := stream.file.read(_BLOCK_BYTES):
                digest.update(block)
            return digest.digest()
    except Exception:  # a damaged archive raises many types of errors
        return name.encode(errors="surrogateescape")
