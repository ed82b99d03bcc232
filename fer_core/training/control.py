"""Actions on a run from other processes: stop, pause, resume, prune, kill, name, add a note.

Requests to a training are written to ``control.json``; the training process reads this file between
two steps.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from fer_core.errors import InputError
from fer_core.files import os_errors_as_input_errors, read_json, write_json
from fer_core.job_process import is_job_running
from fer_core.processes import is_process_alive, kill_with_children
from fer_core.training.run_folder import (
    CONTROL_FILE,
    SETUP_FILE,
    RunFolder,
    RunStatus,
)

LABEL_FILE = "label.json"

Request = Literal["stop", "pause", "resume", "prune", "kill"]
#: Requests that earlier versions of the program wrote under other names.
_REQUESTS_BY_OLD_NAME: dict[str, Request] = {"go on": "resume"}

#: Maximum numbers of characters in a run's name and in its note.
_MAX_NAME_LENGTH = 80
_MAX_NOTE_LENGTH = 4000

#: Maximum time in seconds to wait until a process that was just started has written its ID.
_START_TIMEOUT_SECONDS = 20.0
#: Maximum time in seconds to wait until a process that was killed has ended.
_END_TIMEOUT_SECONDS = 10.0
#: During a pause, the process writes ``status.json`` at this interval in seconds, to show that the
#: process is alive.
_PAUSE_STATUS_SECONDS = 2.0


@dataclass(frozen=True)
class Control:
    """The content of ``control.json``.

    Attributes:
        request: What the process should do.
        requested: Time of the request, in seconds since 1970; only for information, because the
            clock of a machine can be changed.
    """

    request: Request
    requested: float


def read_control(run: RunFolder) -> Control | None:
    """Return the last request; None if there is no request or the file is damaged."""
    try:
        values = read_json(run.path / CONTROL_FILE)
        request = _REQUESTS_BY_OLD_NAME.get(values["request"], values["request"])
        return Control(request=request, requested=float(values["requested"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def is_active(run: RunFolder) -> bool:
    """Return True if a process trains the run."""
    return is_job_running(run.path / SETUP_FILE, run.read_status)


def request_stop(run: RunFolder) -> None:
    """Ask a training to end after the current step and to keep the best model so far.

    Raises:
        InputError: The training is not running, or the folder cannot be written.
    """
    _send_request(run, "stop")


def request_pause(run: RunFolder) -> None:
    """Ask a training to pause after the current step. See ``request_stop`` for the errors."""
    _send_request(run, "pause")


def request_resume(run: RunFolder) -> None:
    """Ask a paused training to resume. See ``request_stop`` for the errors."""
    _send_request(run, "resume")


def request_prune(run: RunFolder) -> None:
    """Ask an unpromising trial to end without a model. See ``request_stop`` for the errors."""
    _send_request(run, "prune")


def _send_request(run: RunFolder, request: Request) -> None:
    if not is_active(run):
        raise InputError(
            f"The run {run.path.name} is not running and cannot receive the "
            f"request '{request}'; check its state."
        )
    _write_request(run, request)


def _write_request(run: RunFolder, request: Request) -> None:
    with os_errors_as_input_errors(f"{run.path / CONTROL_FILE} cannot be written"):
        write_json(run.path / CONTROL_FILE, asdict(Control(request, time.time())))


class RunControl:
    """Reads ``control.json`` in the training process.

    The training loop calls ``should_stop`` between steps. During a pause, the call returns only
    when the pause ends. The time of ``clock`` does not advance during a pause, so that durations do
    not include pauses.
    """

    #: Seconds between two reads of ``control.json``.
    INTERVAL = 0.2

    def __init__(
        self,
        run: RunFolder,
        stop: threading.Event,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Create the reader.

        Args:
            run: The run.
            stop: An event that ends the run when it is set, even during a pause. A signal handler
                sets the event. This object sets it after a request to stop or to prune.
            clock: Returns seconds; replaced in tests.
            sleep: Waits; replaced in tests.
        """
        self._run = run
        self._stop = stop
        self._clock = clock
        self._sleep = sleep
        self._paused_seconds = 0.0
        self._next_read = -float("inf")
        #: True if the run ends because of a request to prune.
        self.is_pruned = False

    def clock(self) -> float:
        """Return the time in seconds; it does not advance during a pause."""
        return self._clock() - self._paused_seconds

    def should_stop(self) -> bool:
        """Return True if the run should end. During a pause, wait until the pause ends."""
        if not self._stop.is_set() and self._clock() >= self._next_read:
            self._next_read = self._clock() + self.INTERVAL
            request = self._read_request()
            if request == "pause":
                request = self._pause()
            if request in ("stop", "prune"):
                self.is_pruned = request == "prune"
                self._stop.set()
        return self._stop.is_set()

    def discard_request(self) -> None:
        """Remove the request, which was handled or came too late."""
        (self._run.path / CONTROL_FILE).unlink(missing_ok=True)

    def _read_request(self) -> Request | None:
        control = read_control(self._run)
        return None if control is None else control.request

    def _pause(self) -> Request | None:
        """Block until the pause ends; return the request that ended it."""
        start, status = self._clock(), self._run.read_status()
        last_write = -float("inf")
        request: Request | None = "pause"
        while request == "pause" and not self._stop.is_set():
            now = self._clock()
            if status is not None and now - last_write >= _PAUSE_STATUS_SECONDS:
                last_write = now
                self._run.write_status(_paused_status(status))
            self._sleep(self.INTERVAL)
            request = self._read_request()
        self._paused_seconds += self._clock() - start
        # Restore the status from before the pause.
        if status is not None:
            self._run.write_status(replace(status, updated=datetime.now(UTC).isoformat()))
        return request


