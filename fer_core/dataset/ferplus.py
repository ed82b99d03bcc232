"""The possible answers of the ten annotators who voted on each face in FER+."""

from __future__ import annotations

from collections.abc import Sequence

from fer_core.classes import match_class
from fer_core.errors import InputError

#: The answers in the order of FER+. Its file calls *not_face* "NF".
VOTE_COLUMNS: tuple[str, ...] = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "not_face",
)

#: The answers that are not emotions.
NO_EMOTION: tuple[str, ...] = ("unknown", "not_face")


def answer_columns(classes: Sequence[str], source: str = "FER+") -> list[int]:
    """Return the position of each class in ``VOTE_COLUMNS``.

    Args:
        classes: The classes of a dataset.
        source: The name of the file with the votes, for messages.

    Raises:
        InputError: A class is not among the emotions that the annotators could choose from.
    """
    answers = [answer for answer in VOTE_COLUMNS if answer not in NO_EMOTION]
    positions = [match_class(name, answers) for name in classes]
    if None in positions:
        name = classes[positions.index(None)]
        raise InputError(
            f"The votes in {source} are for {', '.join(answers)}, but this dataset has the class "
            f"{name!r}; import the dataset with --classes emotions or emotions8 to use them."
        )
    return [VOTE_COLUMNS.index(answers[position]) for position in positions if position is not None]
