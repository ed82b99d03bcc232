"""Hyperparameter search: Optuna studies whose trials are ordinary runs.

This module creates, reads, starts and stops a study; ``search_worker`` runs its trials.

``runs/.studies/<name>/`` holds ``study.json`` (the setup), ``search.log`` and, unless another
storage is configured, Optuna's database. Each trial is a run in ``runs/`` and waits in the common
queue.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import platform
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from fer_core.dataset.class_mapping import ClassChoice
from fer_core.dataset.store import locate_dataset, validated_name
from fer_core.errors import InputError, first_line, system_reason
from fer_core.extras import require_packages
from fer_core.files import (
    os_errors_as_input_errors,
    read_errors_as_input_errors,
    read_json,
    write_json,
    write_new_json,
)
from fer_core.job_process import start_job
from fer_core.keras_backend import require_backend
from fer_core.processes import is_locked, lock_file
from fer_core.recipes import TrainingConfig
from fer_core.settings import Settings
from fer_core.training.required_votes import check_votes
from fer_core.training.search_space import SearchSpace, check_space
from fer_core.validation import FORBID_UNKNOWN, Flag, Integer, Text, from_dict

if TYPE_CHECKING:
    import optuna

logger = logging.getLogger(__name__)

_Content = TypeVar("_Content")

_STUDIES_FOLDER = ".studies"
_SETUP_FILE = "study.json"
_DATABASE_FILE = "study.db"
_LOG_FILE = "search.log"
_TRIAL_LOCK_FILE = "claim.lock"
#: When a file with this name appears in the folder of a study, the study's workers on this machine
#: stop.
STOP_FILE = "stop"
_MAX_WORKERS = 64

#: User attributes of a trial: the name of its run, and the reason for its failure.
RUN_ATTRIBUTE, FAILURE_ATTRIBUTE = "run", "problem"
#: User attribute of a trial: the name of the worker that runs it, or that ran it last.
WORKER_ATTRIBUTE = "worker_name"
#: User attribute of a study: its setup, for workers on other machines.
_SETUP_ATTRIBUTE = "setup"
#: Each worker has a user attribute in the study; its key is this prefix and the name of the worker.
#: The value is the time of the worker's last report, in seconds since 1970; 0.0 if the worker has
#: ended.
_REPORT_ATTRIBUTE_PREFIX = "seen "

#: No trial is pruned before this number of trials is finished.
_UNPRUNED_TRIALS = 3

#: Seconds between two reports of a running trial, which show that its worker is alive.
_HEARTBEAT_SECONDS = 10
#: A trial or a worker that has not reported for this number of seconds counts as dead. A dead trial
#: is retried.
_GRACE_SECONDS = 60
#: Maximum number of times that a dead trial is retried.
_MAX_RETRIES = 3


@dataclass(frozen=True, config=FORBID_UNKNOWN)
class StudySetup:
    """The setup of a search: the content of ``study.json``.

    Attributes:
        name: The name of the study and of its folder.
        recipe: The recipe that ``config`` is based on.
        data: The dataset's name or path.
        config: The settings that all trials have in common.
        space: The settings that the trials vary.
        trials: Number of trials, including pruned and failed ones.
        monitor: The validation metric to optimize.
        pruning: True to end unpromising trials early.
        seed: The seed of the sampler.
        storage: Optuna's storage URL, for several machines; None for a local database.
        class_choice: The ``RunSetup.class_choice`` of all trials.
    """

    name: Text
    recipe: Text
    data: Text
    config: TrainingConfig
    space: SearchSpace
    trials: Integer = Field(default=20, ge=1, le=10_000)
    monitor: Literal["accuracy", "macro_f1", "loss"] = "accuracy"
    pruning: Flag = True
    seed: Integer = Field(default=0, ge=0, le=2**32 - 1)
    storage: Text | None = None
    class_choice: ClassChoice | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``study.json``."""
        document = asdict(self) | {"config": self.config.to_json()}
        if self.class_choice is None or self.class_choice == ClassChoice():
            # Without this field, workers of earlier versions, which do not know it, can join the
            # study.
            del document["class_choice"]
        return document


