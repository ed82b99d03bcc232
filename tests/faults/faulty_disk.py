"""A disk that fills up or is read-only, and a process that dies, at a step that one names.

Everything is counted that Python itself does to files below one folder: making a name, writing
bytes, renaming, removing. Libraries that write through C of their own (HDF5, SQLite) pass by; the
soak tests meet those on a real small disk.
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

#: What a new name costs, in bytes.
_ENTRY = 64
_FULL = (errno.ENOSPC, "No space left on device")


class FaultyDisk:
    """What is done to the files below a folder, and where that ends.

    Attributes:
        used: Bytes so far, a new name counting as some.
        events: Things done so far.
        bounds: After each thing done, how much was used.
    """

    def __init__(
        self,
        root: Path,
        *,
        free: int | None = None,
        death: int | None = None,
        is_read_only: bool = False,
    ) -> None:
        """Begin to count.

        Args:
            root: The folder.
            free: The disk is full after so many bytes.
            death: The process kills itself before it does this thing, counted from 0.
            is_read_only: Nothing can be changed at all.
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
        # The folder's own place is known; what lies below it need not be there.
        return os.fsdecode(path).startswith(self._root)

    def event(self) -> None:
        if self.events == self._death:
            os.kill(os.getpid(), signal.SIGKILL)
        if self._is_read_only:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        self.events += 1

    def room(self, wanted: int) -> int:
        """How many of so many bytes there is room for; they are taken."""
        granted = wanted if self._free is None else min(wanted, self._free - self.used)
        self.used += granted
        self.bounds.append(self.used)
        return granted

    def new_entry(self, path: object) -> None:
        self.event()
        if self.room(_ENTRY) < _ENTRY:
            raise OSError(*_FULL, os.fspath(path))  # type: ignore[call-overload]


class _File(io.FileIO):
    """A file that takes what there is room for."""

    disk: FaultyDisk

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        self.disk.event()
        granted = self.disk.room(len(view))
        if not granted and len(view):
            raise OSError(*_FULL)
        return super().write(view[:granted])


@contextmanager
def faulty(disk: FaultyDisk) -> Iterator[None]:
    """Let everything that this process writes go through the disk."""
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
            # What is there already costs nothing, and is refused by the system itself.
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
    """The first, the last and so many between them."""
    if len(numbers) <= most:
        return numbers
    return [numbers[round(i * (len(numbers) - 1) / (most - 1))] for i in range(most)]
