"""The command line's commands: one module each.

Each module adds its parser with ``add_parser`` and sets ``run`` on it: a function from the parsed
arguments and the settings to an ``Answer``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """What a command answers.

    Attributes:
        document: With ``--json``: one JSON document on standard output.
        text: Otherwise: the same for people.
    """

    document: Any
    text: str
