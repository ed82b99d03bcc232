"""Recognize folders that are named after persons, by their numbers."""

from __future__ import annotations

import re
from collections.abc import Collection

_MIN_PERSONS = 3
#: Names such as "subject01", "S005", "p-3" and "0012". KDEF has names such as "AF01": session A,
#: sex F, person 01.
_NUMBERED = re.compile(
    r"(?:|s|p|u|id|f|m|[ab][fm]|subj|sub|subject|person|actor|participant|user|people)"
    r"[-_ ]?\d{1,6}",
    re.IGNORECASE | re.ASCII,
)
#: Names of folders with versions of pictures (``happy/aligned/``) or conditions (``happy/high/``).
_VERSIONS = frozenset(
    (
        *("aligned", "original", "originals", "raw", "cropped", "crop", "crops", "resized"),
        *("gray", "grey", "grayscale", "color", "colour", "rgb", "augmented", "aug", "frames"),
        *("high", "low", "medium", "mid", "strong", "weak", "subtle", "extreme", "intense", "mild"),
        *("front", "frontal", "left", "right", "side", "profile", "half", "full", "up", "down"),
        *("dark", "bright", "light", "indoor", "outdoor", "normal", "easy", "hard", "occluded"),
        *("male", "female", "men", "women", "man", "woman", "boys", "girls", "adult", "adults"),
        *("child", "children", "kids", "young", "old", "posed", "spontaneous", "wild", "lab"),
        *("image", "images", "img", "imgs", "pictures", "photos", "faces", "face", "jpg", "png"),
    )
)


def may_be_person(name: str) -> bool:
    """Return True if a folder inside the folder of a class may be named after a person."""
    return name.casefold() not in _VERSIONS


def are_persons(names: Collection[str]) -> bool:
    """Return True if folders with these names are named after numbered persons."""
    return len(names) >= _MIN_PERSONS and all(_NUMBERED.fullmatch(name) for name in names)
