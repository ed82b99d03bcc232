"""``runs``: the list of trainings, and everything that can be done to one."""

from __future__ import annotations

import argparse
from typing import Any

from fer_core.commands import Answer
from fer_core.commands.arguments import add_command, text_table
from fer_core.settings import Settings
from fer_core.training.control import (
    RunLabel,
    delete_run,
    kill_run,
    read_label,
    request_go_on,
    request_pause,
    request_stop,
    write_label,
)
from fer_core.training.progress import duration_in_words
from fer_core.training.queue import (
    continue_run,
    enqueue,
    extend_run,
    move_in_queue,
    remove_from_queue,
    revive_queue,
    waiting_runs,
)
from fer_core.training.registry import find_run, list_runs, log_tail, run_summary

_RUN_HELP = "a run's folder under runs/, or a path"


def add_parser(subparsers: Any) -> None:
    """Add ``runs`` with its actions; without one it lists."""
    parser = add_command(subparsers, "runs", "list the trainings, or act on one", _list)
    actions = parser.add_subparsers(metavar="ACTION", parser_class=type(parser))
    add_command(actions, "list", "every run as it really is", _list)
    show = add_command(actions, "show", "one run, with its log's end", _show)
    stop = add_command(actions, "stop", "end one, keeping the best model so far", _stop)
    pause = add_command(actions, "pause", "let one wait", _pause)
    go_on = add_command(actions, "go-on", "let a paused one go on", _go_on)
    kill = add_command(actions, "kill", "end one's process at once", _kill)
    delete = add_command(actions, "delete", "remove one for good", _delete)
    label = add_command(actions, "label", "name one, or note something about it", _label)
    further = add_command(
        actions,
        "continue",
        "go on with one in the background, for more epochs if wanted",
        _continue,
    )
    extend = add_command(actions, "extend", "give one more epochs without starting it", _extend)
    queue = add_command(actions, "queue", "what waits; start it, or change its order", _queue)
    for each in (show, stop, pause, go_on, kill, delete, label, further, extend):
        each.add_argument("run_name", metavar="RUN", help=_RUN_HELP)
    label.add_argument("--name", help="its name; an empty one removes it")
    label.add_argument("--note", help="a note; an empty one removes it")
    further.add_argument("--epochs", type=int, metavar="N", help="how many it is to have in all")
    extend.add_argument("--epochs", type=int, metavar="N", required=True, help="in all")
    queue.add_argument("--add", metavar="RUN", help="put a run at the end")
    queue.add_argument("--remove", metavar="RUN", help="take a run out")
    queue.add_argument("--move", metavar="RUN", help="give a run the place --to")
    queue.add_argument("--to", type=int, metavar="PLACE", default=1, help="from 1 (default: 1)")


def _list(arguments: argparse.Namespace, settings: Settings) -> Answer:
    runs = list_runs(settings)
    rows = [
        [
            run.title,
            run.state,
            run.recipe,
            f"{run.epoch}/{run.epochs}",
            "" if run.validation_accuracy is None else f"{run.validation_accuracy:.2%}",
            "" if run.macro_f1 is None else f"{run.macro_f1:.3f}",
            duration_in_words(run.seconds),
        ]
        for run in runs
    ]
    header = ["run", "state", "recipe", "epochs", "accuracy", "macro F1", "time"]
    text = text_table(header, rows) if rows else f"There are no runs in {settings.runs_root} yet."
    return Answer([run.to_json() for run in runs], text)


def _show(arguments: argparse.Namespace, settings: Settings) -> Answer:
    return _answer(arguments, settings, with_log=True)


def _stop(arguments: argparse.Namespace, settings: Settings) -> Answer:
    request_stop(find_run(arguments.run_name, settings))
    return _answer(arguments, settings)


def _pause(arguments: argparse.Namespace, settings: Settings) -> Answer:
    request_pause(find_run(arguments.run_name, settings))
    return _answer(arguments, settings)


def _go_on(arguments: argparse.Namespace, settings: Settings) -> Answer:
    request_go_on(find_run(arguments.run_name, settings))
    return _answer(arguments, settings)


def _kill(arguments: argparse.Namespace, settings: Settings) -> Answer:
    kill_run(find_run(arguments.run_name, settings))
    revive_queue(settings)
    return _answer(arguments, settings)


def _delete(arguments: argparse.Namespace, settings: Settings) -> Answer:
    run = find_run(arguments.run_name, settings)
    delete_run(run, settings)
    return Answer({"deleted": str(run.path)}, f"deleted {run.path}")


def _label(arguments: argparse.Namespace, settings: Settings) -> Answer:
    run = find_run(arguments.run_name, settings)
    label = read_label(run)
    write_label(
        run,
        RunLabel(
            name=label.name if arguments.name is None else arguments.name,
            note=label.note if arguments.note is None else arguments.note,
        ),
    )
    return _answer(arguments, settings)


def _continue(arguments: argparse.Namespace, settings: Settings) -> Answer:
    continue_run(find_run(arguments.run_name, settings), settings, epochs=arguments.epochs)
    return _answer(arguments, settings)


def _extend(arguments: argparse.Namespace, settings: Settings) -> Answer:
    extend_run(find_run(arguments.run_name, settings), arguments.epochs)
    return _answer(arguments, settings)


def _queue(arguments: argparse.Namespace, settings: Settings) -> Answer:
    if arguments.add is not None:
        enqueue(find_run(arguments.add, settings), settings)
    if arguments.remove is not None:
        remove_from_queue(find_run(arguments.remove, settings), settings)
    if arguments.move is not None:
        move_in_queue(find_run(arguments.move, settings), settings, arguments.to)
    started = [run.path.name for run in revive_queue(settings)]
    waiting = [run.path.name for run in waiting_runs(settings)]
    lines = [f"started {name}" for name in started]
    lines += [f"{number}. {name}" for number, name in enumerate(waiting, start=1)]
    return Answer(
        {"started": started, "waiting": waiting}, "\n".join(lines) or "The queue is empty."
    )


def _answer(arguments: argparse.Namespace, settings: Settings, *, with_log: bool = False) -> Answer:
    run = find_run(arguments.run_name, settings)
    summary = run_summary(run.path, settings)
    document = summary.to_json()
    text = f"{summary.title}: {summary.state}\n{summary.reason}".strip()
    if with_log:
        document["log"] = log_tail(run.path)
        text = f"{text}\n\n{document['log']}".strip()
    return Answer(document, text)
