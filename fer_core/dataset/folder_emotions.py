"""The emotion in the name of a folder or label that also contains numbers and general words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from fer_core.emotions import EMOTIONS8, emotion_from_name

#: Words next to the emotion that say nothing about it, as in "happy faces" and "images of fear".
_GENERAL_WORDS = frozenset(
    (
        *("face", "faces", "facial", "human", "people", "person", "persons", "subjects"),
        *("emotion", "emotions", "expression", "expressions", "class", "label", "category"),
        *("image", "images", "img", "imgs", "picture", "pictures", "pic", "pics", "photo"),
        *("photos", "frame", "frames", "crop", "crops", "cropped", "aligned", "resized"),
        *("data", "dataset", "set", "folder", "copy", "new", "all", "the", "fer", "png", "jpg"),
        "of",
    )
)


def emotion_of_folder(name: str, emotions: Sequence[str] = EMOTIONS8) -> str | None:
    """Return the emotion in a name that otherwise contains only numbers and general words.

    Args:
        name: ``"Happy"``, ``"0_angry"``, ``"SadFaces"``, ``"images of fear (2)"``.
        emotions: The emotions that may be returned: ``EMOTIONS`` or ``EMOTIONS8``.

    Returns:
        The emotion; None if the name contains no emotion, several emotions, or another word
        (``"not happy"``), or if the emotion is not one of ``emotions``.
    """
    emotion = _emotion_of_folder(name)
    return emotion if emotion in emotions else None


@lru_cache(maxsize=4096)
def _emotion_of_folder(name: str) -> str | None:
    emotion = emotion_from_name(name, EMOTIONS8)
    if emotion is not None:
        return emotion
    # "SadFaces" and "SAD_faces" have two words each. The last pattern is for other alphabets.
    words = [
        word.casefold() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[^\W\d_]+", name)
    ]
    # A word that is not an emotion adds None to the set. The result is then None as well: either
    # None is the only element of the set, or the set has several elements.
    emotions = {emotion_from_name(word, EMOTIONS8) for word in words if word not in _GENERAL_WORDS}
    return emotions.pop() if len(emotions) == 1 else None
