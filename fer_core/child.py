"""Process untrusted files in a child process, with limits for its memory and time.

A hostile or damaged file can crash the library that reads the file, or make the library use all
memory or CPU time. If a child process reads the file, a crash or an exceeded limit ends only the
child process.
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from fer_core.errors import InputError, first_line
from fer_core.settings import PROJECT_ROOT, module_command

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

#: Exit code of a child process that rejected the file.
_REJECTED_EXIT_CODE = 3
#: Seconds between two calls of ``on_wait``.
_WAIT_SECONDS = 0.5


@dataclass(frozen=True)
class Limits:
    """What a child process may use.

    Attributes:
        memory_bytes: Maximum address space. Not enforced on Windows.
        cpu_seconds: Maximum CPU time of all threads of the process together. Not enforced on
            Windows.
        seconds: Maximum wall-clock time from the start to the end of the process.
    """

    memory_bytes: int
    cpu_seconds: int
    seconds: float


class ChildError(Exception):
    """A child process ended without a result.

    Attributes:
        cause: "time" if the process exceeded a time limit, "crash" if a signal ended the process
            for another reason, "error" in all other cases.
        detail: The exceeded wall-clock limit, the signal, the last line of standard error, or the
            exit code if standard error is empty.
    """

    def __init__(self, cause: Literal["time", "crash", "error"], detail: str) -> None:
        super().__init__(f"{cause}: {detail}")
        self.cause = cause
        self.detail = detail


def run_child(
    module: str,
    arguments: list[str],
    limits: Limits,
    *,
    on_wait: Callable[[], None] | None = None,
) -> str:
    """Run a module of this project as a child process. The module has to call ``child_main``.

    Args:
        module: Full name of the module.
        arguments: Command-line arguments of the module.
        limits: What the child may use.
        on_wait: Called twice a second while the child runs. If it raises an exception, the child
            and the processes that the child started are ended; on Windows only the child.

    Returns:
        The result: what the child wrote to standard output.

    Raises:
        InputError: The child rejected the file.
        ChildError: The child ended without a result.
    """
    command = [
        *module_command(module),
        str(limits.memory_bytes),
        str(limits.cpu_seconds),
        *arguments,
    ]
    with subprocess.Popen(
        command,
        cwd=PROJECT_ROOT,
        env=child_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        # If ``on_wait`` is given, the child leads a new session, so that the child and its own
        # children can be ended together. If the child itself calls this function, it does so
        # without ``on_wait``, so its children stay in its session.
        start_new_session=on_wait is not None,
    ) as child:
        try:
            output, errors = _output_of(child, limits.seconds, on_wait)
        except BaseException:
            if on_wait is not None:
                _end_session(child)
            child.kill()
            raise
    if child.returncode == 0:
        return output
    if child.returncode == _REJECTED_EXIT_CODE:
        raise InputError(output.strip())
    if child.returncode < 0:
        # The system sends SIGXCPU at the limit of the CPU time. Windows does not have this signal.
        has_exceeded_time = -child.returncode == getattr(signal, "SIGXCPU", None)
        raise ChildError("time" if has_exceeded_time else "crash", f"signal {-child.returncode}")
    lines = errors.strip().splitlines()
    raise ChildError("error", lines[-1][:200] if lines else f"exit code {child.returncode}")


def _output_of(
    child: subprocess.Popen[str], seconds: float, on_wait: Callable[[], None] | None
) -> tuple[str, str]:
    """Wait for the end of a process; return its standard output and standard error."""
    end = time.monotonic() + seconds
    while True:
        remaining = end - time.monotonic()
        timeout = remaining if on_wait is None else min(remaining, _WAIT_SECONDS)
        try:
            return child.communicate(timeout=timeout)
        except subprocess.TimeoutExpired as error:
            if time.monotonic() >= end:
                raise ChildError("time", f"{seconds:g} s") from error
        if on_wait is not None:
            on_wait()


def _end_session(leader: subprocess.Popen[str]) -> None:
    """Kill all processes of the session that a process leads. Has no effect on Windows."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError):
            os.killpg(leader.pid, signal.SIGKILL)


def child_environment() -> dict[str, str]:
    """Return the environment variables for a child process with a memory limit."""
    # The allocator uses a single memory arena, and OpenBLAS a single thread, because an arena or a
    # buffer for each thread would use up the limited address space.
    return os.environ | {"MALLOC_ARENA_MAX": "1", "OPENBLAS_NUM_THREADS": "1"}


def child_main(function: Callable[[list[str]], str]) -> int:
    """Run a function in the child process, with the limits that ``run_child`` passed.

    Args:
        function: Receives the ``arguments`` of ``run_child``. It returns the result for the parent
            process, or raises ``InputError`` to reject the file.

    Returns:
        The exit code.
    """
    memory, cpu_seconds, *arguments = sys.argv[1:]
    limit_memory(int(memory))
    limit_cpu_time(int(cpu_seconds))
    # The result is written to a copy of standard output. Everything that libraries print goes to
    # standard error, so that it does not mix with the result.
    result_file = os.dup(1)
    os.dup2(2, 1)
    code = 0
    try:
        result = function(arguments)
    except InputError as error:
        result, code = str(error), _REJECTED_EXIT_CODE
    except Exception as error:
        # Each library raises its own exception types for a damaged file.
        print(first_line(error), file=sys.stderr)
        return 1
    with os.fdopen(result_file, "w", encoding="utf-8") as output:
        output.write(result)
    return code


def limit_memory(memory: int) -> None:
    """Limit the address space of this process.

    Args:
        memory: Maximum size in bytes. Not enforced on Windows.
    """
    if resource is None:
        return
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    # Core dumps are switched off, because a core dump could be as large as the memory limit.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limit_cpu_time(seconds: int) -> None:
    """End this process after it has used this CPU time, counted from now on.

    Args:
        seconds: CPU time of all threads of this process together. Not enforced on Windows. A later
            call replaces the limit.
    """
    if resource is None:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard_limit = resource.getrlimit(resource.RLIMIT_CPU)
    end = math.ceil(used.ru_utime + used.ru_stime) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (end, hard_limit))
