"""Helpers that several commands share: arguments, files, tables, progress."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fer_core.commands import CommandResult
from fer_core.dataset.class_mapping import CLASS_SCHEMES, ClassChoice, parse_class_changes
from fer_core.dataset.class_numbers import CLASS_ORDERS, parse_class_order
from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.store import DEMO_NAME, dataset_folder_or_none, load_dataset
from fer_core.errors import InputError, system_reason
from fer_core.files import write_text
from fer_core.phrases import format_duration
from fer_core.settings import Settings

DATA_HELP = "the name of an imported dataset, or the path of a folder, archive or table"

#: Seconds between two lines of progress on standard error.
_PROGRESS_SECONDS = 2.0


def add_command(
    subparsers: Any,
    name: str,
    help_text: str,
    run: Callable[[argparse.Namespace, Settings], CommandResult],
    *,
    aliases: tuple[str, ...] = (),
) -> argparse.ArgumentParser:
    """Add a command with its ``--json`` switch, and return its parser.

    Args:
        subparsers: The object to which ``argparse`` adds commands.
        name: The name of the command.
        help_text: What the command does.
        run: Runs the command.
        aliases: Former names of the command.
    """
    parser: argparse.ArgumentParser = subparsers.add_parser(
        name, help=help_text, description=help_text, aliases=list(aliases)
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run)
    return parser


def path_argument(text: str) -> str:
    """Check that an argument (a path, a pattern or an address) is not empty, and return it."""
    if not text:
        # Path("") would be the current folder.
        raise argparse.ArgumentTypeError("a path must not be empty")
    return text


def parse_changes(texts: list[str], epochs: int | None) -> dict[str, Any]:
    """Return the settings that ``--set key=value`` and ``--epochs`` change, by field name.

    Args:
        texts: The values of ``--set``.
        epochs: The value of ``--epochs``; None without it.

    Raises:
        InputError: A text has no ``=``.
    """
    changes: dict[str, Any] = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator:
            raise InputError(f"--set expects KEY=VALUE. Received: {text!r}.")
        changes[key.strip()] = value.strip()
    if epochs is not None:
        changes["epochs"] = epochs
    return changes


def add_class_options(parser: argparse.ArgumentParser, *, default: str = "") -> None:
    """Add the options that say how the classes of a source are mapped to those of a dataset.

    Args:
        parser: The command's parser.
        default: For a command that accepts both imported datasets and paths, a description of the
            default classes of data that is read from a path; it becomes part of the help. Empty for
            a command that accepts only sources, such as ``dataset import``.
    """
    if default:
        prefix, default_mark, suffix = "for data read from a path. ", "", f" (default: {default})"
    else:
        prefix, default_mark, suffix = "", " (default)", ""
    parser.add_argument(
        "--classes",
        choices=CLASS_SCHEMES,
        help=f"{prefix}emotions: map the classes by name to the seven emotions{default_mark}; "
        "emotions8: map them to the seven emotions and contempt; folders: keep the names of the "
        f"folders or of the table{suffix}",
    )
    parser.add_argument(
        "--map",
        dest="changed_classes",
        action="append",
        default=[],
        metavar="OLD=NEW",
        help="rename a class of the source or combine it with others (scared=fear); OLD= leaves "
        "the class out",
    )
    parser.add_argument(
        "--class-order",
        metavar="ORDER",
        help="if the classes of the source are numbers, what the numbers mean: a known order "
        f"({', '.join(CLASS_ORDERS)}), or the names in their order, separated by commas",
    )


def class_choice_of(
    arguments: argparse.Namespace, default: ClassChoice | None = None
) -> ClassChoice:
    """Return the class choice that the options of ``add_class_options`` specify.

    Args:
        arguments: The arguments of the command.
        default: A choice whose scheme is used if the option ``--classes`` is missing; by default
            the scheme of the seven emotions.

    Raises:
        InputError: The options are not valid.
    """
    scheme = arguments.classes or (default or ClassChoice()).scheme
    order = arguments.class_order
    return ClassChoice(
        scheme,
        parse_class_changes(arguments.changed_classes),
        None if order is None else parse_class_order(order),
    )


def class_choice_of_path(
    arguments: argparse.Namespace, settings: Settings, default: ClassChoice | None = None
) -> ClassChoice | None:
    """Return the class choice if the argument ``data`` is a path; None for an imported dataset.

    Args:
        arguments: The arguments of the command: ``data`` and the options of ``add_class_options``.
        settings: Contains the path of ``data/``.
        default: As for ``class_choice_of``.

    Returns:
        The choice for a path. None for an imported dataset, because it keeps its classes.

    Raises:
        InputError: The options are not valid or are used with an imported dataset, or there is no
            such dataset and no such path.
    """
    if dataset_folder_or_none(arguments.data, settings) is None and arguments.data != DEMO_NAME:
        return class_choice_of(arguments, default)
    if arguments.classes is not None or arguments.changed_classes or arguments.class_order:
        raise InputError(
            f"{arguments.data} is an imported dataset and keeps its classes; omit --classes, "
            "--map and --class-order, or import its source again with them."
        )
    return None


def load_data(
    arguments: argparse.Namespace, settings: Settings, default: ClassChoice | None = None
) -> FaceSet:
    """Load the dataset that the arguments name, and print the progress.

    Args:
        arguments: The arguments of the command: ``data`` and the options of ``add_class_options``.
        settings: Contains the path of ``data/``.
        default: As for ``class_choice_of``.

    Raises:
        InputError: As for ``load_dataset`` and ``class_choice_of_path``.
    """
    choice = class_choice_of_path(arguments, settings, default)
    return load_dataset(arguments.data, settings, ProgressLines(), class_choice=choice)


def read_csv_file(path: Path) -> bytes:
    """Read a CSV file that the user named.

    Raises:
        InputError: The file cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({system_reason(error)}); choose a CSV file."
        ) from error


def write_file(path: Path, text: str) -> None:
    """Write a file that the user named.

    Raises:
        InputError: The file cannot be written.
    """
    try:
        write_text(path, text)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({system_reason(error)}); choose another file."
        ) from error


def text_table(header: list[str], rows: list[list[str]]) -> str:
    """Return a table as text, with the first column left-aligned and the others right-aligned."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in [header, *rows]
    ]
    return "\n".join(lines)


class ProgressLines:
    """Prints the progress of a slow operation, with the estimated time left, to standard error.

    Args:
        activity: The beginning of each line, such as "reading".
    """

    def __init__(self, activity: str = "reading") -> None:
        self._activity = activity
        self._start_time = self._print_time = time.monotonic()
        self._total: int | None = None

    def __call__(self, done: int, total: int) -> None:
        """Report progress.

        Args:
            done: Number of finished steps.
            total: Number of all steps. If this number changes, a new phase has begun.
        """
        now = time.monotonic()
        if self._total not in (None, total):
            self._start_time = now
        self._total = total
        if now - self._print_time < _PROGRESS_SECONDS or not 0 < done < total:
            return
        self._print_time = now
        seconds_left = (now - self._start_time) * (total - done) / done
        print(
            f"{self._activity}: {100 * done / total:.0f} %, "
            f"about {format_duration(seconds_left)} left",
            file=sys.stderr,
            flush=True,
        )
