"""``train``: start a new run, or resume one."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fer_core.bundle import check_name_is_free, find_bundle, publish_bundle
from fer_core.commands import CommandResult
from fer_core.commands.arguments import (
    DATA_HELP,
    add_class_options,
    add_command,
    class_choice_of_path,
    parse_changes,
)
from fer_core.dataset.class_mapping import choice_for_model
from fer_core.dataset.store import dataset_reference, load_dataset
from fer_core.errors import InputError
from fer_core.metrics.formatting import percent
from fer_core.phrases import counted
from fer_core.recipes import changed_config, recipe_by_name
from fer_core.recipes.fine_tuning import fine_tuning_config
from fer_core.settings import Settings
from fer_core.training.estimate import estimate_training
from fer_core.training.launcher import (
    check_starting_model,
    continue_run,
    create_run,
    find_resumable_run,
    launch,
)
from fer_core.training.queue import pending_runs
from fer_core.training.resource_errors import failure_reason, is_resource_error
from fer_core.training.run_folder import RunFolder, RunSetup, Tracking
from fer_core.training.starting_model import starting_model
from fer_core.training.time_budget import TimeBudget
from fer_core.training.train_job import TrainingOutcome, run_training


def add_parser(subparsers: Any) -> None:
    """Add ``train``."""
    parser = add_command(
        subparsers, "train", "train a recipe, or resume a run that was interrupted", _run
    )
    parser.add_argument("--recipe", metavar="NAME", help="name of a recipe; 'recipes' lists them")
    parser.add_argument("--data", help=DATA_HELP)
    add_class_options(
        parser, default="the classes of the --from model; without --from, the seven emotions"
    )
    parser.add_argument(
        "--from",
        dest="start",
        metavar="BUNDLE",
        help="start from the weights of this model (name, folder or run) instead of random "
        "weights; the run has the architecture of this model and a tenth of the recipe's learning "
        "rate; without --recipe, the recipe of this model is used",
    )
    parser.add_argument(
        "--freeze",
        metavar="STAGE",
        help="with --from, do not train the stages of the network up to and including this stage, "
        "for example stage2",
    )
    parser.add_argument(
        "--epochs", type=int, metavar="N", help="number of epochs (default: that of the recipe)"
    )
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
        "--resume", type=Path, metavar="RUN_DIR", help="resume a run after its last finished epoch"
    )
    parser.add_argument(
        "--minutes",
        type=float,
        metavar="N",
        help="stop before the first epoch that would not finish within N minutes from now, and "
        "write a bundle of the best model so far; --resume RUN_DIR continues the training, and the "
        "result is the same as without the interruption",
    )
    parser.add_argument(
        "--publish", metavar="NAME", help="also copy the finished bundle to models/NAME"
    )
    parser.add_argument(
        "--queue", action="store_true", help="train in the background, after the pending runs"
    )
    parser.add_argument(
        "--estimate",
        action="store_true",
        help="only estimate the time and the memory on this machine",
    )
    parser.add_argument(
        "--tensorboard", action="store_true", help="also write TensorBoard event files"
    )
    parser.add_argument("--mlflow", metavar="URI", help="also log to this MLflow server or folder")


def _run(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    # The budget is created first, so that it includes the time for reading the data.
    budget = None if arguments.minutes is None else TimeBudget(arguments.minutes)
    if arguments.estimate:
        return _estimate(arguments, settings)
    if arguments.queue:
        return _launch(arguments, settings)
    if arguments.publish is not None:
        # An invalid name must be reported now, not after hours of training.
        check_name_is_free(arguments.publish, settings)
    run = _run_to_resume(arguments) if arguments.resume else _new_run(arguments, settings)
    try:
        outcome = run_training(run, settings, budget)
    except Exception as error:
        if is_resource_error(error):
            raise InputError(failure_reason(error, run)) from error
        raise
    # A run that --minutes stopped is not published, because it is incomplete.
    is_to_be_resumed = budget is not None and outcome.state == "stopped"
    if arguments.publish is not None and outcome.bundle is not None and not is_to_be_resumed:
        publish_bundle(outcome.bundle.folder, settings, name=arguments.publish)
    return CommandResult(outcome.to_json(), _text(outcome))


def _launch(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    """Start or queue a training in the background."""
    conflicting = (arguments.publish, arguments.run_dir, arguments.minutes)
    if any(option is not None for option in conflicting):
        raise InputError(
            "--queue creates its run under runs/, trains it completely and does not publish it; "
            "omit --run-dir, --minutes and --publish, or omit --queue."
        )
    if arguments.resume:
        run = _run_to_resume(arguments)
        continue_run(run, settings)
    else:
        setup, starting_model_file = _setup(arguments, settings)
        run = launch(setup, settings, starting_model_file=starting_model_file)
    is_pending = any(pending.path == run.path for pending in pending_runs(settings))
    state = "queued" if is_pending else "started"
    return CommandResult({"run_dir": str(run.path), "state": state}, f"{state}: {run.path}")


def _estimate(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    """Estimate time, speed and memory of a training, and the number of parameters."""
    if arguments.resume:
        setup = _run_to_resume(arguments).read_setup()
    else:
        setup, _ = _setup(arguments, settings)
    faces = load_dataset(setup.data, settings, class_choice=setup.class_choice)
    estimate = estimate_training(
        setup.config,
        len(faces.rows("train")),
        len(faces.rows("validation")),
        settings,
        class_count=len(faces.classes),
        freeze=None if setup.start is None else setup.start.freeze,
    )
    text = (
        f"{estimate.text}\n{estimate.parameters:,} parameters, about "
        f"{estimate.memory_bytes / 1e9:.1f} GB of memory, {estimate.images_per_second:.0f} images "
        "a second"
    )
    return CommandResult(estimate.to_json(), text)


def _run_to_resume(arguments: argparse.Namespace) -> RunFolder:
    """Return the run of ``--resume``.

    Raises:
        InputError: There is no such run, or an option cannot be combined with ``--resume``.
    """
    options_with_value = (
        arguments.recipe,
        arguments.data,
        arguments.classes,
        arguments.class_order,
        arguments.epochs,
        arguments.run_dir,
        arguments.mlflow,
        arguments.start,
        arguments.freeze,
    )
    # The default of these options is an empty list or False instead of None.
    has_other_options = arguments.changes or arguments.changed_classes or arguments.tensorboard
    if has_other_options or any(value is not None for value in options_with_value):
        raise InputError(
            "--resume uses the recipe, data and settings of the run; omit --recipe, --data, "
            "--classes, --map, --class-order, --epochs, --run-dir, --set, --from, --freeze, "
            "--tensorboard and --mlflow. More epochs: 'runs continue RUN --epochs N'."
        )
    return find_resumable_run(arguments.resume.expanduser().resolve())


def _new_run(arguments: argparse.Namespace, settings: Settings) -> RunFolder:
    folder = None if arguments.run_dir is None else arguments.run_dir.expanduser().resolve()
    setup, starting_model_file = _setup(arguments, settings)
    return create_run(setup, settings, folder, starting_model_file=starting_model_file)


def _setup(arguments: argparse.Namespace, settings: Settings) -> tuple[RunSetup, Path | None]:
    """Return the setup of a new run, and the Keras file of its starting model.

    The file is None if the training starts from random weights.
    """
    recipe, start, starting_model_file = arguments.recipe, None, None
    if arguments.start is not None:
        bundle = find_bundle(arguments.start, settings)
        start, starting_model_file = starting_model(bundle, arguments.freeze)
        recipe = recipe or bundle.record.recipe
    elif arguments.freeze is not None:
        raise InputError("--freeze keeps trained weights as they are, so it needs --from BUNDLE.")
    if recipe is None or arguments.data is None:
        raise InputError(
            "Training needs --recipe NAME and --data DATA, --from BUNDLE and --data DATA, or "
            "--resume RUN_DIR."
        )
    config = recipe_by_name(recipe).config
    if start is not None:
        config = fine_tuning_config(config, start.architecture)
    config = changed_config(config, parse_changes(arguments.changes, arguments.epochs))
    default_choice = None if start is None else choice_for_model(start.classes)
    setup = RunSetup(
        recipe=recipe,
        data=dataset_reference(arguments.data, settings),
        config=config,
        tracking=Tracking(tensorboard=arguments.tensorboard, mlflow_uri=arguments.mlflow),
        start=start,
        class_choice=class_choice_of_path(arguments, settings, default_choice),
    )
    if start is not None:
        check_starting_model(start, setup.config)
    return setup, starting_model_file


def _text(outcome: TrainingOutcome) -> str:
    """Describe how a training ended, with the metrics of its model, for the terminal."""
    epochs = counted(outcome.epochs, "epoch")
    if outcome.state == "pruned":
        return f"pruned after {epochs}: {outcome.run.path}"
    if outcome.bundle is None:
        return f"{outcome.state} without a finished epoch: {outcome.run.path}"
    metrics = outcome.bundle.record.metrics["validation"]
    return (
        f"{outcome.state} after {epochs}, best epoch {outcome.best_epoch}\n"
        f"validation: accuracy {percent(metrics['accuracy'])}, macro F1 {metrics['macro_f1']:.3f}, "
        f"cross-entropy {metrics['loss']:.3f}\n"
        f"bundle: {outcome.bundle.folder}"
    )
