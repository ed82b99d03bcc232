"""Import, train, evaluate and classify on real data; takes minutes, run by ``make soak``."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.soak

_ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """``run("recipes")``: the JSON document of a command that uses temporary folders."""
    for name in ("DATA", "RUNS", "MODELS"):
        monkeypatch.setenv(f"FER_STUDIO_{name}", str(tmp_path / name.lower()))

    def command(*arguments: str) -> Any:
        finished = subprocess.run(
            [sys.executable, "-m", "fer_core", *arguments, "--json"],
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return json.loads(finished.stdout)

    return command


def test_the_fastest_recipe_learns_from_real_data(
    real_data: Path, run: Callable[..., Any], tmp_path: Path
) -> None:
    run("dataset", "import", str(real_data / "fer2013.zip"), "--name", "fer2013")
    recipe = run("recipes")[0]["name"]
    folder = tmp_path / "run"
    trained = run(
        *("train", "--recipe", recipe, "--data", "fer2013", "--epochs", "4"),
        *("--run-dir", str(folder)),
    )
    # The majority class, happy, has 24.9 %.
    assert trained["validation"]["accuracy"] > 0.38
    report = run(
        *("evaluate", "--model", str(folder), "--data", "fer2013", "--split", "validation")
    )
    assert report["accuracy"] == pytest.approx(trained["validation"]["accuracy"], abs=1e-6)
    answer = run("classify", str(real_data / "photos"), "--model", str(folder))
    assert sum(len(file["faces"]) for file in answer["files"]) == 39
