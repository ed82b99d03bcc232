"""Results that take long to compute, cached in ``data/<name>/findings/``."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.locking import dataset_lock
from fer_core.errors import InputError
from fer_core.files import atomic_write_file, read_arrays

_FOLDER = "findings"

#: Maximum number of cached results of one kind; the oldest results are deleted. Some results depend
#: on a model. Without a limit, audits of one dataset with many models would fill the disk.
_MAX_FILES_PER_KIND = 3

Arrays = dict[str, NDArray[Any]]


def cached_arrays(
    folder: Path | None, kind: str, content_key: str, compute: Callable[[], Arrays]
) -> Arrays:
    """Return a cached result, or compute and cache it.

    A damaged file is replaced. If the result cannot be cached, it is returned anyway.

    Args:
        folder: The dataset's folder; None for data that is read from a path. Results for such data
            are not cached.
        kind: The kind of result; the name of the cached file begins with it.
        content_key: Identifies the input of the computation; each key has its own file.
        compute: Returns the result: arrays by name, none of them with dtype object.
    """
    if folder is None:
        return compute()
    path = folder / _FOLDER / f"{kind}-{re.sub(r'[^A-Za-z0-9._-]', '-', content_key)}.npz"
    cached = _read(path)
    if cached is not None:
        return cached
    result = compute()
    try:
        # Without the lock, the folder of a dataset could be created again after its deletion.
        with dataset_lock(folder):
            with atomic_write_file(path) as temporary, temporary.open("wb") as file:
                np.savez(file, allow_pickle=False, **result)
            _delete_old_files(path, kind)
    except (OSError, InputError):
        pass  # a full disk, a read-only folder or a deleted dataset: the result is valid anyway
    return result


def _read(path: Path) -> Arrays | None:
    try:
        return read_arrays(path)
    except (OSError, ValueError):
        return None


def _delete_old_files(newest: Path, kind: str) -> None:
    # If the clock was set back, the newest file seems to be the oldest. It must stay.
    others = [path for path in newest.parent.glob(f"{kind}-*.npz") if path != newest]
    others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in others[_MAX_FILES_PER_KIND - 1 :]:
        path.unlink(missing_ok=True)
