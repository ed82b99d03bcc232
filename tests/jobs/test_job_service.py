"""The job service: progress, results, errors, cancellation, permissions, order."""

import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from fer_core.access import Admission, Role
from fer_core.errors import InputError
from fer_core.jobs import job as job_module
from fer_core.jobs.job import Job, JobCancelledError, JobKind
from fer_core.jobs.service import JobService

VIEW = JobKind("evaluation", Role.VIEWER)
EDIT = JobKind("import", Role.EDITOR)
NOBODY = Admission(Role.NONE, requires_login=True, reason="log in first.")
ANN = Admission(Role.VIEWER, requires_login=True, email="ann@example.org")
BOB = Admission(Role.VIEWER, requires_login=True, email="bob@example.org")
EDITOR = Admission(Role.EDITOR, requires_login=True, email="ed@example.org")
LOCAL = Admission(Role.EDITOR, requires_login=False)


@pytest.fixture
def service() -> JobService:
    return JobService()


class Gate:
    """Work that begins, then waits for the test."""

    def __init__(self) -> None:
        self.begun, self.open = threading.Event(), threading.Event()

    def __call__(self, job: Job) -> str:
        self.begun.set()
        assert self.open.wait(180)
        job.report(1, 2)
        return job.title


def ended(job: Job) -> Job:
    assert job.wait(180)
    return job


def test_a_job_returns_its_result(service: JobService) -> None:
    job = ended(service.start(VIEW, "a", "Reading", lambda job: (job.report(3, 4), 7)[1], ANN))
    assert (job.result, job.error, job.is_finished, job.was_cancelled) == (7, None, True, False)
    assert job.fraction == 0.75
    assert service.get(VIEW, "a") is job
    assert service.get(EDIT, "a") is None  # another kind with the same key
    service.discard(job)
    assert service.get(VIEW, "a") is None


def test_a_second_request_joins_the_unfinished_job_and_a_finished_one_is_replaced(
    service: JobService,
) -> None:
    gate = Gate()
    first = service.start(VIEW, "a", "first", gate, ANN)
    assert service.start(VIEW, "a", "second", gate, BOB) is first
    service.discard(first)  # unfinished: stays
    assert service.get(VIEW, "a") is first
    gate.open.set()
    ended(first)
    again = service.start(VIEW, "a", "again", lambda _: "new", BOB)
    assert again is not first
    assert ended(again).result == "new"


