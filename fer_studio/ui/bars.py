"""Bar charts of one face: the model's probabilities and the annotators' votes."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from fer_core.charts.dataset import vote_bars
from fer_core.charts.probabilities import probability_bars
from fer_core.emotions import EMOTIONS, emotion_from_name


def show_probabilities(probability_by_class: Mapping[str, float], *, key: str) -> None:
    """Draw a face's class probabilities, 0 to 1 each, in the given order."""
    st.plotly_chart(
        probability_bars(probability_by_class),
        key=key,
        config={"displayModeBar": False},
        alt="Probabilities: "
        + ", ".join(
            f"{name} {100 * probability:.0f} %"
            for name, probability in probability_by_class.items()
        ),
    )


def show_votes_of_face(distribution: Mapping[str, int], *, key: str) -> None:
    """Draw the FER+ annotators' votes for a face, given by FER+'s names of the answers."""
    votes = _renamed(distribution)
    st.plotly_chart(
        vote_bars(votes),
        key=key,
        config={"displayModeBar": False},
        alt="Votes: " + ", ".join(f"{answer} {count}" for answer, count in votes.items()),
    )


def _renamed(distribution: Mapping[str, int]) -> dict[str, int]:
    """Return votes by our names: the emotions in their order, then the other answers."""
    named = {
        emotion_from_name(answer) or answer.replace("_", " "): count
        for answer, count in distribution.items()
    }
    emotions = {emotion: named.pop(emotion) for emotion in EMOTIONS if emotion in named}
    return emotions | named
