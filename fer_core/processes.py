"""Start background processes, lock files for a process, and check whether a process is alive.

When a process ends, even by a crash, the operating system releases its locks.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from fer_core.settings import PROJECT_ROOT, Settings, module_command

#: Environment variable with the descriptor of an open file that holds a job's lock.
LOCK_VARIABLE = "FER_STUDIO_RUN_LOCK"

#: Maximum time to wait for processes that only check whether a file is locked. They usually hold a
#: shared lock for only a moment, but the system may suspend a process during this moment.
_MAX_CHECK_SECONDS = 30.0

#: Tolerance between two readings of a process's start time, in seconds.
_START_TOLERANCE = 1.0


def process_start(process_id: int) -> float | None:
    """Return the start time of a process in seconds; None if it is unknown.

    On Linux the time counts from the machine's start. A time since 1970 would change whenever the
    machine's clock is set, and a live process would not be recognized.
    """
    try:
        # proc(5) describes the fields. Field 2 is the program's name in brackets, which may itself
        # contain brackets and spaces. Therefore only the text after the last bracket is split: it
        # begins with field 3. The start time is field 22.
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


def is_process_alive(process_id: int, start_time: float | None) -> bool:
    """Return True if exactly this process is still running; False if psutil is not installed.

    Args:
        process_id: ID of the process, which the system may have reused for a later process.
        start_time: Start time of the process from ``process_start``. If it is None, any process
            with this ID counts as this process.
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
        # ValueError and OverflowError mean an invalid process ID: the file that contained the ID
        # may have been edited manually.
        return False
    if start_time is None:
        return True
    current_start = process_start(process_id)
    return current_start is not None and abs(current_start - start_time) < _START_TOLERANCE


def kill_with_children(process_id: int) -> None:
    """End a process and its child processes at once.

    Raises:
        PermissionError: A process belongs to another user.
    """
    import psutil

    try:
        process = psutil.Process(process_id)
        processes = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    except psutil.AccessDenied as error:
        raise PermissionError from error
    # The process group is ended only if the process leads it. A job that a shell script started is
    # in the group of the script, and the script must not be ended.
    with suppress(ProcessLookupError):  # the process may just have ended
        if hasattr(os, "killpg") and os.getpgid(process_id) == process_id:
            os.killpg(process_id, signal.SIGKILL)
    for member in processes:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
        except psutil.AccessDenied as error:
            raise PermissionError from error


def lock_file(path: Path, timeout: float = 0.0) -> int | None:
    """Lock an existing file for this process until the returned descriptor is closed.

    On systems without ``fcntl`` (Windows), nothing is locked, so concurrent calls all succeed.

    Args:
        path: The file.
        timeout: Seconds to wait for another process to release the lock. If only processes that
            check the lock (see ``is_locked``) hold it, this function may wait longer, because these
            processes release it soon.

    Returns:
        The descriptor of the open file; None if another process holds the lock.

    Raises:
        OSError: The file cannot be opened or locked.
    """
    start = time.monotonic()
    while True:
        descriptor = os.open(path, os.O_RDONLY)
        if _try_lock(descriptor) and _is_same_file(path, descriptor):
            return descriptor
        # Processes that check the lock hold shared locks, which do not exclude another shared lock.
        is_only_checked = _try_lock(descriptor, shared=True)
        os.close(descriptor)
        limit = max(timeout, _MAX_CHECK_SECONDS) if is_only_checked else timeout
        if time.monotonic() - start >= limit:
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
    """Return True if a path still belongs to the open file; False if it was replaced or removed."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def is_locked(path: Path) -> bool | None:
    """Return True if a process holds a file's lock; None if this is unknown."""
    if importlib.util.find_spec("fcntl") is None:
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    except OSError:
        return None
    try:
        # The lock is shared, so that two processes that check at the same time do not find each
        # other's lock.
        return not _try_lock(descriptor, shared=True)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def inherited_lock(path: Path) -> int | None:
    """Return the descriptor of a locked file, if this process inherited its lock; otherwise None.

    The process that starts a job locks a file of the job and passes the lock to the job's process.
    The file is locked all the time, so that no other process can start the job as well.
    """
    try:
        descriptor = int(os.environ[LOCK_VARIABLE])
        if not _is_same_file(path, descriptor):
            return None
    except (KeyError, ValueError, OSError):
        return None
    # Child processes of this process must not inherit the lock.
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
        arguments: Command-line arguments of the module.
        settings: Passed on through the environment, so that the module uses the same folders.
        output: Descriptor of the file that receives standard output and standard error.
        lock: Descriptor of a locked file, which the started process inherits (``inherited_lock``).
        on_exit: Called in a thread of this process when the started process has ended; not called
            if this process ends first.

    Returns:
        The ID of the started process.

    Raises:
        OSError: The system cannot start a process.
    """
    environment = os.environ | {
        "FER_STUDIO_DATA": str(settings.data_root),
        "FER_STUDIO_RUNS": str(settings.runs_root),
        "FER_STUDIO_MODELS": str(settings.models_root),
        "FER_STUDIO_ANALYSES": str(settings.analyses_root),
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
        child.wait()  # this also removes the ended process from the system's table
        if on_exit is not None:
            on_exit()

    threading.Thread(target=wait, daemon=True).start()
    return child.pid


@contextmanager
def stop_on_signals(message: str) -> Iterator[threading.Event]:
    """Provide an event that the first interrupt or terminate signal sets.

    The second signal ends the process. Outside of the main thread, signals do not set the event.

    Args:
        message: Printed at the first signal.
    """
    stop = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        print(f"\n{message} (signal again to end at once)", file=sys.stderr)
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield stop  # only the main thread receives signals
        return
    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
