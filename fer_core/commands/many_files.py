"""``classify`` for many files, and functions that ``video`` for many files also needs.

Worker processes write the results as parts in Parquet format.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from fer_core.commands import CommandResult
from fer_core.commands.arguments import ProgressLines
from fer_core.errors import InputError
from fer_core.extras import require_packages
from fer_core.phrases import counted
from fer_core.scale.inputs import is_pattern, list_items
from fer_core.scale.job_folder import JobFolder, JobRecord
from fer_core.scale.options import ScaleOptions, parse_backend
from fer_core.scale.photos import photo_work
from fer_core.scale.runner import run_job
from fer_core.scale.stores import is_address
from fer_core.settings import Settings
from fer_core.validation import from_dict

#: The field of ``ScaleOptions`` that each argument sets. ``--on`` is not listed, because it sets
#: two fields.
_FIELDS = {
    "workers": "workers",
    "threads": "threads",
    "worker_memory": "worker_memory_mb",
    "files_per_part": "files_per_part",
}


def add_many_files_arguments(
    parser: argparse.ArgumentParser,
    *,
    out_help: str,
    is_out_required: bool = False,
    files_per_part: int = ScaleOptions().files_per_part,
) -> None:
    """Add the arguments that are common to all commands on many files.

    Args:
        parser: The command's parser.
        out_help: The help text of ``--out``.
        is_out_required: True if the command cannot run without ``--out``.
        files_per_part: The default of ``--files-per-part``, for its help text.
    """
    defaults = ScaleOptions()
    group = parser.add_argument_group("many files")
    group.add_argument(
        "--files-from",
        # This abbreviation was unambiguous before --files-per-part was added.
        "--files",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="a text file with one path, folder, pattern or address per line",
    )
    group.add_argument(
        "--out",
        required=is_out_required,
        metavar="DIR",
        help=out_help,
    )
    group.add_argument(
        "--on",
        default=None,
        metavar="PLACE",
        help="where the workers run. local: on this machine (default with --out); ray: on the Ray "
        "cluster of this machine, which is started if it does not run; ray://HOST:10001: on the "
        "cluster with this address; HOST:PORT: on the cluster with this address, if this machine "
        "is one of its nodes",
    )
    group.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="number of worker processes (default: as many as cores and memory allow; one without "
        "--out)",
    )
    group.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help=f"threads of each worker (default: {defaults.threads})",
    )
    group.add_argument(
        "--worker-memory",
        type=int,
        metavar="MB",
        help=f"memory of each worker (default: {defaults.worker_memory_mb} MB)",
    )
    group.add_argument(
        "--files-per-part",
        "--part-files",
        type=int,
        metavar="N",
        help=f"number of input files per part of the results (default: {files_per_part})",
    )


def is_for_many_files(arguments: argparse.Namespace, paths: Sequence[str]) -> bool:
    """Return True if the arguments request worker processes, or contain inputs that need them.

    Args:
        arguments: The parsed arguments of ``add_many_files_arguments``; ``--out`` is ignored.
        paths: The paths, patterns and addresses in the arguments.
    """
    return (
        any(getattr(arguments, name) is not None for name in ("on", *_FIELDS))
        or bool(arguments.files_from)
        or any(is_address(text) or is_pattern(text) for text in paths)
    )


def job_inputs(paths: Sequence[str], lists: Sequence[Path]) -> list[str]:
    """Return the inputs of a job in the form in which the job's folder stores them.

    Args:
        paths: The paths, patterns and addresses in the arguments.
        lists: The files of ``--files-from``.
    """
    return [*paths, *(f"--files-from {path}" for path in lists)]


def scale_options(arguments: argparse.Namespace, **defaults: int) -> ScaleOptions:
    """Return the options of a job.

    Args:
        arguments: The parsed arguments of ``add_many_files_arguments``.
        defaults: The defaults of the command that differ from those of ``ScaleOptions``, by field.

    Raises:
        InputError: A value is not valid, or Ray is not installed.
    """
    backend, address = parse_backend(arguments.on or "local", os.environ)
    if backend == "ray":
        # The package is checked here, before the job's folder is written.
        require_packages("--on ray needs", "scale", "ray")
    requested = {
        field: getattr(arguments, name)
        for name, field in _FIELDS.items()
        if getattr(arguments, name) is not None
    }
    try:
        return from_dict(
            ScaleOptions, {"backend": backend, "address": address} | defaults | requested
        )
    except ValueError as error:
        raise InputError(f"{error}.") from error


def classify_many_files(
    arguments: argparse.Namespace,
    settings: Settings,
    text_of: Callable[[dict[str, Any]], str],
) -> CommandResult:
    """Classify the files of a command in worker processes.

    Args:
        arguments: The parsed arguments of ``classify``.
        settings: Contains the path of the models.
        text_of: Formats the entry of one file in the JSON document as text for the terminal.

    Raises:
        InputError: The job cannot be run, or not a single file could be read.
    """
    options = scale_options(arguments)
    if arguments.out is None and options.backend == "local" and options.workers is None:
        # Without --out, few files are expected, and each further process takes a second to start.
        options = replace(options, workers=1)
    work = photo_work(
        settings,
        model=arguments.model,
        detector=arguments.detector,
        emphasis=arguments.emphasis,
        whole=True if arguments.whole else None,
    )
    inputs = job_inputs(arguments.paths, arguments.files_from)
    items = list_items(arguments.paths, arguments.files_from)
    with _result_folder(arguments.out) as folder:
        result = run_job(work, inputs, items, folder, options, report=ProgressLines("classifying"))
        summary = result.summary
        if summary["errors"] == summary["files"]:
            raise no_file_error(summary["files"], next(folder.rows(result.record))["error"])
        if arguments.out is None:
            entries = list(LazyFileEntries(folder, result.record))
            return CommandResult({"files": entries}, "\n".join(map(text_of, entries)))
        files = LazyFileEntries(folder, result.record) if arguments.json else []
        skipped = summary["files"] - result.processed
        text = (
            f"{counted(summary['files'], 'file')} with {counted(summary['faces'], 'face')}; "
            f"{summary['errors']:,} could not be read\n"
            f"{counted(summary['parts'], 'part')} in {folder}"
        )
        if skipped:
            verb = "was" if skipped == 1 else "were"
            text += f"\n{counted(skipped, 'file')} {verb} already processed"
        return CommandResult({"files": files, "out": str(folder), "summary": summary}, text)


def no_file_error(count: int, first_error: str) -> InputError:
    """Return the error of a command that could not read any of its files.

    Args:
        count: Number of files, at least one.
        first_error: The message about the first file.
    """
    if count == 1:
        return InputError(first_error)
    return InputError(f"None of the {count:,} files could be read. The first one: {first_error}")


class LazyFileEntries(list[dict[str, Any]]):
    """The list of the entries of all files, for the JSON document of a job.

    The entries are read part by part while the document is printed. The class is a subclass of
    ``list``, because ``json.dump`` accepts no other iterables.
    """

    def __init__(self, folder: JobFolder, record: JobRecord) -> None:
        super().__init__()
        self._folder = folder
        self._record = record

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for row in self._folder.rows(self._record):
            # A row always has the key "note". An entry has this key only if there is a note.
            if row["note"] is None:
                del row["note"]
            yield row

    def __len__(self) -> int:
        return self._record.file_count


@contextmanager
def _result_folder(out: str | None) -> Iterator[JobFolder]:
    """Provide the folder ``--out``, or a temporary folder if the option is missing."""
    if out is not None:
        yield JobFolder(out)
        return
    with tempfile.TemporaryDirectory(prefix="fer-studio-") as folder:
        yield JobFolder(folder)
