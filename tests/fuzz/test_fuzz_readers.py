"""Damaged and hostile datasets: data or one sentence, in bounded time and memory.

Ten seconds by default; ``FER_STUDIO_FUZZ_SECONDS`` gives more. The cases come in a fixed order.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fer_core.settings import PROJECT_ROOT

SECONDS = float(os.environ.get("FER_STUDIO_FUZZ_SECONDS", "10"))


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Any:
    worker = Path(__file__).with_name("fuzz_worker.py")
    process = subprocess.run(
        [sys.executable, str(worker), str(SECONDS), str(tmp_path_factory.mktemp("fuzz"))],
        env=os.environ | {"PYTHONPATH": str(PROJECT_ROOT), "OPENCV_LOG_LEVEL": "SILENT"},
        capture_output=True,
        text=True,
        timeout=SECONDS * 3 + 60,
        check=False,
    )
    assert process.returncode == 0, (process.returncode, process.stderr[-3000:])
    return json.loads(process.stdout)


def test_whatever_happens_to_a_dataset_it_is_read_or_refused(outcome: Any) -> None:
    failures = [f"{r['format']}, {r['failure']}" for r in outcome["results"] if r["failure"]]
    assert not failures, "\n".join(failures)


def test_the_cases_are_neither_all_harmless_nor_all_hopeless(outcome: Any) -> None:
    assert sum(result["cases"] for result in outcome["results"]) > 50 * SECONDS / 10
    assert sum(result["faces"] for result in outcome["results"]) > 0
    assert sum(result["refused"] for result in outcome["results"]) > 0


def test_memory_stays_bounded(outcome: Any) -> None:
    assert outcome["grown"] < 256 * 2**20
