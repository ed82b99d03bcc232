"""Parts of messages: sentences, counts and durations."""

from __future__ import annotations


def capitalized(text: str) -> str:
    """Return a text with a capital first letter; the other letters stay as they are."""
    return text[:1].upper() + text[1:]


def as_sentence(text: str) -> str:
    """Turn a text, which may start with a small letter and lack a period, into a sentence."""
    text = capitalized(text)
    return text if not text or text[-1] in ".!?…" else f"{text}."


def counted(count: int, noun: str) -> str:
    """Return a number with its noun: "1 image", "1,200 images"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def format_duration(seconds: float) -> str:
    """Format a duration with one or two units: "8 s", "12 min", "3 h 20 min", "2 d 7 h"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02} min"
    return f"{hours // 24} d {hours % 24} h"
