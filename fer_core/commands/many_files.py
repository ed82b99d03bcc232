"""``classify`` for many files: parts of Parquet in a folder, worker processes, Ray."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fer_core.calibration import Emphasis
from fer_core.commands import Answer
from fer_core.commands.arguments import ProgressLines
from fer_core.errors import InputError
from fer_core.scale.inputs import is_pattern, list_items
from fer_core.scale.job_folder import JobFolder, JobRecord
from fer_core.scale.options import ScaleOptions, parse_place
from fer_core.scale.photos import photo_work
from fer_core.scale.runner import run_job
from fer_core.scale.stores import is_address
from fer_core.settings import Settings
from fer_core.validation import from_dict


def add_many_files_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that are common to all commands on many files."""
    defaults = ScaleOptions()
    group = parser.add_argument_group("many files")
    group.add_argument(
        "--files-from",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="a text file with one path, folder, pattern or address per line",
    )
    group.add_argument(
        "--out",
        metavar="DIR",
        help="write the results as Parquet in parts into this folder or address; repeat the "
        "command to continue after an interruption",
    )
    group.add_argument(
        "--on",
        default=None,
        metavar="PLACE",
        help="local: worker processes on this machine (default with --out); ray: a running Ray "
        "cluster, or a new one on this machine; ray://HOST:PORT or HOST:PORT: that cluster",
    )
    group.add_argument(
        "--workers", type=int, metavar="N", help="worker processes (default: one per core)"
    )
    group.add_argument(
        "--threads",
        type=int,
        metavar="N",
        default=defaults.threads,
        help=f"threads of each worker (default: {defaults.threads})",
    )
    group.add_argument(
        "--worker-memory",
        type=int,
        metavar="MB",
        default=defaults.worker_memory_mb,
        help=f"memory of each worker (default: {defaults.worker_memory_mb} MB)",
    )
    group.add_argument(
        "--part-files",
        type=int,
        metavar="N",
        default=defaults.part_files,
        help=f"files in a part of the results (default: {defaults.part_files})",
    )


def is_for_many_files(arguments: argparse.Namespace) -> bool:
    """Return True if a command's arguments need worker processes or more than paths."""
    return (
        arguments.out is not None
        or arguments.on is not None
        or bool(arguments.files_from)
        or any(is_address(text) or is_pattern(text) for text in arguments.paths)
    )


def classify_many_files(
    arguments: argparse.Namespace,
    settings: Settings,
    text_of: Callable[[dict[str, Any]], str],
) -> Answer:
    """Classify the files of a command in worker processes.

    Args:
        arguments: Those of ``classify``.
        settings: Where the models are.
        text_of: Formats a file's entry in the document for the terminal.

    Raises:
        InputError: The job cannot be run, or not a single file could be read.
    """
    options = _options(arguments)
    if arguments.out is None and options.place == "local":
        # The results are small, and a second process would take a second to start.
        options = from_dict(ScaleOptions, vars(options) | {"workers": options.workers or 1})
    work = photo_work(
        settings,
        model=arguments.model,
        detector=arguments.detector,
        emphasis=_emphasis(arguments),
        whole=True if arguments.whole else None,
    )
    inputs = [*arguments.paths, *(f"--files-from {path}" for path in arguments.files_from)]
    items = list_items(arguments.paths, arguments.files_from)
    with _result_folder(arguments.out) as folder:
        result = run_job(work, inputs, items, folder, options, report=ProgressLines("classifying"))
        summary = result.summary
        if summary["errors"] == summary["files"]:
            first = next(folder.rows(result.record))
            raise InputError(
                first["error"]
                if summary["files"] == 1
                else f"None of the {summary['files']:,} files could be read. The first one: "
                f"{first['error']}"
            )
        if arguments.out is None:
            entries = list(StoredFiles(folder, result.record))
            return Answer({"files": entries}, "\n".join(map(text_of, entries)))
        files = StoredFiles(folder, result.record) if arguments.json else []
        skipped = summary["files"] - result.processed
        text = (
            f"{summary['files']:,} files with {summary['faces']:,} faces; {summary['errors']:,} "
            f"could not be read\n{summary['parts']:,} parts in {folder}"
        )
        if skipped:
            text += f"\n{skipped:,} files were complete already"
        return Answer({"files": files, "out": str(folder), "summary": summary}, text)


class StoredFiles(list[dict[str, Any]]):
    """The entries of a job as a list, read part by part while the document is printed."""

    def __init__(self, folder: JobFolder, record: JobRecord) -> None:
        super().__init__()
        self._folder = folder
        self._record = record

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for row in self._folder.rows(self._record):
            if row["note"] is None:
                del row["note"]
            yield row

    def __len__(self) -> int:
        return self._record.files


def _options(arguments: argparse.Namespace) -> ScaleOptions:
    place, address = parse_place(arguments.on or "local", os.environ)
    try:
        return from_dict(
            ScaleOptions,
            {
                "place": place,
                "address": address,
                "workers": arguments.workers,
                "threads": arguments.threads,
                "worker_memory_mb": arguments.worker_memory,
                "part_files": arguments.part_files,
            },
        )
    except ValueError as error:
        raise InputError(f"{error}.") from error


def _emphasis(arguments: argparse.Namespace) -> Emphasis:
    emphasis: Emphasis = arguments.emphasis
    return emphasis


@contextmanager
def _result_folder(out: str | None) -> Iterator[JobFolder]:
    if out is not None:
        yield JobFolder(out)
        return
    with tempfile.TemporaryDirectory(prefix="fer-studio-") as folder:
        yield JobFolder(folder)
