"""Read the archives inside a folder or archive as if they were folders."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO, cast

from fer_core.dataset.readers import sources
from fer_core.dataset.readers.archive_names import (
    REPEATED,
    ArchiveTotals,
    archive_stem,
    is_archive,
    unsupported_archive_kind,
)
from fer_core.dataset.readers.problems import ProblemLog, SkipReason, error_text
from fer_core.dataset.readers.sources import ByteStream, Source
from fer_core.errors import InputError

_TOO_DEEP = SkipReason("is an archive inside an archive in the source; unpack it and try again")
_NOT_NEEDED = SkipReason(
    "is an archive next to pictures or tables and was not opened; import it separately"
)

#: Maximum number of archives inside a source that are opened; each needs an open file.
_MAX_ARCHIVES = 200
_TOO_MANY = SkipReason(
    f"was not opened because the source contains more than {_MAX_ARCHIVES} archives; unpack some "
    "of them"
)

#: A function that opens a file as a source. Its arguments are the open file, the name of the file
#: and the maximum unpacked size in bytes.
Opener = Callable[[BinaryIO, str, int], Source]


class NestedSource:
    """A folder or archive whose archives are read as folders, one level deep.

    The archives are read only if there is no dataset outside them. A folder often contains the
    archive from which its files were unpacked; with it, each picture would be read twice.

    Args:
        outer: The folder or archive.
        open_file: Opens an archive in ``outer``.
        has_dataset: Called with ``outer`` and its files that are not archives. Returns True if
            these files are a dataset.
    """

    def __init__(
        self, outer: Source, open_file: Opener, has_dataset: Callable[[Source, list[str]], bool]
    ) -> None:
        self._outer = outer
        self._open_file = open_file
        self._has_dataset = has_dataset
        self.label = outer.label
        self._inner: list[Source] = []
        #: The number of the files in the opened archives, and the total size of the archives and of
        #: these files, in bytes.
        self._totals = ArchiveTotals()
        #: For each path that ``names`` returns, the opened archive and the path inside it.
        self._locations: dict[str, tuple[Source, str]] = {}

    def names(self, problems: ProblemLog) -> list[str]:
        """See ``Source``."""
        names = self._outer.names(problems)
        archives = [name for name in names if is_archive(name)]
        if not archives:
            return names
        self._close_inner()
        other_names = sorted(set(names) - set(archives))
        if self._has_dataset(self._outer, other_names):
            for name in archives:
                problems.add(name, _NOT_NEEDED)
            return other_names
        self._totals = ArchiveTotals()
        for name in archives:
            kind = unsupported_archive_kind(name)
            if kind is not None:
                problems.add(name, unsupported_reason(kind))
            elif len(self._inner) >= _MAX_ARCHIVES:
                problems.add(name, _TOO_MANY)
            else:
                self._open_inner(name, problems)
        return sorted((*other_names, *self._locations))

    def _open_inner(self, archive: str, problems: ProblemLog) -> None:
        """Add the files of one archive, or report why it cannot be opened.

        Raises:
            InputError: The archives together contain too many files.
        """
        # Both the archive and its unpacked content count, because both may be on the disk.
        bytes_left = sources.MAX_TOTAL_BYTES - self._totals.size
        try:
            file = self._temporary_copy(archive, bytes_left)
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            inner = self._open_file(file, archive.rpartition("/")[2], bytes_left - size)
        except InputError as error:
            problems.add(archive, _cannot_open(error))
            return
        try:
            inner_names = inner.names(_PrefixedLog(problems, f"{archive}/"))
        except InputError as error:
            inner.close()
            problems.add(archive, _cannot_open(error))
            return
        self._inner.append(inner)
        # The source of a single compressed file has no totals.
        totals = getattr(inner, "totals", ArchiveTotals(1, size))
        self._totals = ArchiveTotals(
            self._totals.count + totals.count, self._totals.size + size + totals.size
        )
        if self._totals.count > sources.MAX_FILES:
            raise InputError(
                f"{self.label} contains more than {sources.MAX_FILES:,} files; pack fewer files."
            )
        self._add(archive, inner, inner_names, problems)

    def _temporary_copy(self, name: str, limit: int) -> BinaryIO:
        """Copy an archive to a temporary file without a name, in which any position can be read.

        In the outer source, the archive may be readable only from its start to its end.

        Raises:
            InputError: The archive cannot be read, is larger than ``limit`` bytes, or the disk is
                full.
        """
        try:
            file = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 - its source closes it
        except OSError as error:
            raise InputError(error_text(error)) from error
        try:
            with self._outer.open(name) as stream:
                if stream.size > limit:
                    raise InputError(
                        f"the archives in {self.label} unpack to more than "
                        f"{sources.MAX_TOTAL_BYTES >> 30} GB"
                    )
                shutil.copyfileobj(stream.file, file, 2**20)
        except InputError:
            file.close()
            raise
        except Exception as error:  # a damaged archive raises many types of errors
            file.close()
            raise InputError(error_text(error)) from error
        return file

    def _add(
        self, archive: str, inner: Source, inner_names: Sequence[str], problems: ProblemLog
    ) -> None:
        """Add the files of an opened archive, in a folder with the name of the archive."""
        folder, _, file_name = archive.rpartition("/")
        stem = archive_stem(file_name) or file_name
        # A single compressed file needs no folder. Neither does an archive whose files are all in a
        # folder with the name of the archive.
        is_single_file = list(inner_names) == [inner.label]
        needs_folder = not is_single_file and not _are_all_in(stem, inner_names)
        parts = [folder, stem] if needs_folder else [folder]
        prefix = "".join(f"{part}/" for part in parts if part)
        for name in inner_names:
            if is_archive(name):
                problems.add(f"{archive}/{name}", _TOO_DEEP)
            elif prefix + name in self._locations:
                problems.add(f"{archive}/{name}", REPEATED)
            else:
                self._locations[prefix + name] = inner, name

    def read_all(self, names: list[str]) -> Iterator[tuple[str, bytes | SkipReason]]:
        """See ``Source``."""
        if not self._locations:
            return self._outer.read_all(names)
        return sources.limited_contents(self.label, self._contents(names))

    def _contents(self, names: list[str]) -> Iterator[tuple[str, bytes | SkipReason]]:
        for name in names:
            source, path = self._locations.get(name, (self._outer, name))
            for _, content in source.read_all([path]):
                yield name, content

    @contextmanager
    def open(self, name: str) -> Iterator[ByteStream]:
        """See ``Source``."""
        source, path = self._locations.get(name, (self._outer, name))
        with source.open(path) as stream:
            yield stream

    def close(self) -> None:
        """See ``Source``."""
        self._close_inner()
        self._outer.close()

    def _close_inner(self) -> None:
        for source in self._inner:
            source.close()
        self._inner, self._locations = [], {}


class _PrefixedLog(ProblemLog):
    """Passes the problems in an archive on to another log, with the path of the archive.

    Args:
        problems: The log that collects the problems.
        prefix: The path of the archive, with a final ``/``.
    """

    def __init__(self, problems: ProblemLog, prefix: str) -> None:
        super().__init__()
        self._problems = problems
        self._prefix = prefix

    def add(self, name: str, skip: SkipReason, class_name: str | None = None) -> None:
        """Add a skipped file to the other log."""
        self._problems.add(self._prefix + name, skip, class_name)


def unsupported_reason(kind: str) -> SkipReason:
    """Return the reason for skipping an archive of a kind that cannot be read."""
    return SkipReason(
        f"is a {kind}, which cannot be read; unpack it, or pack it again as zip or tar"
    )


def _cannot_open(error: InputError) -> SkipReason:
    return SkipReason(f"cannot be opened ({error})", "cannot be opened")


def _are_all_in(folder: str, names: Sequence[str]) -> bool:
    return bool(names) and all(name.startswith(f"{folder}/") for name in names)
