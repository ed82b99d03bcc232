"""Jobs on a page: what it shows, and who may stop one."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from logins import EDITOR, SECRETS, VIEWER, open_as, user
from streamlit.testing.v1 import AppTest

from fer_core.access import Admission, Role
from fer_core.jobs.job import Job, JobKind
from fer_core.settings import Settings
from fer_studio.ui import jobs
from fer_studio.ui.dataset import importing
from fer_studio.ui.jobs import job_on_request, job_service

LOOKING = JobKind("looking", Role.EDITOR)


def stop_buttons(app: AppTest) -> list[str]:
    return [button.key for button in app.button if button.label == "Stop"]


@pytest.fixture
def work() -> Iterator[Callable[[Job], tuple[str, int, int]]]:
    """Work that runs until the end of the test."""
    is_over = threading.Event()

    def wait(job: Job) -> tuple[str, int, int]:
        while not is_over.wait(0.02):
            job.report(1, 10)
        return "demo", 1, 0

    yield wait
    is_over.set()


def editor() -> Admission:
    return Admission(Role.EDITOR, requires_login=True, email=EDITOR)


def test_a_job_that_was_just_cancelled_counts_as_not_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service = jobs.JobService()
    monkeypatch.setattr(jobs, "job_service", lambda: service)
    job = service.start(LOOKING, "key", "Looking", lambda _: 7, editor())
    assert job.wait(180)

    def found() -> Job | None:
        return job_on_request(LOOKING, "key", "Looking", int, is_pressed=False, stop_key="stop")

    job.is_cancel_requested = True  # too late: it has a result, which counts
    assert found() is job
    job.result = None  # it ended cancelled, and the service is about to drop it
    assert job.was_cancelled
    assert found() is None


def test_a_viewer_watches_an_editors_job_and_cannot_stop_it(
    home: Settings, work: Callable[[Job], Any]
) -> None:
    """Issue 18, row 3: a viewer used to stop an editor's job."""
    job = job_service().start(importing.IMPORT, "demo", "Importing", work, editor())

    def script() -> None:
        from fer_core.jobs.job import JobKind
        from fer_studio.ui.dataset import importing
        from fer_studio.ui.jobs import job_service, show_progress

        assert isinstance(importing.IMPORT, JobKind)
        job = job_service().get(importing.IMPORT, "demo")
        assert job is not None
        show_progress(job, stop_key="stop_import")

    app = AppTest.from_function(script, default_timeout=180)
    app.secrets, app.user = SECRETS, user(VIEWER)
    app.run()
    assert app.get("progress")[0].proto.text.startswith("Importing")
    assert stop_buttons(app) == []
    app.user = user(EDITOR)
    app.run()
    # The click of a page that was drawn for an editor, who is a viewer by now.
    app.user = user(VIEWER)
    app.button(key="stop_import").click().run()
    assert not job.is_cancel_requested
    assert stop_buttons(app) == []
    app.user = user(EDITOR)
    app.run()
    app.button(key="stop_import").click().run()
    assert job.wait(180)
    assert job.was_cancelled


def test_who_lost_the_role_cannot_stop_a_job_from_an_open_page(
    home: Settings, work: Callable[[Job], Any]
) -> None:
    """Issue 18, row 4: an editor starts an import and is then removed from the editors."""
    job = job_service().start(importing.IMPORT, "demo", "Drawing the demo set", work, editor())
    app = open_as(EDITOR, "dataset", dataset_import_started=job)
    stop = app.button(key="stop_import")
    app.secrets = SECRETS | {"access": {"editors": ["other@example.org"], "viewers": [EDITOR]}}
    stop.click().run()
    assert not app.exception
    assert not job.is_cancel_requested
    assert "This page is for editors" in " ".join(one.value for one in app.info)
    assert not app.get("progress")


def test_progress_that_was_drawn_for_another_role_runs_the_whole_page_again() -> None:
    def script() -> None:
        import streamlit as st

        from fer_core.access import Role
        from fer_core.jobs.job import Job, JobKind
        from fer_studio.ui.jobs import _show_progress

        st.session_state.runs = st.session_state.get("runs", 0) + 1
        if st.session_state.runs == 1:
            # The visitor of this test, without a login, is an editor.
            job = Job(JobKind("import", Role.EDITOR), "x", "Importing")
            _show_progress(job, "stop", Role.VIEWER)
            st.write("the same run")

    app = AppTest.from_function(script, default_timeout=180).run()
    assert app.session_state.runs == 2
    assert not app.markdown


@pytest.mark.parametrize(("email", "may_stay"), [(EDITOR, True), (VIEWER, False)])
def test_a_fragment_of_a_visitor_without_the_role_runs_the_whole_page_again(
    email: str, may_stay: bool
) -> None:
    """Issue 18, row 4: a fragment that refreshes itself runs without the page around it."""

    def script() -> None:
        import streamlit as st

        from fer_studio.ui.access import rerun_if_refused

        st.session_state.runs = st.session_state.get("runs", 0) + 1
        if st.session_state.runs == 1:
            rerun_if_refused("train")
            st.write("drawn")

    app = AppTest.from_function(script, default_timeout=180)
    app.secrets, app.user = SECRETS, user(email)
    app.run()
    assert app.session_state.runs == (1 if may_stay else 2)
    assert [one.value for one in app.markdown] == (["drawn"] if may_stay else [])


def test_a_refused_stop_is_reported() -> None:
    def script() -> None:
        import streamlit as st

        from fer_core.access import Role
        from fer_core.jobs.job import Job, JobKind
        from fer_studio.ui.jobs import show_progress

        job = Job(JobKind("evaluation", Role.VIEWER), "x", "Reading", owner="ann@example.org")
        st.session_state.setdefault(
            "job_cancel_problem", "Nothing was changed: requires the editor role."
        )
        show_progress(job, stop_key="stop")

    app = AppTest.from_function(script, default_timeout=180).run()
    assert "requires the editor role" in app.error[0].value
