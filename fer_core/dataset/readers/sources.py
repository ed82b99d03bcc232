"""Where the files of a dataset come from: a file, a folder or an archive, behind one interface."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from fer_core.dataset.readers.problems import Fault, ProblemLog
from fer_core.errors import InputError

#: A file of a dataset of small faces is a few kilobytes; more than this is not read at once.
MAX_FILE_BYTES = 20 * 2**20
MAX_FILES = 1_000_000
#: What a source may hold unpacked, and what a table is read to.
MAX_TOTAL_BYTES = 4 * 2**30

LINK = Fault("is a link, which is not followed")
NO_FILE = Fault("is not an ordinary file")
EMPTY_FOLDER = Fault("is an empty folder")


@dataclass(frozen=True)
class ByteStream:
    """A file that is open for reading.

    Attributes:
        file: Its bytes.
        size: Their number, as the source states it.
    """

    file: IO[bytes]
    size: int


class Source(Protocol):
    """Files by their path inside the source."""

    @property
    def label(self) -> str:
        """What messages call the source."""

    def names(self, problems: ProblemLog) -> list[str]:
        """Paths inside the source, with ``/``, sorted, without hidden files.

        Args:
            problems: Takes what is not listed because it must not or cannot be read.

        Raises:
            InputError: The source cannot be read or is beyond the bounds.
        """

    def read_all(self, names: list[str]) -> Iterator[tuple[str, bytes | Fault]]:
        """Each file's content, or what is wrong with it.

        Raises:
            InputError: What they hold together is beyond the bound.
        """

    def open(self, name: str) -> AbstractContextManager[ByteStream]:
        """One file, to be read piece by piece, of any size.

        Reading may raise whatever a damaged medium or archive raises.
        """

    def close(self) -> None:
        """Let go of what is open; nothing can be read any more."""


def is_hidden(name: str) -> bool:
    """Whether a path is what systems leave behind: ``.DS_Store``, ``__MACOSX/…``."""
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


def too_large() -> Fault:
    """The fault of a file over the bound."""
    return Fault(f"is larger than {MAX_FILE_BYTES >> 20} MB")


class FolderSource:
    """A folder on disk; links are not followed."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.label = root.name or str(root)

    def names(self, problems: ProblemLog) -> list[str]:
        """See ``Source``."""

        def unreadable(error: OSError) -> None:
            path = Path(error.filename).relative_to(self._root)
            problems.add(path.as_posix(), _unreadable(error))

        found: list[str] = []
        for folder, subfolders, files in os.walk(self._root, onerror=unreadable):
            subfolders[:] = sorted(name for name in subfolders if not is_hidden(name))
            relative = Path(folder).relative_to(self._root)
            if not subfolders and not files and relative.parts:
                problems.add(relative.as_posix(), EMPTY_FOLDER)
            for name in subfolders:
                if Path(folder, name).is_symlink():
                    problems.add((relative / name).as_posix(), LINK)
            found += [(relative / name).as_posix() for name in files if not is_hidden(name)]
            if len(found) > MAX_FILES:
                raise InputError(f"{self.label} holds more than {MAX_FILES:,} files; give less.")
        return sorted(found)

    def read_all(self, names: list[str]) -> Iterator[tuple[str, bytes | Fault]]:
        """See ``Source``."""
        for name in names:
            try:
                yield name, self._content(self._root / name)
            except OSError as error:
                yield name, _unreadable(error)

    @staticmethod
    def _content(path: Path) -> bytes | Fault:
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            return LINK
        if not stat.S_ISREG(status.st_mode):
            return NO_FILE  # a pipe would be waited for without end
        if status.st_size > MAX_FILE_BYTES:
            return too_large()
        return path.read_bytes()

    @contextmanager
    def open(self, name: str) -> Iterator[ByteStream]:
        """See ``Source``."""
        path = self._root / name
        if not stat.S_ISREG(path.lstat().st_mode):
            raise OSError("it is a link or not an ordinary file")
        with path.open("rb") as file:
            yield ByteStream(file, path.stat().st_size)

    def close(self) -> None:
        """See ``Source``."""


class FileSource:
    """A single file, as a source with one name: its own. It may be a link: it was asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.label = path.name

    def names(self, problems: ProblemLog) -> list[str]:
        """See ``Source``."""
        del problems
        return [self.label]

    def read_all(self, names: list[str]) -> Iterator[tuple[str, bytes | Fault]]:
        """See ``Source``."""
        for name in names:
            with self.open(name) as stream:
                content = stream.file.read(MAX_FILE_BYTES + 1)
            yield name, too_large() if len(content) > MAX_FILE_BYTES else content

    @contextmanager
    def open(self, name: str) -> Iterator[ByteStream]:
        """See ``Source``."""
        del name
        with self._path.open("rb") as file:
            yield ByteStream(file, self._path.stat().st_size)

    def close(self) -> None:
        """See ``Source``."""


def _unreadable(error: OSError) -> Fault:
    return Fault(f"cannot be read ({error.strerror})", "cannot be read")
