"""The command line. It does what the pages do, without a browser.

A few features exist only on the pages, such as live video and the deletion of a dataset.

``python -m fer_core <command> … [--json]`` writes the result to standard output, and progress and
messages to standard error. The exit code is 0 on success, 2 if the command failed, and 130 if it
was interrupted. A command that processes many files fails only if it can process none of them. If a
command failed, one line on standard error states the reason.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import sys
from collections.abc import Mapping
from typing import NoReturn

from fer_core.commands import (
    classify,
    dataset,
    detectors,
    evaluate,
    models,
    recipes,
    runs,
    search,
    serve,
    train,
    video,
)
from fer_core.errors import InputError, system_reason
from fer_core.settings import load_settings

PROGRAM = "python -m fer_core"


class _Parser(argparse.ArgumentParser):
    """Reports invalid arguments in one line, without the usage text."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def build_parser(
    program: str = PROGRAM, other_commands: Mapping[str, str] | None = None
) -> argparse.ArgumentParser:
    """Build the parser of the whole command line.

    Args:
        program: The command that started the program, for usage messages.
        other_commands: Commands that the caller handles itself, with their help texts. The parser
            only lists them in its help.
    """
    parser = _Parser(prog=program, description="FER Studio: facial emotion recognition")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    for name, help_text in (other_commands or {}).items():
        commands.add_parser(name, help=help_text)
    for command in (
        dataset,
        recipes,
        train,
        runs,
        search,
        models,
        detectors,
        evaluate,
        classify,
        video,
        serve,
    ):
        command.add_parser(commands)
    return parser


def main(
    arguments: list[str] | None = None,
    *,
    program: str = PROGRAM,
    other_commands: Mapping[str, str] | None = None,
) -> int:
    """Run one command.

    Args:
        arguments: The words after the program's name; by default the arguments of this process.
        program: See ``build_parser``.
        other_commands: See ``build_parser``.

    Returns:
        The exit code: 0 on success, 2 if the command failed, 130 if it was interrupted.

    Raises:
        SystemExit: The arguments are invalid (code 2), or ask for the help (code 0).
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # File names may contain characters that the terminal's encoding lacks.
        sys.stdout.reconfigure(errors="backslashreplace")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    parsed = build_parser(program, other_commands).parse_args(arguments)
    try:
        result = parsed.run(parsed, load_settings())
        if parsed.json:
            # json.dump writes piece by piece. The results of a large job are read from the job's
            # folder during this write, so that they are never all in memory.
            json.dump(result.document, sys.stdout, indent=2, allow_nan=False)
            print()
        else:
            print(result.text)
        sys.stdout.flush()
    except InputError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The program that reads the output, such as "head", has closed the pipe. At exit, Python
        # writes the rest of the output, which would raise this error again. Therefore the output
        # now goes to the null device.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        # The system refused an operation (permission, space, length of a name). This is not a
        # defect of the program.
        reason = system_reason(error)
        where = f"{error.filename}: " if error.filename else ""
        print(
            f"error: {where}{reason}; check the path, its permissions and the free space.",
            file=sys.stderr,
        )
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
