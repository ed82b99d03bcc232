"""The sections of a finished evaluation, of which only the open one is computed."""

from __future__ import annotations

import streamlit as st

from ui.evaluate.subject import Subject
from ui.text import plain_text


def show_sections(subject: Subject) -> None:
    """Draw what is evaluated, the tabs, and what is in the open one."""
    _show_subject(subject)
    tabs = st.tabs(
        [
            ":material/speed: Headline",
            ":material/bar_chart: Per emotion",
            ":material/grid_on: Confusion",
            ":material/sentiment_stressed: Mistakes",
            ":material/balance: Calibration",
            ":material/blur_on: Conditions",
            ":material/compare_arrows: Compare",
            ":material/description: Report",
        ],
        key="evaluate_section",
        on_change="rerun",
    )
    headline, classes, confusion, mistakes, calibration, conditions, compare, report = tabs
    if classes.open:
        from ui.evaluate.per_emotion import show_per_emotion

        with classes:
            show_per_emotion(subject)
    elif confusion.open:
        from ui.evaluate.confusion import show_confusion

        with confusion:
            show_confusion(subject)
    elif mistakes.open:
        from ui.evaluate.mistakes import show_mistakes

        with mistakes:
            show_mistakes(subject)
    elif calibration.open:
        from ui.evaluate.calibration import show_calibration

        with calibration:
            show_calibration(subject)
    elif conditions.open:
        from ui.evaluate.conditions import show_conditions

        with conditions:
            show_conditions(subject)
    elif compare.open:
        from ui.evaluate.comparison import show_comparison

        with compare:
            show_comparison(subject)
    elif report.open:
        from ui.evaluate.downloads import show_downloads

        with report:
            show_downloads(subject)
    else:
        from ui.evaluate.headline import show_headline

        with headline:
            show_headline(subject)


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
