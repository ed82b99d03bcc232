"""Two models on the same images: what changes, and whether it is more than luck."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import streamlit as st
from numpy import intp
from numpy.typing import NDArray

from fer_core.bundle import Bundle, list_bundles
from fer_core.charts.evaluation import difference_intervals
from fer_core.emotions import EMOTIONS
from fer_core.evaluation.comparison import Comparison, compare
from fer_studio.ui.choices import bundle_title
from fer_studio.ui.evaluate.faces import show_positions
from fer_studio.ui.evaluate.subject import Subject, own_subject
from fer_studio.ui.evaluate.words import number, percent
from fer_studio.ui.guard import section
from fer_studio.ui.jobs import show_progress
from fer_studio.ui.text import plain_text


@section
def show_comparison(subject: Subject) -> None:
    """Draw the choice of the other model and what comes of it."""
    others = {
        bundle.name: bundle
        for bundle in list_bundles(subject.settings)
        if bundle.name != subject.bundle.name
    }
    if not others:
        st.info(
            "There is no other model to compare with: train or import one.",
            icon=":material/compare_arrows:",
        )
        return
    if st.session_state.get("compared_model") not in others:
        st.session_state.pop("compared_model", None)
    name = st.selectbox(
        "Compare with",
        list(others),
        format_func=lambda name: bundle_title(others[name]),
        key="compared_model",
        width=330,
        help="The second model. Both read the same images.",
    )
    second = _other_subject(subject, others[name])
    if second is not None:
        _show(subject, second, _compared(subject.key, second.key, subject, second))


def _other_subject(subject: Subject, bundle: Bundle) -> Subject | None:
    """The other model on the same images; None, with what to do, while it has not read them."""
    if subject.evaluation is None:
        return own_subject(bundle, subject.settings)
    evaluation = replace(subject.evaluation, bundle=bundle)
    running = evaluation.running()
    if running is not None:
        show_progress(running, stop_key="stop_other_evaluation")
        return None
    if evaluation.has_failed and st.button(
        "Try again", icon=":material/refresh:", key="evaluate_other_again"
    ):
        evaluation.forget_failure()
        evaluation.start()
        st.rerun()
    found = evaluation.finished()
    if found is None and st.button(
        f"Evaluate {plain_text(bundle.name)} on the same {subject.result.n:,} images",
        type="primary",
        icon=":material/play_arrow:",
        key="evaluate_other",
    ):
        evaluation.start()
        st.rerun()
    return found


@st.cache_resource(max_entries=8, show_spinner=False)
def _compared(first_key: str, second_key: str, _first: Subject, _second: Subject) -> Comparison:
    return compare(_first.result, _second.result)


def _show(first: Subject, second: Subject, comparison: Comparison) -> None:
    st.info(plain_text(comparison.sentence), icon=":material/balance:")
    with st.container(horizontal=True):
        st.metric("First is right", percent(comparison.first_accuracy), border=True)
        st.metric("Second is right", percent(comparison.second_accuracy), border=True)
        st.metric("Both right", f"{comparison.both_right:,}", border=True)
        st.metric("Only the first", f"{comparison.only_first:,}", border=True)
        st.metric("Only the second", f"{comparison.only_second:,}", border=True)
        st.metric("Both wrong", f"{comparison.both_wrong:,}", border=True)
    st.caption(
        f"First: {plain_text(comparison.first_name)}. Second: "
        f"{plain_text(comparison.second_name)}. McNemar's test ({comparison.test}) looks at the "
        "images that only one of them gets right."
    )
    _show_classes(comparison)
    _show_examples(first, second, comparison)


def _show_classes(comparison: Comparison) -> None:
    name: Literal["f1", "recall"] = st.segmented_control(
        "Difference in",
        ("f1", "recall"),
        default="f1",
        required=True,
        format_func=lambda name: {"f1": "F1", "recall": "Recall"}[name],
        key="compared_figure",
    )
    st.plotly_chart(
        difference_intervals(comparison, name),
        key=f"difference_{name}",
        config={"displayModeBar": False},
        alt="Second model less first: "
        + ", ".join(
            f"{EMOTIONS[one.emotion]} "
            f"{number((one.recall_difference if name == 'recall' else one.f1_difference).value)}"
            for one in comparison.per_class
        ),
    )
    with st.expander("As a table", icon=":material/table:"):
        st.dataframe(
            [
                {
                    "Emotion": EMOTIONS[one.emotion],
                    "Images": one.support,
                    "First F1": one.first_f1,
                    "Second F1": one.second_f1,
                    "Difference in F1": one.f1_difference.value,
                    "First recall": one.first_recall,
                    "Second recall": one.second_recall,
                    "Difference in recall": one.recall_difference.value,
                }
                for one in comparison.per_class
            ],
            hide_index=True,
            placeholder="undefined",
            alt="F1 and recall of both models per emotion",
            column_config={
                **{
                    title: st.column_config.NumberColumn(format="%.3f")
                    for title in ("First F1", "Second F1", "First recall", "Second recall")
                },
                **{
                    title: st.column_config.NumberColumn(format="%+.3f")
                    for title in ("Difference in F1", "Difference in recall")
                },
            },
        )


def _show_examples(first: Subject, second: Subject, comparison: Comparison) -> None:
    groups: dict[str, tuple[Subject, NDArray[intp]]] = {
        "Only the first is right": (second, comparison.only_first_positions),
        "Only the second is right": (first, comparison.only_second_positions),
        "Both are wrong": (first, comparison.both_wrong_positions),
    }
    title = st.segmented_control(
        "Examples",
        list(groups),
        default="Only the first is right",
        required=True,
        format_func=lambda title: f"{title} ({len(groups[title][1]):,})",
        key="compared_examples",
    )
    wrong, positions = groups[title]
    if not len(positions):
        st.info("There is no such image.", icon=":material/search_off:")
        return
    st.caption(f"Below each face is what {plain_text(wrong.bundle.name)} makes of it.")
    show_positions(wrong, positions, key="compared")