def _paused_status(status: RunStatus) -> RunStatus:
    return replace(
        status,
        state="paused",
        message=f"paused in epoch {status.epoch}/{status.epochs}, step {status.step}/"
        f"{status.steps}",
        updated=datetime.now(UTC).isoformat(),
    )


def kill_run(run: RunFolder) -> None:
    """End a training's process and its child processes at once.

    The checkpoint of the last finished epoch remains, and the run can be resumed.

    Raises:
        InputError: The training is not running, its process belongs to another user, or the
            process that locks the run has not written its ID in time.
    """
    status = _status_of_process(run)
    # The request does not end the process. It is stored so that the registry can say later why the
    # process ended, so an error here, such as a full disk, must not prevent the kill.
    with suppress(InputError):
        _write_request(run, "kill")
    try:
        kill_with_children(status.process_id)
    except PermissionError as error:
        raise InputError(
            f"The process {status.process_id} of the run {run.path.name} belongs to another user; "
            "ask that user to end it."
        ) from error
    deadline = time.monotonic() + _END_TIMEOUT_SECONDS
    while is_active(run) and time.monotonic() < deadline:
        time.sleep(0.02)


def _status_of_process(run: RunFolder) -> RunStatus:
    """Return the status of the run's current process; wait until the process has written it."""
    deadline = time.monotonic() + _START_TIMEOUT_SECONDS
    while is_active(run):
        status = run.read_status()
        # The process ID alone is not enough: the system may have reused it.
        if status is not None and is_process_alive(status.process_id, status.process_started):
            return status
        if time.monotonic() > deadline:
            raise InputError(
                f"The run {run.path.name} is locked by a process that did not write its process "
                "ID; end it on the machine where it was started."
            )
        time.sleep(0.05)
    raise InputError(f"The run {run.path.name} is not running and cannot be killed.")


@dataclass(frozen=True)
class RunLabel:
    """A run's name and note: the content of ``label.json``.

    Attributes:
        name: The name, on one line; empty for none.
        note: The note, any text; empty for none.
    """

    name: str = ""
    note: str = ""


def read_label(run: RunFolder) -> RunLabel:
    """Return the run's label; an empty label if there is no file or the file is damaged."""
    try:
        values = read_json(run.path / LABEL_FILE)
        return RunLabel(name=str(values.get("name", "")), note=str(values.get("note", "")))
    except (OSError, ValueError, AttributeError):
        return RunLabel()


def write_label(run: RunFolder, label: RunLabel) -> None:
    """Replace the run's label.

    Raises:
        InputError: The name or the note is too long, or the run's folder does not exist or cannot
            be written.
    """
    name, note = " ".join(label.name.split()), label.note.strip()
    if len(name) > _MAX_NAME_LENGTH or len(note) > _MAX_NOTE_LENGTH:
        raise InputError(
            f"A run's name may have up to {_MAX_NAME_LENGTH} characters and its note up to "
            f"{_MAX_NOTE_LENGTH:,}. Received: {len(name)} and {len(note):,} characters."
        )
    if not run.path.is_dir():
        raise InputError(f"The run {run.path.name} does not exist; reload the list of runs.")
    with os_errors_as_input_errors(f"{run.path / LABEL_FILE} cannot be written"):
        write_json(run.path / LABEL_FILE, asdict(RunLabel(name, note)))
