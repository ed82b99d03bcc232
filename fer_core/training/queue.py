"""The queue of pending runs: a file per run in ``runs/.queue/``."""

from __future__ import annotations

import logging
from pathlib import Path

from fer_core.errors import InputError, system_reason
from fer_core.files import is_disk_full
from fer_core.job_process import start_job
from fer_core.settings import Settings
from fer_core.training.control import is_active
from fer_core.training.run_folder import (
    CONTROL_FILE,
    LOG_FILE,
    QUEUE_FOLDER,
    SETUP_FILE,
    RunFolder,
    RunStatus,
)
from fer_core.work_queue import WorkQueue

_LOG = logging.getLogger(__name__)


def enqueue(run: RunFolder, settings: Settings) -> None:
    """Add a run at the end of the queue without starting anything.

    Raises:
        InputError: The folder contains no valid run, or the run is being trained, is pending
            already, or is not in ``runs/``.
    """
    run.read_setup()  # raises InputError if the folder contains no valid run
    _check_is_in_runs(run, settings)
    queue = _queue(settings)
    with queue.locked():
        if is_active(run):
            raise InputError(f"The run {run.path.name} is being trained already.")
        if queue.contains(run.path.name):
            raise InputError(f"The run {run.path.name} is in the queue already.")
        queue.append(run.path.name)


def remove_from_queue(run: RunFolder, settings: Settings) -> None:
    """Remove a pending run from the queue; its folder stays.

    Raises:
        InputError: The run is not in the queue.
    """
    queue = _queue(settings)
    with queue.locked():
        _check_is_queued(run, queue)
        queue.remove(run.path.name)


def move_in_queue(run: RunFolder, settings: Settings, position: int) -> None:
    """Move a pending run to another position.

    Args:
        run: The run.
        settings: Settings with the location of ``runs/``.
        position: New position, from 1; a value above the number of pending runs means the end.

    Raises:
        InputError: The run is not in the queue.
    """
    queue = _queue(settings)
    with queue.locked():
        _check_is_queued(run, queue)
        queue.move(run.path.name, position)


def pending_runs(settings: Settings) -> list[RunFolder]:
    """Return the pending runs in the order in which they will be started."""
    return [RunFolder(settings.runs_root / name) for name in _queue(settings).names()]


def active_runs(settings: Settings) -> list[RunFolder]:
    """Return the runs in ``runs/`` that are being trained by any process."""
    folders = (path.parent for path in settings.runs_root.glob(f"[!.]*/{SETUP_FILE}"))
    return [run for run in map(RunFolder, folders) if is_active(run)]


def start_pending_runs(settings: Settings) -> list[RunFolder]:
    """Start as many pending runs as the limit of parallel runs allows now.

    This function is called, for example, when a run is launched or continued, when a run ends and
    when the app starts. If a run cannot be started, for example because its log cannot be written,
    it is marked as failed with the reason, and the next run is started.

    Returns:
        The runs that were started.

    Raises:
        InputError: The queue cannot be written, the disk is full, or the system cannot start a
            process.
    """
    started = _queue(settings).start_pending(
        lambda name: _start(RunFolder(settings.runs_root / name), settings),
        lambda: settings.parallel_runs - len(active_runs(settings)),
    )
    return [RunFolder(settings.runs_root / name) for name in started]


def _start(run: RunFolder, settings: Settings) -> bool:
    """Start a run's process.

    Returns:
        False if the run was not started, because its folder is missing, it is being trained
        already, or a file in its folder cannot be written. The run then leaves the queue.

    Raises:
        InputError: The cause would also prevent the start of every other run, such as a full disk.
    """
    try:
        return start_job(
            "fer_core.training.train_job",
            [str(run.path)],
            settings,
            lock_path=run.path / SETUP_FILE,
            requests_path=run.path / CONTROL_FILE,
            log_path=run.path / LOG_FILE,
            on_exit=lambda: continue_queue(settings),
        )
    except OSError as error:
        if is_disk_full(error):
            raise InputError(
                f"The run {run.path.name} cannot be started: the disk is full; free some space."
            ) from error
        if error.filename is None or Path(error.filename).parent != run.path:
            raise InputError(
                f"The run {run.path.name} cannot be started ({system_reason(error)}); free some "
                "memory, or end other processes."
            ) from error
        _mark_failed(
            run,
            f"The run could not be started: {error.filename} cannot be written "
            f"({system_reason(error)}); check its permissions, then continue the run.",
        )
        return False


def _mark_failed(run: RunFolder, reason: str) -> None:
    try:
        epochs = len(run.read_epochs())
        run.write_status(RunStatus(state="failed", message=reason, epoch=epochs, epochs=epochs))
    except OSError:
        _LOG.warning("%s: %s", run.path.name, reason)


def continue_queue(settings: Settings) -> None:
    """Start pending runs after a run has ended. An ``InputError`` is logged and not raised."""
    try:
        start_pending_runs(settings)
    except InputError as error:
        _LOG.warning("Pending runs were not started: %s", error)


def _queue(settings: Settings) -> WorkQueue:
    return WorkQueue(settings.runs_root / QUEUE_FOLDER)


def _check_is_in_runs(run: RunFolder, settings: Settings) -> None:
    if run.path.parent.resolve() != settings.runs_root.resolve():
        raise InputError(
            f"{run.path} is not in {settings.runs_root} and cannot be queued; start it with "
            "'train --resume'."
        )


def _check_is_queued(run: RunFolder, queue: WorkQueue) -> None:
    if not queue.contains(run.path.name):
        raise InputError(
            f"The run {run.path.name} is not in the queue; reload the page or the list."
        )
