"""Format states, amounts, settings and titles for the train page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from fer_core.training.registry import ActualState, RunSummary
from fer_studio.ui.model_titles import distinct_titles
from fer_studio.ui.train.draft import steps_as_text

_Color = Literal["blue", "green", "orange", "red", "gray"]

#: Color and icon of the badge that shows the state of a run.
STATE_STYLES: dict[ActualState, tuple[_Color, str]] = {
    "queued": ("gray", ":material/hourglass_empty:"),
    "starting": ("blue", ":material/rocket_launch:"),
    "running": ("blue", ":material/play_arrow:"),
    "paused": ("orange", ":material/pause:"),
    "finished": ("green", ":material/check:"),
    "stopped": ("orange", ":material/stop:"),
    "pruned": ("gray", ":material/content_cut:"),
    "failed": ("red", ":material/error:"),
    "new": ("gray", ":material/fiber_new:"),
    "damaged": ("red", ":material/broken_image:"),
}


def format_bytes(count: float) -> str:
    """Format an amount of memory: "850 MB", "1.3 GB"."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def format_percent(share: float | None) -> str:
    """Format a fraction, 0 to 1, in percent: "93.4 %"; a dash for None."""
    return "-" if share is None else f"{100 * share:.1f} %"


def format_value(value: Any) -> str:
    """Format the value of a setting; a tuple is the steps of a learning rate schedule."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return steps_as_text(value) or "none"
    return choice_label(value) if isinstance(value, str) else str(value)


def choice_label(choice: str) -> str:
    """Format a choice of a setting: "class weights" for ``class_weights``."""
    return choice.replace("_", " ")


def run_titles(runs: Iterable[RunSummary]) -> dict[str, str]:
    """Return the title of each run, by its ID. If several runs share a title, the ID follows it."""
    return distinct_titles({run.id: run.title for run in runs})


def format_started(run: RunSummary) -> str:
    """Format ``run.started``: "2026-11-29 01:23 UTC"; empty if the time is unknown."""
    return "" if run.started is None else f"{run.started:%Y-%m-%d %H:%M} UTC"
