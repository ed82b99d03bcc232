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
from fer_core.files import read_arrays, replaced_file

_FOLDER = "findings"

#: Number of newest files of one kind to keep: auditing a dataset with many models would otherwise
#: fill the disk.
_KEPT = 3

Arrays = dict[str, NDArray[Any]]


def cached_arrays(
    folder: Path | None, kind: str, content_key: str, make: Callable[[], Arrays]
) -> Arrays:
    """Return a cached result, or compute and cache it.

    If the file is damaged or cannot be written, the result is computed again.

    Args:
        folder: The dataset's folder; None for data read from a path, where nothing is cached.
        kind: The kind of result, with which the file's name begins.
        content_key: Identifies what it is computed from; another key is another result.
        make: Computes it: arrays by name, none of them with dtype object.
    """
    if folder is None:
        return make()
    path = folder / _FOLDER / f"{kind}-{re.sub(r'[^A-Za-z0-9._-]', '-', content_key)}.npz"
    cached = _read(path)
    if cached is not None:
        return cached
    made = make()
    try:
        # Written under the lock, so that a deleted dataset is not recreated.
        with dataset_lock(folder):
            with replaced_file(path) as temporary, temporary.open("wb") as file:
                np.savez(file, allow_pickle=False, **made)
            _drop_old(path, kind)
    except (OSError, InputError):
        pass  # a full disk, a read-only folder or a deleted dataset: the result is valid anyway
    return made


def _read(path: Path) -> Arrays | None:
    try:
        return read_arrays(path)
    except (OSError, ValueError):
        return None


def _drop_old(newest: Path, kind: str) -> None:
    # The new file stays, even if the clock was set back and it seems to be the oldest.
    others = [path for path in newest.parent.glob(f"{kind}-*.npz") if path != newest]
    others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in others[_KEPT - 1 :]:
        path.unlink(missing_ok=True)
