"""Evaluations against the votes of the annotators instead of the labels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fer_core.evaluation.annotators import VoteEvaluation, evaluate_against_votes
from fer_core.evaluation.evaluate import stored_votes
from fer_studio.ui.datasets import dataset_votes
from fer_studio.ui.evaluate.evaluations import LoadedEvaluation


def vote_counts(evaluation: LoadedEvaluation) -> NDArray[np.uint8] | None:
    """Return the annotator votes for the evaluated images.

    Args:
        evaluation: An evaluation against the labels.

    Returns:
        uint8 ``[n, 10]``, in the order of ``fer_core.dataset.ferplus.VOTE_COLUMNS``; None if the
        images have no votes.

    Raises:
        InputError: The votes of the dataset cannot be read.
    """
    if evaluation.dataset is None:
        counts = stored_votes(evaluation.bundle)
    else:
        votes = dataset_votes(evaluation.dataset)
        counts = None if votes is None else votes.counts[evaluation.dataset_rows]
    if counts is None or not counts.any() or len(counts) != evaluation.result.n:
        return None
    return counts


def against_votes(evaluation: LoadedEvaluation, counts: NDArray[np.uint8]) -> LoadedEvaluation:
    """Return an evaluation in which the true class of an image is the class with the most votes.

    Images without such a class, for example those with tied votes, are left out.

    Args:
        evaluation: An evaluation against the labels.
        counts: The votes for the evaluated images, as ``vote_counts`` returns them.

    Raises:
        InputError: There is no image on which one emotion has the most votes, or a class of the
            model is not among the answers that the annotators could give.
    """
    key = repr((evaluation.key, "votes", hash(counts.tobytes())))
    votes = _vote_evaluation(key, evaluation, counts)
    return replace(evaluation, key=key, result=votes.result, votes=votes)


@st.cache_resource(max_entries=6, show_spinner=False)
def _vote_evaluation(
    key: str, _evaluation: LoadedEvaluation, _counts: NDArray[Any]
) -> VoteEvaluation:
    return evaluate_against_votes(_evaluation.result, _counts)
