"""Misclassified images, in an order and a choice that one learns from."""

from __future__ import annotations

import streamlit as st

from fer_core.emotions import EMOTIONS
from fer_core.evaluation.mistakes import ORDERS, find_mistakes
from fer_studio.ui.evaluate.faces import need_pictures, show_positions
from fer_studio.ui.evaluate.findings import findings_of
from fer_studio.ui.evaluate.subject import Subject
from fer_studio.ui.guard import section

_ANY = "any"

_EXPLAINED = {
    "most_confident": "Where the model is sure and wrong: often the label is doubtful.",
    "closest": "Where the truth nearly won: a little would have turned these.",
    "least_likely_truth": "Where the truth was all but ruled out.",
}


@section
def show_mistakes(subject: Subject) -> None:
    """Draw the filters and the gallery."""
    result = subject.result
    if result.is_correct.all():
        st.info("Every image is read right: there is no mistake.", icon=":material/check:")
        return
    findings = findings_of(subject)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        order = st.selectbox(
            "Order",
            list(ORDERS),
            format_func=lambda name: ORDERS[name],
            key="mistakes_order",
            width=220,
        )
        true = st.selectbox("True", [_ANY, *EMOTIONS], key="mistakes_true", width=140)
        said = st.selectbox("Model says", [_ANY, *EMOTIONS], key="mistakes_predicted", width=140)
        finding = _ANY
        if findings:
            if st.session_state.get("mistakes_finding", _ANY) not in (_ANY, *findings):
                del st.session_state["mistakes_finding"]
            finding = st.selectbox(
                "Finding",
                [_ANY, *findings],
                key="mistakes_finding",
                width=210,
                help="What is doubtful about the images themselves, whoever reads them.",
            )
        low, high = st.slider(
            "Confidence", 0, 100, (0, 100), format="%d %%", key="mistakes_confidence", width=200
        )
    positions = find_mistakes(
        result,
        order=order,
        true=None if true == _ANY else EMOTIONS.index(true),
        predicted=None if said == _ANY else EMOTIONS.index(said),
        confidence=(low / 100, high / 100),
        among=findings.get(finding),
    )
    total = int((~result.is_correct).sum())
    if not len(positions):
        st.info(
            f"None of the {total:,} mistakes passes these filters; widen them.",
            icon=":material/search_off:",
        )
        return
    shown = (
        f"All {total:,} mistakes"
        if len(positions) == total
        else (f"{len(positions):,} of {total:,} mistakes")
    )
    st.caption(f"{shown}. {_EXPLAINED[order]}")
    need_pictures(subject, "To see the faces and what the network looked at")
    show_positions(subject, positions, key="mistakes")
