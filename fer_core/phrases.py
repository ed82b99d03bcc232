"""Parts of messages: sentences, names, counts and durations."""

from __future__ import annotations

import shlex
import unicodedata

#: Unicode categories of control characters and of separators of lines and paragraphs.
_NOT_IN_A_LINE = ("Cc", "Zl", "Zp")


def capitalized(text: str) -> str:
    """Return a text with a capital first letter; the other letters stay as they are."""
    return text[:1].upper() + text[1:]


def as_sentence(text: str) -> str:
    """Turn a text, which may start with a small letter and lack a period, into a sentence."""
    text = capitalized(text)
    return text if not text or text[-1] in ".!?…" else f"{text}."


def on_one_line(text: str) -> str:
    """Return a text with line breaks and control characters as escapes such as ``\\u000a``."""
    return "".join(
        f"\\u{ord(character):04x}"
        if unicodedata.category(character) in _NOT_IN_A_LINE
        else character
        for character in text
    )


def shell_quoted(text: str) -> str:
    """Return a text as one word on the command line of a shell.

    A text with line breaks or control characters is quoted as ``$'…'``, which Bash and Zsh know.
    """
    if on_one_line(text) == text:
        return shlex.quote(text)
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"$'{on_one_line(escaped)}'"


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
