"""Where the files of a dataset come from: a folder or a zip archive, behind one interface."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from fer_core.errors import InputError

#: A file of a dataset of small faces is a few kilobytes; more than this is not read.
MAX_FILE_BYTES = 20 * 2**20
MAX_FILES = 1_000_000
MAX_TOTAL_BYTES = 4 * 2**30


class Source(Protocol):
    """Files by their path inside the source."""

    @property
    def label(self) -> str:
        """What messages call the source."""

    def names(self) -> list[str]:
        """Paths inside the source, with ``/``, sorted, without hidden files.

        Raises:
            InputError: The source cannot be read or is beyond the bounds.
        """

    def read_all(self, names: list[str]) -> Iterator[tuple[str, bytes | str]]:
        """Each file's content, or a sentence fragment that says why it cannot be read."""


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


class FolderSource:
    """A folder on disk; links are not followed."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.label = root.name

    def names(self) -> list[str]:
        """See ``Source``."""
        found = []
        for folder, subfolders, files in os.walk(self._root):
            subfolders[:] = [name for name in subfolders if not _is_hidden(name)]
            relative = Path(folder).relative_to(self._root)
            found += [(relative / name).as_posix() for name in files if not _is_hidden(name)]
            if len(found) > MAX_FILES:
                raise InputError(f"{self.label} holds more than {MAX_FILES:,} files; give less.")
        return sorted(found)

    def read_all(self, names: list[str]) -> Iterator[tuple[str, bytes | str]]:
        """See ``Source``."""
        for name in names:
            path = self._root / name
            try:
                if path.is_symlink():
                    yield name, "is a link, which is not followed"
                elif path.stat().st_size > MAX_FILE_BYTES:
                    yield name, f"is larger than {MAX_FILE_BYTES >> 20} MB"
                else:
                    yield name, path.read_bytes()
            except OSError as error:
                yield name, f"cannot be read ({error.strerror})"


class ZipSource:
    """A zip archive, read in memory: nothing is unpacked to disk, so no path can lead astray."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.label = path.name

    def names(self) -> list[str]:
        """See ``Source``."""
        try:
            with zipfile.ZipFile(self._path) as archive:
                members = [entry for entry in archive.infolist() if not entry.is_dir()]
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise InputError(
                f"{self.label} is not a whole zip archive ({error}); download or pack it again."
            ) from error
        if len(members) > MAX_FILES:
            raise InputError(f"{self.label} holds more than {MAX_FILES:,} files; pack less.")
        if sum(entry.file_size for entry in members) > MAX_TOTAL_BYTES:
            raise InputError(
                f"{self.label} would unpack to more than {MAX_TOTAL_BYTES >> 30} GB; pack less."
            )
        return sorted({entry.filename for entry in members if not _is_hidden(entry.filename)})

    def read_all(self, names: list[str]) -> Iterator[tuple[str, bytes | str]]:
        """See ``Source``."""
        with zipfile.ZipFile(self._path) as archive:
            for name in names:
                try:
                    yield name, self._read_member(archive, name)
                # A damaged member shows in many ways, each with an exception of its own: a wrong
                # checksum, a broken stream, an unknown method, a password. Each is that one
                # member's fault alone.
                except Exception as error:
                    yield name, f"cannot be unpacked ({error})"

    @staticmethod
    def _read_member(archive: zipfile.ZipFile, name: str) -> bytes | str:
        # The size that the archive states is the archive's word; the bound holds on what comes.
        with archive.open(name) as member:
            content = member.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            return f"is larger than {MAX_FILE_BYTES >> 20} MB"
        return content
