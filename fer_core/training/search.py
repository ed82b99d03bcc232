"""Searching for better settings: Optuna studies whose trials are ordinary runs.

``runs/.studies/<name>/`` holds ``study.json`` (what is searched), ``search.log`` and, unless
another storage is named, Optuna's database. Each trial is a run in ``runs/`` that waits in the same
queue as every other. A worker that dies leaves its trial behind, and the next one on this machine
goes on with it.
"""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fer_core.dataset.store import locate_dataset, validated_name
from fer_core.errors import InputError, first_line
from fer_core.files import read_json, told_if_refused, write_json, write_new_json
from fer_core.recipes import TrainingConfig
from fer_core.settings import Settings
from fer_core.training.control import is_active, request_prune, request_stop
from fer_core.training.processes import (
    LOCK_VARIABLE,
    inherited_lock,
    is_locked,
    is_process_alive,
    lock_file,
    process_start,
)
from fer_core.training.queue import continue_run, launch, remove_from_queue, revive_queue, spawn
from fer_core.training.registry import read_run_epochs, run_summary
from fer_core.training.run_folder import EpochRecord, RunFolder, RunSetup
from fer_core.training.search_space import SearchSpace, check_space, sentence_of

if TYPE_CHECKING:
    import optuna
    import plotly.graph_objects as go

_STUDIES_FOLDER = ".studies"
_SETUP_FILE = "study.json"
_DATABASE_FILE = "study.db"
_LOG_FILE = "search.log"
_CLAIM_FILE = "claim.lock"
_STOP_FILE = "stop"
_MOST_WORKERS = 64

#: Seconds between two looks at a trial's run.
_INTERVAL = 0.5

#: Before that many trials are through nobody knows what is hopeless.
_UNPRUNED_TRIALS = 3


class StudySetup(BaseModel):
    """What a search looks for: the content of ``study.json``.

    Attributes:
        name: Of the study and its folder.
        recipe: What ``config`` came from.
        data: The dataset's name or path.
        config: What every trial has in common.
        space: What they differ in.
        trials: How many, with those that were pruned or failed.
        monitor: The validation figure that is made as good as possible.
        pruning: Whether hopeless trials are ended early.
        seed: Of the drawing of values.
        storage: Optuna's storage URL, for several machines; None for a database of its own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    recipe: str
    data: str
    config: TrainingConfig
    space: SearchSpace
    trials: int = Field(20, ge=1, le=10_000)
    monitor: Literal["accuracy", "macro_f1", "loss"] = "accuracy"
    pruning: bool = True
    seed: int = Field(0, ge=0, le=2**32 - 1)
    storage: str | None = None


def study_setup(values: dict[str, Any]) -> StudySetup:
    """Read a study's setup from plain values.

    Raises:
        InputError: They make none; the sentence says why.
    """
    try:
        return StudySetup.model_validate(values)
    except ValidationError as error:
        raise InputError(sentence_of(error)) from error


@dataclass(frozen=True)
class TrialSummary:
    """One trial.

    Attributes:
        number: From 0.
        state: *waiting* trials have been planned and not begun.
        value: The monitored figure of its best epoch; of the last one where it was pruned.
        values: What was drawn.
        run_id: Its run in ``runs/``.
        problem: Why it failed.
    """

    number: int
    state: Literal["running", "finished", "pruned", "failed", "waiting"]
    value: float | None
    values: dict[str, Any]
    run_id: str | None
    problem: str = ""


@dataclass(frozen=True)
class StudySummary:
    """How far a search is.

    Attributes:
        name: Of the study.
        setup: What it looks for.
        state: *running* while a worker on this machine lives.
        finished: Trials that went to their end.
        pruned: Trials that were ended early.
        failed: Trials that failed.
        running: Trials under way, or left behind by a worker that died.
        best_value: The best trial's figure.
        best_trial: Its number.
        best_values: What was drawn for it.
        trials: All of them.
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

    def to_json(self) -> dict[str, Any]:
        """Plain values; a storage's password is left out."""
        setup = self.setup.model_dump(mode="json")
        setup["storage"] = None if self.setup.storage is None else _without_password(self.setup)
        return asdict(self) | {"setup": setup, "trials": [asdict(one) for one in self.trials]}


