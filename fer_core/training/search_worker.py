"""Working on a search: trial after trial is launched, followed, pruned and told to its study.

A worker that dies leaves its trial behind, and the next one on this machine goes on with it.
"""

from __future__ import annotations

import os
import platform
import threading
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fer_core.errors import InputError
from fer_core.settings import Settings
from fer_core.training.control import is_active, request_prune, request_stop
from fer_core.training.launcher import continue_run, launch
from fer_core.training.processes import (
    inherited_lock,
    is_process_alive,
    lock_file,
    process_start,
)
from fer_core.training.queue import continue_queue, remove_from_queue
from fer_core.training.registry import read_run_epochs, run_summary
from fer_core.training.run_folder import EpochRecord, RunFolder, RunSetup
from fer_core.training.search import (
    STOP_FILE,
    StudySetup,
    StudySummary,
    claimed,
    open_study,
    read_study_setup,
    study_folder,
    study_summary,
    worker_path,
)

if TYPE_CHECKING:
    import optuna

#: Seconds between two looks at a trial's run.
_INTERVAL = 0.5


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
    setup, folder = read_study_setup(name, settings), study_folder(name, settings)
    path = worker_path(folder, worker)
    path.touch()
    lock = inherited_lock(path)
    if lock is None:
        (folder / STOP_FILE).unlink(missing_ok=True)
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
        self._folder = study_folder(setup.name, settings)
        self._stop = stop
        self._study = open_study(setup, settings, worker=number)
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
        return self._stop.is_set() or (self._folder / STOP_FILE).exists()

    def _take_trial(self) -> tuple[optuna.Trial, RunFolder | None] | None:
        """A trial that a dead worker left behind, or a new one; None when all are through."""
        import optuna

        with claimed(self._folder):
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
                    config=replace(config, monitor=setup.monitor),
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
            summary = run_summary(run.path, self._settings)
            if summary.state == "queued":
                # A run that was killed from outside did not start the next one.
                continue_queue(self._settings)
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
