"""Remove temporary files of dead processes, and restore folders that they were replacing.

Temporary files are hidden, so that nothing else reads them. A stale file does no harm, but it uses
space.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from fer_core.files import REPLACED_MARK, TEMPORARY_MARK, WRITER_LOCK
from fer_core.settings import Settings

#: A temporary file that has not changed for this number of seconds is considered stale. Its writer
#: may be a process on another machine, so this process cannot check whether the writer is alive. A
#: folder with a lock file is removed earlier: as soon as its lock is free.
_STALE_SECONDS = 24 * 3600.0

#: Maximum seconds that a living process needs between creating a temporary folder and locking it,
#: and between the two renames that replace a folder.
_MAX_STEP_SECONDS = 5.0

#: Number of levels of folders to search, such as ``data/``, ``data/<name>/`` and
#: ``data/<name>/findings/``.
_DEPTH = 3


def remove_stale_temp_files(settings: Settings) -> list[Path]:
    """Remove incomplete files and folders of processes that died.

    A temporary folder with a lock file is removed as soon as its process has ended. Any other
    temporary file or folder is removed after a day without a change. If a process died while it
    replaced a folder, the old folder is restored.

    Returns:
        The temporary paths that were removed or restored. Files that cannot be removed stay until
        the next call.
    """
    handled = []
    for root in (
        settings.data_root,
        settings.runs_root,
        settings.models_root,
        settings.analyses_root,
    ):
        for path in _temporary_paths(root, _DEPTH):
            try:
                if _restore_replaced(path) or _remove_stale(path):
                    handled.append(path)
            except OSError:
                continue  # another process has removed it, or this process lacks the permission
    return handled


def remove_stale_folders(name: str, parent: Path) -> None:
    """Remove the folders that dead processes created with ``temporary_folder(name, parent)``."""
    for path in parent.glob(f".{name}.*{TEMPORARY_MARK}"):
        with suppress(OSError):
            if (path / WRITER_LOCK).is_file():
                _remove_stale(path)


def _temporary_paths(folder: Path, depth: int) -> Iterator[Path]:
    """Yield the temporary files and folders in a folder, down to a depth.

    Files and folders inside a temporary folder are not yielded, because they are removed with it.
    """
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith(".") and TEMPORARY_MARK in entry.name:
            yield Path(entry.path)
        elif depth > 1 and entry.is_dir(follow_symlinks=False):
            yield from _temporary_paths(Path(entry.path), depth - 1)


def _restore_replaced(path: Path) -> bool:
    """Restore the folder that a dead process was replacing; return True if it was restored."""
    name, separator, _ = path.name.removeprefix(".").rpartition(REPLACED_MARK)
    if not separator or not path.is_dir() or path.with_name(name).exists():
        return False
    # A rename changes only the folder's st_ctime. If the folder was renamed a moment ago, the
    # process that is replacing it may still be alive.
    if abs(time.time() - path.stat().st_ctime) < _MAX_STEP_SECONDS:
        return False
    path.rename(path.with_name(name))
    return True


def _remove_stale(path: Path) -> bool:
    """Remove a temporary path if its process is dead; return True if it was removed."""
    # The absolute value, because files may have times in the future after a clock was set back.
    age = abs(time.time() - _last_change(path))
    if (path / WRITER_LOCK).is_file():
        if age < _MAX_STEP_SECONDS or _has_writer(path):
            return False
    elif age < _STALE_SECONDS:
        return False
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
    return not path.exists()


def _has_writer(path: Path) -> bool:
    """Return True if the process that fills a temporary folder is alive."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(path / WRITER_LOCK, blocking=False):
            return False
    except Timeout:
        return True


def _last_change(path: Path) -> float:
    """Return the newest modification time of a file or of a folder's content, as a timestamp."""
    newest = path.lstat().st_mtime
    if path.is_symlink():
        return newest
    for folder, _, files in os.walk(path):
        paths = (Path(folder), *(Path(folder) / file for file in files))
        newest = max([newest, *(entry.lstat().st_mtime for entry in paths)])
    return newest
