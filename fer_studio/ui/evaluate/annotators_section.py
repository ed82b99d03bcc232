"""Comparison of a model with the annotators of the images, in evaluations against votes."""

from __future__ import annotations

import streamlit as st

from fer_core.evaluation.annotators import CLEAR_SHARE, VoteEvaluation
from fer_studio.ui.evaluate.metric_cards import show_number, show_share
from fer_studio.ui.guard import section
from fer_studio.ui.metrics import metric_grid


@section
def show_annotators(votes: VoteEvaluation) -> None:
    """Show how often the annotators agree with each other, and the model with them."""
    st.header("Compared with the annotators")
    st.caption(
        "The true class of an image is the plurality of the annotators' votes. An answer of only "
        f"one annotator is ignored. Left out: {votes.ties:,} images with tied votes, "
        f"{votes.other_answer:,} on which an answer that is not a class, such as unknown, has the "
        f"most votes, {votes.no_votes:,} without votes."
    )
    _show_metrics(votes)


def _show_metrics(votes: VoteEvaluation) -> None:
    with metric_grid(4):
        show_share(
            "Annotator agreement",
            votes.annotator_agreement,
            "How often one annotator agrees with the plurality of the others.",
        )
        show_share(
            "Model agreement",
            votes.model_agreement,
            "How often the model agrees with the plurality of all annotators but one. Compare it "
            "with the annotator agreement.",
        )
        show_share(
            "Clear images",
            votes.clear_accuracy,
            f"Accuracy on the {votes.clear_n:,} images on which at least {100 * CLEAR_SHARE:.0f} % "
            "of the annotators gave the same answer.",
        )
        show_number(
            "Cross-entropy",
            votes.cross_entropy,
            "Mean cross-entropy to the distribution of the votes, natural logarithm, tied votes "
            "included. Lower is better.",
        )
