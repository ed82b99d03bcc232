"""Text on pages."""

from __future__ import annotations


def plain_text(text: str) -> str:
    """Text that people wrote, such as a file's name, may hold Markdown; it is shown as it is."""
    return "".join(
        f"\\{letter}" if letter in r"\`*_{}[]<>()#+-!|$~:" else letter for letter in text
    )


def clock_time(seconds: float) -> str:
    """Minutes and seconds, such as "2:05"."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
