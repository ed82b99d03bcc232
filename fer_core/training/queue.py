"""The queue of pending runs: a file per run in ``runs/.queue/``.

Every change happens under one lock. There is no process for the queue: a job that ends starts
the next one.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fer_core.errors import InputError
from fer_core.files import is_disk_full, read_json, write_json
from fer_core.settings import Settings
from fer_core.training.control import is_active
from fer_core.training.processes import lock_file, spawn
from fer_core.training.run_folder import (
    CONTROL_FILE,
    LOG_FILE,
    QUEUE_FOLDER,
    SETUP_FILE,
    RunFolder,
    RunStatus,
)

_LOG = logging.getLogger(__name__)

_LOCK_FILE = "lock"
_LOCK_SECONDS = 30.0


@dataclass(frozen=True)
class _Entry:
    """A file of the queue."""

    order: float
    run_id: str


def enqueue(run: RunFolder, settings: Settings) -> None:
    """Add a run at the end of the queue without starting anything.

    Raises:
        InputError: It is being trained, is pending already, or is not in ``runs/``.
    """
    run.read_setup()
    _check_is_in_runs(run, settings)
    with _locked_queue(settings):
        if is_active(run):
            raise InputError(f"The run {run.path.name} is being trained already.")
        entries = _entries(settings)
        if any(entry.run_id == run.path.name for entry in entries):
            raise InputError(f"The run {run.path.name} is in the queue already.")
        known = [entry.order for entry in entries if math.isfinite(entry.order)]
        _write_entry(run.path.name, max(known, default=0) + 1, settings)


def remove_from_queue(run: RunFolder, settings: Settings) -> None:
    """Remove a pending run from the queue; its folder stays.

    Raises:
        InputError: It is not in the queue.
    """
    with _locked_queue(settings):
        _check_is_queued(run, settings)
        _entry_path(run.path.name, settings).unlink(missing_ok=True)


def move_in_queue(run: RunFolder, settings: Settings, position: int) -> None:
    """Move a pending run to another position.

    Args:
        run: The run.
        settings: Where ``runs/`` is.
        position: From 1; a value beyond either end means that end.

    Raises:
        InputError: It is not in the queue.
    """
    with _locked_queue(settings):
        _check_is_queued(run, settings)
        others = [entry for entry in _entries(settings) if entry.run_id != run.path.name]
        index = min(max(position - 1, 0), len(others))
        order = _order_between(others[:index], others[index:])
        if order is not None:
            _write_entry(run.path.name, order, settings)  # one file: an atomic move
            return
        others.insert(index, _Entry(0.0, run.path.name))
        for number, entry in enumerate(others, start=1):
            _write_entry(entry.run_id, number, settings)


def _order_between(before: list[_Entry], after: list[_Entry]) -> float | None:
    """Return a number between those of two neighbors; None if no float is between them."""
    low = before[-1].order if before else (after[0].order - 2 if after else 0.0)
    high = after[0].order if after else low + 2
    middle = (low + high) / 2
    return middle if math.isfinite(middle) and low < middle < high else None


def waiting_runs(settings: Settings) -> list[RunFolder]:
    """Return the pending runs, the next one first."""
    return [RunFolder(settings.runs_root / entry.run_id) for entry in _entries(settings)]


def active_runs(settings: Settings) -> list[RunFolder]:
    """Return the runs in ``runs/`` that are being trained by any process."""
    folders = (path.parent for path in settings.runs_root.glob(f"[!.]*/{SETUP_FILE}"))
    return [run for run in map(RunFolder, folders) if is_active(run)]


def start_pending_runs(settings: Settings) -> list[RunFolder]:
    """Start as many pending runs as may run now.

    Called when a run is launched, when a run ends and when the app starts. A run that cannot be
    started, for example because its log cannot be written, is marked as failed with the reason,
    and the next one is started.

    Returns:
        The runs that were started.

    Raises:
        InputError: The queue cannot be written, the disk is full, or the system cannot start a
            process.
    """
    started: list[RunFolder] = []
    if not _entries(settings):
        return started
    with _locked_queue(settings):
        free = settings.parallel_runs - len(active_runs(settings))
        for entry in _entries(settings):
            if free <= 0:
                break
            run = RunFolder(settings.runs_root / entry.run_id)
            if _start(run, settings):
                started.append(run)
                free -= 1
            _entry_path(entry.run_id, settings).unlink(missing_ok=True)
    return started


def _start(run: RunFolder, settings: Settings) -> bool:
    """Start a run's process, which inherits the run's lock; return False if it was not started.

    A run whose folder is gone, that is being trained already or that cannot be started does not
    stay in the queue.
    """
    try:
        # A process that only checks the lock also holds it for a moment.
        lock = lock_file(run.path / SETUP_FILE, timeout=0.5)
    except OSError:
        return False
    if lock is None:
        return False
    try:
        log = _open_log(run)
        if log is None:
            return False
        try:
            spawn(
                "fer_core.training.train_job",
                [str(run.path)],
                settings,
                output=log,
                lock=lock,
                on_exit=lambda: continue_queue(settings),
            )
        except OSError as error:
            raise InputError(
                f"The run {run.path.name} cannot be started ({error.strerror}); free some memory, "
                "or end other processes."
            ) from error
        finally:
            os.close(log)
    finally:
        os.close(lock)
    return True


def _open_log(run: RunFolder) -> int | None:
    """Open the log of a run that is about to start; mark the run as failed if that is impossible.

    Raises:
        InputError: The disk is full, so no other run in the queue could start either.
    """
    try:
        (run.path / CONTROL_FILE).unlink(missing_ok=True)
        return os.open(run.path / LOG_FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    except OSError as error:
        if is_disk_full(error):
            raise InputError(
                f"The run {run.path.name} cannot be started: the disk is full; free some space."
            ) from error
        reason = (
            f"The run could not be started: {error.filename} cannot be written "
            f"({error.strerror}); check its permissions, then continue the run."
        )
    try:
        epochs = len(run.read_epochs())
        run.write_status(RunStatus(state="failed", message=reason, epoch=epochs, epochs=epochs))
    except OSError:
        _LOG.warning("%s: %s", run.path.name, reason)
    return None


def continue_queue(settings: Settings) -> None:
    """Start pending runs after a run has ended; an error of the queue is logged, not raised."""
    try:
        start_pending_runs(settings)
    except InputError as error:
        _LOG.warning("Pending runs were not started: %s", error)


@contextmanager
def _locked_queue(settings: Settings) -> Iterator[None]:
    """Keep every other thread and process from changing the queue.

    Raises:
        InputError: The queue cannot be written, or another process keeps it locked.
    """
    # Imported here because the import is slow and pages often only read the queue.
    from filelock import FileLock, Timeout

    folder = settings.runs_root / QUEUE_FOLDER
    lock = FileLock(folder / _LOCK_FILE, timeout=_LOCK_SECONDS)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise InputError(
            f"The queue in {folder} is locked by a process that does not respond; try again."
        ) from error
    except OSError as error:
        raise InputError(
            f"The queue in {folder} cannot be written ({error.strerror}); check its permissions "
            "and the free space."
        ) from error
    try:
        yield
    except OSError as error:
        raise InputError(
            f"The queue in {folder} cannot be changed ({error.strerror}); check its permissions "
            "and the free space."
        ) from error
    finally:
        lock.release()


def _check_is_in_runs(run: RunFolder, settings: Settings) -> None:
    if run.path.parent.resolve() != settings.runs_root.resolve():
        raise InputError(
            f"{run.path} is not in {settings.runs_root} and cannot be queued; start it with "
            "'train --resume'."
        )


def _check_is_queued(run: RunFolder, settings: Settings) -> None:
    if not _entry_path(run.path.name, settings).exists():
        raise InputError(
            f"The run {run.path.name} is not in the queue; reload the page or the list."
        )


def _entry_path(run_id: str, settings: Settings) -> Path:
    return settings.runs_root / QUEUE_FOLDER / f"{run_id}.json"


def _write_entry(run_id: str, order: float, settings: Settings) -> None:
    write_json(_entry_path(run_id, settings), {"order": order, "queued": time.time()})


def _entries(settings: Settings) -> list[_Entry]:
    """Return the queue in order; an unreadable entry counts as the last one."""
    entries = []
    for path in (settings.runs_root / QUEUE_FOLDER).glob("[!.]*.json"):
        try:
            order = float(read_json(path)["order"])
        except FileNotFoundError:
            continue  # removed by another process just now
        except (OSError, ValueError, KeyError, TypeError):
            order = float("inf")
        entries.append(_Entry(order, path.name.removesuffix(".json")))
    return sorted(entries, key=lambda entry: (entry.order, entry.run_id))
