"""What is decided about one image of an evaluation, and the buttons that decide."""

from __future__ import annotations

import numpy as np
import streamlit as st

from fer_core.dataset.curation import CurationEntry, entries_for
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_studio.ui.access import may_edit
from fer_studio.ui.curating import (
    EDITORS_DECIDE,
    CurationState,
    change_curation,
    curation_state,
    offer_undo_of_image,
    show_curation_outcome,
)
from fer_studio.ui.datasets import OpenDataset
from fer_studio.ui.evaluate.subject import Subject
from fer_studio.ui.messages import show_error
from fer_studio.ui.text import plain_text

#: Where decisions of this page come from, for the record.
SOURCE = "evaluate page"

_DECIDED = {"drop": "Not a face", "keep": "The label is right"}


def offer_decision(subject: Subject, position: int) -> None:
    """Draw what stands about an image, and the ways to decide otherwise.

    Args:
        subject: An evaluation with pictures.
        position: The image.
    """
    dataset = subject.dataset
    assert dataset is not None  # asked only where there are pictures
    st.markdown("**Is its label right?**")
    show_curation_outcome()
    try:
        state = curation_state(dataset)
    except InputError as error:
        show_error(error)
        return
    row = int(subject.dataset_rows[position])
    _show_standing(dataset, state, row)
    if not may_edit():
        st.caption(EDITORS_DECIDE)
        return
    label = int(dataset.faces.labels[row])
    others = [emotion for emotion in EMOTIONS if emotion != EMOTIONS[label]]
    said = EMOTIONS[subject.result.predicted[position]]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        reason = _reason(subject, position)
        st.text_input("Reason", reason, key=f"decision_reason_{row}", width=270)
        st.selectbox(
            "Right label",
            others,
            index=others.index(EMOTIONS[_proposal(subject, position, label)]),
            format_func=lambda emotion: f"{emotion} (predicted)" if emotion == said else emotion,
            key=f"decision_label_{row}",
            width=200,
        )
        st.button(
            "Wrong label",
            icon=":material/edit:",
            key=f"decision_relabel_{row}",
            help="Trained and, with the curation heeded, measured under the right label.",
            on_click=_decide,
            args=(dataset, row, "relabel", reason),
        )
        st.button(
            "Not a face",
            icon=":material/block:",
            key=f"decision_drop_{row}",
            help="Left out of training and, with the curation heeded, of evaluation.",
            on_click=_decide,
            args=(dataset, row, "drop", reason),
        )
        st.button(
            "Label is right",
            icon=":material/verified:",
            key=f"decision_keep_{row}",
            help="Looked at and right, so that quick fixes leave it alone.",
            on_click=_decide,
            args=(dataset, row, "keep", reason),
        )
        offer_undo_of_image(dataset, state, row, key="decision_undo")
    st.caption("The picture itself stays as it is; every decision can be taken back.")


def _show_standing(dataset: OpenDataset, state: CurationState, row: int) -> None:
    entry = state.match.by_row.get(row)
    if entry is None:
        st.caption("Nothing is decided about this image yet.")
        return
    decided = _DECIDED.get(entry.action, f"Wrong label, it is {entry.label}")
    # A file that was written by hand may leave out whence and when.
    origin = ", ".join(part for part in (entry.source, entry.time[:10]) if part)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            f":material/gavel: Decided: **{decided}**. {plain_text(entry.reason)}"
            + (f" ({plain_text(origin)})" if origin else "")
        )
        if may_edit():
            st.button(
                "Take it back",
                icon=":material/backspace:",
                key=f"decision_remove_{row}",
                type="tertiary",
                on_click=_take_back,
                args=(dataset, entry),
            )


def _proposal(subject: Subject, position: int, label: int) -> int:
    """The most probable emotion that is not the label."""
    probabilities = subject.result.probabilities[position].copy()
    probabilities[label] = -1
    return int(np.argmax(probabilities))


def _reason(subject: Subject, position: int) -> str:
    said = EMOTIONS[subject.result.predicted[position]]
    share = f"{100 * subject.result.confidence[position]:.0f} %"
    return f"{subject.bundle.name} reads {said} with {share}"


def _decide(dataset: OpenDataset, row: int, action: str, reason: str) -> None:
    # What was typed and chosen just before the click is in no argument yet.
    reason = st.session_state[f"decision_reason_{row}"].strip() or reason
    label = st.session_state[f"decision_label_{row}"] if action == "relabel" else None
    entries = entries_for(dataset.faces, [row], action, label=label, reason=reason, source=SOURCE)
    change_curation(dataset, lambda file: file.change(entries))


def _take_back(dataset: OpenDataset, entry: CurationEntry) -> None:
    change_curation(dataset, lambda file: file.remove([entry.identity]))
