"""The decisions about images, and the buttons that change them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fer_core.dataset.curation import (
    Curation,
    CurationEntry,
    CurationMatch,
    entries_for,
    match_curation,
    relabel_entries,
    without_relabeled,
)
from fer_core.dataset.curation_file import CurationBatch, CurationChange, CurationFile
from fer_core.dataset.face_set import SPLITS
from fer_core.dataset.near_duplicates import NearDuplicates
from fer_core.dataset.quick_fixes import QuickFix, quick_fix_entries, quick_fix_rows
from fer_core.dataset.store import imported_dataset_folder
from fer_core.errors import InputError
from fer_core.phrases import as_sentence, counted
from fer_studio.ui.access import may_edit, require_editor
from fer_studio.ui.datasets import LoadedDataset
from fer_studio.ui.gallery import clear_selection
from fer_studio.ui.messages import ErrorKeeper

_CALLBACK_ERROR = ErrorKeeper("curation_error")
#: Session key of a sentence about the change that was just made, until the sentence is shown.
_OUTCOME = "curation_done"
#: The option of "Correct label" that gives each image the label suggested for it.
_SUGGESTED = "as suggested"
#: The message that is shown instead of the buttons to visitors who are not editors.
EDITORS_DECIDE = ":material/lock: Only editors can decide about images."

#: The warning shown before held-out images (validation or test) get the labels that a model
#: predicts.
SUGGESTION_WARNING = (
    "The suggested label is what a model predicts. Relabeling {splits} images in this way makes "
    "the metrics of this model and of similar ones look better than they are: check each image "
    "yourself, and report metrics on the original labels."
)


@dataclass(frozen=True)
class DecisionButton:
    """A button that decides about images.

    Attributes:
        label: The label of the button.
        icon: The icon of the button.
        shortcut: The key that presses the button if a single image is shown. It cannot be R, which
            Streamlit reserves.
        hint: The tooltip of the button.
        participle: The word for images with this decision, such as "dropped".
    """

    label: str
    icon: str
    shortcut: str
    hint: str
    participle: str


#: The buttons by action.
DECISIONS = {
    "drop": DecisionButton(
        "Drop",
        ":material/block:",
        "D",
        "Exclude from training, and from evaluations with applied curation. No file is deleted.",
        "dropped",
    ),
    "keep": DecisionButton(
        "Keep",
        ":material/verified:",
        "K",
        "Mark as checked and correct, so that quick fixes do not change it.",
        "kept",
    ),
    "relabel": DecisionButton(
        "Relabel",
        ":material/edit:",
        "L",
        "Use the correct label in training, and in evaluations with applied curation.",
        "relabeled",
    ),
}


@dataclass(frozen=True)
class CurationState:
    """The current decisions about a dataset.

    Attributes:
        file: The file that stores the decisions.
        curation: The decisions.
        match: The decisions matched with the images of the dataset.
    """

    file: CurationFile
    curation: Curation
    match: CurationMatch

    def mark(self, row: int) -> str:
        """Return the decision about the image with this row, such as "dropped" or "now happy".

        The text is empty if there is no decision.
        """
        entry = self.match.by_row.get(row)
        if entry is None:
            return ""
        return {"drop": "dropped", "keep": "kept"}.get(entry.action, f"now {entry.label}")


def curation_state(dataset: LoadedDataset) -> CurationState:
    """Return the decisions about a dataset, which are cached until their file changes.

    Raises:
        InputError: The file cannot be read.
    """
    file = CurationFile(dataset.folder)
    curation, match = _read_curation(dataset.key, file.content_key, file, dataset)
    return CurationState(file, curation, match)


@st.cache_resource(max_entries=4, show_spinner=False)
def _read_curation(
    key: str, content_key: tuple[object, ...], _file: CurationFile, _dataset: LoadedDataset
) -> tuple[Curation, CurationMatch]:
    # ``key`` and ``content_key`` are only part of the cache key: they change with the images and
    # with the file, so that an outdated result is not used.
    curation = _file.read()
    return curation, match_curation(curation, _dataset.faces)


def change_curation(
    dataset: LoadedDataset, change: Callable[[CurationFile], CurationChange]
) -> bool:
    """Change the decisions about a dataset; for the callback of a button.

    The outcome is stored for ``show_curation_outcome``, because callbacks cannot draw.

    Args:
        dataset: The dataset.
        change: Changes the file of the decisions.

    Returns:
        True if the decisions were changed, False if an error was stored.
    """
    with _CALLBACK_ERROR:
        require_editor()
        # imported_dataset_folder raises an InputError if the dataset was deleted in the meantime.
        outcome = change(CurationFile(imported_dataset_folder(dataset.name, dataset.settings)))
        st.session_state[_OUTCOME] = as_sentence(outcome.summary)
        return True
    return False


def show_curation_outcome() -> None:
    """Show, once, the outcome of the change that ``change_curation`` has just made."""
    outcome = st.session_state.pop(_OUTCOME, None)
    if outcome is not None:
        st.toast(outcome, icon=":material/check:")
    _CALLBACK_ERROR.show()


@dataclass(frozen=True)
class SelectedImages:
    """Images that were selected in a gallery, for a decision.

    Attributes:
        dataset: The dataset of these images.
        rows: The rows of the images in the dataset.
        gallery_key: The key of the gallery. Its selection is cleared after a decision.
        reason: The initial text of the field "Reason".
        source: Where the images were found; stored with each decision.
        suggested: By row, the index of the class that is suggested as the correct label; a missing
            row has no suggestion.
        is_model_suggestion: True if a model suggests the labels.
    """

    dataset: LoadedDataset
    rows: tuple[int, ...]
    gallery_key: str
    reason: str
    source: str
    suggested: Mapping[int, int] = field(default_factory=dict)
    is_model_suggestion: bool = False

    def entries(self, action: str, label: str) -> tuple[CurationEntry, ...]:
        """Return the decisions about these images, one for each image.

        Args:
            action: One of the keys of ``DECISIONS``.
            label: The correct label, or ``_SUGGESTED``; used only if the action is "relabel". With
                ``_SUGGESTED``, images without a suggestion get no decision.

        Raises:
            InputError: ``label`` is ``_SUGGESTED``, and no image has a suggestion.
        """
        faces, rows = self.dataset.faces, np.array(self.rows, dtype=np.intp)
        if action != "relabel":
            return entries_for(faces, rows, action, reason=self.reason, source=self.source)
        if label != _SUGGESTED:
            return entries_for(
                faces, rows, action, label=label, reason=self.reason, source=self.source
            )
        with_suggestion = [row for row in self.rows if row in self.suggested]
        if not with_suggestion:
            raise InputError("No label is suggested for these images; choose the correct one.")
        return relabel_entries(
            faces,
            np.array(with_suggestion, dtype=np.intp),
            np.array([self.suggested[row] for row in with_suggestion], dtype=np.int8),
            reason=self.reason,
            source=self.source,
        )


def offer_decisions(selected: SelectedImages) -> None:
    """Draw the buttons that decide about selected images: drop, keep, relabel."""
    show_curation_outcome()
    if not may_edit():
        st.caption(EDITORS_DECIDE)
        return
    key = selected.gallery_key
    labels = [*([_SUGGESTED] if selected.suggested else []), *selected.dataset.faces.classes]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text_input(
            "Reason",
            selected.reason,
            key=f"{key}_reason",
            placeholder="Reason",
            label_visibility="collapsed",
            width=300,
        )
        for action in ("drop", "keep"):
            _decision_button(selected, action)
        st.selectbox(
            "Correct label",
            labels,
            key=f"{key}_label",
            format_func=lambda label: f"Correct label: {label}",
            label_visibility="collapsed",
            width=250,
        )
        _decision_button(selected, "relabel")
    held_out = sorted(
        {SPLITS[selected.dataset.faces.splits[row]] for row in selected.rows} - {"train"}
    )
    if selected.is_model_suggestion and held_out:
        st.warning(
            SUGGESTION_WARNING.format(splits=" and ".join(held_out)), icon=":material/balance:"
        )


def _decision_button(selected: SelectedImages, action: str) -> None:
    button = DECISIONS[action]
    count = len(selected.rows)
    st.button(
        f"{button.label} {count:,}" if count else button.label,
        icon=button.icon,
        key=f"{selected.gallery_key}_{action}",
        help=button.hint,
        disabled=not selected.rows,
        on_click=_decide,
        args=(selected, action),
    )


def _decide(selected: SelectedImages, action: str) -> None:
    # The arguments are from the time when the button was drawn. Text that the user typed later is
    # only in the session state.
    reason = st.session_state[f"{selected.gallery_key}_reason"].strip() or selected.reason
    label = st.session_state[f"{selected.gallery_key}_label"]
    selected = replace(selected, reason=reason)
    skipped_count = 0

    def decide(curation: Curation) -> tuple[CurationEntry, ...]:
        nonlocal skipped_count
        entries = selected.entries(action, label)
        if len(selected.rows) == 1:
            return entries
        # A decision about several images must not silently replace a label that somebody chose for
        # one of them.
        applicable = without_relabeled(entries, curation, selected.dataset.faces)
        skipped_count = len(entries) - len(applicable)
        if entries and not applicable:
            raise InputError(
                "All selected images are already relabeled, and a decision about several images "
                "does not replace their labels; select a single image, or undo the earlier "
                "decisions."
            )
        return applicable

    if change_curation(selected.dataset, lambda file: file.change_with(decide)):
        clear_selection(selected.gallery_key)
        if skipped_count:
            st.session_state[_OUTCOME] += (
                f" Not changed: {counted(skipped_count, 'image')} that were already "
                "relabeled; change such images one by one."
            )


def offer_undo(dataset: LoadedDataset, state: CurationState, *, key: str) -> None:
    """Draw a button that undoes the latest change, and one that redoes the change undone last.

    Each button applies only to the change that it names: if someone else has changed the decisions
    since the page was drawn, a click shows an error.

    Args:
        dataset: The dataset.
        state: Current decisions about the dataset.
        key: Key of the undo button.
    """
    if not may_edit():
        return
    undoable = state.file.undoable()
    st.button(
        f"Undo: {undoable.summary}" if undoable else "Nothing to undo",
        icon=":material/undo:",
        key=key,
        disabled=undoable is None,
        on_click=_undo,
        args=(dataset, undoable),
    )
    redoable = state.file.redoable()
    if redoable is not None:
        st.button(
            f"Redo: {redoable.summary}",
            icon=":material/redo:",
            key=f"{key}_redo",
            on_click=_redo,
            args=(dataset, redoable),
        )


def offer_undo_of_image(
    dataset: LoadedDataset, state: CurationState, row: int, *, key: str
) -> None:
    """Draw the button that undoes the latest decision about one image, and no other decision.

    Args:
        dataset: The dataset.
        state: Current decisions about the dataset.
        row: The row of the image.
        key: Key of the button.
    """
    if not may_edit():
        return
    entry = state.match.by_row.get(row)
    st.button(
        f"Undo: {state.mark(row)}" if entry else "Nothing to undo",
        icon=":material/undo:",
        key=key,
        disabled=entry is None,
        on_click=_undo_image,
        args=(dataset, entry),
    )


def _undo(dataset: LoadedDataset, batch: CurationBatch) -> None:
    change_curation(dataset, lambda file: file.undo(batch.id))


def _redo(dataset: LoadedDataset, batch: CurationBatch) -> None:
    change_curation(dataset, lambda file: file.redo(batch.id))


def _undo_image(dataset: LoadedDataset, entry: CurationEntry) -> None:
    change_curation(dataset, lambda file: file.undo_images([entry.identity]))


def offer_quick_fix(dataset: LoadedDataset, fix: QuickFix, near: NearDuplicates | None) -> None:
    """Draw the button of a quick fix, and an explanation of what the quick fix does.

    Args:
        dataset: The dataset.
        fix: The quick fix.
        near: The near-duplicates of the dataset; None while the search for them is running.
    """
    is_waiting = fix.needs_near_duplicates and near is None
    count = 0 if is_waiting else _count_fixable(dataset, fix, near)
    hint = None
    if is_waiting:
        hint = "The search for near-duplicates is still running."
    elif not count:
        hint = "There is nothing left that this quick fix could change."
    with st.container(border=True, gap="xsmall"):
        st.button(
            f"{fix.title}: {counted(count, 'image')}" if count else fix.title,
            icon=":material/healing:",
            key=f"fix_{fix.name}",
            disabled=is_waiting or not count,
            help=hint,
            on_click=_apply_fix,
            args=(dataset, fix.name, near),
        )
        st.caption(fix.explanation)


def _count_fixable(dataset: LoadedDataset, fix: QuickFix, near: NearDuplicates | None) -> int:
    """Return how many images a quick fix would decide about now."""
    decided = curation_state(dataset).match.by_row
    dropped: tuple[int, ...] = ()
    if fix.depends_on_dropped:
        dropped = tuple(sorted(row for row, entry in decided.items() if entry.action == "drop"))
    rows = _fixable_rows(dataset.key, fix.name, hash(dropped), dropped, dataset, fix, near)
    return sum(int(row) not in decided for row in rows)


@st.cache_resource(max_entries=16, show_spinner=False)
def _fixable_rows(
    key: str,
    name: str,
    dropped_hash: int,
    _dropped: tuple[int, ...],
    _dataset: LoadedDataset,
    _fix: QuickFix,
    _near: NearDuplicates | None,
) -> NDArray[np.intp]:
    # Cached, because finding the rows takes longer than the response to a click should. Of the
    # decisions, only the dropped rows are part of the cache key (as ``dropped_hash``), because the
    # result does not depend on the other decisions.
    return quick_fix_rows(_fix, _dataset.faces, _dropped, near=_near)


def _apply_fix(dataset: LoadedDataset, name: str, near: NearDuplicates | None) -> None:
    def decide(curation: Curation) -> tuple[CurationEntry, ...]:
        entries = quick_fix_entries(name, dataset.faces, curation, near=near)
        if not entries:
            raise InputError("There is nothing left that this quick fix could change.")
        return entries

    change_curation(dataset, lambda file: file.change_with(decide))
