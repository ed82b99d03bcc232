"""One background job: its kind, its progress and its result."""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from fer_core.access import Admission, Role
from fer_core.phrases import format_duration

#: Seconds of work before the remaining time is estimated; earlier estimates are not reliable.
_MIN_ESTIMATE_SECONDS = 1.0


class JobCancelledError(BaseException):
    """Raised inside a job's work after a user has cancelled the job.

    It is not an ``Exception``, so that an ``except Exception`` inside the work does not catch it.
    """


@dataclass(frozen=True)
class JobKind:
    """A kind of work and who may do it.

    Attributes:
        name: Identifies the kind. A job is identified by this name and its own key.
        role: The role that a visitor needs to start or cancel such a job.
        max_parallel: Maximum number of concurrent jobs of this kind; further jobs wait. None for no
            limit.
        max_finished: Maximum number of finished jobs, with their results, that are kept.
    """

    name: str
    role: Role
    max_parallel: int | None = None
    max_finished: int = 12


@dataclass(eq=False)
class Job:
    """A piece of work that a ``JobService`` runs in a thread.

    Attributes:
        kind: Kind of the work, which decides who may cancel the job.
        key: Identifies the work within its kind.
        title: What the work does; the first part of ``progress_text``.
        owner: The e-mail address of the person who started the job; empty without a login.
        done: Number of units of work that are done.
        total: Number of all units of work; 0 while unknown.
        note: A short status text, shown while ``total`` is unknown.
        result: What the work returned; None before the end.
        error: Why the work failed, as a sentence for the user; None if it did not fail.
        is_running: True while a thread does the work; False before and afterwards.
        is_cancel_requested: True once a user has cancelled the job.
        created: When the job was requested, in seconds of ``time.monotonic``.
        phase_started: When the current phase of the work began, on the same clock.
    """

    kind: JobKind
    key: Hashable
    title: str
    owner: str = ""
    done: int = 0
    total: int = 0
    note: str = ""
    result: Any = None
    error: str | None = None
    is_running: bool = False
    is_cancel_requested: bool = False
    created: float = field(default_factory=time.monotonic)
    phase_started: float = field(default_factory=time.monotonic)
    _finished: threading.Event = field(default_factory=threading.Event, repr=False)

    def report(self, done: int, total: int) -> None:
        """Record progress; the work calls this regularly.

        Raises:
            JobCancelledError: The job was cancelled and the work should end here.
        """
        self._raise_if_cancelled()
        if self.total != total:
            # A new total means a new phase, so the estimate of the time left starts again.
            self.phase_started = time.monotonic()
        self.done, self.total = done, total

    def set_note(self, note: str) -> None:
        """Record a status text for work whose total is unknown.

        Raises:
            JobCancelledError: The job was cancelled and the work should end here.
        """
        self._raise_if_cancelled()
        self.note = note

    def start_phase(self, title: str) -> None:
        """Begin the next phase of the work, with its own title and progress."""
        self.title, self.done, self.total, self.note = title, 0, 0, ""
        self.phase_started = time.monotonic()

    def may_be_cancelled_by(self, visitor: Admission) -> bool:
        """Return True if a visitor may cancel the job.

        The visitor needs the role that the job's kind requires. A visitor who is not an editor
        can cancel only jobs that he or she started.
        """
        is_allowed = visitor.role >= self.kind.role
        return is_allowed and (visitor.role >= Role.EDITOR or visitor.email == self.owner)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the job is finished; return False if ``timeout`` seconds were not enough."""
        return self._finished.wait(timeout)

    def finish(self) -> None:
        """Mark the job as finished; called by the service only."""
        self.is_running = False
        self._finished.set()

    @property
    def is_finished(self) -> bool:
        """True once the work has returned a result, has failed, or was cancelled and has ended."""
        return self._finished.is_set()

    @property
    def was_cancelled(self) -> bool:
        """True if the job was cancelled before it had a result or an error."""
        has_outcome = self.result is not None or self.error is not None
        return self.is_finished and self.is_cancel_requested and not has_outcome

    @property
    def fraction(self) -> float:
        """The fraction of the work that is done, 0 to 1."""
        return min(self.done / self.total, 1.0) if self.total else 0.0

    @property
    def progress_text(self) -> str:
        """One line with the title and, if known, the progress and the time left, or the note."""
        if self.note and not self.total:
            return f"{self.title}: {self.note}"
        elapsed = time.monotonic() - self.phase_started
        if not self.done or elapsed < _MIN_ESTIMATE_SECONDS:
            return f"{self.title}…"
        seconds_left = elapsed * (1 - self.fraction) / max(self.fraction, 1e-6)
        time_left = format_duration(max(seconds_left, 1))
        return f"{self.title}: {100 * self.fraction:.0f} %, about {time_left} left"

    def _raise_if_cancelled(self) -> None:
        if self.is_cancel_requested:
            raise JobCancelledError
