"""Recognize archives by their names, and check the paths of their members."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fer_core.dataset.readers.problems import SkipReason

OUTSIDE = SkipReason("has a path that leads out of the archive, which is not followed")
REPEATED = SkipReason("is in the archive more than once; only the first is read")

PARQUET_SUFFIXES = (".parquet", ".pq")
#: Suffixes of the archives, compressed files and Parquet files that can be read. If a name ends
#: with several of them, the first one here counts. Therefore ``.tar.gz`` comes before ``.gz``.
READABLE_SUFFIXES = (
    *(".tar.gz", ".tar.bz2", ".tar.xz", ".tar.lzma"),
    *(".tgz", ".tbz2", ".tbz", ".txz", ".zip", ".tar", ".gz", ".bz2", ".xz", ".lzma"),
    *PARQUET_SUFFIXES,
)
#: The kinds of archives that cannot be read, by their suffixes and by their first bytes.
_OTHER_SUFFIXES = {".7z": "7z", ".rar": "RAR", ".zst": "Zstandard", ".lz4": "LZ4", ".iso": "ISO"}
_OTHER_SIGNATURES = {
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "RAR",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"\x04\x22\x4d\x18": "LZ4",
}
_ALL_SUFFIXES = (*READABLE_SUFFIXES, *_OTHER_SUFFIXES)

#: The suffix of one file of an archive that was divided into several files: faces.zip.001,
#: faces.z01, faces.part2.rar, faces.r00
_PART_SUFFIX = re.compile(
    r"\.(?:(?:zip|7z|rar|tar|tgz|gz)\.\d{3}|z\d{2}|r\d{2}|part\d+\.rar)$", re.IGNORECASE | re.ASCII
)


@dataclass(frozen=True)
class ArchiveTotals:
    """The number and the total size of an archive's members, as the archive states them.

    Attributes:
        count: Number of members.
        size: Unpacked size of all members in bytes.
    """

    count: int = 0
    size: int = 0


def normalized_member_path(name: str) -> str | None:
    """Return the path of a member in a uniform format, with ``/`` between folders.

    Some programs write backslashes, or begin each path with ``./``. The result is None if the path
    is empty or leads out of the archive.

    Args:
        name: The path as the archive states it.
    """
    parts = name.replace("\\", "/").split("/")
    is_absolute = parts[0] == "" or parts[0].endswith(":")  # "/etc/…", "C:/…"
    if is_absolute or ".." in parts:
        return None
    return "/".join(part for part in parts if part not in ("", ".")) or None


def is_archive(name: str) -> bool:
    """Return True for the name of an archive, a compressed file or a Parquet file."""
    return name.lower().endswith(_ALL_SUFFIXES) or _PART_SUFFIX.search(name) is not None


def archive_stem(name: str) -> str | None:
    """Return the name of a readable archive without its suffix; None for any other name."""
    lower = name.lower()
    suffix = next((suffix for suffix in READABLE_SUFFIXES if lower.endswith(suffix)), None)
    return None if suffix is None else name[: -len(suffix)]


def unsupported_archive_kind(name: str, beginning: bytes = b"") -> str | None:
    """Return the kind of an archive that cannot be read ("RAR archive"); None for other files.

    Args:
        name: The name of the file.
        beginning: The first bytes of the file, if they are known.
    """
    if _PART_SUFFIX.search(name):
        return "part of an archive in several files"
    kinds = (
        *(kind for start, kind in _OTHER_SIGNATURES.items() if beginning.startswith(start)),
        *(kind for suffix, kind in _OTHER_SUFFIXES.items() if name.lower().endswith(suffix)),
    )
    return f"{kinds[0]} archive" if kinds else None
