"""The seven emotions of FER2013: their order, colors, and names in other datasets."""

from collections.abc import Sequence

#: The emotions in FER2013's order. The index of an emotion is its label everywhere in the project.
EMOTIONS: tuple[str, ...] = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")

#: One color per emotion in all charts and boxes. Okabe and Ito's palette, whose colors can be
#: distinguished with the common color vision deficiencies; the gray of neutral is readable on white
#: and on black.
EMOTION_COLORS: dict[str, str] = {
    "angry": "#D55E00",
    "disgust": "#009E73",
    "fear": "#CC79A7",
    "happy": "#E69F00",
    "sad": "#0072B2",
    "surprise": "#56B4E9",
    "neutral": "#8A8A8A",
}

_SYNONYMS: dict[str, str] = {
    "anger": "angry",
    "disgusted": "disgust",
    "afraid": "fear",
    "fearful": "fear",
    "happiness": "happy",
    "joy": "happy",
    "sadness": "sad",
    "surprised": "surprise",
    "neutrality": "neutral",
}


def emotion_from_name(name: str) -> str | None:
    """Map the name of a class in any dataset to one of the seven emotions.

    Args:
        name: A folder's or column's name in any case, such as ``"Happiness"``.

    Returns:
        The emotion, or None if the name is not one of the seven (``"contempt"``); such a class is
        skipped.
    """
    key = name.strip().lower()
    return key if key in EMOTION_COLORS else _SYNONYMS.get(key)


def emotion_color_rgb(emotion: str) -> tuple[int, int, int]:
    """Return the color of an emotion as red, green and blue, each 0 to 255."""
    digits = EMOTION_COLORS[emotion].removeprefix("#")
    return int(digits[0:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)


def positions_in_emotion_order(labels: Sequence[str]) -> list[int] | None:
    """Return the position of each of the seven emotions in another label list.

    Args:
        labels: The labels of a network, in its order; names of other datasets are supported.

    Returns:
        Seven positions, so that ``probabilities[:, positions]`` is in the order of ``EMOTIONS``;
        None if ``labels`` does not contain each of the seven exactly once.
    """
    mapped = [emotion_from_name(label) for label in labels]
    if sorted(mapped, key=str) != sorted(EMOTIONS):
        return None
    return [mapped.index(emotion) for emotion in EMOTIONS]
