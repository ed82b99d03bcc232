"""The text of class names for Plotly, and the height of a chart for a number of classes."""

from __future__ import annotations

import html
from collections.abc import Iterable

#: Up to this number of classes, charts have their usual height.
_USUAL_COUNT = 8


def plot_text(name: str) -> str:
    """Return a name in a form that Plotly displays unchanged.

    Plotly would interpret HTML tags and placeholders such as ``%{x}``.
    """
    return html.escape(name, quote=False).replace("%{", "%&#123;")


def plot_texts(names: Iterable[str]) -> list[str]:
    """Return ``plot_text`` of each name."""
    return [plot_text(name) for name in names]


def height_for(count: int, *, usual_height: int, per_class: int) -> int:
    """Return the height of a chart in pixels.

    Args:
        count: Number of classes.
        usual_height: Height for up to eight classes.
        per_class: Additional height for each further class.
    """
    return usual_height + per_class * max(count - _USUAL_COUNT, 0)
