"""The train page with 200 finished runs: time from the request to the complete page.

``python -m benchmarks.train_page``.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks.measurement import Measurement, median_seconds, milliseconds, print_table
from benchmarks.servers import (
    LAST_TEXT,
    MINIMAL_PAGE_TEXT,
    chromium_path,
    environment_of,
    minimal_page,
    open_browser,
    serve,
)
from fer_core.emotions import EMOTIONS
from fer_core.recipes import RECIPES
from fer_core.settings import Settings
from fer_core.training.registry import list_runs
from fer_core.training.run_folder import EpochRecord, RunFolder, RunSetup, RunStatus

RUNS = 200
EPOCHS = 50
_REPEATS = 5
_MINIMAL = "minimal page"

#: A text that each section shows when it is complete.
_SECTIONS = {
    "New training": "Start training",
    "Runs": "Learning rate",
    "Compare": "Differences in the settings",
}


def measure() -> list[Measurement]:
    """Measure the seconds until each section is complete, on a warm server."""
    if chromium_path() is None:
        return [Measurement("train page", "not measured", "Chromium is not installed")]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        settings = Settings(root / "data", root / "runs", root / "models")
        write_runs(settings)
        scan = median_seconds(lambda: list_runs(settings), repeats=5, warm_up=1)
        return [
            Measurement(f"scan of {RUNS} runs, warm", milliseconds(scan)),
            *_measure_page(settings),
        ]


def write_runs(settings: Settings, count: int = RUNS, epochs: int = EPOCHS) -> None:
    """Write finished runs of all recipes, with synthetic metrics."""
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


def _measure_page(settings: Settings) -> list[Measurement]:
    from playwright.sync_api import sync_playwright

    durations: dict[str, list[float]] = {section: [] for section in (*_SECTIONS, _MINIMAL)}
    with (
        serve(environment=environment_of(settings)) as server,
        minimal_page() as minimal,
        sync_playwright() as playwright,
        open_browser(playwright) as browser,
    ):
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        addresses = {section: f"{server.url}/train?view={section}" for section in _SECTIONS}
        # The pages alternate, because the speed of the machine varies.
        for round_number in range(_REPEATS + 1):
            for section, last_text in (*_SECTIONS.items(), (_MINIMAL, MINIMAL_PAGE_TEXT)):
                page = context.new_page()
                page.set_default_timeout(120_000)
                start = time.perf_counter()
                page.goto(addresses.get(section, minimal.url))
                page.get_by_text(last_text).first.wait_for()
                page.get_by_text(LAST_TEXT).wait_for()
                if round_number:  # The first round warms up the server and the browser.
                    durations[section].append(time.perf_counter() - start)
                page.close()
    medians = {section: statistics.median(times) for section, times in durations.items()}
    return [
        Measurement(
            f"train page, {section}, {RUNS} runs, warm server",
            f"{medians[section]:.2f} s",
            f"limit 1.5 s; {_MINIMAL} {medians[_MINIMAL]:.2f} s "
            f"({medians[section] / medians[_MINIMAL]:.1f} times)",
        )
        for section in _SECTIONS
    ]


if __name__ == "__main__":
    print_table(measure())
