"""The lock of an imported dataset's folder, held by all code that changes files in this folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fer_core.dataset.imported import is_imported
from fer_core.errors import InputError

#: Folder of the lock files. It is outside the datasets' folders, so that a dataset's folder can be
#: deleted while its lock is held, and creating a lock file never recreates a deleted folder.
_LOCKS_FOLDER = ".locks"

#: Seconds between two attempts to take a lock that another process holds.
_POLL_SECONDS = 0.01


@contextmanager
def dataset_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a dataset's folder, across threads and processes.

    The lock is not reentrant: the thread that holds it cannot take it again. When a process ends
    or is killed, its locks are released.

    Args:
        folder: ``data/<name>``.

    Raises:
        InputError: The dataset does not exist, or was deleted while this caller waited.
        OSError: The lock file cannot be created.
    """
    # Imported here because it takes a tenth of a second to load.
    from filelock import FileLock

    path = folder.parent / _LOCKS_FOLDER / f"{folder.name}.lock"
    if not is_imported(folder):
        raise _deleted_error(folder)
    path.parent.mkdir(exist_ok=True)
    with FileLock(path, poll_interval=_POLL_SECONDS):
        # The dataset may have been deleted while this caller waited.
        if not is_imported(folder):
            raise _deleted_error(folder)
        yield


def _deleted_error(folder: Path) -> InputError:
    return InputError(f"The dataset {folder.name!r} no longer exists; choose another one.")
