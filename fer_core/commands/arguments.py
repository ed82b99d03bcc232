"""Helpers that several commands share: arguments, files, tables, progress."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fer_core.commands import Answer
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
    run: Callable[[argparse.Namespace, Settings], Answer],
    *,
    aliases: tuple[str, ...] = (),
) -> argparse.ArgumentParser:
    """Add a command with its ``--json`` switch; ``aliases`` are its former names."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        name, help=help_text, description=help_text, aliases=list(aliases)
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run)
    return parser


def path_argument(text: str) -> str:
    """Check an argument that is a path, a pattern or an address."""
    if not text:
        # Path("") would be the current folder.
        raise argparse.ArgumentTypeError("a path must not be empty")
    return text


def parse_changes(texts: list[str], epochs: int | None) -> dict[str, Any]:
    """The settings that ``--set key=value`` and ``--epochs`` change, by field name.

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


def read_file(path: Path) -> bytes:
    """Read a CSV file that the user named.

    Raises:
        InputError: It cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({system_reason(error)}); name a CSV file."
        ) from error


def write_file(path: Path, text: str) -> None:
    """Write a file that the user named.

    Raises:
        InputError: It cannot be written.
    """
    try:
        write_text(path, text)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({system_reason(error)}); name another file."
        ) from error


def text_table(header: list[str], rows: list[list[str]]) -> str:
    """Format a plain-text table: the first column left-aligned, the others right-aligned."""
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
    """Prints the progress of slow work, with the estimated time left, to standard error.

    Args:
        doing: The work, in one or two words.
    """

    def __init__(self, doing: str = "reading") -> None:
        self._doing = doing
        self._start = self._printed = time.monotonic()
        self._total: int | None = None

    def __call__(self, done: int, total: int) -> None:
        """Report progress.

        Args:
            done: Number of finished parts.
            total: Number of all parts.
        """
        now = time.monotonic()
        if self._total not in (None, total):  # the next phase of the work
            self._start = now
        self._total = total
        if now - self._printed < _PROGRESS_SECONDS or not 0 < done < total:
            return
        self._printed = now
        left = (now - self._start) * (total - done) / done
        print(
            f"{self._doing}: {done / total:.0%}, about {format_duration(left)} left",
            file=sys.stderr,
            flush=True,
        )
