"""``train``: a new run, or the continuation of one."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from fer_core.bundle import check_name_is_free, publish_bundle
from fer_core.commands import Answer
from fer_core.commands.arguments import DATA_HELP, add_command, parse_changes
from fer_core.dataset.store import dataset_reference, load_dataset
from fer_core.errors import InputError
from fer_core.files import is_disk_full
from fer_core.keras_backend import require_backend
from fer_core.recipes import changed_config, recipe_by_name
from fer_core.settings import Settings
from fer_core.training.estimate import estimate_training
from fer_core.training.faults import is_memory_error, reason_of_failure
from fer_core.training.launch import TrainingOutcome, run_training
from fer_core.training.queue import continue_run, launch, revive_queue, waiting_runs
from fer_core.training.run_folder import RunFolder, RunSetup, Tracking, new_run_folder
from fer_core.training.time_slice import TimeSlice
from fer_core.training.tracking import check_tracking


def add_parser(subparsers: Any) -> None:
    """Add ``train``."""
    parser = add_command(
        subparsers, "train", "train a recipe, or go on with a run that was interrupted", _run
    )
    parser.add_argument("--recipe", metavar="NAME", help="see 'recipes'")
    parser.add_argument("--data", help=DATA_HELP)
    parser.add_argument("--epochs", type=int, metavar="N", help="instead of the recipe's number")
    parser.add_argument(
        "--run-dir", type=Path, metavar="DIR", help="the run's folder (default: under runs/)"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="changes",
        help="change one setting of the recipe, for example learning_rate=0.001",
    )
    parser.add_argument(
        "--resume", type=Path, metavar="RUN_DIR", help="go on behind a run's last finished epoch"
    )
    parser.add_argument(
        "--minutes",
        type=float,
        metavar="N",
        help="stop before the first epoch that would not be through within N minutes of now, and "
        "write the bundle so far; --resume RUN_DIR --minutes N goes on, with the same result as "
        "in one go",
    )
    parser.add_argument(
        "--publish", metavar="NAME", help="also copy the bundle to models/NAME when it is done"
    )
    parser.add_argument(
        "--queue", action="store_true", help="in the background, when no other training runs"
    )
    parser.add_argument(
        "--estimate", action="store_true", help="only say how long it would take on this machine"
    )
    parser.add_argument(
        "--tensorboard", action="store_true", help="also write TensorBoard's event files"
    )
    parser.add_argument("--mlflow", metavar="URI", help="also log to this MLflow server or folder")


def _run(arguments: argparse.Namespace, settings: Settings) -> Answer:
    # It counts from the command's beginning, before the data are read.
    time_slice = None if arguments.minutes is None else TimeSlice(arguments.minutes)
    if arguments.estimate:
        return _estimate(arguments, settings)
    if arguments.queue:
        return _launch(arguments, settings)
    if arguments.publish is not None:
        # Said before hours of training, not after.
        check_name_is_free(arguments.publish, settings)
    run = _run_to_resume(arguments) if arguments.resume else _new_run(arguments, settings)
    try:
        outcome = run_training(run, settings, time_slice)
    except Exception as error:
        if is_memory_error(error) or is_disk_full(error):
            raise InputError(reason_of_failure(error, run)) from error
        raise
    finally:
        _start_next(settings)
    is_to_be_resumed = time_slice is not None and outcome.state == "stopped"
    if arguments.publish is not None and outcome.bundle is not None and not is_to_be_resumed:
        publish_bundle(outcome.bundle.folder, settings, name=arguments.publish)
    return Answer(outcome.to_json(), _text(outcome))


def _start_next(settings: Settings) -> None:
    """Whoever ends a training starts the next one; what comes of that is not this one's matter."""
    try:
        revive_queue(settings)
    except InputError as error:
        print(f"the queue stands still: {error}", file=sys.stderr)


def _launch(arguments: argparse.Namespace, settings: Settings) -> Answer:
    """Start, or queue, a training in the background."""
    others = (arguments.publish, arguments.run_dir, arguments.minutes)
    if any(other is not None for other in others):
        raise InputError(
            "--queue makes its run under runs/, trains it to its end and publishes nothing; leave "
            "out --run-dir, --minutes and --publish, or leave out --queue."
        )
    if arguments.resume:
        run = _run_to_resume(arguments)
        continue_run(run, settings)
    else:
        run = launch(_setup(arguments, settings), settings)
    is_waiting = any(waiting.path == run.path for waiting in waiting_runs(settings))
    state = "queued" if is_waiting else "started"
    return Answer({"run_dir": str(run.path), "state": state}, f"{state}: {run.path}")


def _estimate(arguments: argparse.Namespace, settings: Settings) -> Answer:
    """Say how long a training would take."""
    setup = (
        _run_to_resume(arguments).read_setup() if arguments.resume else _setup(arguments, settings)
    )
    faces = load_dataset(setup.data, settings)
    images = len(faces.rows("train")), len(faces.rows("validation"))
    estimate = estimate_training(setup.config, *images, settings)
    text = (
        f"{estimate.in_words}\n{estimate.parameters:,} parameters, about "
        f"{estimate.memory_bytes / 1e9:.1f} GB of memory, {estimate.images_per_second:.0f} images "
        "a second"
    )
    return Answer(estimate.to_json(), text)


def _run_to_resume(arguments: argparse.Namespace) -> RunFolder:
    others = ("recipe", "data", "epochs", "run_dir", "mlflow")
    is_changed = arguments.changes or arguments.tensorboard
    if is_changed or any(getattr(arguments, name) is not None for name in others):
        raise InputError(
            "--resume goes on with the run's own recipe, data and settings; leave out --recipe, "
            "--data, --epochs, --run-dir, --set, --tensorboard and --mlflow. More epochs: "
            "'runs continue RUN --epochs N'."
        )
    run = RunFolder(arguments.resume.expanduser().resolve())
    run.read_setup()
    return run


def _new_run(arguments: argparse.Namespace, settings: Settings) -> RunFolder:
    setup = _setup(arguments, settings)
    require_backend()
    check_tracking(setup.tracking)
    if arguments.run_dir is not None:
        run = RunFolder(arguments.run_dir.expanduser().resolve())
    else:
        run = new_run_folder(setup.recipe, settings)
    run.create(setup)
    return run


def _setup(arguments: argparse.Namespace, settings: Settings) -> RunSetup:
    if arguments.recipe is None or arguments.data is None:
        raise InputError("Training needs --recipe NAME and --data DATA, or --resume RUN_DIR.")
    changes = parse_changes(arguments.changes, arguments.epochs)
    config = changed_config(recipe_by_name(arguments.recipe).config, changes)
    return RunSetup(
        recipe=arguments.recipe,
        # Before the run's folder is made: a mistyped name should not use it up.
        data=dataset_reference(arguments.data, settings),
        config=config,
        tracking=Tracking(tensorboard=arguments.tensorboard, mlflow_uri=arguments.mlflow),
    )


def _text(outcome: TrainingOutcome) -> str:
    if outcome.state == "pruned":
        return f"pruned after {outcome.epochs} epochs: {outcome.run.path}"
    if outcome.bundle is None:
        return f"{outcome.state} without a finished epoch: {outcome.run.path}"
    figures = outcome.bundle.record.metrics["validation"]
    return (
        f"{outcome.state} after {outcome.epochs} epochs, the best being {outcome.best_epoch}\n"
        f"validation: accuracy {figures['accuracy']:.2%}, macro F1 {figures['macro_f1']:.3f}, "
        f"cross-entropy {figures['loss']:.3f}\n"
        f"bundle: {outcome.bundle.folder}"
    )
