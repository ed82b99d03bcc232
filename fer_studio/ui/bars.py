"""Bars of one face on a page: what a network says of it, and what people said."""

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
    """Draw what FER+'s taggers said of a face, by the names that FER+ gives the answers."""
    votes = _under_our_names(distribution)
    st.plotly_chart(
        vote_bars(votes),
        key=key,
        config={"displayModeBar": False},
        alt="Votes: " + ", ".join(f"{answer} {count}" for answer, count in votes.items()),
    )


def _under_our_names(distribution: Mapping[str, int]) -> dict[str, int]:
    """Votes under the names and in the order of the emotions, the other answers behind them."""
    named = {
        emotion_from_name(answer) or answer.replace("_", " "): count
        for answer, count in distribution.items()
    }
    ours = {emotion: named.pop(emotion) for emotion in EMOTIONS if emotion in named}
    return ours | named
