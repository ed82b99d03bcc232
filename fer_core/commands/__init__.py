"""The commands of the command line, one module each.

The function ``add_parser`` of each module adds the parser of the command. The parser's default
``run`` is the function that runs the command. This function takes the parsed arguments and the
settings, and returns a ``CommandResult``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class CommandResult:
    """The result of a command.

    Attributes:
        document: The content of the JSON document that ``--json`` prints.
        text: The text that is printed without ``--json``.
    """

    document: Any
    text: str
