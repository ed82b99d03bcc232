"""The emotions of the common datasets: their order, colors, and names in other datasets."""

from __future__ import annotations

from collections.abc import Sequence

#: The seven emotions of FER2013, in the order of FER2013.
EMOTIONS: tuple[str, ...] = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")

#: The seven emotions and contempt, as in FER+, CK+ and AffectNet.
EMOTIONS8: tuple[str, ...] = (*EMOTIONS, "contempt")

#: The color of each emotion in all charts and boxes. Most colors are from the palette of Okabe and
#: Ito, which is also suitable for readers with the common color vision deficiencies. Contempt is
#: violet, and neutral is a gray that is readable on white and on black.
EMOTION_COLORS: dict[str, str] = {
    "angry": "#D55E00",
    "disgust": "#009E73",
    "fear": "#CC79A7",
    "happy": "#E69F00",
    "sad": "#0072B2",
    "surprise": "#56B4E9",
    "neutral": "#8A8A8A",
    "contempt": "#6F42E0",
}

_SYNONYMS: dict[str, tuple[str, ...]] = {
    "angry": ("anger", "ang", "angery", "mad"),
    "disgust": ("disgusted", "disgusting", "disgusts", "dis", "digust", "disguist"),
    "fear": ("afraid", "fearful", "fearfull", "scared", "scary", "scare", "frightened", "fea"),
    "happy": ("happiness", "happines", "joy", "joyful", "hap", "smile", "smiling"),
    "sad": ("sadness", "sadly", "unhappy"),
    "surprise": (
        "surprised",
        "suprise",
        "suprised",
        "surprize",
        "surprized",
        "surpise",
        "surprising",
        "sur",
    ),
    "neutral": ("neutrality", "natural", "neutrl", "neutal", "netural", "neu"),
    "contempt": ("contemptuous", "contemptous", "comtempt", "contemp"),
}

_EMOTION_BY_NAME: dict[str, str] = {
    name: emotion for emotion, synonyms in _SYNONYMS.items() for name in (emotion, *synonyms)
}


def emotion_from_name(name: str, emotions: Sequence[str] = EMOTIONS) -> str | None:
    """Map the name of a class in any dataset to an emotion.

    Args:
        name: The name, in upper or lower case, such as ``"Happiness"``.
        emotions: The emotions to map to: ``EMOTIONS`` or ``EMOTIONS8``.

    Returns:
        The emotion; None if the name is none of ``emotions``. For example, ``"contempt"`` is none
        of ``EMOTIONS``.
    """
    emotion = _EMOTION_BY_NAME.get(name.strip().lower())
    return emotion if emotion in emotions else None


def emotions_named_by(labels: Sequence[str]) -> tuple[str, ...] | None:
    """Return ``EMOTIONS`` or ``EMOTIONS8`` if labels name exactly these emotions; else None.

    Args:
        labels: The labels of a network, in any order. Names from other datasets are supported.
    """
    for emotions in (EMOTIONS, EMOTIONS8):
        mapped = [emotion_from_name(label, emotions) for label in labels]
        if sorted(mapped, key=str) == sorted(emotions):  # None and strings are not comparable
            return emotions
    return None