def study_setup(values: dict[str, Any]) -> StudySetup:
    """Read a study's setup from plain values.

    Raises:
        InputError: The values are not valid; the message says why.
    """
    try:
        return from_dict(StudySetup, values)
    except ValueError as error:
        raise InputError(f"{str(error).removesuffix('.')}.") from error


@dataclasses.dataclass(frozen=True)
class TrialSummary:
    """One trial of a search.

    Attributes:
        number: Number of the trial, from 0.
        state: The state; *waiting* for a trial that was interrupted and will be retried.
        value: The monitored metric of the best epoch, or of the last epoch if the trial was pruned;
            None if the trial has not ended or has failed.
        values: The sampled value of each field that the trial varies.
        run_id: The name of the trial's run in ``runs/``; None if no run was launched.
        problem: Why the trial failed; empty if it did not fail.
        worker: The worker that runs the trial, or that ran it last: the machine and the process ID.
    """

    number: int
    state: Literal["running", "finished", "pruned", "failed", "waiting"]
    value: float | None
    values: dict[str, Any]
    run_id: str | None
    problem: str = ""
    worker: str = ""


@dataclasses.dataclass(frozen=True)
class WorkerSummary:
    """A worker that is alive, on any machine.

    Attributes:
        name: The machine and the process ID.
        trial: The number of the trial that the worker runs; None between two trials.
    """

    name: str
    trial: int | None


@dataclasses.dataclass(frozen=True)
class StudySummary:
    """The state of a search.

    Attributes:
        name: The study's name.
        setup: Setup of the search.
        state: *running* while a worker on any machine is alive; otherwise *finished* if the planned
            number of trials has ended, and *stopped* if not.
        finished: Number of finished trials.
        pruned: Number of unpromising trials that were ended early.
        failed: Number of failed trials, except those that were retried.
        running: Number of running trials, including those of a worker that has just died.
        best_value: The metric of the best finished trial; None if no trial is finished.
        best_trial: Number of the best finished trial; None if no trial is finished.
        best_values: Sampled values of the best finished trial; empty if no trial is finished.
        trials: All trials, except failed ones that were retried.
        workers: The workers that are alive.
    """

    name: str
    setup: StudySetup
    state: Literal["running", "finished", "stopped"]
    finished: int
    pruned: int
    failed: int
    running: int
    best_value: float | None
    best_trial: int | None
    best_values: dict[str, Any]
    trials: tuple[TrialSummary, ...]
    workers: tuple[WorkerSummary, ...] = ()

    @property
    def has_importances(self) -> bool:
        """True if the trials allow an estimate of how important each setting is for the metric."""
        finished = [trial for trial in self.trials if trial.state == "finished"]
        # A single setting would always have the importance 1.
        has_several_settings = any(len(trial.values) > 1 for trial in finished)
        return has_several_settings and len({trial.value for trial in finished}) > 1

    def to_json(self) -> dict[str, Any]:
        """Return plain values without the password of the storage."""
        setup = self.setup.to_json()
        storage = self.setup.storage
        setup["storage"] = None if storage is None else without_password(storage)
        return asdict(self) | {
            "setup": setup,
            "trials": [asdict(trial) for trial in self.trials],
            "workers": [asdict(worker) for worker in self.workers],
        }


def create_study(setup: StudySetup, settings: Settings) -> None:
    """Create a study; ``launch_search`` or ``run_search`` runs its trials.

    Raises:
        InputError: A package is missing, the name is taken or not valid, the dataset does not exist
            or has no votes to learn, the space does not match the configuration, or the storage
            cannot be used.
    """
    require_packages("A search needs", "search", "optuna", "sqlalchemy")
    require_backend()
    # The next two calls raise InputError for a wrong name or dataset; their results are not needed.
    validated_name(setup.name)
    locate_dataset(setup.data, settings)
    check_space(setup.space, setup.config)
    check_votes(setup.config, setup.data, settings)
    folder = study_folder(setup.name, settings)
    try:
        if (folder / _SETUP_FILE).exists():
            raise InputError(_name_taken_message(setup.name))
        folder.mkdir(parents=True, exist_ok=True)
        # If several searches start at the same moment, only one of them creates this file. The
        # others must not write to the database at the same time.
        if not _write_setup(setup, folder):
            raise InputError(_name_taken_message(setup.name))
        try:
            study = open_study(setup, settings, create=True)
            # Store the setup without the address of the storage, which may contain a password.
            study.set_user_attr(_SETUP_ATTRIBUTE, setup.to_json() | {"storage": None})
        except BaseException:
            (folder / _SETUP_FILE).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InputError(
            f"The search cannot be stored in {folder} ({system_reason(error)}); check the folder's "
            "permissions and the free space."
        ) from error


