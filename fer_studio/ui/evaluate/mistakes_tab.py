"""The mistakes tab: misclassified images, filtered and sorted."""

from __future__ import annotations

import streamlit as st

from fer_core.evaluation.mistakes import ORDERS, find_mistakes
from fer_studio.ui.evaluate.evaluations import LoadedEvaluation
from fer_studio.ui.evaluate.faces import explain_missing_images, show_images
from fer_studio.ui.evaluate.image_findings import findings_of
from fer_studio.ui.guard import section
from fer_studio.ui.persistent_widgets import persistent_range, persistent_selectbox

_ANY = "any"

_ORDER_HELP = {
    "most_confident": "Sorted by confidence, highest first: the label of these images is often "
    "doubtful.",
    "closest": "Sorted by the margin between predicted and true class, smallest first.",
    "least_likely_truth": "Sorted by the probability of the true class, lowest first.",
}


@section
def show_mistakes(evaluation: LoadedEvaluation) -> None:
    """Show the filters and the images."""
    result = evaluation.result
    if result.is_correct.all():
        st.info("All images are classified correctly.", icon=":material/check:")
        return
    classes = result.classes
    findings = findings_of(evaluation)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        order = persistent_selectbox(
            "Sort by",
            list(ORDERS),
            key="mistakes_order",
            name="order",
            noun="order",
            format_func=lambda name: ORDERS[name],
            width=240,
        )
        true, predicted = (
            persistent_selectbox(
                title,
                [_ANY, *classes],
                key=f"mistakes_{name}",
                name=name,
                noun=f"{name} class",
                width=140,
            )
            for title, name in (("True", "true"), ("Predicted", "predicted"))
        )
        finding = _ANY
        if findings:
            finding = persistent_selectbox(
                "Finding",
                [_ANY, *findings],
                key="mistakes_finding",
                name="finding",
                width=210,
                help="A finding about the image or its label, such as an exact duplicate. It does "
                "not depend on the model.",
            )
        low, high = persistent_range(
            "Confidence",
            0,
            100,
            key="mistakes_confidence",
            name="confidence",
            format="%d %%",
            width=200,
        )
    positions = find_mistakes(
        result,
        order=order,
        true=None if true == _ANY else classes.index(true),
        predicted=None if predicted == _ANY else classes.index(predicted),
        confidence=(low / 100, high / 100),
        among=findings.get(finding),
    )
    total = int((~result.is_correct).sum())
    if not len(positions):
        st.info(
            f"None of the {total:,} mistakes matches these filters; change one of them.",
            icon=":material/search_off:",
        )
        return
    count_text = (
        f"All {total:,} mistakes"
        if len(positions) == total
        else f"{len(positions):,} of {total:,} mistakes"
    )
    st.caption(f"{count_text}. {_ORDER_HELP[order]}")
    if evaluation.faces is None:
        explain_missing_images("To see the faces and which regions the network used")
    show_images(evaluation, positions, key="mistakes")
