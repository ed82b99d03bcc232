"""Class lists: the names of a dataset's or model's classes, in their order.

A class list is a tuple of 2 to 20 names. A name is a Unicode text of up to 40 characters, stored in
Unicode's composed form (NFC). No two names of a list differ only in upper and lower case.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

from fer_core.emotions import (
    EMOTION_COLORS,
    EMOTIONS8,
    emotion_from_name,
    emotions_named_by,
)

MIN_CLASSES, MAX_CLASSES = 2, 20
#: Maximum number of characters of a name.
MAX_NAME_LENGTH = 40

#: Unicode categories that a name must not contain: control characters, surrogates, line ends.
_FORBIDDEN_CATEGORIES = {"Cc", "Cs", "Zl", "Zp"}
#: Characters that change the direction of the text after them.
_DIRECTION_CHARACTERS = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

#: Colors of classes that are not emotions. Any two colors, of this list or of the emotions, can be
#: distinguished on white and on black, with normal vision, protanopia and deuteranopia.
_FURTHER_COLORS = (
    "#884422",
    "#EEAA66",
    "#8888FF",
    "#6600FF",
    "#AACCAA",
    "#AA0088",
    "#888844",
    "#4466CC",
    "#884466",
    "#AACCCC",
    "#884444",
    "#AA4400",
)
#: All colors, in the order in which classes that are not emotions get them. Gray is the last color,
#: because it is less distinctive.
_PALETTE = (
    *(EMOTION_COLORS[name] for name in ("sad", "happy", "disgust", "angry", "surprise", "fear")),
    EMOTION_COLORS["contempt"],
    *_FURTHER_COLORS,
    EMOTION_COLORS["neutral"],
)


def class_name(text: str) -> str:
    """Return the name of a class in its stored form: NFC, with single spaces.

    Raises:
        ValueError: The name has no visible character, is too long, or contains control characters.
            The message has no full stop, because callers put it into a sentence.
    """
    categories = {unicodedata.category(character) for character in text.strip()}
    if categories & _FORBIDDEN_CATEGORIES or set(text) & _DIRECTION_CHARACTERS:
        raise ValueError(f"the class name {_quoted(text)} contains control characters")
    name = unicodedata.normalize("NFC", re.sub(r"\s+", " ", text.strip()))
    # Visible characters are letters, numbers, punctuation and symbols.
    if not any(unicodedata.category(character)[0] in "LNPS" for character in name):
        raise ValueError(f"the class name {_quoted(text)} contains no visible character")
    if len(name) > MAX_NAME_LENGTH:
        raise ValueError(
            f"the class name {_quoted(name)} is longer than {MAX_NAME_LENGTH} characters"
        )
    return name


def _quoted(text: str) -> str:
    return repr(text if len(text) <= MAX_NAME_LENGTH else f"{text[:MAX_NAME_LENGTH]}…")


def class_key(name: str) -> str:
    """Return the key of a class. Names with the same key are names of the same class."""
    # casefold() decomposes some letters, so its result is composed again.
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name.strip()).casefold())


def validated_classes(names: Iterable[str]) -> tuple[str, ...]:
    """Return a class list in its stored form.

    Args:
        names: The names in their order.

    Raises:
        ValueError: There are fewer than 2 or more than 20 names, a name is invalid, or two names
            are equal or differ only in upper and lower case. As for ``class_name``, the message has
            no full stop.
    """
    classes = tuple(class_name(name) for name in names)
    if not MIN_CLASSES <= len(classes) <= MAX_CLASSES:
        raise ValueError(
            f"there should be {MIN_CLASSES} to {MAX_CLASSES} classes. Received: {len(classes)}"
        )
    by_key: dict[str, str] = {}
    for name in classes:
        other = by_key.get(class_key(name))
        if other == name:
            raise ValueError(f"the class name {name!r} occurs twice")
        if other is not None:
            raise ValueError(f"the class names {other!r} and {name!r} differ only in case")
        by_key[class_key(name)] = name
    return classes


def canonical_classes(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the class names of a network in the form that this program uses.

    If the labels are the seven or the eight emotions, in any order and under any of their names,
    ``EMOTIONS`` or ``EMOTIONS8`` is returned. All other labels are returned unchanged.
    """
    return emotions_named_by(labels) or tuple(labels)


