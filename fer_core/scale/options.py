"""The configuration of a job: workers, threads, memory, and sizes of parts and tasks."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from fer_core.errors import InputError
from fer_core.validation import FORBID_UNKNOWN, Integer, Text

#: Minimum memory of one worker, for the libraries, the model and the detector.
_SMALLEST_MEMORY_MB = 400


@dataclass(frozen=True, config=FORBID_UNKNOWN)
class ScaleOptions:
    """How a job is executed.

    These options do not change the rows, except the rows of files that need too much memory.

    Attributes:
        backend: *local* for processes on this machine, *ray* for a Ray cluster.
        address: The address of the Ray cluster. None for the cluster that runs on this machine; if
            no cluster runs, one is started.
        workers: Number of worker processes; None for as many as the cores and the memory allow.
        threads: Threads of each worker.
        worker_memory_mb: Memory of each worker, in megabytes. A file that needs more memory becomes
            a row with an error.
        files_per_part: Number of files in a part of the results.
        files_per_task: Number of files that a worker gets at a time. The faces of these files are
            classified together.
    """

    backend: Literal["local", "ray"] = "local"
    address: Text | None = None
    workers: Integer | None = Field(default=None, ge=1, le=4096)
    threads: Integer = Field(default=1, ge=1, le=256)
    worker_memory_mb: Integer = Field(default=1536, ge=_SMALLEST_MEMORY_MB)
    files_per_part: Integer = Field(default=1000, ge=1, le=100_000)
    files_per_task: Integer = Field(default=32, ge=1, le=10_000)

    def local_worker_count(self) -> int:
        """Return the number of processes on this machine.

        This is ``workers``. If ``workers`` is None, it is the number of processes that the cores
        and the free memory allow.

        Raises:
            InputError: The requested processes need more memory than this machine has.
        """
        import psutil

        memory = psutil.virtual_memory()
        if self.workers is not None:
            if self.workers * self.worker_memory_mb * 2**20 > memory.total:
                raise InputError(
                    f"{self.workers} workers of {self.worker_memory_mb} MB each need more than the "
                    f"{memory.total / 2**30:.1f} GB of this machine; lower --workers or "
                    "--worker-memory."
                )
            return self.workers
        cores = max(1, _usable_cores() // self.threads)
        return max(1, min(cores, int(memory.available) // (self.worker_memory_mb * 2**20)))


def parse_backend(
    text: str, environment: Mapping[str, str]
) -> tuple[Literal["local", "ray"], str | None]:
    """Return the backend and the address of a Ray cluster from the value of ``--on``.

    The address is None for ``local``, and for ``ray`` without the variable ``RAY_ADDRESS``.

    Args:
        text: ``local``, ``ray``, ``ray://HOST:PORT`` or ``HOST:PORT``.
        environment: The environment variables.

    Raises:
        InputError: The text has none of these forms.
    """
    if text == "local":
        return "local", None
    if text == "ray":
        return "ray", environment.get("RAY_ADDRESS") or None
    host, _, port = text.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit() or "/" in host:
        raise InputError(
            f"--on should be local, ray, ray://HOST:PORT or HOST:PORT. Received: {text!r}."
        )
    return "ray", text


def _usable_cores() -> int:
    """Return the number of cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not every operating system has this function
        return os.cpu_count() or 1
