"""Formatting of text for pages."""

from __future__ import annotations


def plain_text(text: str) -> str:
    """Escape Markdown in text from users, such as file names, so that it is shown as it is."""
    return "".join(
        f"\\{letter}" if letter in r"\`*_{}[]<>()#+-!|$~:" else letter for letter in text
    )
