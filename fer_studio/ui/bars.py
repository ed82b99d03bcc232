"""Bar charts of one face: the model's probabilities and the annotators' votes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from fer_core.charts.dataset import vote_bars
from fer_core.charts.probabilities import probability_bars
from fer_core.dataset.ferplus import VOTE_COLUMNS, answer_columns
from fer_studio.ui.charts import show_chart

if TYPE_CHECKING:
    import plotly.graph_objects as go


def show_probabilities(
    probability_by_class: Mapping[str, float], *, key: str, title: str = ""
) -> None:
    """Draw a face's class probabilities.

    Args:
        probability_by_class: 0 to 1 each, in the order to draw them.
        key: The key of the chart.
        title: Its title; with a title, the chart can be downloaded.
    """
    _show_bars(
        probability_bars(probability_by_class),
        title=title,
        key=key,
        alt="Probabilities: "
        + ", ".join(
            f"{name} {100 * probability:.0f} %"
            for name, probability in probability_by_class.items()
        ),
    )


def show_votes_of_face(
    distribution: Mapping[str, int], classes: Sequence[str], *, key: str, title: str = ""
) -> None:
    """Draw the FER+ annotators' votes for a face.

    Args:
        distribution: Votes by FER+'s names of the answers.
        classes: The classes of the dataset.
        key: The key of the chart.
        title: Its title; see ``show_probabilities``.
    """
    votes = _renamed(distribution, classes)
    _show_bars(
        vote_bars(votes, classes),
        title=title,
        key=key,
        alt="Votes: " + ", ".join(f"{answer} {count}" for answer, count in votes.items()),
    )


def _show_bars(figure: go.Figure, *, title: str, key: str, alt: str) -> None:
    if title:
        show_chart(figure, title=title, key=key, alt=alt)
    else:
        st.plotly_chart(figure, key=key, config={"displayModeBar": False}, alt=alt)


def _renamed(distribution: Mapping[str, int], classes: Sequence[str]) -> dict[str, int]:
    """Return votes by our names: the classes in their order, then the other answers."""
    columns = answer_columns(classes)
    votes = {
        name: distribution.get(VOTE_COLUMNS[column], 0)
        for name, column in zip(classes, columns, strict=True)
    }
    others = (answer for answer in VOTE_COLUMNS if VOTE_COLUMNS.index(answer) not in columns)
    return votes | {answer.replace("_", " "): distribution.get(answer, 0) for answer in others}
