"""The commands of the command line, one module each.

The function ``add_parser`` of each module adds its parser and sets ``run`` on it: a function that
takes the parsed arguments and the settings and returns an ``Answer``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """The result of a command.

    Attributes:
        document: What ``--json`` prints, as one JSON document.
        text: What is printed otherwise.
    """

    document: Any
    text: str
