"""The interface of pools of workers: a worker gets a task and returns rows, or fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fer_core.scale.inputs import Item
from fer_core.scale.work import Worker


@dataclass(frozen=True)
class Task:
    """Files that one worker processes together.

    Attributes:
        part: The number of the part that the files belong to, from 0.
        start: The index of the first file within the part.
        items: The files.
        failures: How often a worker has died or raised an error while it processed these files. If
            a task is divided into halves, they start with fewer failures than the task, so that
            each half is tried again.
    """

    part: int
    start: int
    items: tuple[Item, ...]
    failures: int = 0


@dataclass(frozen=True)
class Outcome:
    """The result of a task.

    Attributes:
        task: The task.
        rows: Rows of the task as an Arrow IPC stream; None if the task failed.
        reason: Why the task failed; empty if the task has rows.
    """

    task: Task
    rows: bytes | None
    reason: str = ""


class Pool(Protocol):
    """Workers that have opened a ``Work``. Each worker has at most one task at a time."""

    @property
    def size(self) -> int:
        """The number of workers."""
        ...

    def has_free_worker(self) -> bool:
        """Return True if ``submit`` can start a task immediately."""
        ...

    def submit(self, task: Task) -> None:
        """Give a task to a free worker."""
        ...

    def next_outcome(self) -> Outcome | None:
        """Wait until a task ends, or until a worker becomes ready or dies without a task.

        A worker that has died is replaced.

        Returns:
            The outcome of the task; None if no task has ended.

        Raises:
            InputError: Workers cannot be started, or cannot access the files of the job.
        """
        ...

    def close(self) -> None:
        """End all workers."""
        ...


def run_task(worker: Worker, items: Sequence[Item]) -> bytes:
    """Process files and return their rows as an Arrow IPC stream; called by the workers.

    Args:
        worker: The result of ``Work.open``.
        items: The files.
    """
    import pyarrow as pa

    table = worker.process(items)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content
