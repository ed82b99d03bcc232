"""Comparison of a model with the annotators of the images: metrics against their votes."""

from __future__ import annotations

import streamlit as st

from fer_core.errors import InputError
from fer_core.evaluation.annotators import CLEAR_SHARE, VoteEvaluation, evaluate_against_votes
from fer_core.evaluation.evaluate import own_votes
from fer_core.metrics import Estimate
from fer_studio.ui.datasets import dataset_votes
from fer_studio.ui.evaluate.evaluations import LoadedEvaluation
from fer_studio.ui.evaluate.formatting import number, number_interval, percent, percent_interval
from fer_studio.ui.guard import section
from fer_studio.ui.messages import show_error


@section
def show_annotators(evaluation: LoadedEvaluation) -> None:
    """Show metrics against the votes; nothing if the images have none."""
    try:
        votes = _vote_evaluation(evaluation)
    except InputError as error:
        show_error(error)
        return
    if votes is None:
        return
    st.header("Compared with the annotators")
    st.caption(
        "The true emotion here is the plurality of the annotators' votes instead of the label. An "
        "answer of only one annotator is ignored. The metrics are measured on the "
        f"{votes.result.n:,} images on which one emotion has the most votes. Left out: "
        f"{votes.ties:,} images with tied votes, {votes.other_answer:,} on which another answer "
        f"has the most (contempt, unknown, not a face), {votes.no_votes:,} without votes."
    )
    _show_metrics(votes)
    _show_classes(votes)


def _vote_evaluation(evaluation: LoadedEvaluation) -> VoteEvaluation | None:
    if evaluation.dataset is None:
        counts = own_votes(evaluation.bundle)
    else:
        votes = dataset_votes(evaluation.dataset)
        counts = None if votes is None else votes.counts[evaluation.dataset_rows]
    if counts is None or not counts.any() or len(counts) != evaluation.result.n:
        return None
    return _compared(evaluation.key, evaluation, counts.tobytes())


@st.cache_resource(max_entries=6, show_spinner=False)
def _compared(key: str, _evaluation: LoadedEvaluation, counts: bytes) -> VoteEvaluation:
    import numpy as np

    shape = (_evaluation.result.n, -1)
    return evaluate_against_votes(
        _evaluation.result, np.frombuffer(counts, np.uint8).reshape(shape)
    )


def _show_metrics(votes: VoteEvaluation) -> None:
    def show(title: str, estimate: Estimate, text: str, *, is_share: bool = True) -> None:
        value, interval = (percent, percent_interval) if is_share else (number, number_interval)
        st.metric(
            title,
            value(estimate.value),
            delta=interval(estimate) or None,
            delta_color="off",
            delta_arrow="off",
            border=True,
            help=text,
        )

    with st.container(horizontal=True):
        show(
            "Accuracy",
            votes.result.accuracy,
            "Share of images on which the model predicts the plurality of the votes.",
        )
        show(
            "Macro F1",
            votes.result.macro_f1,
            "Mean F1 over the emotions, against the plurality.",
            is_share=False,
        )
        show(
            "Annotator agreement",
            votes.annotator_agreement,
            "How often one annotator agrees with the plurality of the others.",
        )
        show(
            "Model agreement",
            votes.model_agreement,
            "How often the model agrees with the plurality of all annotators but one. Compare it "
            "with the annotator agreement.",
        )
        show(
            "Clear images",
            votes.clear_accuracy,
            f"Accuracy on the {votes.clear_n:,} images on which at least {CLEAR_SHARE:.0%} of the "
            "annotators gave the same answer.",
        )
        show(
            "Cross-entropy",
            votes.cross_entropy,
            "Mean cross-entropy to the distribution of the votes, natural logarithm, tied votes "
            "included. Lower is better.",
            is_share=False,
        )


def _show_classes(votes: VoteEvaluation) -> None:
    st.dataframe(
        [
            {
                "Emotion": class_result.name,
                "Recall": class_result.recall.value,
                "95 %": number_interval(class_result.recall),
                "Precision": class_result.precision.value,
                "F1": class_result.f1.value,
                "Images": class_result.support,
            }
            for class_result in votes.result.per_class
        ],
        hide_index=True,
        alt="Recall, precision and F1 of each emotion against the plurality of the votes",
        column_config={
            name: st.column_config.NumberColumn(format="%.3f")
            for name in ("Recall", "Precision", "F1")
        },
    )
