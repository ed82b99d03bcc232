"""The kinds of archives, and the paths of their members."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fer_core.dataset.readers.problems import SkipReason

OUTSIDE = SkipReason("has a path that leads out of the archive, which is not followed")
REPEATED = SkipReason("is in the archive more than once; only the first is read")

PARQUET_SUFFIXES = (".parquet", ".pq")
#: Suffixes of archives, compressed files and files of pictures that are read, the longest first.
READ_SUFFIXES = (
    *(".tar.gz", ".tar.bz2", ".tar.xz", ".tar.lzma"),
    *(".tgz", ".tbz2", ".tbz", ".txz", ".zip", ".tar", ".gz", ".bz2", ".xz", ".lzma"),
    *PARQUET_SUFFIXES,
)
#: Suffixes and first bytes of archives that are not read.
_OTHER_SUFFIXES = {".7z": "7z", ".rar": "RAR", ".zst": "Zstandard", ".lz4": "LZ4", ".iso": "ISO"}
_ALL_SUFFIXES = (*READ_SUFFIXES, *_OTHER_SUFFIXES)
_OTHER_SIGNATURES = {
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "RAR",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"\x04\x22\x4d\x18": "LZ4",
}


#: Archives in several files: faces.zip.001, faces.z01, faces.part2.rar, faces.r00
_PART_SUFFIX = re.compile(
    r"\.(?:(?:zip|7z|rar|tar|tgz|gz)\.\d{3}|z\d{2}|r\d{2}|part\d+\.rar)$", re.IGNORECASE | re.ASCII
)


@dataclass(frozen=True)
class ArchiveTotals:
    """The size of an archive, as it states it.

    Attributes:
        count: Number of its members.
        size: Their unpacked size in bytes.
    """

    count: int = 0
    size: int = 0


def inside_path(name: str) -> str | None:
    """Return the path of a member with ``/``; None if it leads out of the archive.

    Programs on Windows write backslashes, others begin each path with ``./``.

    Args:
        name: As the archive states it.
    """
    parts = name.replace("\\", "/").split("/")
    if parts[0] == "" or parts[0].endswith(":") or ".." in parts:
        return None
    return "/".join(part for part in parts if part not in ("", ".")) or None


def is_archive(name: str) -> bool:
    """Return True if a file is an archive or compressed, by its name."""
    return name.lower().endswith(_ALL_SUFFIXES) or _PART_SUFFIX.search(name) is not None


def archive_stem(name: str) -> str | None:
    """Return the name of an archive that can be read without its suffix; None for other files."""
    lower = name.lower()
    suffix = next((suffix for suffix in READ_SUFFIXES if lower.endswith(suffix)), None)
    return None if suffix is None else name[: -len(suffix)]


def unsupported_archive(name: str, beginning: bytes = b"") -> str | None:
    """Return the kind of an archive that cannot be read, "RAR archive"; None for other files.

    Args:
        name: Its file name.
        beginning: Its first bytes, if known.
    """
    if _PART_SUFFIX.search(name):
        return "part of an archive in several files"
    kinds = (
        *(kind for start, kind in _OTHER_SIGNATURES.items() if beginning.startswith(start)),
        *(kind for suffix, kind in _OTHER_SUFFIXES.items() if name.lower().endswith(suffix)),
    )
    return f"{kinds[0]} archive" if kinds else None