def positions_of(classes: Sequence[str], labels: Sequence[str]) -> list[int]:
    """Return the position of each class in another list of the same classes.

    Args:
        classes: The classes.
        labels: The same classes, possibly in another order or with other names of the emotions.

    Raises:
        ValueError: A class is not among the labels.
    """
    positions = [match_class(name, labels) for name in classes]
    if None in positions:
        raise ValueError(f"{classes[positions.index(None)]!r} is not among the labels")
    return [position for position in positions if position is not None]


def match_class(name: str, classes: Sequence[str]) -> int | None:
    """Return the position of a class in a class list; None if the list has no such class.

    Names match if they differ only in case, or if they are names of the same emotion. A name that
    differs only in case has priority. If the list has no such name but several names of the
    emotion, the result is None.
    """
    keys = [class_key(label) for label in classes]
    key = class_key(name)
    if key in keys:
        return keys.index(key)
    emotion = emotion_from_name(name, EMOTIONS8)
    if emotion is None:
        return None
    emotions = [emotion_from_name(label, EMOTIONS8) for label in classes]
    return emotions.index(emotion) if emotions.count(emotion) == 1 else None


def class_colors(classes: Iterable[str]) -> dict[str, str]:
    """Return the color of each class, as ``#RRGGBB``, in the given order.

    Emotions have the same color in every class list. If several classes are names of one emotion,
    only the first of them gets the color of this emotion. Other classes get the remaining colors in
    the order of ``sorted_classes``, so the colors do not depend on the order of a model's outputs.
    """
    return _class_colors(tuple(classes))


@lru_cache(maxsize=64)
def _class_colors(classes: tuple[str, ...]) -> dict[str, str]:
    ordered = sorted_classes(classes)
    colors: dict[str, str] = {}
    for name in ordered:
        emotion = emotion_from_name(name, EMOTIONS8)
        if emotion is not None and EMOTION_COLORS[emotion] not in colors.values():
            colors[name] = EMOTION_COLORS[emotion]
    remaining = iter([color for color in _PALETTE if color not in colors.values()])
    for name in ordered:
        if name not in colors:
            colors[name] = next(remaining, EMOTION_COLORS["neutral"])
    return {name: colors[name] for name in classes}


def color_rgb(color: str) -> tuple[int, int, int]:
    """Return a color ``#RRGGBB`` as red, green and blue, each 0 to 255."""
    digits = color.removeprefix("#")
    return int(digits[0:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)


def class_columns(classes: Sequence[str], reserved: Iterable[str]) -> tuple[str, ...]:
    """Return a column name for each class; the names differ from the table's other columns.

    Args:
        classes: The names of the classes.
        reserved: The names of the other columns.
    """
    reserved_keys = {class_key(column) for column in reserved}
    return tuple(
        f"{name} (class)" if class_key(name) in reserved_keys else name for name in classes
    )


def sorted_classes(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names in the default order of classes: first emotions, in FER2013's order.

    The other names follow in alphabetical order. Numbers in names are compared as numbers.
    """

    def sort_key(name: str) -> tuple[int, list[tuple[int, int, str]]]:
        emotion = emotion_from_name(name, EMOTIONS8)
        order = len(EMOTIONS8) if emotion is None else EMOTIONS8.index(emotion)
        # int() rejects very long numbers, so each part has at most 18 digits.
        parts = re.findall(r"\d{1,18}|\D+", class_key(name))
        # The first item of each tuple sorts numbers before text, so that an int is never compared
        # with a string.
        return order, [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]

    return tuple(sorted(names, key=sort_key))
