"""Run the trials of a search: launch a run for each trial, and report its epochs to Optuna.

If a worker dies, on any machine, the heartbeat of its trial ends. Optuna notices this and adds a
retry of the trial to the study. On the machine on which the trial ran, the retry continues its run.
"""

from __future__ import annotations

import os
import platform
import threading
import time
import zlib
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fer_core.errors import InputError
from fer_core.job_process import take_job_lock
from fer_core.settings import Settings
from fer_core.training.control import is_active, request_prune, request_stop
from fer_core.training.launcher import continue_run, launch
from fer_core.training.queue import continue_queue, remove_from_queue
from fer_core.training.registry import RunSummary, read_run_epochs, run_summary
from fer_core.training.run_folder import EpochRecord, RunFolder, RunSetup
from fer_core.training.search import (
    FAILURE_ATTRIBUTE,
    RUN_ATTRIBUTE,
    STOP_FILE,
    WORKER_ATTRIBUTE,
    StudySetup,
    StudySummary,
    current_trials,
    open_study,
    read_study_setup,
    report_worker,
    study_folder,
    study_summary,
    trial_lock,
    worker_name,
    worker_path,
)

if TYPE_CHECKING:
    import optuna

#: Attribute of trials in which earlier versions of this program stored host and process.
_EARLIER_WORKER_ATTRIBUTE = "worker"
#: Seconds between two checks of a trial's run.
_INTERVAL_SECONDS = 0.5
#: Seconds between two reports of a worker that it is alive.
_REPORT_SECONDS = 10.0


class _TrialFailedError(Exception):
    """A trial failed, or was interrupted because the search was stopped."""


def run_search(
    name: str, settings: Settings, *, worker: int = 0, stop: threading.Event | None = None
) -> StudySummary:
    """Work on a study in this process until it is complete or stopped.

    Args:
        name: The study's name.
        settings: Settings with the location of ``runs/``.
        worker: The number of this worker, which no other worker of the study on this machine has.
        stop: When this event is set, the worker stops, as after ``stop_search``; None for no event.

    Raises:
        InputError: The study cannot be read, a worker with this number is running, or no run can be
            launched, for example because the dataset was deleted or the disk is full.
    """
    setup, folder = read_study_setup(name, settings), study_folder(name, settings)
    path = worker_path(folder, worker)
    path.touch()
    lock = take_job_lock(
        path,
        requests_path=folder / STOP_FILE,
        busy_message=f"Worker {worker} of the search {name!r} is already running.",
    )
    try:
        _Worker(setup, settings, worker, stop or threading.Event()).work()
    finally:
        os.close(lock)
    return study_summary(name, settings)


