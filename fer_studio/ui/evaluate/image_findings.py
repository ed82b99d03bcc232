"""Findings about the evaluated images themselves, independent of the model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.dataset.votes import Votes, votes_findings
from fer_core.errors import InputError
from fer_studio.ui.datasets import dataset_votes, exact_audit
from fer_studio.ui.evaluate.evaluations import LoadedEvaluation
from fer_studio.ui.text import plain_text


def findings_of(evaluation: LoadedEvaluation) -> dict[str, NDArray[np.bool_]]:
    """Return a mask of the evaluated images for each finding, bool ``[n]``, by its title.

    Findings without any of the evaluated images are omitted. If the evaluation has no images, the
    result is empty.
    """
    dataset, faces = evaluation.dataset, evaluation.faces
    if dataset is None or faces is None:
        return {}
    result = evaluation.result
    audit = exact_audit(dataset)
    rows = evaluation.dataset_rows
    is_held_out = faces.splits[result.rows] != SPLITS.index("train")
    masks = {
        # A copy in train does not count if the applied curation has dropped it.
        "Also appears in train": (
            np.zeros(result.n, dtype=bool)
            if result.is_leaked is None
            else result.is_leaked & is_held_out
        ),
        "Conflicting labels": np.isin(rows, _rows_of(audit.conflicting_groups)),
        "Exact duplicate": np.isin(rows, _rows_of(audit.groups)),
        "Blank": np.isin(rows, audit.blank_rows),
    }
    votes = votes_of(evaluation)
    if votes is not None:
        masks |= _vote_masks(evaluation.key, hash(votes.counts.tobytes()), votes, faces, evaluation)
    return {title: mask for title, mask in masks.items() if mask.any()}


@st.cache_resource(max_entries=6, show_spinner=False)
def _vote_masks(
    key: str, votes_key: int, _votes: Votes, _faces: FaceSet, _evaluation: LoadedEvaluation
) -> dict[str, NDArray[np.bool_]]:
    return {
        finding.title: np.isin(_evaluation.result.rows, finding.rows)
        for finding in votes_findings(_faces, _votes).values()
    }


def votes_of(evaluation: LoadedEvaluation) -> Votes | None:
    """Return the FER+ votes for the rows of ``evaluation.faces``; None if there are no votes.

    If the votes cannot be read, this shows a warning and returns None.
    """
    if evaluation.request is None:
        return None
    try:
        votes = dataset_votes(evaluation.request.dataset)
    except InputError as error:
        st.warning(plain_text(str(error)), icon=":material/how_to_vote:")
        return None
    curated = evaluation.request.curated
    if votes is None or curated is None:
        return votes
    return replace(votes, counts=votes.counts[curated.rows])


def _rows_of(groups: tuple[NDArray[np.intp], ...]) -> NDArray[np.intp]:
    return np.concatenate(groups) if groups else np.empty(0, np.intp)
