"""The train page with 200 finished runs, from the browser's request to the last thing on it.

Alone: ``python -m benchmarks.train_page``.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks.measurement import Measurement, median_seconds, milliseconds, print_table
from benchmarks.startup import wait_for
from fer_core.emotions import EMOTIONS
from fer_core.recipes import RECIPES
from fer_core.settings import Settings
from fer_core.training.registry import list_runs
from fer_core.training.run_folder import EpochRecord, RunFolder, RunSetup, RunStatus

RUNS = 200
EPOCHS = 50
_REPEATS = 5
_BOUND = "at most 1.5 s"

#: What stands on each section when all of it is there.
_SECTIONS = {
    "New training": "Start training",
    "Runs": "Learning rate",
    "Compare": "Mark runs at the left",
}


def measure() -> list[Measurement]:
    """Seconds until each section is complete, on a warm server."""
    chromium = os.environ.get("FER_STUDIO_CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        return [Measurement("train page", "not measured", "Chromium is not installed")]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        settings = Settings(root / "data", root / "runs", root / "models")
        write_runs(settings)
        scan = median_seconds(lambda: list_runs(settings), repeats=5, warm_up=1)
        return [
            Measurement(f"scan of {RUNS} runs, warm", milliseconds(scan)),
            *_measure_page(chromium, settings),
        ]


def write_runs(settings: Settings, count: int = RUNS, epochs: int = EPOCHS) -> None:
    """Finished runs of all recipes, with made-up figures."""
    recipes = list(RECIPES.values())
    for number in range(count):
        recipe = recipes[number % len(recipes)]
        run = RunFolder(settings.runs_root / f"20260101-{number:06}-{recipe.name}")
        config = replace(recipe.config, epochs=epochs, seed=number)
        run.create(RunSetup(recipe.name, "faces", config))
        lines = [json.dumps(asdict(_record(epoch, number))) for epoch in range(1, epochs + 1)]
        (run.path / "metrics.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (run.path / "train.log").write_text(
            "".join(
                f"2026-01-01T00:00:{epoch:02}+00:00 epoch {epoch}\n" for epoch in range(epochs)
            ),
            encoding="utf-8",
        )
        run.write_status(
            RunStatus("finished", f"finished after {epochs} epochs", epoch=epochs, epochs=epochs)
        )


def _record(epoch: int, number: int) -> EpochRecord:
    share = epoch / (epoch + 10 + number % 7)
    return EpochRecord(
        epoch=epoch,
        loss=2 - share,
        accuracy=share,
        validation_loss=2 - 0.9 * share,
        validation_accuracy=0.9 * share,
        validation_macro_f1=0.8 * share,
        validation_recall=dict.fromkeys(EMOTIONS, 0.8 * share),
        learning_rate=1e-3,
        images_per_second=90.0,
        seconds=300.0,
    )


def _measure_page(chromium: str, settings: Settings) -> list[Measurement]:
    from playwright.sync_api import sync_playwright

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://localhost:{port}"
    environment = os.environ | {
        "FER_STUDIO_DATA": str(settings.data_root),
        "FER_STUDIO_RUNS": str(settings.runs_root),
        "FER_STUDIO_MODELS": str(settings.models_root),
    }
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "streamlit", "run", "app.py"),
            *("--server.headless=true", f"--server.port={port}"),
        ],
        stdout=subprocess.DEVNULL,
        env=environment,
    )
    measurements = []
    try:
        wait_for(f"{url}/_stcore/health")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            context = browser.new_context(viewport={"width": 1280, "height": 900})
            for section, last in _SECTIONS.items():
                durations = []
                for _ in range(_REPEATS + 1):
                    page = context.new_page()
                    start = time.perf_counter()
                    page.goto(f"{url}/train?view={section}")
                    page.get_by_text(last).first.wait_for()
                    page.get_by_text("banned in the European Union").wait_for()
                    durations.append(time.perf_counter() - start)
                    page.close()
                measurements.append(
                    Measurement(
                        f"train page, {section}, {RUNS} runs, warm server",
                        # The first one warmed the server and the browser.
                        f"{statistics.median(durations[1:]):.2f} s",
                        _BOUND,
                    )
                )
            browser.close()
    finally:
        server.terminate()
        server.wait()
    return measurements


if __name__ == "__main__":
    print_table(measure())
