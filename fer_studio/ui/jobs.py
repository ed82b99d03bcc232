"""Work that takes longer than a click: done in a thread, watched from any tab.

A click elsewhere on the page ends a script that is under way, and with it whatever the script was
doing. Such work is therefore not done by the script.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from fer_core.errors import InputError
from fer_studio.ui.access import leave_if_refused
from fer_studio.ui.text import plain_text

_LOG = logging.getLogger(__name__)

_LOOK_SECONDS = 0.5
#: Finished jobs that nobody has forgotten: their results may be large.
_KEPT = 12
#: Beside a button that starts something long.
WAITING = (
    "Takes seconds to a few minutes, in the background: go on meanwhile, the result is kept until "
    "the server stops."
)
#: An estimate from less than this is a guess.
_ESTIMATE_SECONDS = 1.0


class JobStoppedError(BaseException):
    """Someone has asked the job to stop.

    It is no ``Exception``, so that work which takes any failure of a file for damage lets it pass.
    """


@dataclass
class Job:
    """One piece of work.

    Attributes:
        title: What it does, as a line beside its progress.
        done: How much is done.
        total: Of how much; 0 as long as that is not known.
        note: What it says of itself where there is no number to give.
        result: What came of it.
        error: The sentence to show if nothing did.
        is_finished: Whether it has ended, well or not.
        is_stopped: Whether someone has asked it to stop.
    """

    title: str
    done: int = 0
    total: int = 0
    note: str = ""
    result: Any = None
    error: str | None = None
    is_finished: bool = False
    is_stopped: bool = False
    started: float = field(default_factory=time.monotonic)

    def report(self, done: int, total: int) -> None:
        """Take progress: what long work calls now and then.

        Raises:
            JobStoppedError: It should end here.
        """
        if self.is_stopped:
            raise JobStoppedError
        if self.total != total:
            self.started = time.monotonic()
        self.done, self.total = done, total

    def tell(self, note: str) -> None:
        """Say how it stands where there is no number to give.

        Raises:
            JobStoppedError: It should end here.
        """
        if self.is_stopped:
            raise JobStoppedError
        self.note = note

    def begin(self, title: str) -> None:
        """Go on to another part of the work, whose progress begins anew."""
        self.title, self.done, self.total, self.note = title, 0, 0, ""

    @property
    def came_to_nothing(self) -> bool:
        """Whether it has ended because it was stopped: it is being forgotten in this moment."""
        return self.is_finished and self.is_stopped and self.result is None and self.error is None

    @property
    def share(self) -> float:
        """How much is done, 0 to 1."""
        return min(self.done / self.total, 1.0) if self.total else 0.0

    @property
    def line(self) -> str:
        """How it stands, with an estimate, in one line."""
        if self.note and not self.total:
            return f"{self.title}: {self.note}"
        elapsed = time.monotonic() - self.started
        if not self.done or elapsed < _ESTIMATE_SECONDS:
            return f"{self.title}…"
        left = elapsed * (1 - self.share) / max(self.share, 1e-6)
        return f"{self.title}: {100 * self.share:.0f} %, {_in_words(left)} left"


def _in_words(seconds: float) -> str:
    if seconds >= 90:
        return f"about {seconds / 60:.0f} minutes"
    return f"about {max(seconds, 1):.0f} s"


class JobBoard:
    """All jobs of this server, by key."""

    def __init__(self) -> None:
        self._jobs: dict[Hashable, Job] = {}
        self._lock = threading.Lock()

    def start(self, key: Hashable, title: str, work: Callable[[Job], Any]) -> Job:
        """Start a job, unless one of this key is under way: then that one is given."""
        with self._lock:
            job = self._jobs.get(key)
            if job is not None and not job.is_finished:
                return job
            # At the end again, so that what was asked for last is forgotten last.
            self._jobs.pop(key, None)
            job = self._jobs[key] = Job(title)
            self._forget_old()
        threading.Thread(target=self._run, args=(key, job, work), daemon=True).start()
        return job

    def get(self, key: Hashable) -> Job | None:
        """The job of this key, under way or finished and not yet forgotten."""
        return self._jobs.get(key)

    def forget(self, key: Hashable) -> None:
        """Let go of a finished job and its result."""
        with self._lock:
            job = self._jobs.get(key)
            if job is not None and job.is_finished:
                del self._jobs[key]

    def running(self, kind: str) -> list[Job]:
        """Jobs under way whose key is a tuple that begins with ``kind``."""
        return [
            job
            for key, job in list(self._jobs.items())
            if isinstance(key, tuple) and key[0] == kind and not job.is_finished
        ]

    def _forget_old(self) -> None:
        finished = [key for key, job in self._jobs.items() if job.is_finished]
        for key in finished[: max(len(finished) - _KEPT, 0)]:
            del self._jobs[key]

    def _run(self, key: Hashable, job: Job, work: Callable[[Job], Any]) -> None:
        try:
            job.result = work(job)
        except JobStoppedError:
            pass
        except InputError as error:
            job.error = str(error)
        except Exception:
            _LOG.exception("%s failed", job.title)
            job.error = (
                f"{job.title} failed for a reason that the program did not expect; the server's "
                "log has it. Nothing was changed."
            )
        finally:
            job.is_finished = True
            if job.is_stopped and job.result is None:
                self.forget(key)


@st.cache_resource(show_spinner=False)
def job_board() -> JobBoard:
    """The one board of this server."""
    return JobBoard()


def asked_job(
    key: Hashable, title: str, work: Callable[[Job], Any], *, is_pressed: bool, stop_key: str
) -> Job | None:
    """Start a job when its button is pressed, and show its progress while it runs.

    Args:
        key: Tells this question from others: what was asked before is not asked again.
        title: What is being done.
        work: Does it, given the job.
        is_pressed: Whether its button was.
        stop_key: Of the button that stops it.

    Returns:
        The job, or None as long as nobody has asked, or where what was asked for was stopped.
    """
    job = job_board().get(key)
    if job is not None and job.came_to_nothing:
        job = None
    if job is None and is_pressed:
        job = job_board().start(key, title, work)
    if job is not None and not job.is_finished:
        show_progress(job, key=stop_key)
    return job


def result_of(key: Hashable, job: Job) -> Any:
    """What came of a job that has ended.

    Raises:
        InputError: It has failed; it is forgotten, so that it can be asked again.
    """
    if job.error is not None:
        job_board().forget(key)
        raise InputError(job.error)
    return job.result


def show_progress(job: Job, *, key: str | None) -> None:
    """Draw a job's bar and the way to stop it; once it has ended, the whole page runs again.

    It may have ended by now, after whoever calls this looked: then the page runs again at once.

    Args:
        job: What to watch.
        key: Of the button; None for work that would only begin again if it were stopped.
    """
    _follow(job, key)


@st.fragment(run_every=_LOOK_SECONDS)
def _follow(job: Job, key: str | None) -> None:
    leave_if_refused("evaluate")
    if job.is_finished:
        st.rerun()
    st.progress(job.share, plain_text(job.line))
    if key is not None and st.button(
        "Stop", icon=":material/stop_circle:", key=key, disabled=job.is_stopped
    ):
        job.is_stopped = True
