"""Removal of unfinished files that processes left behind when they died.

Such files are hidden and never read; they only take space.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from fer_core.files import OUTDATED, PART
from fer_core.settings import Settings

#: No write takes longer without changing a single file. Younger files may belong to a running
#: process, which can be on another machine.
_DEAD_SECONDS = 24 * 3600.0

#: A running process that replaces a folder needs far less between its two renames.
_RENAME_SECONDS = 5.0

#: The deepest folders are ``data/<name>/findings/`` and ``data/.cache/evaluations/``.
_DEPTH = 3


def remove_stale_temp_files(settings: Settings) -> list[Path]:
    """Remove files and folders whose write or removal stopped at least a day ago.

    A folder that was renamed for its replacement, while the replacement never came, is restored.

    Returns:
        The paths that were removed or restored. What the system refuses is skipped.
    """
    cleared = []
    for root in (settings.data_root, settings.runs_root, settings.models_root):
        for path in _parts(root, _DEPTH):
            try:
                if _brought_back(path) or _removed(path):
                    cleared.append(path)
            except OSError:
                continue  # another process was faster, or has other permissions
    return cleared


def _parts(folder: Path, depth: int) -> Iterator[Path]:
    """All unfinished files and folders in a folder, down to a depth."""
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith(".") and PART in entry.name:
            yield Path(entry.path)
        elif depth > 1 and entry.is_dir(follow_symlinks=False):
            yield from _parts(Path(entry.path), depth - 1)


def _brought_back(path: Path) -> bool:
    name, separator, _ = path.name.removeprefix(".").rpartition(OUTDATED)
    if not separator or not path.is_dir() or path.with_name(name).exists():
        return False
    # The rename changed the time of the inode, not those of the folder's files.
    if abs(time.time() - path.stat().st_ctime) < _RENAME_SECONDS:
        return False
    path.rename(path.with_name(name))
    return True


def _removed(path: Path) -> bool:
    # abs: if the clock was set back, old files have times in the future.
    if abs(time.time() - _last_change(path)) < _DEAD_SECONDS:
        return False
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
    return not path.exists()


def _last_change(path: Path) -> float:
    """The latest modification time of a file or a folder with its files, in seconds since 1970."""
    youngest = path.lstat().st_mtime
    if path.is_symlink():
        return youngest
    for folder, _, files in os.walk(path):
        inside = (Path(folder), *(Path(folder) / file for file in files))
        youngest = max([youngest, *(one.lstat().st_mtime for one in inside)])
    return youngest
