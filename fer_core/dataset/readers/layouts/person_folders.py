"""Recognize folders that are named after persons, by their numbers."""

from __future__ import annotations

import re
from collections.abc import Collection

_MIN_PERSONS = 3
#: "subject01", "S005", "p-3", "0012"; the prefix is the same for all, or a sex and session of KDEF.
_NUMBERED = re.compile(
    r"(?P<prefix>|s|p|u|id|f|m|[ab][fm]|subj|sub|subject|person|actor|participant|user|people)"
    r"[-_ ]?\d{1,6}",
    re.IGNORECASE | re.ASCII,
)


def are_persons(names: Collection[str]) -> bool:
    """Return True if folders with these names are numbered persons."""
    return len(names) >= _MIN_PERSONS and all(_NUMBERED.fullmatch(name) for name in names)
