"""Class names escaped for Plotly, and chart heights by number of classes."""

from __future__ import annotations

import html
from collections.abc import Iterable

#: Up to this number of classes, charts have their usual height.
_USUAL_CLASS_COUNT = 8


def plotly_text(name: str) -> str:
    """Escape a name, so that Plotly displays it unchanged.

    Without escaping, Plotly would interpret HTML tags and placeholders such as ``%{x}``.
    """
    return html.escape(name, quote=False).replace("%{", "%&#123;")


def plotly_texts(names: Iterable[str]) -> list[str]:
    """Return ``plotly_text`` of each name."""
    return [plotly_text(name) for name in names]


def height_for(count: int, *, usual_height: int, per_class: int) -> int:
    """Return the height of a chart in pixels.

    Args:
        count: Number of classes.
        usual_height: Height in pixels for up to eight classes.
        per_class: Additional height in pixels for each class beyond eight.
    """
    return usual_height + per_class * max(count - _USUAL_CLASS_COUNT, 0)
