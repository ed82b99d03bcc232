"""``runs``: list, control and delete runs."""

from __future__ import annotations

import argparse
from typing import Any

from fer_core.commands import CommandResult
from fer_core.commands.arguments import add_command, text_table
from fer_core.metrics.formatting import percent
from fer_core.phrases import format_duration
from fer_core.settings import Settings
from fer_core.training.control import (
    RunLabel,
    kill_run,
    read_label,
    request_pause,
    request_resume,
    request_stop,
    write_label,
)
from fer_core.training.launcher import continue_run, extend_run
from fer_core.training.queue import (
    enqueue,
    move_in_queue,
    pending_runs,
    remove_from_queue,
    start_pending_runs,
)
from fer_core.training.registry import find_run, list_runs, log_tail, run_summary
from fer_core.training.run_deletion import delete_run

_RUN_HELP = "the name of a run's folder in runs/, or a path"


def add_parser(subparsers: Any) -> None:
    """Add ``runs`` with its actions. Without an action, the command lists the runs."""
    parser = add_command(subparsers, "runs", "list, control and delete runs", _list)
    actions = parser.add_subparsers(metavar="ACTION", parser_class=type(parser))
    add_command(actions, "list", "list every run with its state", _list)
    show = add_command(actions, "show", "show one run and the end of its log", _show)
    stop = add_command(actions, "stop", "stop a training and keep the best model so far", _stop)
    pause = add_command(actions, "pause", "pause a training", _pause)
    resume = add_command(actions, "resume", "resume a paused training", _resume, aliases=("go-on",))
    kill = add_command(actions, "kill", "end the process of a training at once", _kill)
    delete = add_command(actions, "delete", "delete a run permanently", _delete)
    label = add_command(actions, "label", "change the name or the note of a run", _label)
    continue_command = add_command(
        actions,
        "continue",
        "continue a run in the background, optionally for more epochs",
        _continue,
    )
    extend = add_command(
        actions, "extend", "change a run's number of epochs without starting it", _extend
    )
    queue = add_command(
        actions, "queue", "list and start pending runs, or change their order", _queue
    )
    for subparser in (show, stop, pause, resume, kill, delete, label, continue_command, extend):
        subparser.add_argument("run_name", metavar="RUN", help=_RUN_HELP)
    label.add_argument("--name", help="the new name; an empty name removes it")
    label.add_argument("--note", help="the new note; an empty note removes it")
    continue_command.add_argument(
        "--epochs", type=int, metavar="N", help="the new total number of epochs"
    )
    extend.add_argument(
        "--epochs", type=int, metavar="N", required=True, help="the new total number of epochs"
    )
    queue.add_argument("--add", metavar="RUN", help="add a run to the end of the queue")
    queue.add_argument("--remove", metavar="RUN", help="remove a run from the queue")
    queue.add_argument("--move", metavar="RUN", help="move a run to the position --to")
    queue.add_argument(
        "--to",
        type=int,
        metavar="POSITION",
        default=1,
        help="the new position, from 1 (default: 1)",
    )


def _list(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    runs = list_runs(settings)
    rows = [
        [
            run.title,
            run.state,
            run.recipe,
            f"{run.epoch}/{run.epochs}",
            "" if run.validation_accuracy is None else percent(run.validation_accuracy),
            "" if run.macro_f1 is None else f"{run.macro_f1:.3f}",
            format_duration(run.seconds),
        ]
        for run in runs
    ]
    header = ["run", "state", "recipe", "epochs", "accuracy", "macro F1", "time"]
    text = text_table(header, rows) if rows else f"There are no runs in {settings.runs_root} yet."
    return CommandResult([run.to_json() for run in runs], text)


def _show(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    return _run_result(arguments, settings, with_log=True)


def _stop(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    request_stop(find_run(arguments.run_name, settings))
    return _run_result(arguments, settings)


def _pause(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    request_pause(find_run(arguments.run_name, settings))
    return _run_result(arguments, settings)


def _resume(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    request_resume(find_run(arguments.run_name, settings))
    return _run_result(arguments, settings)


def _kill(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    kill_run(find_run(arguments.run_name, settings))
    # A killed process cannot start the next pending run itself.
    start_pending_runs(settings)
    return _run_result(arguments, settings)


def _delete(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    run = find_run(arguments.run_name, settings)
    delete_run(run, settings)
    return CommandResult({"deleted": str(run.path)}, f"deleted {run.path}")


def _label(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    run = find_run(arguments.run_name, settings)
    label = read_label(run)
    write_label(
        run,
        RunLabel(
            name=label.name if arguments.name is None else arguments.name,
            note=label.note if arguments.note is None else arguments.note,
        ),
    )
    return _run_result(arguments, settings)


def _continue(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    continue_run(find_run(arguments.run_name, settings), settings, epochs=arguments.epochs)
    return _run_result(arguments, settings)


def _extend(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    extend_run(find_run(arguments.run_name, settings), arguments.epochs)
    return _run_result(arguments, settings)


def _queue(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    if arguments.add is not None:
        enqueue(find_run(arguments.add, settings), settings)
    if arguments.remove is not None:
        remove_from_queue(find_run(arguments.remove, settings), settings)
    if arguments.move is not None:
        move_in_queue(find_run(arguments.move, settings), settings, arguments.to)
    started = [run.path.name for run in start_pending_runs(settings)]
    pending = [run.path.name for run in pending_runs(settings)]
    lines = [f"started {name}" for name in started]
    lines += [f"{number}. {name}" for number, name in enumerate(pending, start=1)]
    return CommandResult(
        {"started": started, "waiting": pending}, "\n".join(lines) or "The queue is empty."
    )


def _run_result(
    arguments: argparse.Namespace, settings: Settings, *, with_log: bool = False
) -> CommandResult:
    """Return the summary of the run that the arguments name."""
    run = find_run(arguments.run_name, settings)
    summary = run_summary(run.path, settings)
    document = summary.to_json()
    text = f"{summary.title}: {summary.state}\n{summary.reason}".strip()
    if with_log:
        document["log"] = log_tail(run.path)
        text = f"{text}\n\n{document['log']}".strip()
    return CommandResult(document, text)
