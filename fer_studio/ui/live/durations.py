"""Durations as text."""

from __future__ import annotations


def duration_text(seconds: float) -> str:
    """Return a duration such as "35 s" or "2 min 5 s"."""
    minutes, rest = divmod(int(seconds), 60)
    if not minutes:
        return f"{rest} s"
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"
