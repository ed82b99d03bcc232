"""Bar charts of one face: the model's probabilities and the annotators' votes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from fer_core.charts.dataset import vote_bars
from fer_core.charts.probabilities import probability_bars
from fer_core.dataset.ferplus import VOTE_COLUMNS, answer_columns


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


def show_votes_of_face(
    distribution: Mapping[str, int], classes: Sequence[str], *, key: str
) -> None:
    """Draw the FER+ annotators' votes for a face.

    Args:
        distribution: Votes by FER+'s names of the answers.
        classes: The classes of the dataset.
        key: The key of the chart.
    """
    votes = _renamed(distribution, classes)
    st.plotly_chart(
        vote_bars(votes, classes),
        key=key,
        config={"displayModeBar": False},
        alt="Votes: " + ", ".join(f"{answer} {count}" for answer, count in votes.items()),
    )


def _renamed(distribution: Mapping[str, int], classes: Sequence[str]) -> dict[str, int]:
    """Return votes by our names: the classes in their order, then the other answers."""
    columns = answer_columns(classes)
    votes = {
        name: distribution.get(VOTE_COLUMNS[column], 0)
        for name, column in zip(classes, columns, strict=True)
    }
    others = (answer for answer in VOTE_COLUMNS if VOTE_COLUMNS.index(answer) not in columns)
    return votes | {answer.replace("_", " "): distribution.get(answer, 0) for answer in others}