class _Worker:
    """Runs one trial after the other."""

    def __init__(
        self, setup: StudySetup, settings: Settings, number: int, stop: threading.Event
    ) -> None:
        self._setup = setup
        self._settings = settings
        self._folder = study_folder(setup.name, settings)
        self._stop = stop
        self._name = worker_name()
        if setup.storage is not None:
            # Other machines have workers with the same numbers, so the unique name is used instead.
            number = zlib.crc32(self._name.encode()) % 1_000_000
        self._study = open_study(setup, settings, worker_number=number, has_heartbeat=True)
        self._next_report = 0.0
        #: Numbers of the trials for which this worker has recorded a first heartbeat.
        self._trials_with_heartbeat: set[int] = set()

    def work(self) -> None:
        """Run trials until the study is complete or stopped, then report the end of this worker."""
        try:
            self._run_trials()
        finally:
            report_worker(self._study, self._name, is_alive=False)

    def _run_trials(self) -> None:
        """Run trials until the study is complete or stopped."""
        self._retry_trials_of_earlier_versions()
        while not self._is_stopped():
            self._report_alive()
            # The lock is held until the trial is created, so that the workers on this machine
            # together run exactly the planned number of trials; ``_objective`` releases it.
            with ExitStack() as lock:
                lock.enter_context(trial_lock(self._folder))
                next_step = self._next_step()
                if next_step == "run":
                    self._study.optimize(
                        lambda trial, lock=lock: self._objective(trial, lock),
                        n_trials=1,
                        catch=(_TrialFailedError,),
                    )
            if next_step == "done":
                return
            if next_step == "wait":
                self._stop.wait(_INTERVAL_SECONDS)

    def _report_alive(self) -> None:
        if time.monotonic() >= self._next_report:
            self._next_report = time.monotonic() + _REPORT_SECONDS
            report_worker(self._study, self._name)

    def _next_step(self) -> str:
        """Return "run" to run a trial, "wait" while other workers run trials, or "done"."""
        import optuna

        optuna.storages.fail_stale_trials(self._study)
        self._record_first_heartbeats()
        states = [trial.state.name for trial in current_trials(self._study)]
        if "WAITING" in states or len(states) < self._setup.trials:
            return "run"
        # If another worker dies, its running trial has to be retried here.
        return "wait" if "RUNNING" in states else "done"

    def _record_first_heartbeats(self) -> None:
        """Record a heartbeat for each running trial for which this worker has not recorded one.

        Optuna retries a trial whose last heartbeat is older than its grace period, but never a
        trial without a heartbeat. Without this function, a trial whose worker dies before its first
        heartbeat would never be retried.
        """
        storage: Any = self._study._storage
        for trial in self._study.get_trials(deepcopy=False):
            is_new = (
                trial.state.name == "RUNNING" and trial.number not in self._trials_with_heartbeat
            )
            # Workers of earlier versions record no heartbeats. If this worker recorded one for a
            # trial of theirs, Optuna would soon retry the trial although it is still running.
            if is_new and _EARLIER_WORKER_ATTRIBUTE not in trial.user_attrs:
                self._trials_with_heartbeat.add(trial.number)
                storage.record_heartbeat(trial._trial_id)

    def _retry_trials_of_earlier_versions(self) -> None:
        """Retry the trials that an earlier version of this program left running on this machine.

        Such trials have no heartbeat, so Optuna does not notice that their workers have ended.
        """
        import optuna

        for trial in self._study.get_trials(deepcopy=True):
            worker = trial.user_attrs.get(_EARLIER_WORKER_ATTRIBUTE)
            is_local = isinstance(worker, dict) and worker.get("host") == platform.node()
            if is_local and trial.state.name == "RUNNING":
                self._study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
                self._enqueue_retry(trial)

    def _is_stopped(self) -> bool:
        return self._stop.is_set() or (self._folder / STOP_FILE).exists()

    def _objective(self, trial: optuna.Trial, lock: ExitStack) -> float:
        """Train one trial and return the monitored metric of its best epoch."""
        lock.close()  # this trial exists now, so other workers may create the next one
        trial.set_user_attr(WORKER_ATTRIBUTE, self._name)
        return self._follow(trial, self._run_for(trial))

    def _run_for(self, trial: optuna.Trial) -> RunFolder:
        """Launch the trial's run, or continue the run of the trial that is retried."""
        run_id = trial.user_attrs.get(RUN_ATTRIBUTE)
        if run_id is None or not (self._settings.runs_root / run_id).is_dir():
            # A new trial, or the retry of a trial whose run is on another machine.
            return self._launch_run(trial)
        run = RunFolder(self._settings.runs_root / run_id)
        if run_summary(run.path, self._settings).state in ("failed", "stopped", "new"):
            try:
                continue_run(run, self._settings)
            except InputError as error:
                raise self._failure(trial, str(error)) from error
        return run

    def _launch_run(self, trial: optuna.Trial) -> RunFolder:
        setup = self._setup
        try:
            config = setup.space.suggest(trial, setup.config)
        except InputError as error:
            raise self._failure(trial, str(error)) from error
        try:
            run = launch(
                RunSetup(
                    recipe=setup.recipe,
                    data=setup.data,
                    class_choice=setup.class_choice,
                    config=replace(config, monitor=setup.monitor),
                    study=setup.name,
                    trial=trial.number,
                ),
                self._settings,
                name=f"{setup.name} {trial.number}",
            )
        except InputError as error:
            # A cause such as a full disk or a deleted dataset would make every later trial fail.
            trial.set_user_attr(FAILURE_ATTRIBUTE, str(error))
            raise
        trial.set_user_attr(RUN_ATTRIBUTE, run.path.name)
        return run

    def _follow(self, trial: optuna.Trial, run: RunFolder) -> float:
        """Report the epochs of a run to Optuna until the run ends; return its best metric.

        Raises:
            optuna.TrialPruned: The run was pruned.
            _TrialFailedError: The run failed, or the search was stopped.
        """
        stored_trial = self._study.get_trials(deepcopy=False)[trial.number]
        reported_epochs = set(stored_trial.intermediate_values)
        while True:
            self._report_alive()
            summary = run_summary(run.path, self._settings)
            if summary.state == "queued":
                # A run that ends starts the next run in the queue, unless it is killed.
                continue_queue(self._settings)
            epochs = read_run_epochs(run.path)
            for record in epochs:
                if record.epoch not in reported_epochs:
                    reported_epochs.add(record.epoch)
                    trial.report(self._metric(record), record.epoch)
                    if self._setup.pruning and trial.should_prune() and is_active(run):
                        with suppress(InputError):  # the run may just have ended
                            request_prune(run)
            if self._is_stopped() and summary.state in ("queued", "starting", "running", "paused"):
                self._interrupt(run)
                self._enqueue_retry(self._study.get_trials(deepcopy=True)[trial.number])
                raise self._failure(trial, "the search was stopped")
            if summary.state in ("finished", "pruned", "stopped", "failed", "damaged", "new"):
                return self._outcome(trial, summary, epochs)
            time.sleep(_INTERVAL_SECONDS)

    def _interrupt(self, run: RunFolder) -> None:
        """Stop the run, or remove it from the queue, so that it can be continued."""
        with suppress(InputError):  # the run may just have ended, or started
            if is_active(run):
                request_stop(run)
                while is_active(run):
                    time.sleep(_INTERVAL_SECONDS)
            else:
                remove_from_queue(run, self._settings)

    def _enqueue_retry(self, trial: optuna.trial.FrozenTrial) -> None:
        """Add a new trial with the same values to the study, as Optuna does for a dead trial."""
        import optuna

        retry = optuna.storages.RetryHeartbeatStaleTrialCallback(inherit_intermediate_values=True)
        retry(self._study, trial)

    def _outcome(
        self, trial: optuna.Trial, summary: RunSummary, epochs: tuple[EpochRecord, ...]
    ) -> float:
        """Return the best metric of a run that ended.

        Raises:
            optuna.TrialPruned: The run was pruned.
            _TrialFailedError: The run failed, or ended without a finished epoch.
        """
        import optuna

        metrics = [self._metric(record) for record in epochs]
        if summary.state == "pruned":
            raise optuna.TrialPruned
        if metrics and summary.state in ("finished", "stopped"):
            return min(metrics) if self._setup.monitor == "loss" else max(metrics)
        raise self._failure(trial, summary.reason)

    @staticmethod
    def _failure(trial: optuna.Trial, reason: str) -> _TrialFailedError:
        """Store the reason in the trial, and return the error to raise."""
        trial.set_user_attr(FAILURE_ATTRIBUTE, reason)
        return _TrialFailedError(reason)

    def _metric(self, record: EpochRecord) -> float:
        return {
            "accuracy": record.validation_accuracy,
            "macro_f1": record.validation_macro_f1,
            "loss": record.validation_loss,
        }[self._setup.monitor]
