"""Searching for better settings: Optuna studies whose trials are ordinary runs.

Here a study is made, looked at, started and stopped; ``search_worker`` goes through its trials.

``runs/.studies/<name>/`` holds ``study.json`` (what is searched), ``search.log`` and, unless
another storage is named, Optuna's database. Each trial is a run in ``runs/`` that waits in the same
queue as every other.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fer_core.dataset.store import locate_dataset, validated_name
from fer_core.errors import InputError, first_line
from fer_core.extras import require_packages
from fer_core.files import os_errors_as_input_errors, read_json, write_json, write_new_json
from fer_core.keras_backend import require_backend
from fer_core.plain_values import read_record
from fer_core.recipes import TrainingConfig
from fer_core.settings import Settings
from fer_core.training.processes import is_locked, lock_file, spawn
from fer_core.training.search_space import SearchSpace, check_space

if TYPE_CHECKING:
    import optuna
    import plotly.graph_objects as go

_STUDIES_FOLDER = ".studies"
_SETUP_FILE = "study.json"
_DATABASE_FILE = "study.db"
_LOG_FILE = "search.log"
_CLAIM_FILE = "claim.lock"
STOP_FILE = "stop"
_MOST_WORKERS = 64

#: Before that many trials are through nobody knows what is hopeless.
_UNPRUNED_TRIALS = 3


@dataclass(frozen=True)
class StudySetup:
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

    name: str
    recipe: str
    data: str
    config: TrainingConfig
    space: SearchSpace
    trials: int = 20
    monitor: Literal["accuracy", "macro_f1", "loss"] = "accuracy"
    pruning: bool = True
    seed: int = 0
    storage: str | None = None

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ValueError: One is out of bounds.
        """
        if not 1 <= self.trials <= 10_000:
            raise ValueError(f"trials should lie from 1 to 10,000. Received: {self.trials}")
        if not 0 <= self.seed < 1 << 32:
            raise ValueError(f"seed should lie from 0 to {2**32 - 1:,}. Received: {self.seed}")

    def to_json(self) -> dict[str, Any]:
        """The content of ``study.json``."""
        return asdict(self) | {"config": self.config.to_json()}


def study_setup(values: dict[str, Any]) -> StudySetup:
    """Read a study's setup from plain values.

    Raises:
        InputError: They make none; the sentence says why.
    """
    try:
        return read_record(StudySetup, values)
    except ValueError as error:
        raise InputError(f"{str(error).removesuffix('.')}.") from error


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
        setup = self.setup.to_json()
        setup["storage"] = None if self.setup.storage is None else _without_password(self.setup)
        return asdict(self) | {"setup": setup, "trials": [asdict(one) for one in self.trials]}


def create_study(setup: StudySetup, settings: Settings) -> None:
    """Make a study; ``launch_search`` or ``run_search`` works on it.

    Raises:
        InputError: The name is taken or unfit, the dataset is not there, the space does not fit the
            configuration, or the storage cannot be used.
    """
    require_packages("A search needs", "search", "optuna", "sqlalchemy")
    require_backend()
    validated_name(setup.name)
    locate_dataset(setup.data, settings)
    check_space(setup.space, setup.config)
    folder = study_folder(setup.name, settings)
    if (folder / _SETUP_FILE).exists():
        raise InputError(_taken(setup.name))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        open_study(setup, settings, create=True)
        # Another machine's storage may hold a password.
        is_new = write_new_json(folder / _SETUP_FILE, setup.to_json())
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
    path = study_folder(name, settings) / _SETUP_FILE
    try:
        return study_setup(read_json(path))
    except FileNotFoundError as error:
        known = ", ".join(study_names(settings)) or "none so far"
        raise InputError(f"There is no study {name!r}; studies: {known}.") from error
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"{path} is damaged ({first_line(error)}); make a new study under another name."
        ) from error


def list_studies(settings: Settings) -> tuple[list[StudySummary], list[str]]:
    """Every study that can be read, by name, and a sentence for each that cannot."""
    studies, damages = [], []
    for name in study_names(settings):
        try:
            studies.append(study_summary(name, settings))
        except InputError as error:
            damages.append(str(error))
    return studies, damages


def study_summary(name: str, settings: Settings) -> StudySummary:
    """How far a study is.

    Raises:
        InputError: There is none of that name, or its storage cannot be read.
    """
    setup = read_study_setup(name, settings)
    study = open_study(setup, settings)
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
    return sum(bool(is_locked(path)) for path in study_folder(name, settings).glob("worker-*.lock"))


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
    folder = study_folder(name, settings)
    with os_errors_as_input_errors(f"The search in {folder} cannot be started"), claimed(folder):
        if living_workers(name, settings):
            raise InputError(f"The search {name!r} is running already.")
        (folder / STOP_FILE).unlink(missing_ok=True)
        for number in range(workers):
            path = worker_path(folder, number)
            path.touch()
            lock = lock_file(path, patience=0.5)
            if lock is None:
                raise InputError(f"The search {name!r} is running already.")
            try:
                with (folder / _LOG_FILE).open("ab") as log:
                    spawn(
                        "fer_core",
                        ["search", "resume", name, "--worker", str(number)],
                        settings,
                        output=log.fileno(),
                        lock=lock,
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
    folder = study_folder(name, settings)
    with os_errors_as_input_errors(f"The search in {folder} cannot be stopped"):
        write_json(folder / STOP_FILE, {"requested": time.time()})


def load_study(name: str, settings: Settings) -> optuna.Study:
    """Optuna's own study, for its own functions.

    Raises:
        InputError: There is none of that name, or its storage cannot be read.
    """
    return open_study(read_study_setup(name, settings), settings)


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


def open_study(
    setup: StudySetup, settings: Settings, *, worker: int = 0, create: bool = False
) -> optuna.Study:
    """Optuna's study with its storage, its pruner and its way of drawing values.

    Args:
        setup: What it looks for.
        settings: Where ``runs/`` is.
        worker: Whose drawing of values it is to be: each worker draws others.
        create: Whether to make it where it is not there.

    Raises:
        InputError: Its storage cannot be used.
    """
    require_packages("A search needs", "search", "optuna", "sqlalchemy")
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    url = setup.storage or f"sqlite:///{study_folder(setup.name, settings) / _DATABASE_FILE}"
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


def study_folder(name: str, settings: Settings) -> Path:
    """Where a study lies; raises ``InputError`` for what can be no name."""
    return settings.runs_root / _STUDIES_FOLDER / validated_name(name)


def worker_path(folder: Path, number: int) -> Path:
    """The file that a worker keeps locked as long as it lives."""
    return folder / f"worker-{number}.lock"


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
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
