"""Tar archives as a source: members are read from the archive, with limits, and never unpacked."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, BinaryIO

from fer_core.dataset.readers import sources
from fer_core.dataset.readers.archive_names import (
    OUTSIDE,
    REPEATED,
    ArchiveTotals,
    normalized_member_path,
)
from fer_core.dataset.readers.bounded_reader import BoundedReader
from fer_core.dataset.readers.problems import ProblemLog, SkipReason, error_text, reading_failed
from fer_core.dataset.readers.sources import ByteStream, is_hidden
from fer_core.errors import InputError
from fer_core.phrases import on_one_line

#: Maximum size of an extended header, which tarfile reads in one call.
_MAX_HEADER_BYTES = 2**20
_BLOCK_BYTES = tarfile.BLOCKSIZE

_INCOMPLETE = "it ends before its end marker"


class _Section(io.RawIOBase):
    """Presents a section of a file, such as the content of one member, as a file.

    Args:
        file: The file.
        start: The position of the first byte of the section.
        size: The number of bytes in the section.
    """

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file = file
        self._position, self._end = start, start + size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        # Reading other members may have changed the position of the file.
        self._file.seek(self._position)
        content = self._file.read(min(len(buffer), self._end - self._position))
        if not content and self._position < self._end:
            raise EOFError(_INCOMPLETE)
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)


class TarSource:
    """A tar archive that is not compressed.

    Args:
        file: The open archive, which this source closes.
        label: The name of the archive in messages.
    """

    def __init__(self, file: BinaryIO, label: str) -> None:
        self._file = file
        self.label = on_one_line(label)
        #: Position and size of the content of each member.
        self._members: dict[str, tuple[int, int]] = {}
        #: The number and size of all members; set by ``names``.
        self.totals = ArchiveTotals()

    def names(self, problems: ProblemLog) -> list[str]:
        """See ``Source``."""
        self._members = {}
        folders: set[str] = set()
        count = total = 0
        try:
            for member in _iter_members(self._file):
                count += 1
                total += member.size
                self._check_limits(count, total)
                name = normalized_member_path(member.name)
                skip = self._skip_reason(member, name)
                if skip is not None:
                    problems.add(member.name, skip)
                elif name is not None and member.isdir():
                    folders.add(name)
                elif name is not None and not is_hidden(name):
                    self._members[name] = member.offset_data, member.size
        except (tarfile.TarError, EOFError, OSError, ValueError, OverflowError) as error:
            raise InputError(
                f"{self.label} is not a complete tar archive ({error_text(error)}); download or "
                "pack it again."
            ) from error
        self.totals = ArchiveTotals(count, total)
        sources.note_empty_folders(folders, self._members, problems)
        return sorted(self._members)

    def _check_limits(self, count: int, total: int) -> None:
        if count > sources.MAX_FILES:
            raise InputError(
                f"{self.label} contains more than {sources.MAX_FILES:,} files; pack fewer files."
            )
        if total > sources.MAX_TOTAL_BYTES:
            raise InputError(
                f"{self.label} would unpack to more than {sources.MAX_TOTAL_BYTES >> 30} GB; "
                "pack a smaller part of it."
            )

    def _skip_reason(self, member: tarfile.TarInfo, name: str | None) -> SkipReason | None:
        """Return why a member must not be read; None if the member is a folder or can be read.

        Args:
            member: The member.
            name: The result of ``normalized_member_path`` for the member's name. It is None also
                for the root folder of the archive (``./``), which is ignored without a message.
        """
        if member.issym() or member.islnk():
            return sources.LINK
        if name is None:
            return None if member.isdir() and member.name.strip("./") == "" else OUTSIDE
        if member.isdir():
            return None
        if not member.isreg() or member.issparse():
            return sources.NOT_REGULAR
        return REPEATED if name in self._members else None

    def read_all(self, names: list[str]) -> Iterator[tuple[str, bytes | SkipReason]]:
        """See ``Source``."""
        for name in names:
            start, size = self._members[name]
            if size > sources.MAX_FILE_BYTES:
                yield name, sources.too_large()
                continue
            try:
                self._file.seek(start)
                content = self._file.read(size)
            except OSError as error:
                yield name, reading_failed(error)
                continue
            if len(content) < size:
                yield name, SkipReason("is cut short in the archive")
            else:
                yield name, content

    @contextmanager
    def open(self, name: str) -> Iterator[ByteStream]:
        """See ``Source``."""
        start, size = self._members[name]
        with io.BufferedReader(_Section(self._file, start, size)) as stream:
            yield ByteStream(stream, size)

    def close(self) -> None:
        """See ``Source``."""
        self._file.close()


def is_tar(file: BinaryIO | IO[bytes]) -> bool:
    """Return True if a file begins like a tar archive; the file keeps its position."""
    position = file.tell()
    block = file.read(_BLOCK_BYTES)
    file.seek(position)
    if len(block) < _BLOCK_BYTES or not block.strip(b"\0"):
        return False
    try:
        # Every header has a checksum, also in old formats without a signature.
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.TarError:
        return False
    return True


def _iter_members(file: BinaryIO) -> Iterator[tarfile.TarInfo]:
    """Yield the members of an archive.

    Raises:
        TarError: The archive is damaged.
        EOFError: The archive is cut short.
    """
    file.seek(0)
    # Extended headers state their size, and tarfile reads that many bytes in one call.
    reader = BoundedReader(file, _MAX_HEADER_BYTES, tarfile.ReadError("a header is too large"))
    with tarfile.open(fileobj=reader, mode="r:", errorlevel=2) as archive:
        while (member := archive.next()) is not None:
            # Without this line, tarfile would keep all members in memory.
            archive.members = []  # type: ignore[attr-defined]
            yield member
        end = archive.offset
    # tarfile ends without an error at a header that is damaged or cut short. In a complete archive,
    # only zeros follow the last member, or nothing at all.
    file.seek(end)
    block = file.read(_BLOCK_BYTES)
    if block.strip(b"\0") or 0 < len(block) < _BLOCK_BYTES:
        raise EOFError(_INCOMPLETE)