def create_study(setup: StudySetup, settings: Settings) -> None:
    """Make a study; ``launch_search`` or ``run_search`` works on it.

    Raises:
        InputError: The name is taken or unfit, the dataset is not there, the space does not fit the
            configuration, or the storage cannot be used.
    """
    validated_name(setup.name)
    locate_dataset(setup.data, settings)
    check_space(setup.space, setup.config)
    folder = _folder(setup.name, settings)
    if (folder / _SETUP_FILE).exists():
        raise InputError(_taken(setup.name))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _open_study(setup, settings, create=True)
        # Another machine's storage may hold a password.
        is_new = write_new_json(folder / _SETUP_FILE, setup.model_dump(mode="json"))
        (folder / _SETUP_FILE).chmod(0o600)
    except OSError as error:
        raise InputError(
            f"The study cannot be kept in {folder} ({error.strerror}); check the folder's "
            "permissions and the free space."
        ) from error
    if not is_new:
        raise InputError(_taken(setup.name))


def _taken(name: str) -> str:
    return f"There is already a study {name!r}; resume it, or choose another name."


def study_names(settings: Settings) -> list[str]:
    """The studies on this machine, by name."""
    folder = settings.runs_root / _STUDIES_FOLDER
    return sorted(path.parent.name for path in folder.glob(f"[!.]*/{_SETUP_FILE}"))


def read_study_setup(name: str, settings: Settings) -> StudySetup:
    """What a study looks for.

    Raises:
        InputError: There is none of that name, or its file is damaged.
    """
    path = _folder(name, settings) / _SETUP_FILE
    try:
        return study_setup(read_json(path))
    except FileNotFoundError as error:
        known = ", ".join(study_names(settings)) or "none so far"
        raise InputError(f"There is no study {name!r}; studies: {known}.") from error
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"{path} is damaged ({first_line(error)}); make a new study under another name."
        ) from error


def list_studies(settings: Settings) -> list[StudySummary]:
    """Every study that can be read, by name."""
    return [study_summary(name, settings) for name in study_names(settings)]


def study_summary(name: str, settings: Settings) -> StudySummary:
    """How far a study is.

    Raises:
        InputError: There is none of that name, or its storage cannot be read.
    """
    setup = read_study_setup(name, settings)
    study = _open_study(setup, settings)
    trials = tuple(_trial_summary(trial) for trial in study.get_trials(deepcopy=False))
    counts = {
        state: sum(trial.state == state for trial in trials)
        for state in ("finished", "pruned", "failed", "running")
    }
    is_better = min if setup.monitor == "loss" else max
    done = [trial for trial in trials if trial.state == "finished" and trial.value is not None]
    best = is_better(done, key=lambda trial: trial.value or 0.0) if done else None
    through = counts["finished"] + counts["pruned"] + counts["failed"]
    state: Literal["running", "finished", "stopped"] = (
        "running"
        if living_workers(name, settings)
        else ("finished" if through >= setup.trials else "stopped")
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
    )


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
        run_id=trial.user_attrs.get("run"),
        problem=trial.user_attrs.get("problem", ""),
    )


def living_workers(name: str, settings: Settings) -> int:
    """How many processes on this machine work on a study."""
    return sum(bool(is_locked(path)) for path in _folder(name, settings).glob("worker-*.lock"))


