"""Process untrusted files in a child process, with limits for its memory and time.

A hostile or damaged file can crash the library that reads it, or make it use all memory or
CPU time. In a child process, this ends only the child.
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from fer_core.errors import InputError, first_line
from fer_core.settings import PROJECT_ROOT, module_command

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

_REJECTED_EXIT_CODE = 3


@dataclass(frozen=True)
class Limits:
    """What a child process may use.

    Attributes:
        memory: Address space, in bytes. Not enforced on Windows.
        cpu_seconds: CPU time of all its threads together. Not enforced on Windows.
        seconds: Time from its start to its end.
    """

    memory: int
    cpu_seconds: int
    seconds: float


class ChildError(Exception):
    """A child process ended without a result.

    Attributes:
        cause: "time" if it exceeded a time limit, "crash" if a signal ended it, otherwise "error".
        detail: The last line of its standard error, or the number of the signal.
    """

    def __init__(self, cause: Literal["time", "crash", "error"], detail: str) -> None:
        super().__init__(f"{cause}: {detail}")
        self.cause = cause
        self.detail = detail


def run_child(module: str, arguments: list[str], limits: Limits) -> str:
    """Run a module of this project as a child process; it calls ``child_main``.

    Args:
        module: Its full name.
        arguments: Its command line.
        limits: What it may use.

    Returns:
        Its result: what it wrote to standard output.

    Raises:
        InputError: It rejected the file.
        ChildError: It ended without a result.
    """
    command = [
        *module_command(module),
        *(str(limits.memory), str(limits.cpu_seconds)),
        *arguments,
    ]
    try:
        child = subprocess.run(
            command,
            cwd=PROJECT_ROOT,
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=limits.seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ChildError("time", f"{limits.seconds:g} s") from error
    if child.returncode == 0:
        return child.stdout
    if child.returncode == _REJECTED_EXIT_CODE:
        raise InputError(child.stdout.strip())
    if child.returncode < 0:
        is_over_time = -child.returncode == getattr(signal, "SIGXCPU", None)
        raise ChildError("time" if is_over_time else "crash", f"signal {-child.returncode}")
    lines = child.stderr.strip().splitlines()
    raise ChildError("error", lines[-1][:200] if lines else f"exit code {child.returncode}")


def child_environment() -> dict[str, str]:
    """Return the environment variables for a child process with a memory limit."""
    # A single memory arena, because one per thread would use up the limited address space.
    return os.environ | {"MALLOC_ARENA_MAX": "1", "OPENBLAS_NUM_THREADS": "1"}


def child_main(work: Callable[[list[str]], str]) -> int:
    """Apply the limits and do the work, in the child.

    Args:
        work: Gets the command line and returns the result for the parent. It raises ``InputError``
            to reject the file.

    Returns:
        The exit code.
    """
    memory, cpu_seconds, *arguments = sys.argv[1:]
    limit_memory(int(memory))
    limit_cpu_time(int(cpu_seconds))
    # Output printed by libraries must not mix with the result.
    result_file = os.dup(1)
    os.dup2(2, 1)
    code = 0
    try:
        result = work(arguments)
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
        memory: In bytes. Not enforced on Windows.
    """
    if resource is None:
        return
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    # No core dump: it would be as large as the memory limit allows.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limit_cpu_time(seconds: int) -> None:
    """End this process after it has used this CPU time, counted from now on.

    Args:
        seconds: CPU time of all its threads together; a later call replaces it. Not enforced
            on Windows.
    """
    if resource is None:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    end = math.ceil(used.ru_utime + used.ru_stime) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (end, hard))
