"""All measurements of speed and memory in one table, with comparisons to other packages.

``python -m benchmarks`` needs only the checkout. ``--data``, ``--photo`` and ``--video`` add
measurements on real data, ``--peers`` other packages for the same task. Every part runs in a
separate process, so that modules loaded by one part do not influence another.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.measurement import Measurement, table_head, table_row

#: Maximum duration of a part.
_PART_SECONDS = 3600
_LIVE_FRAMES, _LIVE_SECONDS = 2000, 20.0


@dataclass(frozen=True)
class _Part:
    """A part of the table.

    Attributes:
        module: Its module in this package, imported only when the part is measured.
        measure: Runs the measurement; it gets the module and the options of the command.
        required_option: The option without which the part is not measured; None if there is none.
    """

    module: str
    measure: Callable[[Any, argparse.Namespace], list[Measurement]]
    required_option: str | None = None


def _measure(module: Any, _: argparse.Namespace) -> list[Measurement]:
    rows: list[Measurement] = module.measure()
    return rows


def _measure_data(module: Any, options: argparse.Namespace) -> list[Measurement]:
    rows: list[Measurement] = module.measure(options.data)
    return rows


def _measure_photos(module: Any, options: argparse.Namespace) -> list[Measurement]:
    rows: list[Measurement] = module.measure(None)
    return rows if options.photo is None else rows + module.measure(options.photo)


#: The parts by name, in the order of the table.
_PARTS: dict[str, _Part] = {
    "start-up": _Part("startup", _measure),
    "pages": _Part("pages", _measure),
    "interactions": _Part("interactions", _measure),
    "train-page": _Part("train_page", _measure),
    "dataset-page": _Part("dataset_page", _measure_data, required_option="data"),
    "evaluate-page": _Part("evaluate_page", _measure),
    "one-face": _Part("prediction", _measure),
    "analyze": _Part("analysis", _measure_photos),
    "peers": _Part("peers", lambda module, options: module.measure(options.photo, options.peers)),
    "live": _Part(
        "live_engine",
        lambda module, options: module.measure(options.video, _LIVE_SECONDS, _LIVE_FRAMES),
    ),
    "live-page": _Part(
        "live_stream",
        lambda module, options: module.measure(options.video, module.SHORT),
        required_option="video",
    ),
    "video": _Part("video", lambda module, options: module.measure(options.video)),
    "video-hour": _Part("video", lambda module, _: module.measure_hour()),
    "video-page": _Part("video_page", _measure),
    "video-peers": _Part(
        "video_peers",
        lambda module, options: module.measure(options.peers),
        required_option="peers",
    ),
    "training": _Part("training", _measure),
    "evaluation": _Part("evaluation", _measure),
    "scale": _Part("scale", _measure),
    "scale-costs": _Part("scale", lambda module, _: module.measure_costs()),
    "import": _Part("importing", _measure_data, required_option="data"),
    "audit": _Part("auditing", _measure_data, required_option="data"),
}


def _run_part(part: str) -> list[Measurement]:
    """Run this command in a new process for one part; return its rows, or a row for a failure."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks", *sys.argv[1:], "--child", part],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=_PART_SECONDS,
        )
    except subprocess.SubprocessError as error:
        return [Measurement(part, "failed", f"{type(error).__name__}; see the error above")]
    return [Measurement(**row) for row in json.loads(done.stdout.splitlines()[-1])]


def _load() -> Measurement:
    load = os.getloadavg()[0]  # the average of the last minute
    return Measurement(
        "load of the machine",
        f"{load:.1f}",
        f"on {os.cpu_count()} cores; the values are reliable only when nothing else runs",
    )


def main() -> int:
    """Print the table row by row. Return the exit code, 1 if a part failed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure speed and memory. Reliable only when nothing else runs.",
    )
    parser.add_argument("--data", type=Path, help="FER2013 as a zip or folder")
    parser.add_argument("--photo", type=Path, help="a photo with faces to analyze")
    parser.add_argument("--video", type=Path, help="a video with a face, played as the webcam")
    parser.add_argument(
        "--peers",
        type=Path,
        help="a folder in which other packages are installed, to compare with them",
    )
    parser.add_argument("--only", nargs="+", choices=_PARTS, metavar="PART", help=", ".join(_PARTS))
    parser.add_argument("--child", choices=_PARTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        chosen = _PARTS[options.child]
        rows = chosen.measure(importlib.import_module(f"benchmarks.{chosen.module}"), options)
        print(json.dumps([asdict(row) for row in rows]))
        return 0
    print(table_head(), table_row(_load()), sep="\n", flush=True)
    failed = False
    for name in options.only or _PARTS:
        start = time.monotonic()
        required = _PARTS[name].required_option
        if required is not None and getattr(options, required) is None:
            rows = [Measurement(name, "not measured", f"requires --{required}")]
        else:
            rows = _run_part(name)
        failed |= any(row.value == "failed" for row in rows)
        for row in rows:
            print(table_row(row), flush=True)
        print(f"{name}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    print(table_row(_load()))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