def launch_search(name: str, settings: Settings, workers: int = 1) -> None:
    """Work on a study in processes of their own, which outlive this one.

    Trials are runs: with more workers as many run at a time as the queue allows.

    Raises:
        InputError: It is being worked on already, is through, or cannot be read.
    """
    if not 1 <= workers <= _MOST_WORKERS:
        raise InputError(f"A search may have 1 to {_MOST_WORKERS} workers. Received: {workers}")
    if study_summary(name, settings).state == "finished":
        raise InputError(f"The search {name!r} is through; make a new one to look further.")
    folder = _folder(name, settings)
    with told_if_refused(f"The search in {folder} cannot be started"), _claimed(folder):
        if living_workers(name, settings):
            raise InputError(f"The search {name!r} is running already.")
        (folder / _STOP_FILE).unlink(missing_ok=True)
        for number in range(workers):
            path = _worker_path(folder, number)
            path.touch()
            lock = lock_file(path, patience=0.5)
            if lock is None:
                raise InputError(f"The search {name!r} is running already.")
            try:
                with (folder / _LOG_FILE).open("ab") as log:
                    spawn(
                        ["search", "resume", name, "--worker", str(number)],
                        settings,
                        output=log.fileno(),
                        variables={LOCK_VARIABLE: str(lock)},
                        descriptors=(lock,),
                    )
            finally:
                os.close(lock)


def stop_search(name: str, settings: Settings) -> None:
    """End a study's workers on this machine; the trials under way can be resumed.

    Raises:
        InputError: Nobody works on it.
    """
    read_study_setup(name, settings)
    if not living_workers(name, settings):
        raise InputError(f"The search {name!r} is not running, so there is nothing to stop.")
    folder = _folder(name, settings)
    with told_if_refused(f"The search in {folder} cannot be stopped"):
        write_json(folder / _STOP_FILE, {"requested": time.time()})


def run_search(
    name: str, settings: Settings, *, worker: int = 0, stop: threading.Event | None = None
) -> StudySummary:
    """Work on a study in this process until it is through or stopped.

    Args:
        name: Of the study.
        settings: Where ``runs/`` is.
        worker: This worker's number; each number is one process at a time.
        stop: Set from outside to end it, as ``stop_search`` does.

    Raises:
        InputError: The study cannot be read, or that worker runs already.
    """
    setup, folder = read_study_setup(name, settings), _folder(name, settings)
    path = _worker_path(folder, worker)
    path.touch()
    lock = inherited_lock(path)
    if lock is None:
        (folder / _STOP_FILE).unlink(missing_ok=True)
        lock = lock_file(path, patience=0.5)
    if lock is None:
        raise InputError(f"Worker {worker} of the search {name!r} runs already.")
    try:
        _Worker(setup, settings, worker, stop or threading.Event()).work()
    finally:
        os.close(lock)
    return study_summary(name, settings)


