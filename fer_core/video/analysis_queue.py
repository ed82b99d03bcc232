"""The queue of pending analyses: a file per analysis in ``analyses/.queue/``.

One analysis runs at a time, because each one uses all cores.
"""

from __future__ import annotations

import logging

from fer_core.errors import InputError, system_reason
from fer_core.files import delete_folder, is_disk_full
from fer_core.job_process import start_job
from fer_core.settings import Settings
from fer_core.video.analysis_folder import (
    CONTROL_FILE,
    LOG_FILE,
    SETTINGS_FILE,
    AnalysisFolder,
    AnalysisStatus,
)
from fer_core.work_queue import WorkQueue

_LOG = logging.getLogger(__name__)
_QUEUE_FOLDER = ".queue"


def enqueue_analysis(folder: AnalysisFolder, settings: Settings) -> None:
    """Add an analysis at the end of the queue. If none is running, start the first of the queue.

    Raises:
        InputError: The analysis is running or pending already, or the queue cannot be written.
    """
    analysis = folder.read_settings()
    queue = _queue(settings)
    with queue.locked():
        if folder.is_active or queue.contains(folder.id):
            raise InputError(
                f"{analysis.video} is being analyzed already; wait until the analysis ends."
            )
        queue.append(folder.id)
    start_next_analysis(settings)


def pending_analyses(settings: Settings) -> list[str]:
    """Return the ids of the pending analyses, the next one first."""
    return _queue(settings).names()


def remove_pending_analysis(folder: AnalysisFolder, settings: Settings) -> None:
    """Remove a pending analysis from the queue; its folder stays."""
    queue = _queue(settings)
    with queue.locked():
        queue.remove(folder.id)


def start_next_analysis(settings: Settings) -> None:
    """Start the next pending analysis unless one is running.

    Raises:
        InputError: The queue cannot be written, or the disk is full.
    """
    _queue(settings).start_pending(
        start=lambda name: _start(AnalysisFolder(settings.analyses_root / name), settings),
        count_free_slots=lambda: 0 if _is_any_running(settings) else 1,
    )


def start_next_analysis_or_log(settings: Settings) -> None:
    """Call ``start_next_analysis``, and log an ``InputError`` instead of raising it."""
    try:
        start_next_analysis(settings)
    except InputError as error:
        _LOG.warning("Pending analyses were not started: %s", error)


def delete_analysis(folder: AnalysisFolder, settings: Settings) -> None:
    """Delete an analysis with everything that is stored for it.

    Raises:
        InputError: The analysis is running, cannot be removed, or is not in ``analyses/``.
    """
    if folder.path.parent.resolve() != settings.analyses_root.resolve():
        raise InputError(f"{folder.path} is not in {settings.analyses_root}; delete it manually.")
    if folder.is_active:
        raise InputError(f"The analysis {folder.id} is running; stop it first.")
    remove_pending_analysis(folder, settings)
    try:
        delete_folder(folder.path)
    except OSError as error:
        raise InputError(
            f"{folder.path} cannot be removed ({system_reason(error)}); check its permissions."
        ) from error


def _queue(settings: Settings) -> WorkQueue:
    return WorkQueue(settings.analyses_root / _QUEUE_FOLDER)


def _is_any_running(settings: Settings) -> bool:
    settings_files = settings.analyses_root.glob(f"[!.]*/{SETTINGS_FILE}")
    return any(AnalysisFolder(path.parent).is_active for path in settings_files)


def _start(folder: AnalysisFolder, settings: Settings) -> bool:
    """Start the process of an analysis; return False if it was not started.

    If the folder of the analysis was deleted, or another process works on it, no process is
    started. If the process cannot be started, the analysis is marked as failed. In all these cases,
    the queue removes the entry.

    Raises:
        InputError: The disk is full, so that no other analysis could start either. The entry stays
            in the queue.
    """
    try:
        return start_job(
            "fer_core.video.analysis_job",
            [str(folder.path)],
            settings,
            lock_path=folder.path / SETTINGS_FILE,
            requests_path=folder.path / CONTROL_FILE,
            log_path=folder.path / LOG_FILE,
            on_exit=lambda: start_next_analysis_or_log(settings),
        )
    except OSError as error:
        if is_disk_full(error):
            raise InputError("The analysis cannot be started: the disk is full.") from error
        reason = f"The analysis could not be started ({system_reason(error)}); try again."
    try:
        folder.write_status(AnalysisStatus(state="failed", message=reason))
    except OSError:
        _LOG.warning("%s: %s", folder.id, reason)
    return False
