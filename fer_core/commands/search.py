"""``search``: hyperparameter search whose trials are ordinary runs.

``fer_core.training`` calls a search a study, as Optuna does.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict, dataclass
from typing import Any

from fer_core.commands import CommandResult
from fer_core.commands.arguments import (
    DATA_HELP,
    ProgressLines,
    add_class_options,
    add_command,
    class_choice_of_path,
    parse_changes,
    text_table,
)
from fer_core.dataset.store import dataset_reference
from fer_core.errors import InputError
from fer_core.extras import require_packages
from fer_core.processes import stop_on_signals
from fer_core.recipes import changed_config, recipe_by_name
from fer_core.scale.options import parse_backend
from fer_core.scale.ray_search import RaySearchOptions, ray_search_options, search_on_ray
from fer_core.settings import Settings
from fer_core.training.search import (
    StudySetup,
    StudySummary,
    create_study,
    free_worker_number,
    join_study,
    launch_search,
    list_studies,
    read_study_setup,
    stop_search,
    study_setup,
    study_summary,
)
from fer_core.training.search_space import search_space
from fer_core.training.search_worker import run_search

#: Printed at the first signal to interrupt or terminate the process.
_STOPPING = "stopping; the search and its running trials can be resumed"


def add_parser(subparsers: Any) -> None:
    """Add ``search`` with its actions. Without an action, the command lists the searches."""
    parser = add_command(subparsers, "search", "search for better settings", _list)
    actions = parser.add_subparsers(metavar="ACTION", parser_class=type(parser))
    add_command(actions, "list", "list the searches on this machine", _list)
    start = add_command(actions, "start", "create a search and run it", _start)
    resume = add_command(actions, "resume", "resume a search after a stop or a crash", _resume)
    join = add_command(
        actions, "join", "run trials of a search that another process or machine started", _join
    )
    show = add_command(actions, "show", "show one search with its trials", _show)
    stop = add_command(actions, "stop", "stop a search; it can be resumed", _stop)
    for subparser in (start, resume, join, show, stop):
        subparser.add_argument("name", metavar="NAME", help="the name of the search")
    start.add_argument(
        "--recipe", metavar="NAME", required=True, help="name of a recipe; 'recipes' lists them"
    )
    start.add_argument("--data", required=True, help=DATA_HELP)
    add_class_options(start, default="the seven emotions")
    start.add_argument("--epochs", type=int, metavar="N", help="epochs per trial")
    start.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="changes",
        help="change one setting of the recipe for all trials, for example learning_rate=0.001",
    )
    start.add_argument(
        "--space",
        required=True,
        metavar="JSON",
        help='the settings to vary, for example \'[{"field": "learning_rate", "low": 1e-4, '
        '"high": 1e-1, "log": true}, {"field": "optimizer", "choices": ["adam", "sgd"]}]\'',
    )
    start.add_argument(
        "--trials", type=int, metavar="N", default=20, help="number of trials (default: 20)"
    )
    start.add_argument(
        "--monitor",
        choices=("accuracy", "macro_f1", "loss"),
        default="accuracy",
        help="the validation metric to optimize (default: accuracy)",
    )
    start.add_argument(
        "--no-pruning", action="store_true", help="do not end unpromising trials early"
    )
    start.add_argument(
        "--seed", type=int, metavar="N", default=0, help="seed of the search (default: 0)"
    )
    start.add_argument("--storage", metavar="URL", help="Optuna storage URL, for several machines")
    join.add_argument(
        "--storage", metavar="URL", required=True, help="Optuna storage URL of the search"
    )
    for subparser in (start, resume):
        subparser.add_argument(
            "--on",
            metavar="PLACE",
            default="local",
            help="where the trials run. local: on this machine (default); ray: on the Ray cluster "
            "of this machine, which is started if it does not run; ray://HOST:10001: on the "
            "cluster with this address; HOST:PORT: on the cluster with this address, if this "
            "machine is one of its nodes",
        )
        subparser.add_argument(
            "--cpus",
            type=int,
            metavar="N",
            default=1,
            help="with --on ray: CPU cores per trial (default: 1)",
        )
        subparser.add_argument(
            "--gpus",
            type=float,
            metavar="N",
            default=0.0,
            help="with --on ray: GPUs per trial; with 0.5, two trials share a GPU (default: 0)",
        )
        subparser.add_argument(
            "--background", action="store_true", help="run in the background and return at once"
        )
        subparser.add_argument(
            "--workers",
            type=int,
            metavar="N",
            help="number of processes that run trials, with --background (default: 1) or --on ray "
            "(default: as many as the cluster has room for)",
        )
    # A hidden option: launch_search passes a number to each worker process that it starts.
    resume.add_argument("--worker", type=int, metavar="NUMBER", default=0, help=argparse.SUPPRESS)


def _list(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    studies, errors = list_studies(settings)
    for error in errors:
        print(error, file=sys.stderr)
    rows = [
        [
            study.name,
            study.state,
            f"{study.finished + study.pruned + study.failed}/{study.setup.trials}",
            "" if study.best_value is None else f"{study.best_value:.4f}",
        ]
        for study in studies
    ]
    text = text_table(["search", "state", "trials", "best"], rows) if rows else "No searches yet."
    return CommandResult([study.to_json() for study in studies], text)


def _start(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    cluster = _cluster(arguments)  # invalid options are reported before the study is created
    changes = parse_changes(arguments.changes, arguments.epochs)
    config = changed_config(recipe_by_name(arguments.recipe).config, changes)
    choice = class_choice_of_path(arguments, settings)
    setup = study_setup(
        {
            "name": arguments.name,
            "recipe": arguments.recipe,
            "data": dataset_reference(arguments.data, settings),
            "class_choice": None if choice is None else asdict(choice),
            "config": config.to_json(),
            "space": asdict(search_space(_parse_space(arguments.space))),
            "trials": arguments.trials,
            "monitor": arguments.monitor,
            "pruning": not arguments.no_pruning,
            "seed": arguments.seed,
            "storage": arguments.storage,
        }
    )
    if cluster is not None:
        return _run_on_cluster(cluster, arguments.name, settings, new_setup=setup)
    create_study(setup, settings)
    return _run_or_launch(arguments, settings, worker=0)


def _join(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    join_study(arguments.name, arguments.storage, settings)
    number = free_worker_number(arguments.name, settings)
    with stop_on_signals(_STOPPING) as stop:
        return _search_result(run_search(arguments.name, settings, worker=number, stop=stop))


def _resume(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    cluster = _cluster(arguments)
    read_study_setup(arguments.name, settings)  # raises InputError if there is no such search
    if cluster is not None:
        return _run_on_cluster(cluster, arguments.name, settings)
    return _run_or_launch(arguments, settings, worker=arguments.worker)


@dataclass(frozen=True)
class _Cluster:
    """A Ray cluster: its address, as ``parse_backend`` returns it, and the resources to use."""

    address: str | None
    options: RaySearchOptions


def _cluster(arguments: argparse.Namespace) -> _Cluster | None:
    """Return the Ray cluster that ``--on`` selects; None if the search runs without Ray."""
    backend, address = parse_backend(arguments.on, os.environ)
    if backend != "ray":
        return None
    if arguments.background:
        raise InputError(
            "--background and --on ray exclude each other; use 'ray job submit --no-wait' to run a "
            "search on a cluster in the background."
        )
    require_packages("--on ray needs", "scale", "ray")
    return _Cluster(address, ray_search_options(arguments.workers, arguments.cpus, arguments.gpus))


def _run_on_cluster(
    cluster: _Cluster, name: str, settings: Settings, *, new_setup: StudySetup | None = None
) -> CommandResult:
    """Run a search on a cluster.

    Args:
        cluster: The cluster.
        name: The name of the search.
        settings: Contains the paths of ``data/`` and ``runs/``.
        new_setup: The setup of a search that does not exist yet; None for an existing search.
    """
    with stop_on_signals(_STOPPING) as stop:
        search_on_ray(
            name,
            settings,
            cluster.options,
            address=cluster.address,
            stop=stop,
            new_setup=new_setup,
            report=ProgressLines("searching"),
        )
    return _search_result(study_summary(name, settings))


def _run_or_launch(
    arguments: argparse.Namespace, settings: Settings, *, worker: int
) -> CommandResult:
    """Run an existing search in this process, or launch it in the background."""
    if arguments.background:
        launch_search(arguments.name, settings, arguments.workers or 1)
        return _search_result(study_summary(arguments.name, settings))
    with stop_on_signals(_STOPPING) as stop:
        return _search_result(run_search(arguments.name, settings, worker=worker, stop=stop))


def _show(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    return _search_result(study_summary(arguments.name, settings))


def _stop(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    stop_search(arguments.name, settings)
    return _search_result(study_summary(arguments.name, settings))


def _parse_space(text: str) -> list[dict[str, Any]]:
    try:
        parameters = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"--space should be a list in JSON; received {text!r}.") from error
    if not isinstance(parameters, list) or not all(isinstance(item, dict) for item in parameters):
        raise InputError(f"--space should be a JSON list of objects; received {text!r}.")
    return parameters


def _search_result(study: StudySummary) -> CommandResult:
    """Return the state of a search, with its workers and trials."""
    rows = [
        [
            str(trial.number),
            trial.state,
            "" if trial.value is None else f"{trial.value:.4f}",
            trial.worker,
            ", ".join(f"{field}={_short_text(value)}" for field, value in trial.values.items()),
        ]
        for trial in study.trials
    ]
    lines = [f"{study.name}: {study.state}"]
    lines += [
        f"worker {worker.name}: "
        + ("between trials" if worker.trial is None else f"trial {worker.trial}")
        for worker in study.workers
    ]
    if study.best_value is not None:
        lines.append(f"best: trial {study.best_trial} with {study.best_value:.4f}")
    if rows:
        lines.append(text_table(["trial", "state", study.setup.monitor, "worker", "values"], rows))
    return CommandResult(study.to_json(), "\n".join(lines))


def _short_text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
