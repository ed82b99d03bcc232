"""What is doubtful about the images themselves, whoever reads them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.votes import Votes, votes_findings
from fer_core.errors import InputError
from fer_studio.ui.datasets import dataset_votes, exact_audit
from fer_studio.ui.evaluate.subject import Subject
from fer_studio.ui.text import plain_text


def findings_of(subject: Subject) -> dict[str, NDArray[np.bool_]]:
    """For each finding, in words, which images of an evaluation it concerns, bool ``[n]``.

    Findings that concern none are left out.
    """
    dataset, faces = subject.dataset, subject.faces
    if dataset is None or faces is None:
        return {}
    result = subject.result
    audit = exact_audit(dataset)
    rows = subject.dataset_rows
    masks = {
        # Of what is evaluated: a copy in train that the curation leaves out is none any more.
        "Also stands in train": (
            np.zeros(result.n, dtype=bool) if result.is_leaked is None else result.is_leaked
        ),
        "Same pixels, other label": np.isin(rows, _joined(audit.conflicting_groups)),
        "Exact duplicate": np.isin(rows, _joined(audit.groups)),
        "Blank": np.isin(rows, audit.blank_rows),
    }
    votes = votes_of(subject)
    if votes is not None:
        masks |= _masks_of_votes(subject.key, hash(votes.counts.tobytes()), votes, faces, subject)
    return {title: mask for title, mask in masks.items() if mask.any()}


@st.cache_resource(max_entries=6, show_spinner=False)
def _masks_of_votes(
    key: str, votes_key: int, _votes: Votes, _faces: FaceSet, _subject: Subject
) -> dict[str, NDArray[np.bool_]]:
    return {
        finding.title: np.isin(_subject.result.rows, finding.rows)
        for finding in votes_findings(_faces, _votes).values()
    }


def votes_of(subject: Subject) -> Votes | None:
    """FER+'s votes, by the rows that the result counts; None where there are none.

    Votes that cannot be read are said to be so, once here, and hide nothing else.
    """
    if subject.evaluation is None:
        return None
    try:
        votes = dataset_votes(subject.evaluation.dataset)
    except InputError as error:
        st.warning(plain_text(str(error)), icon=":material/how_to_vote:")
        return None
    curated = subject.evaluation.curated
    if votes is None or curated is None:
        return votes
    return replace(votes, counts=votes.counts[curated.rows])


def _joined(groups: tuple[NDArray[np.intp], ...]) -> NDArray[np.intp]:
    return np.concatenate(groups) if groups else np.empty(0, np.intp)
