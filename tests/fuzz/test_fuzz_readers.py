"""Every reader gets damaged and hostile files: it returns data or one clear error.

Time and memory are bounded.

The same cases each time by default. ``make fuzz`` takes ten minutes and other
cases: ``FER_STUDIO_FUZZ_SECONDS`` and ``FER_STUDIO_FUZZ_SEED``, a number or "random". A failure
names its seed, format and case, and the folder with its files.
"""

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fer_core.settings import PROJECT_ROOT

SECONDS = float(os.environ.get("FER_STUDIO_FUZZ_SECONDS", "0"))
_GIVEN_SEED = os.environ.get("FER_STUDIO_FUZZ_SEED", "0")
SEED = secrets.randbelow(2**31) if _GIVEN_SEED == "random" else int(_GIVEN_SEED)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Any:
    worker = Path(__file__).with_name("fuzz_worker.py")
    folder = tmp_path_factory.mktemp("fuzz")
    print(f"fuzzing for {SECONDS or 'a few'} s from the seed {SEED} in {folder}")
    process = subprocess.run(
        [sys.executable, str(worker), str(SECONDS), str(folder), str(SEED)],
        env=os.environ | {"PYTHONPATH": str(PROJECT_ROOT), "OPENCV_LOG_LEVEL": "SILENT"},
        capture_output=True,
        text=True,
        timeout=SECONDS * 3 + 1200,
        check=False,
    )
    last = folder / "last"
    last_case = last.read_text() if last.is_file() else "none"
    assert process.returncode == 0, (process.returncode, last_case, process.stderr[-3000:])
    return json.loads(process.stdout)


def test_every_damaged_file_is_read_or_reported(outcome: Any) -> None:
    failures = [f"{r['format']}, {r['failure']}" for r in outcome["results"] if r["failure"]]
    assert not failures, "\n".join(failures)


def test_every_undamaged_file_is_read(outcome: Any) -> None:
    refused = [name for name, result in outcome["whole"].items() if result != "read"]
    assert refused == ["detector"]  # only one file, with a known checksum, is accepted


def test_many_cases_are_read_and_many_are_reported(outcome: Any) -> None:
    assert all(result["cases"] for result in outcome["results"])
    cases = sum(result["cases"] for result in outcome["results"])
    assert sum(result["read"] for result in outcome["results"]) > cases / 10
    assert sum(result["refused"] for result in outcome["results"]) > cases / 10


def test_memory_stays_bounded(outcome: Any) -> None:
    highest = max(outcome["results"], key=lambda result: result["peak"])
    assert outcome["grown"] < 256 * 2**20, highest
