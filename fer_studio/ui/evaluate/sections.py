"""The sections of a finished evaluation."""

from __future__ import annotations

import streamlit as st

from fer_studio.ui.evaluate.subject import Subject
from fer_studio.ui.tabs import show_tabs
from fer_studio.ui.text import plain_text


def show_sections(subject: Subject) -> None:
    """Draw what is evaluated, the tabs, and what is in the open one."""
    _show_subject(subject)
    show_tabs(
        {
            ":material/speed: Headline": _headline,
            ":material/bar_chart: Per emotion": _classes,
            ":material/grid_on: Confusion": _confusion,
            ":material/sentiment_stressed: Mistakes": _mistakes,
            ":material/balance: Calibration": _calibration,
            ":material/blur_on: Conditions": _conditions,
            ":material/compare_arrows: Compare": _comparison,
            ":material/description: Report": _downloads,
        },
        subject,
        key="evaluate_section",
    )


def _show_subject(subject: Subject) -> None:
    """Say in one line whose figures these are, and mark what changes their meaning."""
    facts = subject.result.facts
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(
            f"**{plain_text(subject.bundle.name)}** on {plain_text(subject.where)}: "
            f"{subject.result.n:,} image{'' if subject.result.n == 1 else 's'}"
        )
        if facts.is_test:
            st.badge("Test images", icon=":material/lock_open:", color="orange")
        if facts.is_training_data:
            st.badge("Trained on these", icon=":material/warning:", color="orange")
        if facts.is_demo:
            st.badge("Demo: not real faces", icon=":material/draw:", color="orange")


def _headline(subject: Subject) -> None:
    from fer_studio.ui.evaluate.headline import show_headline

    show_headline(subject)


def _classes(subject: Subject) -> None:
    from fer_studio.ui.evaluate.per_emotion import show_per_emotion

    show_per_emotion(subject)


def _confusion(subject: Subject) -> None:
    from fer_studio.ui.evaluate.confusion import show_confusion

    show_confusion(subject)


def _mistakes(subject: Subject) -> None:
    from fer_studio.ui.evaluate.mistakes import show_mistakes

    show_mistakes(subject)


def _calibration(subject: Subject) -> None:
    from fer_studio.ui.evaluate.calibration import show_calibration

    show_calibration(subject)


def _conditions(subject: Subject) -> None:
    from fer_studio.ui.evaluate.conditions import show_conditions

    show_conditions(subject)


def _comparison(subject: Subject) -> None:
    from fer_studio.ui.evaluate.comparison import show_comparison

    show_comparison(subject)


def _downloads(subject: Subject) -> None:
    from fer_studio.ui.evaluate.downloads import show_downloads

    show_downloads(subject)