class _Worker:
    """Goes through trials, one after the other."""

    def __init__(
        self, setup: StudySetup, settings: Settings, number: int, stop: threading.Event
    ) -> None:
        self._setup = setup
        self._settings = settings
        self._folder = _folder(setup.name, settings)
        self._stop = stop
        self._study = _open_study(setup, settings, worker=number)
        self._identity = {
            "host": platform.node(),
            "process_id": os.getpid(),
            "started": process_start(os.getpid()),
        }

    def work(self) -> None:
        while not self._is_stopped():
            taken = self._take_trial()
            if taken is None:
                return
            trial, run = taken
            if run is not None:
                self._follow(trial, run)

    def _is_stopped(self) -> bool:
        return self._stop.is_set() or (self._folder / _STOP_FILE).exists()

    def _take_trial(self) -> tuple[optuna.Trial, RunFolder | None] | None:
        """A trial that a dead worker left behind, or a new one; None when all are through."""
        import optuna

        with _claimed(self._folder):
            trials = self._study.get_trials(deepcopy=False)
            for left in trials:
                if left.state.name == "RUNNING" and self._is_left_behind(left.user_attrs):
                    trial = optuna.Trial(self._study, left._trial_id)
                    trial.set_user_attr("worker", self._identity)
                    run_id = left.user_attrs.get("run")
                    if run_id is None:
                        self._fail(trial, "its worker died before it had a run")
                        return trial, None
                    run = RunFolder(self._settings.runs_root / run_id)
                    return trial, self._revived(trial, run)
            if sum(trial.state.name != "WAITING" for trial in trials) >= self._setup.trials:
                return None
            trial = self._study.ask()
            trial.set_user_attr("worker", self._identity)
            return trial, self._launched(trial)

    def _is_left_behind(self, attributes: dict[str, Any]) -> bool:
        worker = attributes.get("worker")
        if not isinstance(worker, dict) or worker.get("host") != platform.node():
            return False
        if worker == self._identity:
            return True
        return not is_process_alive(int(worker["process_id"]), worker.get("started"))

    def _launched(self, trial: optuna.Trial) -> RunFolder | None:
        setup = self._setup
        try:
            config = setup.space.suggest(trial, setup.config)
        except InputError as error:
            self._fail(trial, str(error))
            return None
        try:
            run = launch(
                RunSetup(
                    recipe=setup.recipe,
                    data=setup.data,
                    config=config.model_copy(update={"monitor": setup.monitor}),
                    study=setup.name,
                    trial=trial.number,
                ),
                self._settings,
                name=f"{setup.name} {trial.number}",
            )
        except InputError as error:
            # A full disk, data that are gone: each trial to come would fail as this one does.
            self._fail(trial, str(error))
            raise
        trial.set_user_attr("run", run.path.name)
        return run

    def _revived(self, trial: optuna.Trial, run: RunFolder) -> RunFolder | None:
        """A run that was left behind goes on, unless it lives or waits."""
        state = run_summary(run.path, self._settings).state
        if state in ("failed", "stopped", "new"):
            try:
                continue_run(run, self._settings)
            except InputError as error:
                self._fail(trial, str(error))
                return None
        return run

    def _follow(self, trial: optuna.Trial, run: RunFolder) -> None:
        """Report a run's epochs until it ends, and tell the study how."""
        known = self._study.get_trials(deepcopy=False)[trial.number].intermediate_values
        reported = set(known)
        while True:
            revive_queue(self._settings)
            summary = run_summary(run.path, self._settings)
            epochs = read_run_epochs(run.path)
            for record in epochs:
                if record.epoch not in reported:
                    reported.add(record.epoch)
                    trial.report(self._figure(record), record.epoch)
                    if self._is_hopeless(trial) and is_active(run):
                        self._ask_to_prune(run)
            if self._is_stopped() and summary.state in ("queued", "starting", "running", "paused"):
                self._leave(run)
                return
            if summary.state in ("finished", "pruned", "stopped", "failed", "damaged", "new"):
                self._tell(trial, summary.state, summary.reason, epochs)
                return
            time.sleep(_INTERVAL)

    def _is_hopeless(self, trial: optuna.Trial) -> bool:
        return self._setup.pruning and trial.should_prune()

    @staticmethod
    def _ask_to_prune(run: RunFolder) -> None:
        with suppress(InputError):  # it may end in this very moment
            request_prune(run)

    def _leave(self, run: RunFolder) -> None:
        """End the run so that it can be resumed, and leave its trial open."""
        # Where it ends, or begins, in this very moment the next worker looks again.
        with suppress(InputError):
            if is_active(run):
                request_stop(run)
                while is_active(run):
                    time.sleep(_INTERVAL)
            else:
                remove_from_queue(run, self._settings)

    def _tell(
        self, trial: optuna.Trial, state: str, reason: str, epochs: tuple[EpochRecord, ...]
    ) -> None:
        import optuna

        figures = [self._figure(record) for record in epochs]
        if state == "pruned":
            self._study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        elif figures and state in ("finished", "stopped"):
            best = min(figures) if self._setup.monitor == "loss" else max(figures)
            self._study.tell(trial, best)
        else:
            self._fail(trial, reason)

    def _fail(self, trial: optuna.Trial, problem: str) -> None:
        import optuna

        trial.set_user_attr("problem", problem)
        self._study.tell(trial, state=optuna.trial.TrialState.FAIL)

    def _figure(self, record: EpochRecord) -> float:
        return {
            "accuracy": record.validation_accuracy,
            "macro_f1": record.validation_macro_f1,
            "loss": record.validation_loss,
        }[self._setup.monitor]