def join_study(name: str, storage: str, settings: Settings) -> StudySetup:
    """Register a study of a shared storage on this machine, so that ``run_search`` can run trials.

    Args:
        name: The study's name.
        storage: Optuna's storage URL.
        settings: Settings with the location of ``runs/``.

    Raises:
        InputError: A package is missing, the name is not valid, the storage cannot be used or has
            no such study, an earlier version created the study without its setup, the dataset of
            the study is missing here, or another study on this machine has this name.
    """
    require_packages("A search needs", "search", "optuna", "sqlalchemy")
    require_backend()
    validated_name(name)  # raises InputError if the name is not valid
    setup = _shared_setup(name, storage)
    locate_dataset(setup.data, settings)  # raises InputError if the dataset is missing
    folder = study_folder(name, settings)
    with os_errors_as_input_errors(f"The search cannot be stored in {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
        is_new = _write_setup(setup, folder)
    if not is_new:
        existing = read_study_setup(name, settings)
        if dataclasses.replace(existing, storage=None) != dataclasses.replace(setup, storage=None):
            raise InputError(
                f"Another search on this machine is called {name!r}; to join the search of the "
                "storage, set FER_STUDIO_RUNS to another folder."
            )
        return existing
    return setup


def _shared_setup(name: str, storage: str) -> StudySetup:
    """Read the setup of a study from its storage."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    address = without_password(storage)
    try:
        names = optuna.get_all_study_names(storage)
        study = optuna.load_study(study_name=name, storage=storage) if name in names else None
        values = None if study is None else study.user_attrs.get(_SETUP_ATTRIBUTE)
    except Exception as error:
        # Each database driver raises its own types of errors.
        raise InputError(
            f"The storage {address} cannot be used ({first_line(error)}); {_storage_advice(error)}."
        ) from error
    if study is None:
        known = ", ".join(names[:10]) or "none so far"
        raise InputError(f"There is no search {name!r} in {address}; searches there: {known}.")
    if not isinstance(values, dict):
        raise InputError(
            f"The search {name!r} was created by an earlier version of this program, which did not "
            "store its setup for other machines; create a new search."
        )
    return study_setup(values | {"storage": storage})


def _write_setup(setup: StudySetup, folder: Path) -> bool:
    """Create ``study.json``; return False if it exists already."""
    path = folder / _SETUP_FILE
    is_new = write_new_json(path, setup.to_json())
    if is_new:
        path.chmod(0o600)  # only the owner may read it: the storage's address may have a password
    return is_new


def free_worker_number(name: str, settings: Settings) -> int:
    """Return the lowest number that no running worker of a study on this machine has.

    Raises:
        InputError: There are too many workers already.
    """
    folder = study_folder(name, settings)
    for number in range(_MAX_WORKERS):
        if not is_locked(worker_path(folder, number)):
            return number
    raise InputError(f"The search {name!r} has {_MAX_WORKERS} workers on this machine already.")


def report_worker(study: optuna.Study, name: str, *, is_alive: bool = True) -> None:
    """Store in the study that a worker is alive or has ended, so that all machines can read it."""
    study.set_user_attr(f"{_REPORT_ATTRIBUTE_PREFIX}{name}", time.time() if is_alive else 0.0)


def _live_workers(
    attributes: dict[str, Any], trials: tuple[TrialSummary, ...]
) -> tuple[WorkerSummary, ...]:
    """Return the workers on all machines that have reported within the grace period.

    Args:
        attributes: The user attributes of the study.
        trials: The trials of the study.
    """
    running = {trial.worker: trial.number for trial in trials if trial.state == "running"}
    now = time.time()
    names = sorted(
        key.removeprefix(_REPORT_ATTRIBUTE_PREFIX)
        for key, last_report in attributes.items()
        if key.startswith(_REPORT_ATTRIBUTE_PREFIX)
        and isinstance(last_report, float)
        # The clock of another machine may be ahead, so the difference can be negative.
        and abs(now - last_report) < _GRACE_SECONDS
    )
    return tuple(WorkerSummary(name, running.get(name)) for name in names)


def _name_taken_message(name: str) -> str:
    return f"There is already a search {name!r}; resume it, or choose another name."


def study_names(settings: Settings) -> list[str]:
    """Return the names of the studies on this machine, sorted."""
    folder = settings.runs_root / _STUDIES_FOLDER
    return sorted(path.parent.name for path in folder.glob(f"[!.]*/{_SETUP_FILE}"))


def read_study_setup(name: str, settings: Settings) -> StudySetup:
    """Read the setup of a study from its ``study.json``.

    Raises:
        InputError: No study has this name, or its file is damaged.
    """
    path = study_folder(name, settings) / _SETUP_FILE
    with read_errors_as_input_errors(path, "create a new search with another name"):
        if not path.exists():
            known = ", ".join(study_names(settings)) or "none so far"
            raise InputError(f"There is no search {name!r}; searches: {known}.")
        return from_dict(StudySetup, read_json(path))


def list_studies(settings: Settings) -> tuple[list[StudySummary], list[str]]:
    """Return the readable studies, sorted by name, and an error message for each of the others."""
    studies, errors = [], []
    for name in study_names(settings):
        try:
            studies.append(study_summary(name, settings))
        except InputError as error:
            errors.append(str(error))
    return studies, errors


def study_summary(name: str, settings: Settings) -> StudySummary:
    """Return the state of a study.

    Raises:
        InputError: No study has this name, or its storage cannot be read.
    """
    setup = read_study_setup(name, settings)
    study = open_study(setup, settings)
    # Read the workers before the trials. In the opposite order, a worker could complete the last
    # trial and end between the two reads. This trial would then look interrupted.
    has_workers_here, attributes = bool(count_active_workers(name, settings)), study.user_attrs
    trials = tuple(_trial_summary(trial) for trial in current_trials(study))
    counts = {
        state: sum(trial.state == state for trial in trials)
        for state in ("finished", "pruned", "failed", "running")
    }
    pick_best = min if setup.monitor == "loss" else max
    finished = [trial for trial in trials if trial.state == "finished" and trial.value is not None]
    best = pick_best(finished, key=lambda trial: trial.value or 0.0) if finished else None
    ended_count = counts["finished"] + counts["pruned"] + counts["failed"]
    workers = _live_workers(attributes, trials)
    state: Literal["running", "finished", "stopped"] = (
        "running"
        if has_workers_here or any(not _is_on_this_machine(worker.name) for worker in workers)
        else ("finished" if ended_count >= setup.trials else "stopped")
    )
    return StudySummary(
        name=name,
        setup=setup,
        state=state,
        **counts,
        best_value=None if best is None else best.value,
        best_trial=None if best is None else best.number,
        best_values={} if best is None else best.values,
        trials=trials,
        workers=workers,
    )


def worker_name() -> str:
    """Return the name of this process as a worker, unique among all machines."""
    return f"{platform.node()} {os.getpid()}"


def _is_on_this_machine(worker: str) -> bool:
    """Return True if a worker's name contains the name of this machine."""
    return worker.rpartition(" ")[0] == platform.node()


def current_trials(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """Return the trials of a study without the failed ones that were retried."""
    import optuna

    trials = study.get_trials(deepcopy=False)
    # This function returns the numbers of the failed trials that a trial retries.
    history = optuna.storages.RetryHeartbeatStaleTrialCallback.retry_history
    retried = {number for trial in trials for number in history(trial)}
    return [trial for trial in trials if trial.number not in retried]


def _trial_summary(trial: optuna.trial.FrozenTrial) -> TrialSummary:
    states: dict[str, Literal["running", "finished", "pruned", "failed", "waiting"]] = {
        "RUNNING": "running",
        "COMPLETE": "finished",
        "PRUNED": "pruned",
        "FAIL": "failed",
        "WAITING": "waiting",
    }
    return TrialSummary(
        number=trial.number,
        state=states[trial.state.name],
        value=trial.value,
        values=dict(trial.params),
        run_id=trial.user_attrs.get(RUN_ATTRIBUTE),
        problem=trial.user_attrs.get(FAILURE_ATTRIBUTE, ""),
        worker=str(trial.user_attrs.get(WORKER_ATTRIBUTE, "")),
    )


def count_active_workers(name: str, settings: Settings) -> int:
    """Return the number of processes on this machine that work on a study."""
    return sum(bool(is_locked(path)) for path in study_folder(name, settings).glob("worker-*.lock"))


def launch_search(name: str, settings: Settings, workers: int = 1) -> None:
    """Start worker processes for a study; they keep running when this process ends.

    Trials are runs: the queue limits how many of them are trained at the same time.

    Raises:
        InputError: The number of workers is not valid, or the search is running already, is
            complete, or cannot be read or started.
    """
    if not 1 <= workers <= _MAX_WORKERS:
        raise InputError(f"A search may have 1 to {_MAX_WORKERS} workers. Received: {workers}")
    if study_summary(name, settings).state == "finished":
        raise InputError(f"The search {name!r} is complete; create a new one to search further.")
    folder = study_folder(name, settings)
    with os_errors_as_input_errors(f"The search in {folder} cannot be started"), trial_lock(folder):
        if count_active_workers(name, settings):
            raise InputError(f"The search {name!r} is running already.")
        for number in range(workers):
            path = worker_path(folder, number)
            path.touch()
            is_started = start_job(
                "fer_core",
                ["search", "resume", name, "--worker", str(number)],
                settings,
                lock_path=path,
                requests_path=folder / STOP_FILE,
                log_path=folder / _LOG_FILE,
            )
            if not is_started:
                raise InputError(f"The search {name!r} is running already.")


def stop_search(name: str, settings: Settings) -> None:
    """Stop a study's workers on this machine; their running trials can be resumed.

    Raises:
        InputError: No study has this name, or no worker on this machine is running.
    """
    read_study_setup(name, settings)  # raises InputError if the study does not exist
    if not count_active_workers(name, settings):
        workers = study_summary(name, settings).workers
        elsewhere = ", ".join(
            worker.name for worker in workers if not _is_on_this_machine(worker.name)
        )
        if elsewhere:
            raise InputError(
                f"The search {name!r} is running on other machines ({elsewhere}); stop it there."
            )
        raise InputError(f"The search {name!r} is not running and cannot be stopped.")
    folder = study_folder(name, settings)
    with os_errors_as_input_errors(f"The search in {folder} cannot be stopped"):
        write_json(folder / STOP_FILE, {"requested": time.time()})


def load_study(name: str, settings: Settings) -> optuna.Study:
    """Open Optuna's study by its name; see ``open_study``.

    Raises:
        InputError: No study has this name, or its storage cannot be read.
    """
    return open_study(read_study_setup(name, settings), settings)


def study_importances(study: StudySummary, settings: Settings) -> dict[str, float]:
    """Return the relative importance of each varied setting for the metric; their sum is 1.

    The method is PED-ANOVA, Optuna's default. The first time, this takes two seconds, because
    Optuna loads scikit-learn.

    Returns:
        The importances; empty unless ``study.has_importances``.

    Raises:
        InputError: The storage of the study cannot be read or is damaged.
    """
    import optuna

    if not study.has_importances:
        return {}
    return _read_trials(study.name, settings, optuna.importance.get_param_importances)


def study_curves(study: StudySummary, settings: Settings) -> dict[int, dict[int, float]]:
    """Return the monitored metric by epoch, of each trial with at least one finished epoch.

    Raises:
        InputError: The storage of the study cannot be read or is damaged.
    """
    return _read_trials(
        study.name,
        settings,
        lambda opened: {
            trial.number: {
                epoch: float(value) for epoch, value in trial.intermediate_values.items()
            }
            for trial in current_trials(opened)
            if trial.intermediate_values
        },
    )


def _read_trials(
    name: str, settings: Settings, read: Callable[[optuna.Study], _Content]
) -> _Content:
    study = load_study(name, settings)
    try:
        return read(study)
    except Exception as error:
        # In a damaged database, a value can be missing or of another type.
        logger.exception("The trials of the search %s cannot be read", name)
        raise InputError(
            f"The charts of the search {name!r} cannot be drawn ({first_line(error)}); its "
            "database may be damaged: restore it from a backup, or create a new search."
        ) from error


def open_study(
    setup: StudySetup,
    settings: Settings,
    *,
    worker_number: int = 0,
    create: bool = False,
    has_heartbeat: bool = False,
) -> optuna.Study:
    """Open Optuna's study with its storage, pruner and sampler.

    Args:
        setup: The study's setup.
        settings: Settings with the location of ``runs/``.
        worker_number: A number that differs between workers, so that they sample different values.
        create: True to create the study if it does not exist.
        has_heartbeat: True for a worker: its trials report that they are alive, and dead trials
            are retried.

    Raises:
        InputError: A package is missing, or the storage cannot be used.
    """
    require_packages("A search needs", "search", "optuna", "sqlalchemy")
    import optuna

    # Do not log a traceback for a failed trial; the trial itself contains the reason.
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    # The heartbeat is marked as experimental, but has been stable since Optuna 2.
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    url = setup.storage or f"sqlite:///{study_folder(setup.name, settings) / _DATABASE_FILE}"
    pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
    if setup.pruning:
        # No trial is pruned in the first tenth of its epochs.
        pruner = optuna.pruners.MedianPruner(
            n_startup_trials=_UNPRUNED_TRIALS, n_warmup_steps=max(setup.config.epochs // 10, 1)
        )
    try:
        storage = optuna.storages.RDBStorage(
            url,
            # Workers that write to the same file wait for each other, up to 60 seconds.
            engine_kwargs={"connect_args": {"timeout": 60}} if url.startswith("sqlite") else None,
            heartbeat_interval=_HEARTBEAT_SECONDS if has_heartbeat else None,
            grace_period=_GRACE_SECONDS if has_heartbeat else None,
            heartbeat_stale_trial_callback=optuna.storages.RetryHeartbeatStaleTrialCallback(
                max_retry=_MAX_RETRIES, inherit_intermediate_values=True
            ),
        )
        direction: Literal["minimize", "maximize"] = (
            "minimize" if setup.monitor == "loss" else "maximize"
        )
        if create:
            optuna.create_study(
                storage=storage, study_name=setup.name, direction=direction, load_if_exists=True
            )
        study = optuna.load_study(study_name=setup.name, storage=storage, pruner=pruner)
        # The number of trials becomes part of the seed.
        trial_count = len(study.get_trials(deepcopy=False))
    except Exception as error:
        # Each database driver raises its own types of errors.
        advice = (
            _storage_advice(error)
            if setup.storage
            else f"restore {_DATABASE_FILE} in its folder and make it writable, or create a new "
            "search"
        )
        raise InputError(
            f"The storage of the search {setup.name!r} cannot be used ({first_line(error)}); "
            f"{advice}."
        ) from error
    # The seed differs between workers, and after each resume, so that no values are sampled twice.
    # With constant_liar, the sampler avoids the values of the trials that other workers run.
    study.sampler = optuna.samplers.TPESampler(
        seed=(setup.seed + 1000 * worker_number + trial_count) % 2**32, constant_liar=True
    )
    return study


def _storage_advice(error: Exception) -> str:
    """Return what to do about a database that cannot be used."""
    if isinstance(error, ImportError):
        return (
            "install the client of the database, for PostgreSQL with 'pip install "
            '"psycopg[binary]"\''
        )
    return "check its address, and that the database is running"


def without_password(storage: str) -> str:
    """Return a storage URL without its password, for messages and JSON output."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return str(make_url(storage).render_as_string(hide_password=True))
    except ArgumentError:
        return "(not a valid address)"


def study_folder(name: str, settings: Settings) -> Path:
    """Return the folder of a study; raise ``InputError`` for an invalid name."""
    return settings.runs_root / _STUDIES_FOLDER / validated_name(name)


def worker_path(folder: Path, number: int) -> Path:
    """Return the file that a worker keeps locked while it is alive."""
    return folder / f"worker-{number}.lock"


@contextmanager
def trial_lock(folder: Path) -> Iterator[None]:
    """Prevent the study's other workers on this machine from creating a trial.

    Raises:
        InputError: Another process holds the lock for more than 60 seconds.
    """
    path = folder / _TRIAL_LOCK_FILE
    path.touch()
    descriptor = lock_file(path, timeout=60.0)
    if descriptor is None:
        raise InputError(
            f"The search in {folder} is locked by a process that does not respond; end that "
            "process."
        )
    try:
        yield
    finally:
        os.close(descriptor)
