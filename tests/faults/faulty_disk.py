"""A simulated disk that is full or read-only, or kills the process, at a given operation.

It counts what Python does to files below one folder: creating a name, writing bytes, renaming,
removing. Libraries that write from C (HDF5, SQLite) are not counted; the soak tests run them on a
small real disk.
"""

import builtins
import errno
import io
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

#: The size of a new directory entry, in bytes.
_ENTRY = 64
_FULL = (errno.ENOSPC, "No space left on device")


class FaultyDisk:
    """Counts the operations on files below a folder and makes one of them fail.

    Attributes:
        used: Bytes used so far, including ``_ENTRY`` for each new name.
        events: Operations so far.
        bounds: The value of ``used`` after each operation that takes space.
    """

    def __init__(
        self,
        root: Path,
        *,
        free: int | None = None,
        death: int | None = None,
        is_read_only: bool = False,
    ) -> None:
        """Start counting.

        Args:
            root: The folder.
            free: The disk is full after this many bytes.
            death: The process kills itself before this operation, counted from 0.
            is_read_only: Every operation fails.
        """
        self._root = str(root)
        self._free = free
        self._death = death
        self._is_read_only = is_read_only
        self.used = 0
        self.events = 0
        self.bounds: list[int] = []

    def holds(self, path: object) -> bool:
        if isinstance(path, int) or not isinstance(path, (str, bytes, os.PathLike)):
            return False
        return os.fsdecode(path).startswith(self._root)

    def event(self) -> None:
        if self.events == self._death:
            os.kill(os.getpid(), signal.SIGKILL)
        if self._is_read_only:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        self.events += 1

    def take(self, wanted: int) -> int:
        """Use up to this many bytes; return how many were free."""
        granted = wanted if self._free is None else min(wanted, self._free - self.used)
        self.used += granted
        self.bounds.append(self.used)
        return granted

    def new_entry(self, path: object) -> None:
        self.event()
        if self.take(_ENTRY) < _ENTRY:
            raise OSError(*_FULL, os.fspath(path))  # type: ignore[call-overload]


class _File(io.FileIO):
    """A file that accepts as many bytes as the disk has free."""

    disk: FaultyDisk

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        self.disk.event()
        granted = self.disk.take(len(view))
        if not granted and len(view):
            raise OSError(*_FULL)
        return super().write(view[:granted])


@contextmanager
def faulty(disk: FaultyDisk) -> Iterator[None]:
    """Send everything that this process writes through the simulated disk."""
    real_open, real_os_open = io.open, os.open

    def is_new(path: object) -> bool:
        return not os.path.lexists(path)  # type: ignore[arg-type]

    def open_file(file: Any, mode: str = "r", *rest: Any, **options: Any) -> Any:
        if not (set(mode) & set("wax+") and disk.holds(file)):
            return real_open(file, mode, *rest, **options)
        if is_new(file):
            disk.new_entry(file)
        else:
            disk.event()
        names = ("buffering", "encoding", "errors", "newline")
        asked = dict(zip(names, rest, strict=False)) | options
        raw = _File(file, mode.replace("b", "").replace("t", ""))
        raw.disk = disk
        binary: Any = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        if "b" in mode:
            return binary
        kept = {name: asked.get(name) for name in ("encoding", "errors", "newline")}
        return io.TextIOWrapper(binary, **kept)

    def os_open(path: Any, flags: int, *rest: Any, **options: Any) -> int:
        if flags & os.O_CREAT and disk.holds(path) and is_new(path):
            disk.new_entry(path)
        return real_os_open(path, flags, *rest, **options)

    def making(real: Callable[..., Any], place: int) -> Callable[..., Any]:
        def call(*paths: Any, **options: Any) -> Any:
            # An existing name takes no space; the operating system reports the error.
            if disk.holds(paths[place]) and is_new(paths[place]):
                disk.new_entry(paths[place])
            return real(*paths, **options)

        return call

    def moving(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*paths: Any, **options: Any) -> Any:
            is_there = options.get("dir_fd") is not None or not is_new(paths[0])
            if is_there and (disk.holds(paths[0]) or options.get("dir_fd") is not None):
                disk.event()
            return real(*paths, **options)

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(io, "open", open_file)
        patch.setattr(builtins, "open", open_file)
        patch.setattr(os, "open", os_open)
        patch.setattr(os, "mkdir", making(os.mkdir, 0))
        patch.setattr(os, "link", making(os.link, 1))
        for name in ("rename", "replace", "unlink", "remove", "rmdir"):
            patch.setattr(os, name, moving(getattr(os, name)))
        yield


def some_of(numbers: list[int], most: int) -> list[int]:
    """Return at most this many of the numbers, evenly spaced, with the first and the last."""
    if len(numbers) <= most:
        return numbers
    return [numbers[round(i * (len(numbers) - 1) / (most - 1))] for i in range(most)]
