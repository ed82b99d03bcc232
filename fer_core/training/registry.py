"""The registry: a scan of ``runs/`` that is fast enough to repeat every second.

``status.json`` contains the last status that a process wrote. The run's lock shows whether the
process is still alive. Damaged folders, and folders that are not runs, are listed with a reason.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal

from fer_core.errors import InputError, system_reason
from fer_core.files import existing_path
from fer_core.job_process import has_living_process
from fer_core.recipes import TrainingConfig
from fer_core.settings import Settings
from fer_core.training.control import LABEL_FILE, is_active, read_control, read_label
from fer_core.training.queue import pending_runs
from fer_core.training.run_folder import (
    CONTROL_FILE,
    EPOCHS_FILE,
    LOG_FILE,
    SETUP_FILE,
    STATUS_FILE,
    EpochRecord,
    RunFolder,
    RunSetup,
    RunStatus,
    StartingModel,
    best_epoch,
    consecutive_epochs,
    epoch_record,
)

#: The state of a run as it is shown to users. It is derived from ``status.json``, the queue, and
#: whether a process trains the run.
ActualState = Literal[
    "queued",
    "starting",
    "running",
    "paused",
    "finished",
    "stopped",
    "pruned",
    "failed",
    "new",
    "damaged",
]

#: If the last status of a living process is older than this number of seconds, the process may
#: hang; see ``RunSummary.is_silent``. A process writes its status every two seconds, except during
#: validation and while it writes the bundle.
_SILENCE_SECONDS = 120.0

#: A disk with less free space counts as full.
_FULL_DISK_BYTES = 10_000_000
#: Number of bytes at the end of a log that are read.
_LOG_TAIL_BYTES = 65_536

#: If one of these files changes, the run's files are read again for a new summary.
_SUMMARY_FILES = (SETUP_FILE, STATUS_FILE, EPOCHS_FILE, LABEL_FILE, CONTROL_FILE)


@dataclass(frozen=True)
class RunSummary:
    """One run, for a table.

    Attributes:
        id: Name of the run's folder.
        path: Path of the run's folder.
        state: The actual state. *starting*: the run's process is alive and has not written a status
            yet; *new*: the run was never started; *damaged*: its configuration cannot be read.
        reason: How the run ended, why it failed, or what it is doing; may be empty.
        name: The name that users gave the run; may be empty.
        note: The note that users gave the run; may be empty.
        recipe: Name of the recipe; empty if it cannot be read.
        data: Name or path of the dataset; empty if it cannot be read.
        config: The configuration; None if it cannot be read.
        start: The model that the run starts from; None for random weights.
        study: The search of which the run is a trial; None if the run is not a trial.
        trial: Number of the trial in the search; None if the run is not a trial.
        epoch: Number of finished epochs.
        epochs: Number of planned epochs.
        best_epoch: Number of the best epoch, from 1. The number and the two metrics of this epoch
            are None if no epoch is finished.
        validation_accuracy: Accuracy on validation at the best epoch.
        macro_f1: Macro F1 on validation at the best epoch.
        seconds: Training time of the finished epochs.
        started: When the run was first started, or created if it was never started, UTC.
        queue_position: Position in the queue, from 1, if the run is pending.
        status: The last status that the run's process wrote; None if it has not written one.
        has_bundle: True if the folder contains a model, which can be evaluated and used.
        is_silent: True if the process is alive but has not written its status for two minutes.
    """

    id: str
    path: Path
    state: ActualState
    reason: str
    name: str = ""
    note: str = ""
    recipe: str = ""
    data: str = ""
    config: TrainingConfig | None = None
    start: StartingModel | None = None
    study: str | None = None
    trial: int | None = None
    epoch: int = 0
    epochs: int = 0
    best_epoch: int | None = None
    validation_accuracy: float | None = None
    macro_f1: float | None = None
    seconds: float = 0.0
    started: datetime | None = None
    queue_position: int | None = None
    status: RunStatus | None = None
    has_bundle: bool = False
    is_silent: bool = False

    @property
    def title(self) -> str:
        """The name of the run, or the name of its folder if it has none."""
        return self.name or self.id

    @property
    def seed(self) -> int | None:
        """The seed of the run's configuration."""
        return None if self.config is None else self.config.seed

    @property
    def is_active(self) -> bool:
        """True if a process trains the run."""
        return self.state in ("starting", "running", "paused")

    @property
    def can_continue(self) -> bool:
        """True if the run can be trained further, if necessary with a larger number of epochs."""
        return self.config is not None and not self.is_active and self.state != "queued"

    @property
    def bundle_path(self) -> Path:
        """The folder of the run's model, if there is one."""
        return RunFolder(self.path).bundle_path

    def to_json(self) -> dict[str, Any]:
        """Return the summary as plain values."""
        document = asdict(self) | {
            "path": str(self.path),
            "seed": self.seed,
            "config": None if self.config is None else self.config.to_json(),
            "started": None if self.started is None else self.started.isoformat(),
        }
        return document