def test_an_input_error_is_its_sentence_and_any_other_is_logged(
    service: JobService, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(error: Exception) -> Callable[[Job], Any]:
        def work(job: Job) -> None:
            raise error

        return work

    bad = ended(service.start(VIEW, "bad", "Reading", fail(InputError("No such file.")), ANN))
    assert bad.error == "No such file."
    # Threads of other tests may log meanwhile.
    assert not [one for one in caplog.records if one.name == "fer_core.jobs.service"]
    with caplog.at_level(logging.ERROR):
        worse = ended(service.start(VIEW, "worse", "Reading", fail(RuntimeError("bug")), ANN))
    assert str(worse.error).startswith("Reading failed because of an unexpected error")
    assert "bug" not in str(worse.error)
    assert "RuntimeError: bug" in caplog.text


@pytest.mark.parametrize(
    ("kind", "visitor", "is_allowed"),
    [
        (VIEW, NOBODY, False),
        (VIEW, ANN, True),
        (VIEW, EDITOR, True),
        (EDIT, NOBODY, False),
        (EDIT, ANN, False),
        (EDIT, EDITOR, True),
        (EDIT, LOCAL, True),
    ],
)
def test_starting_takes_the_role_of_the_kind(
    service: JobService, kind: JobKind, visitor: Admission, *, is_allowed: bool
) -> None:
    if is_allowed:
        assert ended(service.start(kind, "a", "title", lambda _: 1, visitor)).result == 1
        return
    with pytest.raises(InputError, match="Nothing was changed"):
        service.start(kind, "a", "title", lambda _: 1, visitor)
    assert service.get(kind, "a") is None


@pytest.mark.parametrize(
    ("kind", "owner", "visitor", "is_allowed"),
    [
        (VIEW, ANN, ANN, True),
        (VIEW, ANN, BOB, False),  # one viewer does not stop another one's evaluation
        (VIEW, ANN, EDITOR, True),
        (VIEW, ANN, NOBODY, False),
        (EDIT, EDITOR, EDITOR, True),
        (EDIT, EDITOR, ANN, False),  # issue 18, row 3
        (EDIT, LOCAL, LOCAL, True),
    ],
)
def test_cancelling_takes_the_role_and_the_owner_or_an_editor(
    service: JobService, kind: JobKind, owner: Admission, visitor: Admission, *, is_allowed: bool
) -> None:
    gate = Gate()
    job = service.start(kind, "a", "title", gate, owner)
    assert job.may_be_cancelled_by(visitor) is is_allowed
    if is_allowed:
        service.cancel(job, visitor)
    else:
        with pytest.raises(InputError, match="Nothing was changed"):
            service.cancel(job, visitor)
    gate.open.set()
    ended(job)
    assert job.was_cancelled is is_allowed
    assert job.result == (None if is_allowed else "title")


def test_an_owner_who_lost_the_role_cannot_cancel(service: JobService) -> None:
    """Issue 18, row 4: an editor starts an import and is then removed from the editors."""
    gate = Gate()
    job = service.start(EDIT, "a", "Importing", gate, EDITOR)
    demoted = Admission(Role.VIEWER, requires_login=True, email=EDITOR.email)
    with pytest.raises(InputError, match="requires the editor role"):
        service.cancel(job, demoted)
    gate.open.set()
    assert ended(job).result == "Importing"


def test_a_cancelled_job_ends_at_its_next_report_and_is_dropped(service: JobService) -> None:
    gate = Gate()
    job = service.start(VIEW, "a", "title", gate, ANN)
    assert gate.begun.wait(180)
    service.cancel(job, ANN)
    assert not job.is_finished
    gate.open.set()
    assert ended(job).was_cancelled
    assert service.get(VIEW, "a") is None


def test_a_job_that_finishes_in_spite_of_being_cancelled_keeps_its_result(
    service: JobService,
) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def without_reports(job: Job) -> int:
        begun.set()
        assert may_end.wait(180)
        return 7

    job = service.start(VIEW, "a", "title", without_reports, ANN)
    assert begun.wait(180)
    service.cancel(job, ANN)
    may_end.set()
    ended(job)
    assert (job.result, job.was_cancelled) == (7, False)
    assert service.get(VIEW, "a") is job


def test_the_cancellation_passes_code_that_catches_every_exception() -> None:
    assert not issubclass(JobCancelledError, Exception)
    job = Job(VIEW, "a", "title", is_cancel_requested=True)
    for call in (lambda: job.report(1, 2), lambda: job.set_note("3 MB")):
        with pytest.raises(JobCancelledError):
            call()


def test_jobs_of_a_limited_kind_run_in_order_one_at_a_time(service: JobService) -> None:
    kind = JobKind("estimate", Role.EDITOR, max_parallel=1)
    gates = [Gate() for _ in range(3)]
    jobs = [
        service.start(kind, number, str(number), gate, EDITOR) for number, gate in enumerate(gates)
    ]
    assert gates[0].begun.wait(180)
    assert [job.is_running for job in jobs] == [True, False, False]
    assert service.unfinished(kind) == jobs
    other = ended(service.start(EDIT, 1, "other kind", lambda _: 1, EDITOR))
    assert other.result == 1
    service.cancel(jobs[1], EDITOR)  # never ran
    assert jobs[1].was_cancelled
    gates[0].open.set()
    ended(jobs[0])
    assert gates[2].begun.wait(180)
    gates[2].open.set()
    ended(jobs[2])
    assert not gates[1].begun.is_set()
    assert service.unfinished(kind) == []


def test_a_failing_job_makes_way_for_the_next_one(service: JobService) -> None:
    kind = JobKind("estimate", Role.EDITOR, max_parallel=1)
    gate = Gate()

    def fail(job: Job) -> None:
        gate(job)
        raise InputError("no")

    first = service.start(kind, 1, "first", fail, EDITOR)
    second = service.start(kind, 2, "second", lambda _: "done", EDITOR)
    gate.open.set()
    assert ended(first).error == "no"
    assert ended(second).result == "done"


def test_the_oldest_results_of_a_kind_are_dropped(service: JobService) -> None:
    kind = JobKind("evaluation", Role.VIEWER, max_finished=2)
    kept = ended(service.start(EDIT, 0, "another kind", lambda _: 1, EDITOR))
    for number in range(4):
        ended(service.start(kind, number, "title", lambda _: 1, ANN))
    # The third is still there: results are dropped when a job starts.
    assert [service.get(kind, number) is not None for number in range(4)] == [
        False,
        True,
        True,
        True,
    ]
    assert service.get(EDIT, 0) is kept


def test_progress_text_estimates_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(job_module.time, "monotonic", lambda: now)
    job = Job(VIEW, "a", "Reading", phase_started=now)
    assert job.progress_text == "Reading…"
    job.set_note("3 MB so far")
    assert job.progress_text == "Reading: 3 MB so far"
    job.report(0, 40)
    now += 10
    job.report(10, 40)
    assert job.progress_text == "Reading: 25 %, about 30 s left"
    now += 190
    job.report(20, 40)
    assert job.progress_text == "Reading: 50 %, about 3 min left"
    job.start_phase("Drawing")
    assert (job.progress_text, job.fraction) == ("Drawing…", 0.0)
    now += 10
    job.report(5, 40)
    # The estimate of a phase counts from the start of that phase, here from its first report.
    assert job.progress_text == "Drawing…"
