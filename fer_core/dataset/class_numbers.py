"""Recognize classes that are given as numbers, and find the names that the numbers stand for."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from fer_core.errors import InputError


@dataclass(frozen=True)
class ClassOrder:
    """The names that class numbers stand for.

    Attributes:
        names: The names in the order of the numbers.
        usual_first_number: The number that the first name usually has, 0 or 1; None if it is not
            known. It is used if the numbers of a source do not show whether they begin at 0 or 1.
        title: The name of the order in messages.
        non_expressions: Further names, for the numbers after the last of ``names``. They stand for
            no expression, such as "none". They are used only if the numbers of a source begin at 0.
    """

    names: tuple[str, ...]
    usual_first_number: int | None = None
    title: str = "the given order"
    non_expressions: tuple[str, ...] = ()

    def first_number(self, numbers: Collection[int]) -> int:
        """Return the number of the first name, which is 0 or 1.

        Args:
            numbers: The numbers of a source, at least one.

        Raises:
            InputError: The numbers do not show whether they begin at 0 or at 1, and
                ``usual_first_number`` is None.
        """
        if 0 in numbers:
            return 0
        # For example, seven names have the numbers 0 to 6 or 1 to 7, so a 7 shows that the numbers
        # begin at 1.
        if max(numbers) >= len(self.names):
            return 1
        if self.usual_first_number is not None:
            return self.usual_first_number
        numbers_text = ", ".join(map(str, sorted(numbers)))
        raise InputError(
            f"The class numbers {numbers_text} could begin at 0 or at 1 in an order of "
            f"{len(self.names)} names; name each number with --map NUMBER=CLASS instead."
        )

    def names_of(self, numbers: Collection[int]) -> dict[int, str]:
        """Return the name of each number. Numbers that are not in this order are left out.

        Args:
            numbers: The numbers of a source; may be empty.

        Raises:
            InputError: As for ``first_number``.
        """
        if not numbers:
            return {}
        first = self.first_number(numbers)
        names = (*self.names, *self.non_expressions) if first == 0 else self.names
        name_of = dict(enumerate(names, first))
        return {number: name_of[number] for number in numbers if number in name_of}


#: The orders of public datasets and the alphabetical order, by the name that ``--class-order``
#: accepts.
CLASS_ORDERS: dict[str, ClassOrder] = {
    name: ClassOrder(tuple(classes.split()), first, title, tuple(non_expressions.split()))
    for name, title, first, classes, non_expressions in (
        ("fer2013", "FER2013", 0, "angry disgust fear happy sad surprise neutral", ""),
        ("raf-db", "RAF-DB", 1, "surprise fear disgust happy sad angry neutral", ""),
        (
            "affectnet",
            "AffectNet",
            0,
            "neutral happy sad surprise fear disgust angry contempt",
            "none uncertain non-face",
        ),
        ("ferplus", "FER+", 0, "neutral happy surprise sad angry disgust fear contempt", ""),
        ("ck+", "CK+", 0, "neutral angry contempt disgust fear happy sad surprise", ""),
        ("alphabetical", "Alphabetical", 0, "angry disgust fear happy neutral sad surprise", ""),
    )
}


def parse_class_order(text: str) -> ClassOrder:
    """Parse ``--class-order``: the name of a known order, or names separated by commas.

    Raises:
        InputError: The text is not a known order and has fewer than two names, an empty name, or a
            name twice.
    """
    known_order = CLASS_ORDERS.get(_order_key(text))
    if known_order is not None:
        return known_order
    names = tuple(name.strip() for name in text.split(","))
    if len(names) < 2 or not all(names):
        raise InputError(
            f"The order of the classes should be one of {', '.join(CLASS_ORDERS)}, or the names of "
            f"all classes separated by commas. Received: {text!r}."
        )
    if len({name.casefold() for name in names}) < len(names):
        raise InputError(f"The order {text!r} contains a name twice; name each class once.")
    return ClassOrder(names)


def _order_key(text: str) -> str:
    """Return the key in ``CLASS_ORDERS`` for a name in any spelling: ``raf-db`` for ``RAFDB``."""
    letters = re.sub(r"[^a-z0-9+]", "", text.casefold())
    spellings = {"rafdb": "raf-db", "fer+": "ferplus", "ckplus": "ck+", "fer": "fer2013"}
    return spellings.get(letters, letters)


@lru_cache(maxsize=4096)
def class_number(name: str) -> int | None:
    """Return the number of a class that has a number instead of a name.

    Args:
        name: The name in the source: ``"3"``, ``"03"``, ``"3.0"``, ``"class_3"``, ``"label 3"``.

    Returns:
        0 to 99; None for other names (``"S3"``, ``"3 angry"``).
    """
    match = _NUMBERED.fullmatch(name.strip())
    return None if match is None else int(match[1])


#: Matches an optional word for "class", such as "label" or "cls", optional leading zeros, the class
#: number, and an optional ".0" after it.
_NUMBERED = re.compile(
    r"(?:(?:class|label|emotion|expression|expr|exp|cls|emo|c|l|e)[-_. ]*)?"
    r"0{0,4}(\d{1,2})(?:\.0*)?",
    re.IGNORECASE | re.ASCII,
)
