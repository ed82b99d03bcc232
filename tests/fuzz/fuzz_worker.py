"""Feed damaged files to every reader, in a process with limited memory.

``test_fuzz_readers.py`` calls it with the seconds (0 for a fixed number of cases), a folder and a
seed; it prints one JSON document. A failure names its format, seed and case, from which the files
can be made again::

    python tests/fuzz/fuzz_worker.py replay FOLDER SEED FORMAT CASE
"""

import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from dataset_files import LAYOUTS, Files, packed, read_layout
from mutations import mutated
from program_files import HOMES, SINGLE, files_in

from fer_core.errors import InputError

CASE_SECONDS = 60
MORE_ADDRESSES = 2**30
#: For each format, unless a time is given.
CASES = 12


class Hang(BaseException):
    """A case took too long. Not an ``Exception``, so that readers do not catch it."""


@dataclass(frozen=True)
class Format:
    """Files of one kind.

    Attributes:
        files: Their content by name.
        read: Reads them as the program does; raises ``InputError`` if they are unusable.
        is_packed: True if they are zipped after the mutation.
        is_home: True if ``read`` takes the folder that contains them.
    """

    files: Files
    read: Callable[[Path], None]
    is_packed: bool = False
    is_home: bool = False


def make_formats(folder: Path) -> dict[str, Format]:
    """Return every format by name, after creating the folders that some of them need."""
    formats = {
        name: Format(files, read_layout, is_packed=p) for name, (files, p) in LAYOUTS.items()
    }
    for name, (files, read) in SINGLE.items():
        formats[name] = Format(files, read, is_home=name == "detector")
    for number, (name, (make, read)) in enumerate(HOMES.items()):
        home = folder / f"seed{number}" / "home"
        home.mkdir(parents=True)
        make(home)
        formats[name] = Format(files_in(home), read, is_home=True)
    return formats


def make_case(name: str, form: Format, seed: int, case: int) -> Files:
    """Return the mutated files of one case."""
    generator = np.random.default_rng([seed, *name.encode(), case])
    files = dict(form.files)
    for victim in generator.choice(list(files), min(len(files), 3)):
        # Only names that users choose are mutated.
        if generator.random() < 0.1 and form.read is read_layout:
            new_name = mutated(victim.encode(), generator).decode("latin-1")
            files[new_name.replace("\x00", "")[:60_000] or "nameless"] = files.pop(str(victim), b"")
        elif victim in files:
            files[victim] = mutated(files[victim], generator)
    return files


def write_case(files: Files, form: Format, folder: Path) -> Path:
    """Write the files and return the path for the reader."""
    if form.is_packed:
        (folder / "faces.zip").write_bytes(packed(files)["faces.zip"])
        return folder / "faces.zip"
    for name, content in files.items():
        parts = [part[:100] for part in name.split("/") if part not in ("", ".", "..")]
        path = folder.joinpath(*parts) if parts else folder / "nameless"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError:
            continue  # two names that exclude each other, as "a" and "a/b"
    found = [path for path in folder.iterdir() if path.is_file()]
    return found[0] if len(files) == 1 and found and not form.is_home else folder


def outcome_of(path: Path, form: Format) -> str:
    """Run the reader and return "read" or "refused".

    Raises:
        AssertionError: The error message is not one line of a reasonable length.
    """
    try:
        form.read(path)
    except InputError as error:
        assert "\n" not in str(error), error
        assert 10 < len(str(error)) < 2500, error
        return "refused"
    return "read"


def fuzz(name: str, form: Format, seed: int, seconds: float, work: Path) -> dict[str, Any]:
    """Run cases of one format until the time is up or one fails; the files of that one are kept.

    Without a time, a fixed number of cases.
    """
    result: dict[str, Any] = {"format": name, "cases": 0, "read": 0, "refused": 0, "failure": None}
    result |= {"peak": 0, "peak_case": None}
    end = time.monotonic() + seconds
    while (time.monotonic() < end if seconds else result["cases"] < CASES) and (
        result["failure"] is None
    ):
        folder = Path(tempfile.mkdtemp(dir=work))
        # If the process crashes, this file contains the case.
        (work / "last").write_text(f"{seed} {name!r} {result['cases']}, files in {folder}")
        try:
            path = write_case(make_case(name, form, seed, result["cases"]), form, folder)
            signal.setitimer(signal.ITIMER_REAL, CASE_SECONDS)
            result[outcome_of(path, form)] += 1
        except BaseException:
            signal.setitimer(signal.ITIMER_REAL, 0)
            result["failure"] = (
                f"seed {seed}, case {result['cases']}, files in {folder}: {traceback.format_exc()}"
            )
            break
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        shutil.rmtree(folder, ignore_errors=True)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        if peak > result["peak"]:
            result |= {"peak": peak, "peak_case": result["cases"]}
        result["cases"] += 1
    return result


def limited(hang: Callable[..., None]) -> int:
    """Limit the process's memory; return its peak until now, in bytes."""
    signal.signal(signal.SIGALRM, hang)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    bound = pages * resource.getpagesize() + MORE_ADDRESSES
    resource.setrlimit(resource.RLIMIT_AS, (bound, bound))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    """Fuzz every format equally, or replay one case."""

    def hang(*_: object) -> None:
        raise Hang

    cv2.setNumThreads(1)
    if sys.argv[1] == "replay":
        work, seed, name, case = Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4], int(sys.argv[5])
        form = make_formats(work)[name]
        print(outcome_of(write_case(make_case(name, form, seed, case), form, work), form))
        return
    seconds, work, seed = float(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    only = os.environ.get("FER_STUDIO_FUZZ_ONLY", "")
    formats = {name: form for name, form in make_formats(work).items() if only in name}
    # Undamaged files first: each must be readable, and lazily loaded libraries are not counted as
    # memory of the first format.
    whole = {
        name: _undamaged(form, work / f"whole{i}") for i, (name, form) in enumerate(formats.items())
    }
    before = limited(hang)
    results = [
        fuzz(name, form, seed, seconds / len(formats), work) for name, form in formats.items()
    ]
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    print(json.dumps({"results": results, "grown": grown, "whole": whole}))


def _undamaged(form: Format, folder: Path) -> str:
    folder.mkdir()
    return outcome_of(write_case(form.files, form, folder), form)


if __name__ == "__main__":
    main()
