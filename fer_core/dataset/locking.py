"""The lock of an imported dataset's folder, which everything that changes its files holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fer_core.dataset.imported import is_imported
from fer_core.errors import InputError

#: Outside the datasets' folders, so that a folder can be deleted while its lock is held, and so
#: that creating the lock file never recreates a deleted folder.
_LOCKS_FOLDER = ".locks"

#: Seconds between two attempts to take a lock that another process holds.
_POLL_SECONDS = 0.01


@contextmanager
def dataset_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a dataset's folder, across threads and processes.

    The lock cannot be taken again by the thread that holds it. It ends with the process that holds
    it, also if that is killed.

    Args:
        folder: ``data/<name>``.

    Raises:
        InputError: There is no dataset, at the latest when it is this caller's turn.
        OSError: The lock file cannot be created.
    """
    # Imported here because it takes a tenth of a second to load.
    from filelock import FileLock

    path = folder.parent / _LOCKS_FOLDER / f"{folder.name}.lock"
    if not is_imported(folder):
        raise _gone(folder)
    path.parent.mkdir(exist_ok=True)
    with FileLock(path, poll_interval=_POLL_SECONDS):
        # It may have been deleted while this caller waited.
        if not is_imported(folder):
            raise _gone(folder)
        yield


def _gone(folder: Path) -> InputError:
    return InputError(f"The dataset {folder.name!r} no longer exists; choose another one.")
