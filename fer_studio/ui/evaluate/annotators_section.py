"""The comparison of a model with the annotators, a part of an evaluation against votes."""

from __future__ import annotations

import streamlit as st

from fer_core.evaluation.annotators import CLEAR_SHARE, VoteEvaluation
from fer_core.phrases import counted
from fer_studio.ui.evaluate.metric_cards import show_number, show_share
from fer_studio.ui.metrics import metric_grid


def show_annotators(votes: VoteEvaluation) -> None:
    """Show how many images are left out, and how well annotators and the model agree.

    An annotator is compared with the other annotators, the model with all annotators but one.
    """
    st.header("Compared with the annotators")
    st.caption(
        "The true class of an image is the annotators' most frequent answer (plurality). An answer "
        f"of only one annotator is ignored. Left out: {counted(votes.tie_count, 'image')} with "
        f"tied votes; {votes.other_answer_count:,} on which an answer such as unknown has at least "
        f"as many votes as every class; {votes.unvoted_count:,} without votes."
    )
    _show_metrics(votes)


def _show_metrics(votes: VoteEvaluation) -> None:
    with metric_grid(4):
        show_share(
            "Annotator agreement",
            votes.annotator_agreement,
            "How often one annotator agrees with the most frequent answer of the others.",
        )
        show_share(
            "Model agreement",
            votes.model_agreement,
            "How often the model agrees with the most frequent answer of all annotators but one. "
            "Compare it with the annotator agreement.",
        )
        show_share(
            "Accuracy on clear images",
            votes.clear_accuracy,
            f"An image is clear if at least {100 * CLEAR_SHARE:.0f} % of the annotators gave the "
            f"same answer; {votes.clear_n:,} images are clear.",
        )
        show_number(
            "Cross-entropy",
            votes.cross_entropy,
            "Mean cross-entropy to the distribution of the votes, natural logarithm; images with "
            "tied votes are included. Lower is better.",
        )
