"""The lock of a job on disk: one process at a time works on it."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from fer_core import job_process, processes
from fer_core.errors import InputError
from fer_core.job_process import has_living_process, is_job_running, take_job_lock
from fer_core.processes import LOCK_VARIABLE, kill_with_children, lock_file, process_start


@dataclass(frozen=True)
class Status:
    state: str
    process_id: int
    process_started: float | None = None


OWN = Status("running", os.getpid(), process_start(os.getpid()))


@pytest.fixture
def job(tmp_path: Path) -> Path:
    path = tmp_path / "job.json"
    path.touch()
    return path


@pytest.fixture
def held(job: Path) -> Iterator[int]:
    descriptor = lock_file(job)
    assert descriptor is not None
    yield descriptor
    os.close(descriptor)


def test_a_process_takes_the_lock_and_removes_an_old_request(job: Path) -> None:
    requests = job.with_name("control.json")
    requests.touch()
    descriptor = take_job_lock(job, requests_path=requests, busy_message="It is busy.")
    assert not requests.exists() and is_job_running(job, lambda: None)
    os.close(descriptor)
    assert not is_job_running(job, lambda: OWN)


@pytest.mark.usefixtures("held")
def test_a_busy_job_is_reported_and_keeps_its_request(
    job: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_process, "LOCK_SECONDS", 0.0)
    requests = job.with_name("control.json")
    requests.touch()
    with pytest.raises(InputError, match=r"^It is busy\.$"):
        take_job_lock(job, requests_path=requests, busy_message="It is busy.")
    assert requests.exists()


def test_a_process_that_checks_the_lock_delays_another_one_and_does_not_keep_it_out(
    job: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system suspends the checking process until the other one has tried once."""
    check = os.open(job, os.O_RDONLY)
    fcntl.flock(check, fcntl.LOCK_SH)

    def resume(seconds: float) -> None:
        fcntl.flock(check, fcntl.LOCK_UN)

    clock = SimpleNamespace(monotonic=time.monotonic, sleep=resume)
    monkeypatch.setattr(processes, "time", clock)
    descriptor = lock_file(job)
    assert descriptor is not None
    os.close(descriptor)
    fcntl.flock(check, fcntl.LOCK_SH)
    monkeypatch.setattr(processes, "_MAX_CHECK_SECONDS", 0.0)
    assert lock_file(job) is None
    os.close(check)


def test_a_process_that_ends_just_before_it_is_killed_is_not_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def ended(process_id: int) -> int:
        raise ProcessLookupError

    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    monkeypatch.setattr(os, "getpgid", ended)
    kill_with_children(process.pid)
    assert process.wait(300) == -signal.SIGKILL


def test_an_inherited_lock_keeps_the_request(
    job: Path, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LOCK_VARIABLE, str(held))
    requests = job.with_name("control.json")
    requests.touch()
    assert take_job_lock(job, requests_path=requests, busy_message="It is busy.") == held
    assert requests.exists()


def test_without_locks_the_process_decides(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_process, "is_locked", lambda path: None)
    assert is_job_running(job, lambda: OWN)
    assert not is_job_running(job, lambda: None)


def test_a_status_counts_only_if_its_process_is_alive_and_at_work() -> None:
    assert has_living_process(OWN)
    assert has_living_process(Status("paused", OWN.process_id, OWN.process_started))
    assert not has_living_process(Status("finished", OWN.process_id, OWN.process_started))
    assert not has_living_process(Status("running", OWN.process_id, -1.0))
    assert not has_living_process(Status("running", 2**22 + threading.get_native_id()))
    assert not has_living_process(None)
