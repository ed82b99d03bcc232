"""Run a job: distribute tasks to workers, repeat failed tasks, write complete parts."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fer_core.phrases import counted
from fer_core.progress import ProgressReport
from fer_core.scale.inputs import Item
from fer_core.scale.job_folder import JobFolder, JobRecord
from fer_core.scale.options import ScaleOptions
from fer_core.scale.pool import Outcome, Pool, Task
from fer_core.scale.ray_messages import logged_standard_output
from fer_core.scale.work import Work

if TYPE_CHECKING:
    import pyarrow

_log = logging.getLogger(__name__)

#: Number of failures after which a task is not repeated unchanged. A task of several files is
#: divided, to find the file that causes the failures; a single file becomes a row with an error.
_MAX_FAILURES = 2


@dataclass(frozen=True)
class JobResult:
    """A complete job.

    Attributes:
        record: The record of the job.
        summary: The number of files, rows, faces, errors and parts.
        processed: The number of files that this call of ``run_job`` processed. Earlier calls
            processed the other files.
    """

    record: JobRecord
    summary: dict[str, Any]
    processed: int


def run_job(
    work: Work,
    inputs: Sequence[str],
    items: Iterable[Item],
    folder: JobFolder,
    options: ScaleOptions,
    *,
    report: ProgressReport | None = None,
    on_start: Callable[[Pool], object] | None = None,
) -> JobResult:
    """Process all files of a job that are not in a finished part.

    Args:
        work: What to do with a file.
        inputs: The inputs of the user; a job can only be continued with the same inputs.
        items: The files; read only if the job is new.
        folder: The folder of the results.
        options: Where the job runs, and with how many workers.
        report: Called with the number of finished files and the number of all files.
        on_start: Called with the pool after it is created.

    Returns:
        The complete job.

    Raises:
        InputError: The folder, the cluster or the model cannot be used. Finished parts are kept.
    """
    with folder.locked(), logged_standard_output():
        record = folder.create_or_load(work, inputs, items, options.files_per_part)
        missing = folder.missing_parts(record)
        processed = 0
        if missing:
            first_item = folder.items(missing[0])[0]
            pool = _open_pool(work, options, record, first_item, _count_files(record, missing))
            try:
                if on_start is not None:
                    on_start(pool)
                running_job = _RunningJob(
                    work=work,
                    folder=folder,
                    record=record,
                    files_per_task=options.files_per_task,
                    pool=pool,
                    report=report,
                )
                processed = running_job.process(missing)
            finally:
                pool.close()
        return JobResult(record, folder.finish(record), processed)


def _open_pool(
    work: Work, options: ScaleOptions, record: JobRecord, first_item: Item, file_count: int
) -> Pool:
    # About the number of tasks: further workers would have nothing to do.
    max_workers = math.ceil(file_count / options.files_per_task)
    memory = options.worker_memory_mb * 2**20
    if options.backend == "ray":
        from fer_core.scale.ray_pool import RayPool

        return RayPool(
            work,
            address=options.address,
            workers=options.workers,
            threads=options.threads,
            memory_bytes=memory,
            folder=record.folder,
            probe=first_item.file,
            max_workers=max_workers,
        )
    from fer_core.scale.local_pool import LocalPool

    return LocalPool(
        work,
        workers=min(options.local_worker_count(), max_workers),
        threads=options.threads,
        memory_bytes=memory,
        folder=record.folder,
    )


def _count_files(record: JobRecord, parts: Sequence[int]) -> int:
    size = record.files_per_part
    return sum(min(size, record.file_count - part * size) for part in parts)


class _RunningJob:
    """The state of a running job: tasks to repeat, and the rows of incomplete parts."""

    def __init__(
        self,
        *,
        work: Work,
        folder: JobFolder,
        record: JobRecord,
        files_per_task: int,
        pool: Pool,
        report: ProgressReport | None,
    ) -> None:
        self._work = work
        self._schema = work.schema()
        self._folder = folder
        self._record = record
        self._files_per_task = files_per_task
        self._pool = pool
        self._report = report
        self._to_repeat: deque[Task] = deque()
        #: The number of files without rows, for each incomplete part.
        self._files_left: dict[int, int] = {}
        #: The tables of finished tasks by ``Task.start``, for each incomplete part.
        self._tables: dict[int, dict[int, pyarrow.Table]] = {}

    def process(self, parts: Sequence[int]) -> int:
        """Process parts; return the number of their files."""
        total = self._record.file_count
        done = total - _count_files(self._record, parts)
        done_before, running_count = done, 0
        tasks = self._tasks(parts)
        next_task = next(tasks, None)
        while next_task is not None or self._to_repeat or running_count:
            while self._pool.has_free_worker() and (self._to_repeat or next_task is not None):
                if self._to_repeat:
                    self._pool.submit(self._to_repeat.popleft())
                elif next_task is not None:
                    self._pool.submit(next_task)
                    next_task = next(tasks, None)
                running_count += 1
            outcome = self._pool.next_outcome()
            if outcome is None:
                continue
            running_count -= 1
            done += self._handle(outcome)
            if self._report is not None:
                self._report(done, total)
        return done - done_before

    def _tasks(self, parts: Sequence[int]) -> Iterator[Task]:
        """Yield the tasks of some parts.

        A part is added to ``_files_left`` and ``_tables`` when its first task is taken.
        """
        size = self._files_per_task
        for part in parts:
            items = self._folder.items(part)
            self._files_left[part], self._tables[part] = len(items), {}
            for start in range(0, len(items), size):
                yield Task(part, start, tuple(items[start : start + size]))

    def _handle(self, outcome: Outcome) -> int:
        """Store the rows of a task, or schedule the task again.

        Returns:
            The number of files in the task; 0 if the task is scheduled again.
        """
        import pyarrow as pa

        task = outcome.task
        if outcome.rows is not None:
            with pa.ipc.open_stream(outcome.rows) as reader:
                return self._add_rows(task, reader.read_all())
        failures = task.failures + 1
        first_file = task.items[0].file
        if failures >= _MAX_FAILURES and len(task.items) == 1:
            _log.warning("%s is not processed again (%s)", first_file, outcome.reason)
            return self._add_rows(task, self._error_table(task.items[0], outcome.reason))
        _log.warning(
            "%s, beginning with %s, will be processed again (%s)",
            counted(len(task.items), "file"),
            first_file,
            outcome.reason,
        )
        if failures < _MAX_FAILURES:
            self._to_repeat.append(replace(task, failures=failures))
        else:
            half = len(task.items) // 2
            # After one more failure, a half is divided again.
            failures = _MAX_FAILURES - 1
            self._to_repeat.append(Task(task.part, task.start, task.items[:half], failures))
            self._to_repeat.append(Task(task.part, task.start + half, task.items[half:], failures))
        return 0

    def _error_table(self, item: Item, reason: str) -> pyarrow.Table:
        """Return a table with the row of a file whose processing failed repeatedly.

        Args:
            item: The file.
            reason: Why the last attempt failed.
        """
        import pyarrow as pa

        name = item.file.replace("\\", "/").rpartition("/")[2]
        sentence = (
            f"{name} could not be processed because {_reason_clause(reason)}; try it alone, or "
            "with more memory for each worker."
        )
        row = dict(self._work.error_row(item, sentence))
        return pa.Table.from_pylist([row], self._schema)

    def _add_rows(self, task: Task, table: pyarrow.Table) -> int:
        """Store the rows of a task, and write the task's part if the part is complete.

        Returns:
            The number of files of the task.
        """
        self._tables[task.part][task.start] = table
        self._files_left[task.part] -= len(task.items)
        if not self._files_left[task.part]:
            tables = self._tables.pop(task.part)
            del self._files_left[task.part]
            self._folder.write_part(task.part, [tables[start] for start in sorted(tables)])
        return len(task.items)


def _reason_clause(reason: str) -> str:
    """Return a reason as the end of a sentence after "because".

    The reason is either a clause about the end of a process, such as "the process ended with exit
    code 1", or the message of an exception.
    """
    return reason if reason.startswith("the ") else f"of an unexpected error ({reason})"
