"""One interface for the sources of a dataset: a file, a folder or an archive."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, Protocol

from fer_core.dataset.readers.problems import ProblemLog, SkipReason, reading_failed
from fer_core.errors import InputError
from fer_core.phrases import on_one_line
from fer_core.skipped_names import is_skipped_file, is_skipped_folder, is_skipped_path

#: Maximum size of a picture file; larger files are skipped. Face crops take a few kilobytes.
MAX_FILE_BYTES = 20 * 2**20
#: Maximum number of files in a source, or of rows in a Parquet file.
MAX_FILES = 1_000_000
#: Maximum unpacked size of a source, and maximum number of bytes that are read from its tables.
MAX_TOTAL_BYTES = 4 * 2**30

LINK = SkipReason("is a link, which is not followed")
NOT_REGULAR = SkipReason("is not a regular file")
EMPTY_FOLDER = SkipReason("is an empty folder")


@dataclass(frozen=True)
class ByteStream:
    """A file that is open for reading.

    Attributes:
        file: The open file.
        size: The size of the file in bytes, as the source states it.
    """

    file: IO[bytes]
    size: int


class Source(Protocol):
    """The files of a dataset, each identified by its path inside the source."""

    @property
    def label(self) -> str:
        """The name of the source in messages."""

    def names(self, problems: ProblemLog) -> list[str]:
        """Return the sorted paths of all files except hidden files, with ``/`` between folders.

        Call this method first: an archive needs this list for ``read_all`` and ``open``.

        Args:
            problems: Collects empty folders, and files that must not or cannot be read.

        Raises:
            InputError: The source cannot be read or exceeds a limit.
        """

    def read_all(self, names: list[str]) -> Iterator[tuple[str, bytes | SkipReason]]:
        """Yield the path of each file with its content, or with the reason why it is skipped.

        Raises:
            InputError: The total unpacked size of the files in an archive exceeds the limit.
        """

    def open(self, name: str) -> AbstractContextManager[ByteStream]:
        """Open one file of any size, to read it in pieces.

        Reading may raise any exception that a damaged disk or archive causes.
        """

    def close(self) -> None:
        """Close the source; nothing can be read afterwards."""


def is_hidden(name: str) -> bool:
    """Return True for a hidden file, which a system or program created, such as ``.DS_Store``.

    All files in a hidden folder are hidden, too.

    Args:
        name: The path of the file inside the source.
    """
    return is_skipped_path(name.split("/"))


def note_empty_folders(folders: Iterable[str], files: Iterable[str], problems: ProblemLog) -> None:
    """Add the empty folders of an archive to the problems.

    Args:
        folders: The paths of all folders in the archive, without a final ``/``.
        files: The paths of all files in the archive.
        problems: Collects the empty folders.
    """
    folders = set(folders)
    parents = {name.rpartition("/")[0] for name in (*folders, *files)}
    for folder in sorted(folders - parents):
        if not is_skipped_folder(folder.rpartition("/")[2]) and not is_hidden(folder):
            problems.add(folder, EMPTY_FOLDER)


def limited_contents(
    label: str, contents: Iterable[tuple[str, bytes | SkipReason]]
) -> Iterator[tuple[str, bytes | SkipReason]]:
    """Yield the contents of files, as long as their total size is within ``MAX_TOTAL_BYTES``.

    Args:
        label: The name of the source in messages.
        contents: The path of each file with its content, or with the reason why it is skipped.

    Raises:
        InputError: The total size exceeds the limit.
    """
    total = 0
    for name, content in contents:
        total += 0 if isinstance(content, SkipReason) else len(content)
        if total > MAX_TOTAL_BYTES:
            raise InputError(
                f"{label} unpacks to more than {MAX_TOTAL_BYTES >> 30} GB; provide a smaller part "
                "of it."
            )
        yield name, content


def too_large() -> SkipReason:
    """Return the reason for skipping a file that is larger than ``MAX_FILE_BYTES``."""
    return SkipReason(f"is larger than {MAX_FILE_BYTES >> 20} MB")


class FolderSource:
    """A folder on disk; links are not followed."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.label = on_one_line(root.name or str(root))

    def names(self, problems: ProblemLog) -> list[str]:
        """See ``Source``."""

        def add_unreadable_folder(error: OSError) -> None:
            path = Path(error.filename).relative_to(self._root)
            problems.add(path.as_posix(), reading_failed(error))

        paths: list[str] = []
        for folder, subfolders, files in os.walk(self._root, onerror=add_unreadable_folder):
            subfolders[:] = sorted(name for name in subfolders if not is_skipped_folder(name))
            relative = Path(folder).relative_to(self._root)
            visible = [name for name in files if not is_skipped_file(name)]
            if not subfolders and not visible and relative.parts:
                problems.add(relative.as_posix(), EMPTY_FOLDER)
            for name in subfolders:
                if Path(folder, name).is_symlink():
                    problems.add((relative / name).as_posix(), LINK)
            paths += [(relative / name).as_posix() for name in visible]
            if len(paths) > MAX_FILES:
                raise InputError(
                    f"{self.label} contains more than {MAX_FILES:,} files; provide fewer files."
                )
        return sorted(paths)

    def read_all(self, names: list[str]) -> Iterator[tuple[str, bytes | SkipReason]]:
        """See ``Source``."""
        for name in names:
            try:
                yield name, self._content(self._root / name)
            except OSError as error:
                yield name, reading_failed(error)

    @staticmethod
    def _content(path: Path) -> bytes | SkipReason:
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            return LINK
        if not stat.S_ISREG(status.st_mode):
            return NOT_REGULAR  # reading a pipe would block forever
        if status.st_size > MAX_FILE_BYTES:
            return too_large()
        return path.read_bytes()

    @contextmanager
    def open(self, name: str) -> Iterator[ByteStream]:
        """See ``Source``."""
        path = self._root / name
        if not stat.S_ISREG(path.lstat().st_mode):
            raise OSError("it is a link or not a regular file")
        with path.open("rb") as file:
            yield ByteStream(file, path.stat().st_size)

    def close(self) -> None:
        """See ``Source``."""


class FileSource:
    """A source that consists of one file, which may be a link.

    Args:
        path: The path of the file. If ``file`` is given, only the last part of the path is used, as
            the label.
        file: The file, if it is already open. The source closes it.
    """

    def __init__(self, path: Path, *, file: BinaryIO | None = None) -> None:
        self._path = path
        self._file = file
        self.label = on_one_line(path.name)

    def names(self, problems: ProblemLog) -> list[str]:
        """See ``Source``."""
        del problems
        return [self.label]

    def read_all(self, names: list[str]) -> Iterator[tuple[str, bytes | SkipReason]]:
        """See ``Source``."""
        for name in names:
            with self.open(name) as stream:
                content = stream.file.read(MAX_FILE_BYTES + 1)
            yield name, too_large() if len(content) > MAX_FILE_BYTES else content

    @contextmanager
    def open(self, name: str) -> Iterator[ByteStream]:
        """See ``Source``."""
        del name
        if self._file is None:
            self._file = self._path.open("rb")
        size = self._file.seek(0, os.SEEK_END)
        self._file.seek(0)
        yield ByteStream(self._file, size)

    def close(self) -> None:
        """See ``Source``."""
        if self._file is not None:
            self._file.close()
            self._file = None
