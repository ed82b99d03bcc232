"""Processes that train: starting them, their locks, and whether they are alive.

The operating system releases a process's lock when the process ends, however it ends.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from fer_core.settings import PROJECT_ROOT, Settings, module_command

#: Environment variable with the descriptor of an open file that holds the run's lock.
LOCK_VARIABLE = "FER_STUDIO_RUN_LOCK"

#: Tolerance between two readings of a process's start time, in seconds.
_START_TOLERANCE = 1.0


def process_start(process_id: int) -> float | None:
    """Return the start time of a process in seconds; None if it does not exist or is unknown.

    On Linux the time counts from the machine's start. A time since 1970 would change whenever the
    machine's clock is set, and a live process would not be recognized.
    """
    try:
        # The start time is field 22 in proc(5). Count from the last bracket, because the program's
        # name, which is in brackets, may contain brackets and spaces.
        fields = Path(f"/proc/{process_id}/stat").read_bytes().rpartition(b")")[2].split()
        return int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError, AttributeError):
        pass  # another system, or no such process
    try:
        import psutil
    except ImportError:
        return None  # psutil is optional on a machine that only trains
    try:
        return float(psutil.Process(process_id).create_time())
    except psutil.Error:
        return None


def is_process_alive(process_id: int, started: float | None) -> bool:
    """Return True if exactly this process is still running.

    Args:
        process_id: Its ID, which the system may have reused for a later process.
        started: Its start time from ``process_start``; None if unknown.
    """
    try:
        import psutil
    except ImportError:
        return False
    try:
        process = psutil.Process(process_id)
        # A dead process keeps its ID until its parent has read its exit code.
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
    except (psutil.Error, ValueError, OverflowError):
        # ValueError and OverflowError: the file was edited by hand and has no valid process ID.
        return False
    if started is None:
        return True
    began = process_start(process_id)
    return began is not None and abs(began - started) < _START_TOLERANCE


def lock_file(path: Path, timeout: float = 0.0) -> int | None:
    """Lock an existing file for this process until the returned descriptor is closed.

    On systems without such locks (Windows) two processes do not notice each other.

    Args:
        path: The file.
        timeout: Seconds to wait for another process to release the lock.

    Returns:
        The descriptor of the open file; None if another process holds the lock.

    Raises:
        OSError: The file cannot be opened.
    """
    deadline = time.monotonic() + timeout
    while True:
        descriptor = os.open(path, os.O_RDONLY)
        if _try_lock(descriptor) and _is_same_file(path, descriptor):
            return descriptor
        os.close(descriptor)
        if time.monotonic() >= deadline:
            return None
        time.sleep(0.01)


def _try_lock(descriptor: int, *, shared: bool = False) -> bool:
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_same_file(path: Path, descriptor: int) -> bool:
    """Return True if a path still refers to an open file; it may have been replaced."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def is_locked(path: Path) -> bool | None:
    """Return True if a process holds a file's lock; None if the system cannot tell."""
    if importlib.util.find_spec("fcntl") is None:
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    except OSError:
        return None
    try:
        # The lock is shared, so that two processes that only check do not affect each other.
        return not _try_lock(descriptor, shared=True)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def inherited_lock(path: Path) -> int | None:
    """Return the descriptor of a file's lock that this process inherited; None if it did not.

    The process that starts a training locks the run and passes the lock on, so that no other
    process can start the same run in between.
    """
    try:
        descriptor = int(os.environ[LOCK_VARIABLE])
        if not _is_same_file(path, descriptor):
            return None
    except (KeyError, ValueError, OSError):
        return None
    # Child processes of this process must not inherit it.
    os.set_inheritable(descriptor, False)
    del os.environ[LOCK_VARIABLE]
    return descriptor


def spawn(
    module: str,
    arguments: list[str],
    settings: Settings,
    *,
    output: int,
    lock: int,
    on_exit: Callable[[], object] | None = None,
) -> int:
    """Start a module of this program in its own session, so that it outlives this process.

    Args:
        module: The module that ``python -m`` runs.
        arguments: Its command line arguments.
        settings: Passed on through the environment, so that it uses the same folders.
        output: Descriptor of the file that receives its standard output and standard error.
        lock: Descriptor of a locked file, which the process inherits (``inherited_lock``).
        on_exit: Called in a thread when the process has ended, if this process still runs then.

    Returns:
        The process ID.

    Raises:
        OSError: The system cannot start a process.
    """
    environment = os.environ | {
        "FER_STUDIO_DATA": str(settings.data_root),
        "FER_STUDIO_RUNS": str(settings.runs_root),
        "FER_STUDIO_MODELS": str(settings.models_root),
        "FER_STUDIO_PARALLEL_RUNS": str(settings.parallel_runs),
        "PYTHONUNBUFFERED": "1",
        LOCK_VARIABLE: str(lock),
    }
    child = subprocess.Popen(
        [*module_command(module), *arguments],
        cwd=PROJECT_ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
        pass_fds=(lock,),
    )

    def wait() -> None:
        child.wait()  # which also keeps it from remaining a zombie
        if on_exit is not None:
            on_exit()

    threading.Thread(target=wait, daemon=True).start()
    return child.pid
