"""The curation decision on one image of an evaluation, and the buttons to change it."""

from __future__ import annotations

import numpy as np
import streamlit as st

from fer_core.classes import match_class
from fer_core.dataset.curation import CurationEntry, entries_for
from fer_core.dataset.face_set import SPLITS
from fer_core.errors import InputError
from fer_studio.ui.access import may_edit
from fer_studio.ui.curating import (
    EDITORS_DECIDE,
    SUGGESTION_WARNING,
    CurationState,
    change_curation,
    curation_state,
    offer_undo_of_image,
    show_curation_outcome,
)
from fer_studio.ui.datasets import OpenDataset
from fer_studio.ui.evaluate.evaluations import LoadedEvaluation
from fer_studio.ui.messages import show_error
from fer_studio.ui.text import plain_text

#: Recorded as the source of decisions made on this page.
SOURCE = "evaluate page"

#: The buttons: the action, the label, the icon, the tooltip.
_ACTIONS = (
    (
        "relabel",
        "Wrong label",
        ":material/edit:",
        "Use the correct label in training, and in evaluations with applied curation.",
    ),
    (
        "drop",
        "Not a face",
        ":material/block:",
        "Exclude the image from training, and from evaluations with applied curation.",
    ),
    (
        "keep",
        "Label is correct",
        ":material/verified:",
        "Mark the label as checked; quick fixes then leave the image unchanged.",
    ),
)
_LABELS = {action: label for action, label, _, _ in _ACTIONS}


def offer_decision(evaluation: LoadedEvaluation, position: int) -> None:
    """Show the current decision on an image and the buttons to change it.

    Args:
        evaluation: An evaluation with images.
        position: Position of the image in the result.
    """
    dataset = evaluation.dataset
    assert dataset is not None  # called only if there are images
    st.markdown("**Is the label correct?**")
    show_curation_outcome()
    try:
        state = curation_state(dataset)
    except InputError as error:
        show_error(error)
        return
    row = int(evaluation.dataset_rows[position])
    _show_decision(dataset, state, row)
    if not may_edit():
        st.caption(EDITORS_DECIDE)
        return
    classes = dataset.faces.classes
    label = dataset.faces.class_of(row)
    others = [name for name in classes if name != label]
    predicted = evaluation.result.classes[evaluation.result.predicted[position]]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        reason = _reason(evaluation, position)
        st.text_input("Reason", reason, key=f"decision_reason_{row}", width=270)
        st.selectbox(
            "Correct label",
            others,
            index=_proposal(evaluation, position, others),
            format_func=lambda name: (
                f"{name} (predicted)" if match_class(name, [predicted]) == 0 else name
            ),
            key=f"decision_label_{row}",
            width=200,
        )
        for action, label, icon, hint in _ACTIONS:
            st.button(
                label,
                icon=icon,
                key=f"decision_{action}_{row}",
                help=hint,
                on_click=_decide,
                args=(dataset, row, action, reason),
            )
        offer_undo_of_image(dataset, state, row, key="decision_undo")
    split = SPLITS[dataset.faces.splits[row]]
    if split != "train" and label != predicted:
        st.warning(SUGGESTION_WARNING.format(splits=split), icon=":material/balance:")
    st.caption("The image file is not changed. Every decision can be removed again.")


def _show_decision(dataset: OpenDataset, state: CurationState, row: int) -> None:
    entry = state.match.by_row.get(row)
    if entry is None:
        st.caption("No decision on this image yet.")
        return
    decided = _LABELS[entry.action]
    if entry.action == "relabel":
        decided += f", correct: {plain_text(entry.label or '')}"
    # Source and time may be missing in a manually written file.
    origin = ", ".join(part for part in (entry.source, entry.time[:10]) if part)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            f":material/gavel: Decision: **{decided}**. {plain_text(entry.reason)}"
            + (f" ({plain_text(origin)})" if origin else "")
        )
        if may_edit():
            st.button(
                "Remove decision",
                icon=":material/backspace:",
                key=f"decision_remove_{row}",
                type="tertiary",
                on_click=_remove,
                args=(dataset, entry),
            )


def _proposal(evaluation: LoadedEvaluation, position: int, others: list[str]) -> int:
    """Index of the most probable of the other classes; 0 if the model has none of them."""
    result = evaluation.result
    columns = [match_class(name, result.classes) for name in others]
    return int(
        np.argmax(
            [
                -1.0 if column is None else result.probabilities[position, column]
                for column in columns
            ]
        )
    )


def _reason(evaluation: LoadedEvaluation, position: int) -> str:
    predicted = evaluation.result.classes[evaluation.result.predicted[position]]
    share = f"{100 * evaluation.result.confidence[position]:.0f} %"
    return f"{evaluation.bundle.name} predicts {predicted} with {share}"


def _decide(dataset: OpenDataset, row: int, action: str, reason: str) -> None:
    # Text typed just before the click is in the session state, not in the arguments.
    reason = st.session_state[f"decision_reason_{row}"].strip() or reason
    label = st.session_state[f"decision_label_{row}"] if action == "relabel" else None
    entries = entries_for(dataset.faces, [row], action, label=label, reason=reason, source=SOURCE)
    change_curation(dataset, lambda file: file.change(entries))


def _remove(dataset: OpenDataset, entry: CurationEntry) -> None:
    change_curation(dataset, lambda file: file.remove([entry.identity]))
