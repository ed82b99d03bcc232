"""Bars of one face: the model's probabilities and the annotators' votes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

import streamlit as st

from fer_core.charts.bars import ANSWER_GRAY
from fer_core.charts.dataset import vote_bars
from fer_core.charts.probabilities import probability_bars
from fer_core.classes import class_colors
from fer_core.dataset.ferplus import VOTE_COLUMNS, answer_columns
from fer_studio.ui.charts import show_chart


def show_probabilities(probability_by_class: Mapping[str, float]) -> None:
    """Draw a face's class probabilities as bars.

    The bars are HTML, because pages draw them for many faces, and a browser needs half a second to
    load Plotly.

    Args:
        probability_by_class: Probabilities from 0 to 1, in the order in which they are drawn.
    """
    colors = class_colors(probability_by_class)
    _show_bars(
        _probabilities_text(probability_by_class),
        (
            (name, probability, f"{100 * probability:.1f} %", colors[name])
            for name, probability in probability_by_class.items()
        ),
    )


def show_probability_chart(
    probability_by_class: Mapping[str, float], *, key: str, title: str = "Probabilities"
) -> None:
    """Draw a face's class probabilities as a chart that can be downloaded.

    Args:
        probability_by_class: Probabilities from 0 to 1, in the order in which they are drawn.
        key: The key of the chart.
        title: The title of the chart.
    """
    show_chart(
        probability_bars(probability_by_class),
        title=title,
        key=key,
        alt=_probabilities_text(probability_by_class),
    )


def show_votes_of_face(votes_by_answer: Mapping[str, int], classes: Sequence[str]) -> None:
    """Draw the FER+ annotators' votes for a face as bars.

    Args:
        votes_by_answer: The number of votes for each answer, by FER+'s name of the answer.
        classes: The classes of the dataset.
    """
    votes = _with_class_names(votes_by_answer, classes)
    colors = class_colors(classes)
    total = max(sum(votes.values()), 1)
    _show_bars(
        _votes_text(votes),
        (
            (answer, count / total, f"{count}", colors.get(answer, ANSWER_GRAY))
            for answer, count in votes.items()
        ),
    )


def show_vote_chart(
    votes_by_answer: Mapping[str, int], classes: Sequence[str], *, key: str, title: str
) -> None:
    """Draw the FER+ annotators' votes for a face as a chart that can be downloaded.

    Args:
        votes_by_answer: The number of votes for each answer, by FER+'s name of the answer.
        classes: The classes of the dataset.
        key: The key of the chart.
        title: The title of the chart.
    """
    votes = _with_class_names(votes_by_answer, classes)
    show_chart(vote_bars(votes, classes), title=title, key=key, alt=_votes_text(votes))


def _probabilities_text(probability_by_class: Mapping[str, float]) -> str:
    return "Probabilities: " + ", ".join(
        f"{name} {100 * probability:.0f} %" for name, probability in probability_by_class.items()
    )


def _votes_text(votes: Mapping[str, int]) -> str:
    return "Votes: " + ", ".join(f"{answer} {count}" for answer, count in votes.items())


def _show_bars(description: str, bars: Iterable[tuple[str, float, str, str]]) -> None:
    """Draw bars from the top down; ``assets/app.css`` styles them.

    Args:
        description: What a screen reader says about the bars.
        bars: Name, length from 0 to 1, text and color of each bar.
    """
    lines = "".join(
        f'<span class="bar-name">{escape(name)}</span>'
        f'<span class="bar-track"><span style="width: {100 * length:.1f}%; background: {color};">'
        f'</span></span><span class="bar-value">{escape(text)}</span>'
        for name, length, text, color in bars
    )
    # Not ``st.html``, which the browser loads later than the elements around it.
    st.markdown(
        f'<div class="fer-bars" role="img" aria-label="{escape(description)}">{lines}</div>',
        unsafe_allow_html=True,
    )


def _with_class_names(votes_by_answer: Mapping[str, int], classes: Sequence[str]) -> dict[str, int]:
    """Return the number of votes for each answer, by the name under which the answer is shown.

    Answers that are classes come first, in the order of ``classes``, with the dataset's names of
    the classes. The other answers follow.
    """
    columns = answer_columns(classes)
    votes = {
        name: votes_by_answer.get(VOTE_COLUMNS[column], 0)
        for name, column in zip(classes, columns, strict=True)
    }
    other_answers = [answer for answer in VOTE_COLUMNS if VOTE_COLUMNS.index(answer) not in columns]
    return votes | {
        answer.replace("_", " "): votes_by_answer.get(answer, 0) for answer in other_answers
    }
