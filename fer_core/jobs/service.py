"""The service that runs background jobs in threads and checks who may start and cancel them.

Streamlit ends the script of a page when the visitor clicks, together with any work in the script.
Long work therefore runs in the threads of this service, and every session can watch it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from fer_core.access import Admission, Role
from fer_core.errors import InputError
from fer_core.jobs.job import Job, JobCancelledError, JobKind

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class _PendingJob:
    """A job whose thread has not been started, and its work."""

    job: Job
    work: Callable[[Job], Any]


class JobService:
    """All background jobs of a server, identified by kind and key.

    The methods are thread-safe: many sessions may call them concurrently.
    """

    def __init__(self) -> None:
        self._jobs: dict[tuple[str, Hashable], Job] = {}
        self._pending: list[_PendingJob] = []
        self._lock = threading.RLock()

    def start(
        self,
        kind: JobKind,
        key: Hashable,
        title: str,
        work: Callable[[Job], Any],
        visitor: Admission,
    ) -> Job:
        """Start a job, or return the unfinished job with the same kind and key.

        Args:
            kind: The kind of work.
            key: Identifies the work within its kind.
            title: What the work does, such as "Importing faces"; shown with the progress.
            work: The function that does the work. It receives the job, regularly calls the job's
                ``report`` and returns the result.
            visitor: The visitor who starts the job.

        Raises:
            InputError: The visitor lacks the role that the kind requires.
        """
        visitor.require(kind.role)
        with self._lock:
            existing = self._jobs.get((kind.name, key))
            if existing is not None and not existing.is_finished:
                return existing
            # If too many jobs are finished, the first ones in the dictionary are dropped. Therefore
            # a finished job with this key is removed now: the new job should be the last one in the
            # dictionary instead of taking its place.
            self._jobs.pop((kind.name, key), None)
            job = self._jobs[kind.name, key] = Job(kind, key, title, visitor.email)
            self._drop_old_results(kind)
            self._pending.append(_PendingJob(job, work))
            self._start_pending()
        return job

    def get(self, kind: JobKind, key: Hashable) -> Job | None:
        """Return the job with this kind and key; None if there is none, or if it was dropped."""
        return self._jobs.get((kind.name, key))

    def unfinished(self, kind: JobKind) -> list[Job]:
        """Return the running and pending jobs of a kind, the oldest first."""
        with self._lock:
            return [
                job
                for job in self._jobs.values()
                if job.kind.name == kind.name and not job.is_finished
            ]

    def cancel(self, job: Job, visitor: Admission) -> None:
        """Cancel a job. A running job ends at its next progress report, a pending job ends at once.

        Raises:
            InputError: The visitor may not cancel the job.
        """
        visitor.require(job.kind.role)
        if not job.may_be_cancelled_by(visitor):
            # The visitor is not an editor, and someone else started the job. This call raises the
            # error, because only editors may cancel the jobs of others.
            visitor.require(Role.EDITOR)
        with self._lock:
            job.is_cancel_requested = True
            for pending in list(self._pending):
                if pending.job is job:
                    self._pending.remove(pending)
                    self._end(job)

    def discard(self, job: Job) -> None:
        """Drop a finished job and its result; an unfinished job is kept."""
        with self._lock:
            is_known = self._jobs.get((job.kind.name, job.key)) is job
            if is_known and job.is_finished:
                del self._jobs[job.kind.name, job.key]

    def _start_pending(self) -> None:
        """Start pending jobs, as long as ``max_parallel`` of their kind allows it."""
        for pending in list(self._pending):
            kind = pending.job.kind
            running_count = sum(job.is_running for job in self.unfinished(kind))
            if kind.max_parallel is not None and running_count >= kind.max_parallel:
                continue
            self._pending.remove(pending)
            pending.job.is_running = True
            threading.Thread(
                target=self._run, args=(pending.job, pending.work), daemon=True
            ).start()

    def _run(self, job: Job, work: Callable[[Job], Any]) -> None:
        try:
            job.result = work(job)
        except JobCancelledError:
            pass
        except InputError as error:
            job.error = str(error)
        except Exception:
            _LOG.exception("%s failed", job.title)
            job.error = (
                f"{job.title} failed because of an unexpected error; the server's log has the "
                "details."
            )
        finally:
            with self._lock:
                self._end(job)
                self._start_pending()

    def _end(self, job: Job) -> None:
        job.finish()
        if job.was_cancelled:
            self.discard(job)

    def _drop_old_results(self, kind: JobKind) -> None:
        finished = [job for job in self._of_kind(kind) if job.is_finished]
        for job in finished[: max(len(finished) - kind.max_finished, 0)]:
            self.discard(job)

    def _of_kind(self, kind: JobKind) -> list[Job]:
        return [job for job in self._jobs.values() if job.kind.name == kind.name]
