"""The curation decision about one image, and the buttons and keyboard shortcuts that change it."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from fer_core.dataset.curation import CurationEntry, entries_for
from fer_core.dataset.face_set import SPLITS
from fer_core.errors import InputError
from fer_studio.ui.access import may_edit
from fer_studio.ui.curating import (
    DECISIONS,
    EDITORS_DECIDE,
    SUGGESTION_WARNING,
    CurationState,
    change_curation,
    curation_state,
    offer_undo_of_image,
    show_curation_outcome,
)
from fer_studio.ui.datasets import LoadedDataset
from fer_studio.ui.messages import show_error
from fer_studio.ui.text import plain_text


@dataclass(frozen=True)
class Proposal:
    """A proposed decision about an image, with which the form begins.

    Attributes:
        reason: The reason for the decision.
        source: The part of the app in which the image was found; stored with the decision.
        label: The label that the form proposes as correct. If None, the form proposes the first
            class that is not the current label.
        model_label: The class that a model predicts; None if no model is involved, or if the
            dataset has no such class.
    """

    reason: str
    source: str
    label: str | None = None
    model_label: str | None = None


def offer_decision(dataset: LoadedDataset, row: int, proposal: Proposal) -> None:
    """Show the current decision about an image and the buttons to change it.

    Args:
        dataset: The dataset of the image.
        row: The row of the image.
        proposal: The initial values of the form.
    """
    show_curation_outcome()
    try:
        state = curation_state(dataset)
    except InputError as error:
        show_error(error)
        return
    _show_decision(dataset, state, row)
    if not may_edit():
        st.caption(EDITORS_DECIDE)
        return
    label = dataset.faces.class_of(row)
    other_classes = [name for name in dataset.faces.classes if name != label]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Correct label",
            other_classes,
            index=other_classes.index(proposal.label) if proposal.label in other_classes else 0,
            format_func=lambda name: (
                f"{name} (predicted)" if name == proposal.model_label else name
            ),
            key=f"decision_label_{row}",
            width=200,
        )
        st.text_input("Reason", proposal.reason, key=f"decision_reason_{row}", width=270)
    with st.container(horizontal=True):
        for action, button in DECISIONS.items():
            st.button(
                button.label,
                icon=button.icon,
                key=f"decision_{action}_{row}",
                help=button.hint,
                shortcut=button.shortcut,
                on_click=_decide,
                args=(dataset, row, action, proposal),
            )
        offer_undo_of_image(dataset, state, row, key="decision_undo")
    split = SPLITS[dataset.faces.splits[row]]
    if split != "train" and proposal.model_label not in (None, label):
        st.warning(SUGGESTION_WARNING.format(splits=split), icon=":material/balance:")


def _show_decision(dataset: LoadedDataset, state: CurationState, row: int) -> None:
    entry = state.match.by_row.get(row)
    if entry is None:
        st.caption("No decision about this image yet. Its file is never changed.")
        return
    decision = DECISIONS[entry.action].participle
    if entry.action == "relabel":
        decision += f" as {plain_text(entry.label or '')}"
    date = entry.time[:10]  # of an ISO 8601 time
    # Source and time may be missing in a manually written file.
    origin = ", ".join(text for text in (entry.source, date) if text)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            f":material/gavel: Decision: **{decision}**. {plain_text(entry.reason)}"
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


def _decide(dataset: LoadedDataset, row: int, action: str, proposal: Proposal) -> None:
    # The arguments are from the time when the button was drawn. Text that the user typed later is
    # only in the session state.
    reason = st.session_state[f"decision_reason_{row}"].strip() or proposal.reason
    label = st.session_state[f"decision_label_{row}"] if action == "relabel" else None
    entries = entries_for(
        dataset.faces, [row], action, label=label, reason=reason, source=proposal.source
    )
    change_curation(dataset, lambda file: file.change(entries))


def _remove(dataset: LoadedDataset, entry: CurationEntry) -> None:
    change_curation(dataset, lambda file: file.remove([entry.identity]))
