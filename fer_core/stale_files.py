"""What processes that died left half done is cleared away; what they moved aside comes back.

Nobody takes such files for anything else, because they are hidden; they only cost space.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from fer_core.files import OUTDATED, PART
from fer_core.settings import Settings

#: Nothing takes longer to write without a single file changing; a living process keeps what it
#: has in hand, also where it runs on another machine.
_DEAD_SECONDS = 24 * 3600.0

#: Between the two renames of a living process that replaces a folder lies far less.
_RENAME_SECONDS = 5.0

#: ``data/<name>/findings/`` and ``data/.cache/evaluations/`` lie deepest.
_DEPTH = 3


def remove_stale_temp_files(settings: Settings) -> list[Path]:
    """Remove what was left half written or half removed a day ago or longer.

    A folder that was moved aside for another one that never took its place comes back.

    Returns:
        What was removed or brought back. What the system refuses is left for another time.
    """
    cleared = []
    for root in (settings.data_root, settings.runs_root, settings.models_root):
        for path in _parts(root, _DEPTH):
            try:
                if _brought_back(path) or _removed(path):
                    cleared.append(path)
            except OSError:
                continue  # another process was quicker, or may do more than this one
    return cleared


def _parts(folder: Path, depth: int) -> Iterator[Path]:
    """Everything half done in a folder, down to a depth; what lies in it goes with it."""
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
    # The rename changed the inode and nothing that the folder holds.
    if abs(time.time() - path.stat().st_ctime) < _RENAME_SECONDS:
        return False
    path.rename(path.with_name(name))
    return True


def _removed(path: Path) -> bool:
    # A clock that was set back makes old files young; it does not make them tomorrow's.
    if abs(time.time() - _last_change(path)) < _DEAD_SECONDS:
        return False
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
    return not path.exists()


def _last_change(path: Path) -> float:
    """The youngest time of a file or of all that lies in a folder, seconds since 1970."""
    youngest = path.lstat().st_mtime
    if path.is_symlink():
        return youngest
    for folder, _, files in os.walk(path):
        inside = (Path(folder), *(Path(folder) / file for file in files))
        youngest = max([youngest, *(one.lstat().st_mtime for one in inside)])
    return youngest
