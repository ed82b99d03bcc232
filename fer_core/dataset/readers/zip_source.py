"""Zip archives as a source: read in memory, within bounds, and never unpacked to disk."""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fer_core.dataset.readers import sources
from fer_core.dataset.readers.problems import Fault, ProblemLog, error_text
from fer_core.dataset.readers.sources import ByteStream, is_hidden
from fer_core.errors import InputError

#: An archive's directory is read at once, at some 100 bytes for each file.
_MAX_DIRECTORY_BYTES = 128 * 2**20

#: Python unpacks the others (bzip2, LZMA) without a bound on what a few bytes grow to.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

_ENCRYPTED = Fault("is encrypted with a password; pack it again without one")
_OUTSIDE = Fault("has a path that leads out of the archive, which is not followed")
_BACKSLASH = Fault("has a backslash in its path; pack the folder again with another program")
_REPEATED = Fault("stands in the archive more than once; only the first is read")
_METHOD = Fault("is packed by a method other than deflate; pack it again as an ordinary zip")


class _BoundedFile(io.FileIO):
    """An archive's file that refuses to be read in one piece larger than any sound directory."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _MAX_DIRECTORY_BYTES:
            raise zipfile.BadZipFile("its directory is larger than that of any dataset")
        return super().read(-1 if size is None else size)


class ZipSource:
    """A zip archive. Nothing is unpacked to disk, so that no path can lead astray."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.label = path.name
        self._archive: zipfile.ZipFile | None = None
        self._members: dict[str, zipfile.ZipInfo] = {}

    def _opened(self) -> zipfile.ZipFile:
        """The archive, opened once: its directory takes a while to read."""
        if self._archive is None:
            file = _BoundedFile(self._path)
            try:
                self._archive = zipfile.ZipFile(file)
            except BaseException:
                file.close()
                raise
        return self._archive

    def names(self, problems: ProblemLog) -> list[str]:
        """See ``Source``."""
        try:
            entries = self._opened().infolist()
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise InputError(
                f"{self.label} is not a whole zip archive ({error_text(error)}); download or "
                "pack it again."
            ) from error
        if len(entries) > sources.MAX_FILES:
            raise InputError(
                f"{self.label} holds more than {sources.MAX_FILES:,} files; pack less."
            )
        # Python never unpacks more of a member than its entry states, so this bounds the truth.
        if sum(entry.file_size for entry in entries) > sources.MAX_TOTAL_BYTES:
            raise InputError(
                f"{self.label} would unpack to more than {sources.MAX_TOTAL_BYTES >> 30} GB; "
                "pack less."
            )
        self._members = {}
        for entry in entries:
            fault = self._fault(entry)
            if fault is not None:
                problems.add(entry.filename, fault)
            elif not entry.is_dir() and not is_hidden(entry.filename):
                self._members[entry.filename] = entry
        _note_empty_folders(entries, problems)
        return sorted(self._members)

    def _fault(self, entry: zipfile.ZipInfo) -> Fault | None:
        """What forbids to read a member; links and paths are judged before anything is opened."""
        parts = entry.filename.split("/")
        kind = stat.S_IFMT(entry.external_attr >> 16)
        checks = (
            ("\\" in entry.filename, _BACKSLASH),
            (parts[0] == "" or parts[0].endswith(":") or ".." in parts, _OUTSIDE),
            (kind == stat.S_IFLNK, sources.LINK),
            (kind not in (0, stat.S_IFREG, stat.S_IFDIR), sources.NO_FILE),
            (entry.filename in self._members, _REPEATED),
            (bool(entry.flag_bits & 0x1), _ENCRYPTED),
            (entry.compress_type not in _METHODS, _METHOD),
        )
        return next((fault for applies, fault in checks if applies), None)

    def read_all(self, names: list[str]) -> Iterator[tuple[str, bytes | Fault]]:
        """See ``Source``."""
        total = 0
        for name in names:
            content = self._content(name)
            if not isinstance(content, Fault):
                total += len(content)
            if total > sources.MAX_TOTAL_BYTES:
                raise InputError(
                    f"{self.label} unpacks to more than {sources.MAX_TOTAL_BYTES >> 30} GB; "
                    "pack less."
                )
            yield name, content

    def _content(self, name: str) -> bytes | Fault:
        try:
            # The size that the archive states is its word; the bound holds on what comes.
            with self.open(name) as stream:
                content = stream.file.read(sources.MAX_FILE_BYTES + 1)
        # A damaged member shows in many ways, each with an exception of its own: a wrong checksum,
        # a broken stream, a header elsewhere. Each is that one member's fault alone.
        except Exception as error:
            return Fault(f"cannot be unpacked ({error_text(error)})", "cannot be unpacked")
        return sources.too_large() if len(content) > sources.MAX_FILE_BYTES else content

    @contextmanager
    def open(self, name: str) -> Iterator[ByteStream]:
        """See ``Source``."""
        entry = self._members[name]
        with self._opened().open(entry) as member:
            yield ByteStream(member, entry.file_size)

    def close(self) -> None:
        """See ``Source``."""
        if self._archive is not None and self._archive.fp is not None:
            file = self._archive.fp
            self._archive.close()
            file.close()  # the archive leaves open what it did not open itself
        self._archive = None


def _note_empty_folders(entries: list[zipfile.ZipInfo], problems: ProblemLog) -> None:
    parents = {entry.filename.rstrip("/").rpartition("/")[0] for entry in entries}
    for entry in entries:
        folder = entry.filename.rstrip("/")
        if entry.is_dir() and folder and folder not in parents and not is_hidden(folder):
            problems.add(folder, sources.EMPTY_FOLDER)
