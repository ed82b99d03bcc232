"""Durations as text."""

from __future__ import annotations


def duration_text(seconds: float) -> str:
    """Return a duration such as "35 s" or "2 min 5 s"."""
    minutes, remaining_seconds = divmod(int(seconds), 60)
    if not minutes:
        return f"{remaining_seconds} s"
    return f"{minutes} min {remaining_seconds} s" if remaining_seconds else f"{minutes} min"
