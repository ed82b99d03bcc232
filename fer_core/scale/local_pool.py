"""``LocalPool``: worker processes on this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import FrameType
from typing import Any

from fer_core.errors import InputError, first_line
from fer_core.scale.inputs import Item
from fer_core.scale.pool import Outcome, Task, run_task
from fer_core.scale.work import Work

#: The job fails if this number of consecutive workers die before they are ready.
_MAX_FAILED_STARTS = 3
#: Time in seconds after which a process that does not end by itself is killed.
_END_TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True)
class _StartMessage:
    """The arguments of a worker process; see ``LocalPool``."""

    work: Work
    threads: int
    memory_bytes: int
    folder: str


class LocalPool:
    """Worker processes, started with ``spawn`` so that no threads or locks are copied to them."""

    def __init__(
        self, work: Work, *, workers: int, threads: int, memory_bytes: int, folder: str
    ) -> None:
        """Start the processes. They load the model and the detector in the background.

        Args:
            work: What to do with the files; each process calls ``work.open``.
            workers: Number of processes.
            threads: Number of threads of each process.
            memory_bytes: See ``Work.open``.
            folder: The folder to which the relative paths of files refer.
        """
        self.size = workers
        self._start_message = _StartMessage(work, threads, memory_bytes, folder)
        self._failed_starts = 0
        self._workers = [self._start() for _ in range(workers)]

    def has_free_worker(self) -> bool:
        """Return True if a worker is ready and has no task."""
        return any(worker.is_ready and worker.task is None for worker in self._workers)

    def submit(self, task: Task) -> None:
        """Send a task to a free worker."""
        worker = next(worker for worker in self._workers if worker.is_ready and worker.task is None)
        worker.task = task
        with suppress(OSError):  # the worker may have died, which next_outcome reports
            worker.connection.send(task.items)

    def next_outcome(self) -> Outcome | None:
        """Wait for a worker; see ``Pool.next_outcome``."""
        connections = {worker.connection: worker for worker in self._workers}
        ready_connections = wait(list(connections))
        worker = connections[ready_connections[0]]  # type: ignore[index]
        try:
            kind, value = worker.connection.recv()
        except (EOFError, OSError):
            return self._replace(worker)
        if kind == "refused":
            raise InputError(value)
        task, worker.task = worker.task, None
        if kind == "ready":
            worker.is_ready, self._failed_starts = True, 0
            return None
        assert task is not None
        if kind == "failed":
            return Outcome(task, None, value)
        return Outcome(task, value)

    def close(self) -> None:
        """End the processes."""
        for worker in self._workers:
            worker.connection.close()
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join(_END_TIMEOUT_SECONDS)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()

    @property
    def process_ids(self) -> list[int]:
        """The IDs of the processes."""
        return [worker.process.pid or 0 for worker in self._workers]

    def _replace(self, worker: _WorkerProcess) -> Outcome | None:
        """Replace a worker that has died.

        Returns:
            The outcome of the worker's task; None if the worker had no task.

        Raises:
            InputError: Too many workers have died before they were ready.
        """
        worker.connection.close()
        worker.process.join(_END_TIMEOUT_SECONDS)
        worker.process.kill()
        worker.process.join()
        code = worker.process.exitcode
        if not worker.is_ready:
            self._failed_starts += 1
            if self._failed_starts >= _MAX_FAILED_STARTS:
                raise InputError(
                    f"The worker processes end before they are ready ({_end_reason(code)}); start "
                    "fewer with --workers, or free some memory."
                )
        self._workers[self._workers.index(worker)] = self._start()
        return None if worker.task is None else Outcome(worker.task, None, _end_reason(code))

    def _start(self) -> _WorkerProcess:
        context = multiprocessing.get_context("spawn")
        connection, other_end = context.Pipe()
        process = context.Process(
            target=_run_worker, args=(other_end, self._start_message), daemon=True
        )
        process.start()
        # Only the worker may hold the other end, so that reading fails when the worker has ended.
        other_end.close()
        return _WorkerProcess(process, connection)


class _WorkerProcess:
    """A process, its connection and its current task."""

    def __init__(self, process: SpawnProcess, connection: Connection[Any, Any]) -> None:
        self.process = process
        self.connection = connection
        self.task: Task | None = None
        self.is_ready = False


def _end_reason(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        return f"the process was ended by {name}"
    return f"the process ended with exit code {code}"


def _run_worker(connection: Connection[Any, Any], start_message: _StartMessage) -> None:
    """Process tasks until the driver, which started this process, dies or closes the connection.

    The process sends pairs. The first pair is ("ready", None), or ("refused", message) if the model
    or the detector cannot be loaded. After each task, the process sends ("done", rows) or
    ("failed", reason).
    """
    # Ctrl-C reaches all processes of a terminal. The driver decides when its workers end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # SIGTERM raises an exception, so that temporary files of the current task are removed.
    signal.signal(signal.SIGTERM, _exit)
    threading.Thread(target=_end_with_driver, daemon=True).start()
    try:
        try:
            os.chdir(start_message.folder)
            worker = start_message.work.open(
                threads=start_message.threads, memory_bytes=start_message.memory_bytes
            )
        except InputError as error:
            connection.send(("refused", str(error)))
            return
        connection.send(("ready", None))
        while True:
            items: Sequence[Item] = connection.recv()
            try:
                answer: tuple[str, bytes | str] = ("done", run_task(worker, items))
            except Exception as error:
                answer = ("failed", f"{type(error).__name__}: {first_line(error)}")
            connection.send(answer)
    except (EOFError, OSError):
        return  # the driver has ended


def _exit(signal_number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + signal_number)


def _end_with_driver() -> None:
    """End this process as soon as the driver dies.

    Without this, the process would first finish its current task, which may take an hour.
    """
    driver = multiprocessing.parent_process()
    assert driver is not None
    driver.join()
    os.kill(os.getpid(), signal.SIGTERM)
