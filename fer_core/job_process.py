"""Start the process of a job that is stored on disk, such as a training run, and lock the job.

One process at a time works on a job. This process keeps a file of the job locked, which tells other
processes that it is alive. Other processes write requests, such as the request to stop, to another
file of the job.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from fer_core.errors import InputError
from fer_core.processes import inherited_lock, is_locked, is_process_alive, lock_file, spawn
from fer_core.settings import Settings

#: Seconds to wait for the lock. A process that only checks the lock holds it for a moment; a lock
#: that is held longer belongs to a process that works on the job.
LOCK_SECONDS = 0.5


class ProcessStatus(Protocol):
    """What the process of a job reported last."""

    @property
    def state(self) -> str:
        """What the process is doing, or how the job ended."""

    @property
    def process_id(self) -> int:
        """The ID of the process."""

    @property
    def process_started(self) -> float | None:
        """The start time of the process from ``process_start``; None if unknown."""


def start_job(
    module: str,
    arguments: list[str],
    settings: Settings,
    *,
    lock_path: Path,
    requests_path: Path,
    log_path: Path,
    on_exit: Callable[[], object] | None = None,
) -> bool:
    """Lock a job and start its process in the background.

    The process inherits the lock, and should call ``take_job_lock``. Old requests are removed,
    because they were meant for an earlier process.

    Args:
        module: The module that ``python -m`` runs.
        arguments: Command-line arguments of the process.
        settings: The program's folders.
        lock_path: The file of the job that is locked while a process works on the job.
        requests_path: The file with requests to the process of the job.
        log_path: The file to which the output of the process is appended.
        on_exit: Called in a thread of the calling process when the process of the job has ended;
            not called if the calling process ends first.

    Returns:
        True if the process was started; False if the job does not exist any more, or another
        process works on it.

    Raises:
        OSError: The log cannot be written, the old requests cannot be removed, or the system cannot
            start a process.
    """
    try:
        lock = lock_file(lock_path, LOCK_SECONDS)
    except OSError:
        return False
    if lock is None:
        return False
    try:
        requests_path.unlink(missing_ok=True)
        output = os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            spawn(module, arguments, settings, output=output, lock=lock, on_exit=on_exit)
        finally:
            os.close(output)
    finally:
        os.close(lock)
    return True


def take_job_lock(lock_path: Path, *, requests_path: Path, busy_message: str) -> int:
    """Lock a job for this process, until the returned descriptor is closed or the process ends.

    A process that ``start_job`` started has inherited the lock. It keeps the file of requests,
    because a request may be meant for it. Any other process removes the file, because the requests
    in the file were meant for an earlier process of the job.

    Args:
        lock_path: As for ``start_job``.
        requests_path: As for ``start_job``.
        busy_message: The message if another process works on the job.

    Raises:
        InputError: Another process works on the job.
        OSError: The file to lock cannot be opened.
    """
    descriptor = inherited_lock(lock_path)
    if descriptor is not None:
        return descriptor
    descriptor = lock_file(lock_path, LOCK_SECONDS)
    if descriptor is None:
        raise InputError(busy_message)
    # If the folder is not writable, the first write of the job raises a clearer error.
    with suppress(OSError):
        requests_path.unlink(missing_ok=True)
    return descriptor


def is_job_running(lock_path: Path, read_status: Callable[[], ProcessStatus | None]) -> bool:
    """Return True if a process works on a job.

    Args:
        lock_path: As for ``start_job``.
        read_status: Returns what the process of the job reported last. It is called only if the
            state of the lock is unknown, as on systems without locks.
    """
    locked = is_locked(lock_path)
    return has_living_process(read_status()) if locked is None else locked


def has_living_process(status: ProcessStatus | None) -> bool:
    """Return True if the process that reported a status is alive and has not ended the job."""
    return (
        status is not None
        and status.state in ("running", "paused")
        and is_process_alive(status.process_id, status.process_started)
    )
