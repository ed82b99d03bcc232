"""Background jobs on a page: start one, show its progress, cancel it, get its result."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import streamlit as st

from fer_core.access import Role
from fer_core.errors import InputError
from fer_core.jobs.job import Job, JobKind
from fer_core.jobs.service import JobService
from fer_studio.ui.access import admission
from fer_studio.ui.fragments import placed_fragment
from fer_studio.ui.messages import ErrorKeeper
from fer_studio.ui.text import plain_text

_REFRESH_SECONDS = 0.5
_CANCEL_ERROR = ErrorKeeper("job_cancel_problem")

#: Shown next to a button that starts a long job.
LONG_JOB_HINT = (
    "Takes seconds to a few minutes and runs in the background. You can continue working. The "
    "result is kept until the server stops or newer results replace it."
)


@st.cache_resource(show_spinner=False)
def job_service() -> JobService:
    """Return the job service of this server."""
    return JobService()


def start_job(kind: JobKind, key: Hashable, title: str, task: Callable[[Job], Any]) -> Job:
    """Start a job for the visitor of this session, or return the unfinished job with this key.

    Raises:
        InputError: The visitor lacks the role that the kind requires.
    """
    return job_service().start(kind, key, title, task, admission())


def job_on_request(
    kind: JobKind,
    key: Hashable,
    title: str,
    task: Callable[[Job], Any],
    *,
    is_pressed: bool,
    stop_key: str,
) -> Job | None:
    """Start a job when its button is pressed, and show its progress while it runs.

    Args:
        kind: The kind of the job.
        key: Identifies the job. If there already is a job with this key, running or finished, it is
            returned and no new job is started. A cancelled job does not count.
        title: What the job does, for messages.
        task: The function that the job runs; it receives the job, to report progress.
        is_pressed: True if the button that starts the job has just been pressed.
        stop_key: The key of the button that cancels the job.

    Returns:
        The job; None if there is none, or if it was cancelled.

    Raises:
        InputError: The visitor lacks the role that the kind requires.
    """
    job = job_service().get(kind, key)
    if job is not None and job.was_cancelled:
        job = None
    if job is None and is_pressed:
        job = start_job(kind, key, title, task)
    if job is not None and not job.is_finished:
        show_progress(job, stop_key=stop_key)
    return job


def result_of(job: Job) -> Any:
    """Return the result of a finished job.

    Raises:
        InputError: The job failed; it is discarded, so that it can be started again.
    """
    if job.error is not None:
        job_service().discard(job)
        raise InputError(job.error)
    return job.result


def show_progress(job: Job, *, stop_key: str | None) -> None:
    """Draw a job's progress bar and Stop button; rerun the whole page as soon as the job has ended.

    Args:
        job: The job to watch.
        stop_key: The key of the Stop button, which is shown to visitors who may cancel the job.
            None to draw no button, for example if the page would at once restart a cancelled job.
    """
    placed_fragment(_show_progress, run_every=_REFRESH_SECONDS)(job, stop_key, admission().role)


def _show_progress(job: Job, stop_key: str | None, role: Role) -> None:
    visitor = admission()
    # The page decides what a visitor may see, but this fragment also runs without the page. If the
    # visitor's role has changed since the page was drawn, the page has to decide again.
    if job.is_finished or visitor.role is not role:
        st.rerun()
    st.progress(job.fraction, plain_text(job.progress_text))
    if stop_key is not None and job.may_be_cancelled_by(visitor):
        st.button(
            "Stop",
            icon=":material/stop_circle:",
            key=stop_key,
            disabled=job.is_cancel_requested,
            on_click=_cancel,
            args=(job,),
        )
    _CANCEL_ERROR.show()


def _cancel(job: Job) -> None:
    """Cancel a job if the visitor's role still allows it; the callback of "Stop"."""
    with _CANCEL_ERROR:
        job_service().cancel(job, admission())