@dataclass
class _RunFiles:
    """What a summary takes from a run's files; the state of the run's process is not included.

    Attributes:
        stamp: Modification times, sizes and inodes of the files, and whether the folder of the
            bundle exists; if the stamp changes, the files are read again.
        summary: The summary without the state of the process.
        setup: The content of ``config.json``; None if it cannot be read.
    """

    stamp: tuple[object, ...]
    summary: RunSummary
    setup: RunSetup | None


@dataclass
class _EpochFile:
    """The part of a ``metrics.jsonl`` that was read. A training appends lines to the file.

    Attributes:
        identity: Device and inode of the file; they change if it is replaced.
        offset: Offset in bytes of the end of the last complete line that was read.
        records: The records in the complete lines, by the number of the epoch.
        epochs: The epochs from 1 to the last epoch before the first missing number. A last line
            without a line break is included if it is a complete record.
    """

    identity: tuple[int, int] = (0, 0)
    offset: int = 0
    records: dict[int, EpochRecord] = field(default_factory=dict)
    epochs: tuple[EpochRecord, ...] = ()


_files_by_path: dict[Path, _RunFiles] = {}
_epoch_files: dict[Path, _EpochFile] = {}
#: Protects the two dictionaries above, because the app's sessions are threads of one process.
_lock = threading.RLock()


def list_runs(settings: Settings) -> list[RunSummary]:
    """Return every run in ``runs/``, the newest first.

    Raises:
        InputError: ``runs/`` exists and cannot be read.
    """
    try:
        with os.scandir(settings.runs_root) as entries:
            folders = [
                Path(entry.path)
                for entry in entries
                if not entry.name.startswith(".") and entry.is_dir()
            ]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(
            f"The runs in {settings.runs_root} cannot be read ({system_reason(error)}); check the "
            "folder's permissions."
        ) from error
    queue_positions = _queue_positions(settings)
    with _lock:
        existing = set(folders)
        for deleted in [
            path
            for path in _files_by_path
            if path.parent == settings.runs_root and path not in existing
        ]:
            _files_by_path.pop(deleted, None)
            _epoch_files.pop(deleted, None)
    summaries = [_summary(path, queue_positions) for path in folders if not _is_empty(path)]
    oldest = datetime.min.replace(tzinfo=UTC)
    return sorted(
        summaries, key=lambda summary: (summary.started or oldest, summary.id), reverse=True
    )


def run_summary(path: Path, settings: Settings) -> RunSummary:
    """Return the summary of one run; if the folder no longer exists, its state is *damaged*."""
    return _summary(path, _queue_positions(settings))


def find_run(name: str, settings: Settings) -> RunFolder:
    """Return a run by the name of its folder in ``runs/``, or by a path.

    Raises:
        InputError: There is no such folder.
    """
    folder = settings.runs_root / name
    if name and folder.parent == settings.runs_root and folder.is_dir():
        return RunFolder(folder)
    path = existing_path(name)
    if path is None or not path.is_dir():
        raise InputError(
            f"There is no run {name!r}; choose a folder in {settings.runs_root}, or give a path."
        )
    return RunFolder(path.resolve())


def read_run_epochs(path: Path) -> tuple[EpochRecord, ...]:
    """Return the finished epochs in the ``metrics.jsonl`` of a run or a bundle.

    Earlier lines come from a cache; only new lines of the file are read.

    Args:
        path: The folder of the run or the bundle.
    """
    with _lock:
        cached = _epoch_files.setdefault(path, _EpochFile())
        try:
            with (path / EPOCHS_FILE).open("rb") as file:
                stat = os.fstat(file.fileno())
                identity = (stat.st_dev, stat.st_ino)
                if identity != cached.identity or stat.st_size < cached.offset:
                    cached = _epoch_files[path] = _EpochFile(identity)
                if stat.st_size == cached.offset:
                    return cached.epochs
                file.seek(cached.offset)
                text = file.read()
        except OSError:
            _epoch_files.pop(path, None)
            return ()
        # The text after the last line break may be an incomplete line.
        end = text.rfind(b"\n") + 1
        for line in text[:end].decode("utf-8", errors="replace").splitlines():
            record = epoch_record(line)
            if record is not None:
                cached.records[record.epoch] = record
        cached.offset += end
        last_record = epoch_record(text[end:].decode("utf-8", errors="replace"))
        records = cached.records
        if last_record is not None:
            records = records | {last_record.epoch: last_record}
        cached.epochs = tuple(consecutive_epochs(records))
        return cached.epochs


