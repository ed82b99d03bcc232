"""The emotion in the name of a folder or label that contains numbers and general words as well."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from fer_core.emotions import EMOTIONS8, emotion_from_name

#: Words that say nothing about the class: "happy faces", "0_angry", "sad images (2)".
_GENERAL_WORDS = frozenset(
    (
        *("face", "faces", "facial", "human", "people", "person", "persons", "subjects"),
        *("emotion", "emotions", "expression", "expressions", "class", "label", "category"),
        *("image", "images", "img", "imgs", "picture", "pictures", "pic", "pics", "photo"),
        *("photos", "frame", "frames", "crop", "crops", "cropped", "aligned", "resized"),
        *("data", "dataset", "set", "folder", "copy", "new", "all", "the", "fer", "png", "jpg"),
    )
)


def emotion_of_folder(name: str, emotions: Sequence[str] = EMOTIONS8) -> str | None:
    """Return the emotion that a name contains next to numbers and general words only.

    Args:
        name: ``"Happy"``, ``"0_angry"``, ``"SadFaces"``, ``"images of fear (2)"``.
        emotions: The emotions to map to: ``EMOTIONS`` or ``EMOTIONS8``.

    Returns:
        The emotion; None if there is none or more than one, or another word (``"not happy"``).
    """
    emotion = _emotion_of_folder(name)
    return emotion if emotion in emotions else None


@lru_cache(maxsize=4096)
def _emotion_of_folder(name: str) -> str | None:
    emotion = emotion_from_name(name, EMOTIONS8)
    if emotion is not None:
        return emotion
    words = [
        word.casefold() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[^\W\d_]+", name)
    ]
    found = {
        emotion_from_name(word, EMOTIONS8)
        for word in words
        if word not in _GENERAL_WORDS and word != "of"
    }
    return found.pop() if len(found) == 1 else None
