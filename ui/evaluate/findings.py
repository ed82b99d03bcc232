"""What is doubtful about the images themselves, whoever reads them."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fer_core.dataset.duplicates import DuplicateAudit, audit_duplicates
from fer_core.dataset.face_set import FaceSet
from ui.evaluate.subject import Subject


def findings_of(subject: Subject) -> dict[str, NDArray[np.bool_]]:
    """For each finding, in words, which images of an evaluation it concerns, bool ``[n]``.

    Findings that concern none are left out.
    """
    if subject.faces is None:
        return {}
    audit = _audit(subject.faces.fingerprint, subject.faces)
    rows_by_finding = {
        "Also stands in train": np.concatenate(list(audit.leaked_rows.values())),
        "Same pixels, other label": _joined(audit.conflicting_groups),
        "Exact duplicate": _joined(audit.groups),
        "Blank": audit.blank_rows,
    }
    masks = {title: np.isin(subject.result.rows, rows) for title, rows in rows_by_finding.items()}
    return {title: mask for title, mask in masks.items() if mask.any()}


def _joined(groups: tuple[NDArray[np.intp], ...]) -> NDArray[np.intp]:
    return np.concatenate(groups) if groups else np.empty(0, np.intp)


@st.cache_resource(max_entries=2, show_spinner="Comparing all images…")
def _audit(fingerprint: str, _faces: FaceSet) -> DuplicateAudit:
    return audit_duplicates(_faces)
