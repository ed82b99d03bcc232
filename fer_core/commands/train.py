"""``train``: a new run, or the continuation of one."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fer_core.bundle import check_name_is_free, publish_bundle
from fer_core.commands import Answer
from fer_core.commands.arguments import DATA_HELP, add_command
from fer_core.dataset.store import locate_dataset
from fer_core.errors import InputError
from fer_core.recipes import changed_config, recipe_by_name
from fer_core.settings import Settings
from fer_core.training.launch import TrainingOutcome, new_run_folder, run_training
from fer_core.training.run_folder import RunFolder, RunSetup


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
        "--publish", metavar="NAME", help="also copy the bundle to models/NAME when it is done"
    )


def _run(arguments: argparse.Namespace, settings: Settings) -> Answer:
    if arguments.publish is not None:
        # Said before hours of training, not after.
        check_name_is_free(arguments.publish, settings)
    run = _run_to_resume(arguments) if arguments.resume else _new_run(arguments, settings)
    outcome = run_training(run, settings)
    if arguments.publish is not None and outcome.bundle is not None:
        publish_bundle(outcome.bundle.folder, settings, name=arguments.publish)
    return Answer(outcome.to_json(), _text(outcome))


def _run_to_resume(arguments: argparse.Namespace) -> RunFolder:
    others = ("recipe", "data", "epochs", "run_dir")
    if arguments.changes or any(getattr(arguments, name) is not None for name in others):
        raise InputError(
            "--resume goes on with the run's own recipe, data and settings; leave out --recipe, "
            "--data, --epochs, --run-dir and --set."
        )
    run = RunFolder(arguments.resume.expanduser().resolve())
    run.read_setup()
    return run


def _new_run(arguments: argparse.Namespace, settings: Settings) -> RunFolder:
    if arguments.recipe is None or arguments.data is None:
        raise InputError("Training needs --recipe NAME and --data DATA, or --resume RUN_DIR.")
    changes: dict[str, Any] = {}
    for text in arguments.changes:
        key, separator, value = text.partition("=")
        if not separator:
            raise InputError(f"--set expects KEY=VALUE; received {text!r}.")
        changes[key.strip()] = value.strip()
    if arguments.epochs is not None:
        changes["epochs"] = arguments.epochs
    config = changed_config(recipe_by_name(arguments.recipe).config, changes)
    # Before the run's folder is made: a mistyped name should not use it up.
    path = locate_dataset(arguments.data, settings)
    is_import = path.parent == settings.data_root
    # A path is kept whole, because a run may be resumed from another working folder.
    data = path.name if is_import else str(path)
    if arguments.run_dir is not None:
        run = RunFolder(arguments.run_dir.expanduser().resolve())
    else:
        run = new_run_folder(arguments.recipe, settings)
    run.create(RunSetup(recipe=arguments.recipe, data=data, config=config))
    return run


def _text(outcome: TrainingOutcome) -> str:
    if outcome.bundle is None:
        return f"{outcome.state} without a finished epoch: {outcome.run.path}"
    figures = outcome.bundle.record.metrics["validation"]
    return (
        f"{outcome.state} after {outcome.epochs} epochs, the best being {outcome.best_epoch}\n"
        f"validation: accuracy {figures['accuracy']:.2%}, macro F1 {figures['macro_f1']:.3f}, "
        f"cross-entropy {figures['loss']:.3f}\n"
        f"bundle: {outcome.bundle.folder}"
    )