def load_study(name: str, settings: Settings) -> optuna.Study:
    """Optuna's own study, for its own functions.

    Raises:
        InputError: There is none of that name, or its storage cannot be read.
    """
    return _open_study(read_study_setup(name, settings), settings)


def study_figures(name: str, settings: Settings) -> dict[str, go.Figure]:
    """Optuna's own Plotly figures of a study, those that can be drawn so far.

    Returns:
        By *history*, *importance*, *parallel*, *slice* and *intermediate*.

    Raises:
        InputError: There is none of that name, or its storage cannot be read.
    """
    study = load_study(name, settings)
    from optuna import visualization

    setup = read_study_setup(name, settings)
    trials = study.get_trials(deepcopy=False)
    finished = [trial for trial in trials if trial.state.name == "COMPLETE"]
    target = {"accuracy": "Accuracy", "macro_f1": "Macro F1", "loss": "Loss"}[setup.monitor]
    figures: dict[str, go.Figure] = {}
    if finished:
        figures["history"] = visualization.plot_optimization_history(study, target_name=target)
    # With fewer, or with equal values, nothing can be said of what matters.
    if len(finished) > 1 and len({trial.value for trial in finished}) > 1:
        figures["importance"] = visualization.plot_param_importances(study, target_name=target)
    if finished:
        figures["parallel"] = visualization.plot_parallel_coordinate(study, target_name=target)
        figures["slice"] = visualization.plot_slice(study, target_name=target)
    if any(trial.intermediate_values for trial in trials):
        figures["intermediate"] = visualization.plot_intermediate_values(study)
    return figures


def _open_study(
    setup: StudySetup, settings: Settings, *, worker: int = 0, create: bool = False
) -> optuna.Study:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    url = setup.storage or f"sqlite:///{_folder(setup.name, settings) / _DATABASE_FILE}"
    pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
    if setup.pruning:
        pruner = optuna.pruners.MedianPruner(
            n_startup_trials=_UNPRUNED_TRIALS, n_warmup_steps=max(setup.config.epochs // 10, 1)
        )
    try:
        storage = optuna.storages.RDBStorage(
            url,
            # Several workers write to one file: they wait for each other.
            engine_kwargs={"connect_args": {"timeout": 60}} if url.startswith("sqlite") else None,
        )
        direction: Literal["minimize", "maximize"] = (
            "minimize" if setup.monitor == "loss" else "maximize"
        )
        if create:
            optuna.create_study(
                storage=storage, study_name=setup.name, direction=direction, load_if_exists=True
            )
        study = optuna.load_study(study_name=setup.name, storage=storage, pruner=pruner)
        # A worker, or one that goes on, must not draw once more what was drawn already.
        drawn = len(study.get_trials(deepcopy=False))
    except Exception as error:
        # Each database's driver raises types of its own.
        raise InputError(
            f"The storage of the study {setup.name!r} cannot be used ({first_line(error)}); check "
            "its address, and that the database is there."
        ) from error
    study.sampler = optuna.samplers.TPESampler(
        seed=(setup.seed + 1000 * worker + drawn) % 2**32, constant_liar=True
    )
    return study


def _without_password(setup: StudySetup) -> str:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return str(make_url(str(setup.storage)).render_as_string(hide_password=True))
    except ArgumentError:
        return "an address that cannot be read"


def _folder(name: str, settings: Settings) -> Path:
    return settings.runs_root / _STUDIES_FOLDER / validated_name(name)


def _worker_path(folder: Path, number: int) -> Path:
    return folder / f"worker-{number}.lock"


@contextmanager
def _claimed(folder: Path) -> Iterator[None]:
    """Keep the study's other workers on this machine from taking a trial."""
    path = folder / _CLAIM_FILE
    path.touch()
    descriptor = lock_file(path, patience=60.0)
    if descriptor is None:
        raise InputError(f"The search in {folder} is held by a process that hangs; end it first.")
    try:
        yield
    finally:
        os.close(descriptor)
