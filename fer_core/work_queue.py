"""A queue of pending work, stored on disk: one file per entry in a hidden folder.

Every change happens under one lock. No process watches the queue: the next entries are started by
``start_pending``, which is called, for example, when work is added and when work ends.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fer_core.errors import InputError, system_reason
from fer_core.files import read_json, write_json

_LOCK_FILE = "lock"
#: Maximum time to wait for the lock.
_LOCK_SECONDS = 30.0


@dataclass(frozen=True)
class _Entry:
    """An entry of the queue. The entry with the lowest ``order`` is the next one."""

    order: float
    name: str


class WorkQueue:
    """The order of pending work.

    ``append``, ``remove`` and ``move`` may be called only within ``locked``.
    """

    def __init__(self, folder: Path) -> None:
        """Open a queue.

        Args:
            folder: Folder of the queue; created when the queue is locked for the first time.
        """
        self._folder = folder

    def names(self) -> list[str]:
        """Return the names of the entries, the next one first."""
        return [entry.name for entry in self._entries()]

    def contains(self, name: str) -> bool:
        """Return True if there is an entry with this name."""
        return self._path(name).exists()

    def append(self, name: str) -> None:
        """Add an entry at the end."""
        orders = [entry.order for entry in self._entries() if math.isfinite(entry.order)]
        self._write(name, max(orders, default=0) + 1)

    def remove(self, name: str) -> None:
        """Remove an entry, if it exists."""
        self._path(name).unlink(missing_ok=True)

    def move(self, name: str, position: int) -> None:
        """Move an entry.

        Args:
            name: The entry.
            position: New position, from 1; a larger value than the number of entries means the end.
        """
        others = [entry for entry in self._entries() if entry.name != name]
        index = min(max(position - 1, 0), len(others))
        order = _order_between(others[:index], others[index:])
        if order is not None:
            self._write(name, order)  # atomic, because only one file changes
            return
        # No float is left between the orders of the two neighbors, so all entries get new orders.
        others.insert(index, _Entry(0.0, name))
        for order, entry in enumerate(others, start=1):
            self._write(entry.name, order)

    def start_pending(
        self, start: Callable[[str], bool], count_free_slots: Callable[[], int]
    ) -> list[str]:
        """Start the next entries while there are free slots.

        An entry is removed from the queue after the attempt, even if it could not be started.

        Args:
            start: Starts the work of an entry; returns False if it cannot be started.
            count_free_slots: Returns how many entries may be started; called while the queue is
                locked.

        Returns:
            The names of the started entries.

        Raises:
            InputError: The queue cannot be locked or written, or ``start`` raised an
                ``InputError``. In the second case, the entry stays in the queue.
        """
        started: list[str] = []
        if not self.names():
            return started
        with self.locked():
            free_slots = count_free_slots()
            for name in self.names():
                if len(started) >= free_slots:
                    break
                if start(name):
                    started.append(name)
                self.remove(name)
        return started

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other thread and process from changing the queue.

        Raises:
            InputError: The queue cannot be written, or another process keeps it locked for too
                long.
        """
        # Imported here because the import is slow and pages often only read the queue.
        from filelock import FileLock, Timeout

        lock = FileLock(self._folder / _LOCK_FILE, timeout=_LOCK_SECONDS)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout as error:
            raise InputError(
                f"The queue in {self._folder} is locked by a process that does not respond; try "
                "again."
            ) from error
        except OSError as error:
            raise InputError(
                f"The queue in {self._folder} cannot be written ({system_reason(error)}); check "
                "its permissions and the free space."
            ) from error
        try:
            yield
        except OSError as error:
            raise InputError(
                f"The queue in {self._folder} cannot be changed ({system_reason(error)}); check "
                "its permissions and the free space."
            ) from error
        finally:
            lock.release()

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _write(self, name: str, order: float) -> None:
        write_json(self._path(name), {"order": order, "queued": time.time()})

    def _entries(self) -> list[_Entry]:
        """Return the entries in order; unreadable entries come last."""
        entries = []
        for path in self._folder.glob("[!.]*.json"):
            try:
                order = float(read_json(path)["order"])
            except FileNotFoundError:
                continue  # removed by another process just now
            except (OSError, ValueError, KeyError, TypeError):
                order = float("inf")
            entries.append(_Entry(order, path.name.removesuffix(".json")))
        return sorted(entries, key=lambda entry: (entry.order, entry.name))


def _order_between(before: list[_Entry], after: list[_Entry]) -> float | None:
    """Return a number between the last order of ``before`` and the first order of ``after``.

    If ``before`` is empty, the number is 1 below the first order of ``after``. If ``after`` is
    empty, the number is 1 above the last order of ``before``. Return None if no float is between
    the two orders.
    """
    low = before[-1].order if before else (after[0].order - 2 if after else 0.0)
    high = after[0].order if after else low + 2
    middle = (low + high) / 2
    return middle if math.isfinite(middle) and low < middle < high else None