def bundle_epochs(folder: Path) -> tuple[EpochRecord, ...]:
    """Return the epochs of the training that created a bundle; empty if they are unknown.

    Args:
        folder: The bundle's folder. A bundle of an earlier version does not contain the epochs. If
            such a bundle is in the folder of its run, the epochs are read from the run.
    """
    return read_run_epochs(folder) or read_run_epochs(folder.parent)


#: Messages of TensorFlow and its libraries on standard error. Most of them begin with a level and a
#: time. Fatal messages (level F) are not matched, because they say why a process ended.
_LIBRARY_LINE = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IWE] |[IWE]\d{4} \d\d:\d\d:[\d.]+ "
    r"|WARNING: All log messages before absl::InitializeLog|WARNING:(?:tensorflow|absl):"
    r"|To enable the following instructions:"
)


def log_tail(path: Path, lines: int = 40) -> str:
    """Return the last lines of a run's log, for users; empty if there is no log.

    The messages of TensorFlow and the call stacks of errors are left out.
    """
    try:
        with (path / LOG_FILE).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - _LOG_TAIL_BYTES, 0))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    all_lines = text.splitlines()
    if size > _LOG_TAIL_BYTES:
        all_lines = all_lines[1:]  # the first line is incomplete
    return "\n".join(_without_library_messages(all_lines)[-lines:])


def _without_library_messages(lines: list[str]) -> list[str]:
    """Leave out messages of libraries, and call stacks except for the error at their end."""
    readable = []
    is_in_stack = False
    for line in lines:
        if line.startswith("Traceback (most recent call last):"):
            is_in_stack = True
        elif is_in_stack and (not line.strip() or line[0] in " \t"):
            continue
        else:
            is_in_stack = False
            if not _LIBRARY_LINE.match(line):
                readable.append(line)
    return readable


def _queue_positions(settings: Settings) -> dict[Path, int]:
    return {run.path: number for number, run in enumerate(pending_runs(settings), start=1)}


def _is_empty(path: Path) -> bool:
    """Return True if a run's folder has no files yet, except temporary ones.

    Such a run is just being created, or the process that was creating it has died.
    """
    try:
        return all(entry.name.startswith(".") for entry in path.iterdir())
    except OSError:
        return False


def _summary(path: Path, queue_positions: dict[Path, int]) -> RunSummary:
    run = RunFolder(path)
    # If a process started or ended while the files were read, they are read again. Without this, a
    # process that has just ended normally would look like a process that crashed.
    while True:
        was_active = is_active(run)
        files = _read_files(path)
        if is_active(run) == was_active:
            break
    summary = files.summary
    if files.setup is None:
        return summary
    if was_active:
        return _active_summary(summary)
    if path in queue_positions:
        return replace(
            summary,
            state="queued",
            reason=f"waits in the queue at position {queue_positions[path]}",
            queue_position=queue_positions[path],
        )
    return _inactive_summary(summary)


def _inactive_summary(summary: RunSummary) -> RunSummary:
    """Complete the summary of a run that no process trains."""
    state, reason = _inactive_state(RunFolder(summary.path), summary.status)
    return replace(summary, state=state, reason=reason)


def _inactive_state(run: RunFolder, status: RunStatus | None) -> tuple[ActualState, str]:
    """Return the state of a run that no process trains, and the reason for the state."""
    if status is None:
        if not log_tail(run.path, 1):
            return "new", "was never started"
        return "failed", _with_last_log_line(
            "Its process ended before the training started", run.path
        )
    if status.state in ("running", "paused"):
        return "failed", _diagnose_crash(run, status)
    return status.state, status.message


def _active_summary(summary: RunSummary) -> RunSummary:
    """Complete the summary of a run that a process trains."""
    status = summary.status
    # If the process that wrote the status is not alive, it was an earlier process of the run.
    if status is None or not has_living_process(status):
        return replace(summary, state="starting", reason="its process is starting", status=None)
    age = (datetime.now(UTC) - _parse_time(status.updated)).total_seconds()
    is_silent = age > _SILENCE_SECONDS
    reason = status.message
    if is_silent:
        reason += f"; no report for {age / 60:.0f} min, so its process may hang: wait, or kill it"
    return replace(
        summary,
        state="paused" if status.state == "paused" else "running",
        reason=reason,
        is_silent=is_silent,
    )


