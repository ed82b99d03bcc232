"""How the train page says states, durations and amounts."""

from __future__ import annotations

from typing import Any, Literal

from fer_core.training.registry import RealState, RunSummary

_Color = Literal["blue", "green", "orange", "red", "gray"]

#: Colour and icon of each state; the word stands beside them.
STATE_LOOKS: dict[RealState, tuple[_Color, str]] = {
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


def duration_in_words(seconds: float) -> str:
    """A duration with as many digits as matter: "3 h 20 min", "12 min", "8 s"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02} min"
    return f"{hours // 24} d {hours % 24} h"


def bytes_in_words(count: float) -> str:
    """An amount of memory: "850 MB", "1.3 GB"."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def percent(share: float | None) -> str:
    """A share in percent; a dash for none."""
    return "-" if share is None else f"{100 * share:.1f} %"


def value_in_words(value: Any) -> str:
    """A setting's value for a table."""
    if value is None:
        return "off"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return ", ".join(f"{epoch}: {rate:g}" for epoch, rate in value) or "none"
    return str(value)


def run_title(run: RunSummary) -> str:
    """A run in a list of choices: its name, and what tells it from others of that name."""
    if run.name:
        return f"{run.name} ({run.id})"
    return run.id


def first_capital(sentence: str) -> str:
    """The engine's reasons begin small, because they follow a name on the command line."""
    text = sentence[:1].upper() + sentence[1:]
    return text if not text or text[-1] in ".!?…" else f"{text}."
