"""Results that take long, kept beside the dataset: ``data/<name>/findings/``."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.imported import is_imported
from fer_core.files import read_arrays, replaced_file

_FOLDER = "findings"

#: Files of one kind that are kept, the youngest: a dataset that is looked at with many models
#: would otherwise fill the disk.
_KEPT = 3

Arrays = dict[str, NDArray[Any]]


def cached_arrays(
    folder: Path | None, kind: str, content_key: str, make: Callable[[], Arrays]
) -> Arrays:
    """Read a result, or make it and keep it.

    A file that is damaged, or cannot be written, costs only the time to make the result again.

    Args:
        folder: The dataset's folder; None for one that is read from a path, where nothing is kept.
        kind: What the result is, the beginning of its file's name.
        content_key: What it was made from; another key is another result.
        make: Makes it: arrays by name, none of them of objects.
    """
    if folder is None:
        return make()
    path = folder / _FOLDER / f"{kind}-{re.sub(r'[^A-Za-z0-9._-]', '-', content_key)}.npz"
    kept = _read(path)
    if kept is not None:
        return kept
    made = make()
    # A dataset that was deleted meanwhile must not come back with its findings alone.
    if is_imported(folder):
        try:
            with replaced_file(path) as temporary, temporary.open("wb") as file:
                np.savez(file, allow_pickle=False, **made)
            _drop_old(path, kind)
        except OSError:
            pass  # a full disk or a folder that is only readable: the result is there all the same
    return made


def _read(path: Path) -> Arrays | None:
    try:
        return read_arrays(path)
    except (OSError, ValueError):
        return None


def _drop_old(newest: Path, kind: str) -> None:
    # What was written just now stays, even if a clock that was set back makes it the oldest.
    others = [path for path in newest.parent.glob(f"{kind}-*.npz") if path != newest]
    others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in others[_KEPT - 1 :]:
        path.unlink(missing_ok=True)
