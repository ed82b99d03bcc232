"""Format states, amounts and values for the train page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from fer_core.training.registry import ActualState, RunSummary
from fer_studio.ui.model_titles import distinct_titles

_Color = Literal["blue", "green", "orange", "red", "gray"]

#: Color and icon of each state, shown next to its name.
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
    """Format a fraction in percent; a dash for None."""
    return "-" if share is None else f"{100 * share:.1f} %"


def format_value(value: Any) -> str:
    """Format a setting's value for a table."""
    if value is None:
        return "off"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return ", ".join(f"{epoch}: {rate:g}" for epoch, rate in value) or "none"
    return str(value)


def run_titles(runs: Iterable[RunSummary]) -> dict[str, str]:
    """Return the titles of runs by their IDs: their names, with the ID if several share a name."""
    return distinct_titles({run.id: run.title for run in runs})


def format_started(run: RunSummary) -> str:
    """Format when a run was started: "2026-11-29 01:23 UTC"; empty if unknown."""
    return "" if run.started is None else f"{run.started:%Y-%m-%d %H:%M} UTC"
