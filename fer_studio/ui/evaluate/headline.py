"""The headline: how good, in five figures, and what to compare them with."""

from __future__ import annotations

import streamlit as st

from fer_core.charts.evaluation import headline_intervals
from fer_core.emotions import EMOTIONS
from fer_core.evaluation.headline import Headline, headline
from fer_studio.ui.evaluate.subject import Subject, figures_of
from fer_studio.ui.evaluate.words import number, number_interval, percent, percent_interval
from fer_studio.ui.guard import section
from fer_studio.ui.text import plain_text


@section
def show_headline(subject: Subject) -> None:
    """Draw the figures, the warnings and the chart."""
    figures = figures_of(subject, headline)
    _show_figures(figures)
    for warning in subject.result.facts.warnings:
        st.warning(plain_text(warning), icon=":material/warning:")
    st.plotly_chart(
        headline_intervals(figures),
        key="headline_chart",
        config={"displayModeBar": False},
        alt=f"Accuracy {percent(figures.accuracy.value)}, balanced accuracy "
        f"{percent(figures.balanced_accuracy.value)} and top-2 accuracy "
        f"{percent(figures.top2_accuracy.value)} with their intervals",
    )
    st.caption(_reading(figures))


def _show_figures(figures: Headline) -> None:
    def show(title: str, value: str, interval: str, text: str) -> None:
        st.metric(
            title,
            value,
            # A metric's second line: here it is the interval and no change.
            delta=interval or None,
            delta_color="off",
            delta_arrow="off",
            border=True,
            help=text,
        )

    with st.container(horizontal=True):
        show(
            "Accuracy",
            percent(figures.accuracy.value),
            percent_interval(figures.accuracy),
            "Share of the images that are read right.",
        )
        if figures.leak_free_accuracy is not None:
            show(
                "Leak-free accuracy",
                percent(figures.leak_free_accuracy.value),
                percent_interval(figures.leak_free_accuracy),
                f"On the {figures.leak_free_n:,} images whose pixels do not also stand in train, "
                "under the same label or another.",
            )
        show(
            "Macro F1",
            number(figures.macro_f1.value),
            number_interval(figures.macro_f1),
            "Mean F1 of the emotions: each counts alike, however rare.",
        )
        show(
            "Balanced accuracy",
            percent(figures.balanced_accuracy.value),
            percent_interval(figures.balanced_accuracy),
            "Mean recall of the emotions that occur.",
        )
        show(
            "Log loss",
            number(figures.log_loss.value),
            number_interval(figures.log_loss),
            "Mean cross-entropy after temperature, natural logarithm: lower is better; naming all "
            "seven alike gives 1.946.",
        )
        show(
            "Top-2 accuracy",
            percent(figures.top2_accuracy.value),
            percent_interval(figures.top2_accuracy),
            "Share of the images whose emotion is among the two most probable.",
        )


def _reading(figures: Headline) -> str:
    sentences = [
        "Intervals are 95 % bootstrap intervals.",
        f"Always naming {EMOTIONS[figures.baseline_emotion]}, the largest class here, would reach "
        f"{percent(figures.baseline_accuracy)}.",
    ]
    if figures.human_accuracy is not None:
        sentences.append("People reach 65 ± 5 % on FER2013 (Goodfellow et al., 2013).")
    if figures.leak_free_accuracy is None:
        sentences.append(
            "Which of the images also stand in train is not recorded in a model's folder: choose "
            "the dataset to see its leak-free part."
        )
    return " ".join(sentences)
