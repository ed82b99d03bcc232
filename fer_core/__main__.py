"""The command line: every job of the pages without a browser.

``python -m fer_core <command> … [--json]``. The answer goes to standard output, progress and
messages to standard error. The exit code is 0, or 2 with one line on standard error when the
request as a whole could not be served.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import sys
from typing import NoReturn

from fer_core.commands import classify, dataset, evaluate, models, recipes, runs, search, train
from fer_core.errors import InputError
from fer_core.settings import load_settings


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with the arguments in one line, as all other errors are said."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = _Parser(
        prog="python -m fer_core", description="FER Studio: facial emotion recognition"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    for command in (dataset, recipes, train, runs, search, models, evaluate, classify):
        command.add_parser(commands)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A file's name may hold what the terminal's encoding cannot say.
        sys.stdout.reconfigure(errors="backslashreplace")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    parsed = build_parser().parse_args(arguments)
    try:
        answer = parsed.run(parsed, load_settings())
        print(
            json.dumps(answer.document, indent=2, allow_nan=False) if parsed.json else answer.text
        )
        sys.stdout.flush()
    except InputError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read the answer, such as "head", has had enough of it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        # What the system refuses (no permission, no space, too long a name) is no defect.
        reason = error.strerror or type(error).__name__
        where = f"{error.filename}: " if error.filename else ""
        print(
            f"error: {where}{reason}; check the path, its permissions and the free space.",
            file=sys.stderr,
        )
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
