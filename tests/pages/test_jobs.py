"""Jobs: what a page makes of one that ends while it looks."""

import pytest

from fer_studio.ui import jobs
from fer_studio.ui.jobs import Job, JobBoard, asked_job


def test_a_job_that_was_stopped_in_this_moment_counts_as_never_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    board = JobBoard()
    monkeypatch.setattr(jobs, "job_board", lambda: board)
    # It has ended, and its thread is about to forget it.
    stopped = Job("Looking", is_finished=True, is_stopped=True)
    board._jobs["asked"] = stopped
    assert stopped.came_to_nothing
    assert asked_job("asked", "Looking", int, is_pressed=False, stop_key="stop") is None
    # Stopped too late, it has a result, and that counts.
    stopped.result = 7
    assert asked_job("asked", "Looking", int, is_pressed=False, stop_key="stop") is stopped
    assert not stopped.came_to_nothing
