"""FER+'s answers under the names that the program uses."""

from __future__ import annotations

from collections.abc import Mapping

from fer_core.emotions import EMOTIONS, emotion_from_name


def vote_words(distribution: Mapping[str, int]) -> dict[str, int]:
    """Votes under the names and in the order of the emotions, the other answers behind them."""
    named = {
        emotion_from_name(answer) or answer.replace("_", " "): count
        for answer, count in distribution.items()
    }
    ours = {emotion: named.pop(emotion) for emotion in EMOTIONS if emotion in named}
    return ours | named