def _read_files(path: Path) -> _RunFiles:
    has_bundle_folder = _file_stamp(RunFolder(path).bundle_path) is not None
    stamp = (*(_file_stamp(path / name) for name in _SUMMARY_FILES), has_bundle_folder)
    with _lock:
        cached = _files_by_path.get(path)
        if cached is None or cached.stamp != stamp:
            cached = _files_by_path[path] = _parse_files(path, stamp)
        return cached


def _file_stamp(path: Path) -> tuple[int, int, int] | None:
    """Return modification time, size and inode of a file or folder; None if it is missing."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def _parse_files(path: Path, stamp: tuple[object, ...]) -> _RunFiles:
    run, label = RunFolder(path), read_label(RunFolder(path))
    summary = RunSummary(
        id=path.name,
        path=path,
        state="damaged",
        reason="",
        name=label.name,
        note=label.note,
        started=_start_time(path),
        has_bundle=_file_stamp(run.bundle_path / "bundle.json") is not None,
    )
    try:
        setup = run.read_setup()
    except InputError as error:
        return _RunFiles(stamp, replace(summary, reason=str(error)), None)
    epochs, status = read_run_epochs(path), run.read_status()
    return _RunFiles(
        stamp,
        replace(
            summary,
            recipe=setup.recipe,
            data=setup.data,
            config=setup.config,
            start=setup.start,
            study=setup.study,
            trial=setup.trial,
            epochs=setup.config.epochs,
            status=status,
            **_epoch_fields(epochs, setup.config),
        ),
        setup,
    )


def _epoch_fields(epochs: Sequence[EpochRecord], config: TrainingConfig) -> dict[str, Any]:
    """Return the fields of a summary that describe the finished epochs."""
    best = best_epoch(epochs, config.monitor)
    best_record = None if best is None else epochs[best - 1]
    return {
        "epoch": len(epochs),
        "best_epoch": best,
        "validation_accuracy": None if best_record is None else best_record.validation_accuracy,
        "macro_f1": None if best_record is None else best_record.validation_macro_f1,
        "seconds": sum(record.seconds for record in epochs),
    }


def _start_time(path: Path) -> datetime | None:
    """Return the time of the first entry in a run's log.

    If there is no entry, return the time at which the configuration was written. If there is no
    configuration either, return the modification time of the folder; None if the folder is gone.
    """
    try:
        with (path / LOG_FILE).open("rb") as file:
            head = file.read(4096).decode("utf-8", errors="replace")
        for line in head.splitlines():
            try:
                return datetime.fromisoformat(line.partition(" ")[0]).astimezone(UTC)
            except (ValueError, OverflowError):
                continue  # output of libraries before the first entry
    except OSError:
        pass
    for candidate in (path / SETUP_FILE, path):
        try:
            return datetime.fromtimestamp(candidate.stat().st_mtime, UTC)
        except OSError:
            continue
    return None


def _diagnose_crash(run: RunFolder, status: RunStatus) -> str:
    """Return why the process of a run ended without writing a final status."""
    last_update = _parse_time(status.updated)
    control = read_control(run)
    where = f"in epoch {status.epoch}/{status.epochs}" if status.steps else "during preparation"
    if control is not None and control.request == "kill":
        return f"It was killed on request {where}; continue it from its last finished epoch."
    boot = _boot_time()
    if boot is not None and boot > last_update:
        return f"The machine was restarted {where}; continue the run from its last finished epoch."
    try:
        is_full = shutil.disk_usage(run.path).free < _FULL_DISK_BYTES
    except OSError:
        is_full = False
    if is_full:
        return _with_last_log_line(
            f"Its process ended {where}, and the disk is full: free some space and continue the "
            "run",
            run.path,
        )
    return _with_last_log_line(
        f"Its process crashed {where}, for example because it was killed or memory ran out; "
        "continue the run from its last finished epoch",
        run.path,
    )


def _with_last_log_line(reason: str, path: Path) -> str:
    lines = [line.strip() for line in log_tail(path, 5).splitlines() if line.strip()]
    return f"{reason}. Its log ends with: {lines[-1][:200]}" if lines else f"{reason}."


def _parse_time(text: str) -> datetime:
    """Parse an ISO 8601 time. A time without a time zone is in UTC."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


@cache
def _boot_time() -> datetime | None:
    """Return when the machine was started; None if psutil is not installed."""
    try:
        import psutil
    except ImportError:
        return None
    return datetime.fromtimestamp(psutil.boot_time(), UTC)
