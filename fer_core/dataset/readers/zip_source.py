"""Zip archives as a source: members are unpacked in memory, with limits, and never to disk."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from fer_core.dataset.readers import sources
from fer_core.dataset.readers.archive_names import (
    OUTSIDE,
    REPEATED,
    ArchiveTotals,
    normalized_member_path,
)
from fer_core.dataset.readers.bounded_reader import BoundedReader
from fer_core.dataset.readers.problems import ProblemLog, SkipReason, error_text
from fer_core.dataset.readers.sources import ByteStream, is_hidden
from fer_core.errors import InputError
from fer_core.phrases import on_one_line

#: Maximum size of the directory of an archive, which has about 100 bytes per file and is read in
#: one call.
_MAX_DIRECTORY_BYTES = 128 * 2**20

#: Supported compression methods. With other methods (bzip2, LZMA), Python does not limit the size
#: of what it unpacks.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

_ENCRYPTED = SkipReason("is encrypted with a password; pack it again without one")
_OTHER_METHOD = SkipReason(
    "is packed by a method other than deflate; pack it again as a standard zip"
)


class ZipSource:
    """A zip archive. Nothing is unpacked to disk, so that no member can overwrite a file.

    Args:
        path: The path of the archive. If ``file`` is given, only the last part of the path is used,
            as the label.
        file: The archive, if it is open already. The source closes this file.
    """

    def __init__(self, path: Path, *, file: BinaryIO | None = None) -> None:
        self._path = path
        self._file = file
        self.label = on_one_line(path.name)
        self._archive: zipfile.ZipFile | None = None
        self._members: dict[str, zipfile.ZipInfo] = {}
        #: The number and size of all members; set by ``names``.
        self.totals = ArchiveTotals()

    def _open_archive(self) -> zipfile.ZipFile:
        """Return the archive. Only the first call opens it, because opening it is slow."""
        if self._archive is None:
            if self._file is None:
                self._file = self._path.open("rb")
            # zipfile reads the directory in one call, with the size that the archive states.
            error = zipfile.BadZipFile("its directory is too large")
            self._archive = zipfile.ZipFile(BoundedReader(self._file, _MAX_DIRECTORY_BYTES, error))
        return self._archive

    def names(self, problems: ProblemLog) -> list[str]:
        """See ``Source``."""
        try:
            entries = self._open_archive().infolist()
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise InputError(
                f"{self.label} is not a complete zip archive ({error_text(error)}); download or "
                "pack it again."
            ) from error
        if len(entries) > sources.MAX_FILES:
            raise InputError(
                f"{self.label} contains more than {sources.MAX_FILES:,} files; pack fewer files."
            )
        # With the supported methods, Python never unpacks more of a member than its entry states.
        # Therefore this limit is safe.
        self.totals = ArchiveTotals(len(entries), sum(entry.file_size for entry in entries))
        if self.totals.size > sources.MAX_TOTAL_BYTES:
            raise InputError(
                f"{self.label} would unpack to more than {sources.MAX_TOTAL_BYTES >> 30} GB; "
                "pack a smaller part of it."
            )
        self._members = {}
        folders: set[str] = set()
        for entry in entries:
            name = normalized_member_path(entry.filename)
            skip = self._skip_reason(entry, name)
            if skip is not None or name is None:
                problems.add(entry.filename, skip or OUTSIDE)
            elif entry.filename.endswith(("/", "\\")):
                folders.add(name)
            elif not is_hidden(name):
                self._members[name] = entry
        sources.note_empty_folders(folders, self._members, problems)
        return sorted(self._members)

    def _skip_reason(self, entry: zipfile.ZipInfo, name: str | None) -> SkipReason | None:
        """Return why a member must not be read; None if the member is a folder or can be read.

        Args:
            entry: The entry of the member in the directory of the archive.
            name: The result of ``normalized_member_path``.
        """
        # The upper 16 bits are the mode in Unix; archives from Windows have 0.
        kind = stat.S_IFMT(entry.external_attr >> 16)
        checks = (
            (name is None, OUTSIDE),
            (kind == stat.S_IFLNK, sources.LINK),
            (kind not in (0, stat.S_IFREG, stat.S_IFDIR), sources.NOT_REGULAR),
            (name in self._members, REPEATED),
            (bool(entry.flag_bits & 0x1), _ENCRYPTED),
            (entry.compress_type not in _METHODS, _OTHER_METHOD),
        )
        return next((reason for applies, reason in checks if applies), None)

    def read_all(self, names: list[str]) -> Iterator[tuple[str, bytes | SkipReason]]:
        """See ``Source``."""
        contents = ((name, self._content(name)) for name in names)
        return sources.limited_contents(self.label, contents)

    def _content(self, name: str) -> bytes | SkipReason:
        try:
            # The archive may state more bytes than the member has, so the limit applies to what is
            # actually read.
            with self.open(name) as stream:
                content = stream.file.read(sources.MAX_FILE_BYTES + 1)
        # A damaged member raises many types of errors: a wrong checksum, a broken stream, a wrong
        # header. The other members can still be read.
        except Exception as error:
            return SkipReason(f"cannot be unpacked ({error_text(error)})", "cannot be unpacked")
        return sources.too_large() if len(content) > sources.MAX_FILE_BYTES else content

    @contextmanager
    def open(self, name: str) -> Iterator[ByteStream]:
        """See ``Source``."""
        entry = self._members[name]
        with self._open_archive().open(entry) as member:
            yield ByteStream(member, entry.file_size)

    def close(self) -> None:
        """See ``Source``."""
        if self._archive is not None:
            self._archive.close()
            self._archive = None
        if self._file is not None:
            self._file.close()
            self._file = None
