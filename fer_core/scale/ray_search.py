"""A hyperparameter search on a Ray cluster: each actor is a worker of the study.

Ray reserves CPUs and GPUs, and restarts a worker that has died. Optuna's storage distributes the
trials, and retries the trials of dead workers.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pydantic import Field
from pydantic.dataclasses import dataclass

from fer_core.errors import InputError, first_line
from fer_core.extras import require_packages
from fer_core.phrases import counted
from fer_core.progress import ProgressReport
from fer_core.scale.ray_messages import logged_standard_output
from fer_core.scale.ray_pool import connect
from fer_core.settings import Settings
from fer_core.training.search import (
    StudySetup,
    create_study,
    free_worker_number,
    join_study,
    read_study_setup,
    study_summary,
)
from fer_core.training.search_worker import run_search
from fer_core.validation import FORBID_UNKNOWN, Integer, Number, from_dict

_log = logging.getLogger(__name__)

#: Time in seconds between two checks for ended workers and for a request to stop.
_POLL_SECONDS = 2.0
#: How often Ray restarts a worker that has died.
_MAX_RESTARTS = 3


@dataclass(frozen=True, config=FORBID_UNKNOWN)
class RaySearchOptions:
    """The resources of a search on Ray.

    Attributes:
        workers: Number of workers. Each worker runs one trial at a time. None for as many workers
            as the cluster has resources for.
        cpus: CPUs of each worker.
        gpus: GPUs of each worker; with 0.5, two workers share a GPU.
    """

    workers: Integer | None = Field(default=None, ge=1, le=64)
    cpus: Integer = Field(default=1, ge=1, le=1024)
    gpus: Number = Field(default=0.0, ge=0, le=64)


def ray_search_options(workers: int | None, cpus: int, gpus: float) -> RaySearchOptions:
    """Validate the resources of a search.

    Raises:
        InputError: A value is not valid.
    """
    try:
        return from_dict(RaySearchOptions, {"workers": workers, "cpus": cpus, "gpus": gpus})
    except ValueError as error:
        raise InputError(f"{error}.") from error


def search_on_ray(
    name: str,
    settings: Settings,
    options: RaySearchOptions,
    *,
    address: str | None,
    stop: threading.Event,
    new_setup: StudySetup | None = None,
    report: ProgressReport | None = None,
) -> None:
    """Run a study on a Ray cluster until it is complete or stopped.

    Args:
        name: The study's name.
        settings: Settings with the location of ``data/`` and ``runs/``. If the cluster has several
            nodes, all nodes need access to these folders, and the study needs a storage that all
            nodes can reach.
        options: Workers, CPUs and GPUs.
        address: See ``connect``.
        stop: Set by the caller to end the search. The interrupted trials can be resumed.
        new_setup: The setup of a study that does not exist yet; None for an existing study. The
            study is created only if the cluster can run it. After an error, the user can therefore
            correct the command and repeat it.
        report: Called with the number of completed trials and the number of all trials.

    Raises:
        InputError: The cluster cannot be used or has too few resources; the cluster has several
            nodes, but the study is stored on this machine only; or a worker failed, so that the
            study is not complete.
    """
    require_packages("--on ray needs", "scale", "ray")
    setup = read_study_setup(name, settings) if new_setup is None else new_setup
    with logged_standard_output():
        errors = _search(
            setup,
            settings,
            options,
            address=address,
            stop=stop,
            is_new=new_setup is not None,
            report=report,
        )
    if errors and not stop.is_set() and study_summary(name, settings).state != "finished":
        cause = getattr(errors[0], "cause", None) or errors[0]
        raise InputError(
            str(cause)
            if isinstance(cause, InputError)
            else f"The workers of the search {name!r} ended ({first_line(cause)}); resume it."
        )


def _search(
    setup: StudySetup,
    settings: Settings,
    options: RaySearchOptions,
    *,
    address: str | None,
    stop: threading.Event,
    is_new: bool,
    report: ProgressReport | None,
) -> list[Exception]:
    """Run the workers until they end; return the errors of the workers that failed."""
    connect(address)
    import ray

    name = setup.name
    try:
        workers = _worker_count(ray.cluster_resources(), options)
        if setup.storage is None and sum(node["Alive"] for node in ray.nodes()) > 1:
            raise InputError(
                f"The search {name!r} is stored on this machine only, and the Ray cluster has "
                "several nodes; create the search with --storage URL of a database that all nodes "
                "can reach."
            )
        if is_new:
            create_study(setup, settings)
        actor = ray.remote(
            num_cpus=options.cpus,
            num_gpus=options.gpus,
            max_restarts=_MAX_RESTARTS,
            max_task_retries=_MAX_RESTARTS,
            max_concurrency=2,  # so that stop() can run during work()
        )(_SearchActor)
        # Ray limits how many trials run at the same time; the queue of runs must not limit them
        # further.
        node_settings = replace(settings, parallel_runs=min(64, workers))
        actors = [
            actor.remote(name, setup.storage, node_settings, options.cpus) for _ in range(workers)
        ]
        return _wait(actors, stop, _CompletedTrialsReport(name, settings, report))
    finally:
        ray.shutdown()


def _worker_count(resources: dict[str, float], options: RaySearchOptions) -> int:
    possible = int(resources.get("CPU", 0) // options.cpus)
    if options.gpus:
        possible = min(possible, int(resources.get("GPU", 0) / options.gpus))
    if possible < 1 or (options.workers or 1) > possible:
        raise InputError(
            f"The Ray cluster has {resources.get('CPU', 0):g} CPUs and {resources.get('GPU', 0):g} "
            f"GPUs, too few for {counted(options.workers or 1, 'worker')} with {options.cpus} CPUs "
            f"and {options.gpus:g} GPUs each; lower --workers, --cpus or --gpus."
        )
    return options.workers or possible


def _wait(actors: list[Any], stop: threading.Event, report: Callable[[], None]) -> list[Exception]:
    """Wait until all workers have ended; return the errors of the workers that failed."""
    import ray

    errors: list[Exception] = []
    running, is_stopping = [actor.work.remote() for actor in actors], False
    while running:
        done, running = ray.wait(running, num_returns=1, timeout=_POLL_SECONDS)
        for reference in done:
            try:
                ray.get(reference)
            except ray.exceptions.RayError as error:
                _log.warning("a worker of the search ended: %s", first_line(error))
                errors.append(error)
        if stop.is_set() and not is_stopping:
            is_stopping = True
            for actor in actors:
                actor.stop.remote()
        report()
    return errors


class _CompletedTrialsReport:
    """Callable that reports the number of completed trials whenever it has changed."""

    def __init__(self, name: str, settings: Settings, report: ProgressReport | None) -> None:
        self._name = name
        self._settings = settings
        self._report = report
        self._reported = 0

    def __call__(self) -> None:
        if self._report is None:
            return
        summary = study_summary(self._name, self._settings)
        completed = summary.finished + summary.pruned + summary.failed
        if completed != self._reported:
            self._reported = completed
            self._report(completed, summary.setup.trials)


class _SearchActor:
    """A worker of a study on a node."""

    def __init__(self, name: str, storage: str | None, settings: Settings, cpus: int) -> None:
        self._name = name
        self._storage = storage
        self._settings = settings
        self._stop = threading.Event()
        # The training processes of the trials read these variables. Ray sets CUDA_VISIBLE_DEVICES.
        for variable in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
            os.environ[variable] = str(cpus)

    def work(self) -> None:
        """Work on the study until it is complete or stopped."""
        if self._storage is not None:
            join_study(self._name, self._storage, self._settings)
        while True:
            number = free_worker_number(self._name, self._settings)
            try:
                run_search(self._name, self._settings, worker=number, stop=self._stop)
                return
            except InputError as error:
                # Another worker on this node took the same number at the same moment: choose again.
                if "is already running" not in str(error):
                    raise

    def stop(self) -> None:
        """Stop working on the study. The current trial can be resumed."""
        self._stop.set()
