"""The section "Clean up": all decisions about images, their effect, and quick fixes."""

from __future__ import annotations

import numpy as np
import streamlit as st

from fer_core.charts.dataset import change_bars
from fer_core.dataset.curation import (
    ACTIONS,
    CuratedFaceSet,
    Curation,
    CurationEntry,
    apply_curation,
)
from fer_core.dataset.curation_file import CurationFile, CurationImport
from fer_core.dataset.face_set import SPLITS
from fer_core.dataset.quick_fixes import QUICK_FIXES
from fer_core.dataset.statistics import class_counts
from fer_core.dataset.store import imported_dataset_folder
from fer_core.phrases import counted
from fer_studio.ui.access import require_editor
from fer_studio.ui.charts import show_chart
from fer_studio.ui.curating import (
    CurationState,
    change_curation,
    curation_state,
    offer_quick_fix,
    show_curation_outcome,
)
from fer_studio.ui.dataset.face_drawer import FaceDrawer, face_texts
from fer_studio.ui.dataset.guard import section
from fer_studio.ui.dataset.near import near_result
from fer_studio.ui.datasets import LoadedDataset, dataset_overview
from fer_studio.ui.gallery import show_gallery
from fer_studio.ui.tables import table_height
from fer_studio.ui.text import plain_text
from fer_studio.ui.uploads import read_upload

#: Session key of the latest import of decisions: the name of the dataset, and the result.
_IMPORT_RESULT = "curation_import"
#: Maximum number of faces below the table of decisions.
_MAX_FACES = 24
#: Maximum number of unreadable lines of a curation file that are listed.
_MAX_PROBLEMS = 20
#: Maximum size of an uploaded curation file. Decisions about all images of FER2013 take less than
#: 10 MB.
_MAX_UPLOAD_MB = 50
_ACTION_WORDS = {"drop": "dropped", "relabel": "relabeled", "keep": "kept"}


@section
def show_cleaning(dataset: LoadedDataset) -> None:
    """Draw the effect of all decisions, the quick fixes, and the list of decisions."""
    state = curation_state(dataset)
    # The effect has its own container, so that the quick fixes keep their position when the effect
    # changes. If they moved, the browser would replace their buttons, and lose a click.
    with st.container():
        show_curation_outcome()
        _show_effect(dataset, state)
    st.header("Quick fixes", anchor=False)
    near = near_result(dataset)
    for fix in QUICK_FIXES:
        offer_quick_fix(dataset, fix, near.duplicates if near else None)
    st.header("All decisions", anchor=False)
    _show_problems(state)
    if state.curation.entries:
        _show_table(dataset, state)
    else:
        st.info(
            "There are no decisions yet. Use a quick fix above, or select images under Audit.",
            icon=":material/rule:",
        )
    _offer_import(dataset)


@st.cache_resource(max_entries=4, show_spinner=False)
def _apply_and_count(
    dataset_key: str,
    decisions_key: tuple[object, ...],
    _dataset: LoadedDataset,
    _curation: Curation,
) -> tuple[CuratedFaceSet, dict[str, dict[str, int]]]:
    """Return the images after applying the decisions, and the number of images by split and class.

    ``dataset_key`` and ``decisions_key`` are only part of the cache key. The first changes with the
    images, the second with the decisions, so that an outdated result is not used.
    """
    curated = apply_curation(_dataset.faces, _curation)
    return curated, class_counts(curated.faces)


def _show_effect(dataset: LoadedDataset, state: CurationState) -> None:
    curated, after = _apply_and_count(dataset.key, state.file.content_key, dataset, state.curation)
    before = dataset_overview(dataset).counts
    summary = curated.summary
    if summary is None:
        st.info(
            "Training uses the dataset as imported, because no image is dropped or relabeled.",
            icon=":material/healing:",
        )
        return
    st.info(
        f"{summary}. A training applies the decisions about training images, and the model records "
        "them. An evaluation applies your decisions only if you ask for it.",
        icon=":material/healing:",
        title="Effect of your decisions",
    )
    if curated.warning:
        st.warning(plain_text(curated.warning), icon=":material/warning:")
    with st.container(horizontal=True):
        for split in SPLITS:
            count_before, count_after = sum(before[split].values()), sum(after[split].values())
            if count_before:
                st.metric(
                    split.capitalize(),
                    f"{count_after:,}",
                    delta=f"{count_after - count_before:,}"
                    if count_after != count_before
                    else None,
                    delta_color="off",
                    border=True,
                    height="stretch",
                )
        relabeled = sum(curated.relabeled.values())
        st.metric("Relabeled", f"{relabeled:,}", border=True, height="stretch")
    changed = [split for split in SPLITS if before[split] != after[split]]
    if changed:
        split = st.segmented_control(
            "Split in the chart", changed, default=changed[0], required=True, key="effect_split"
        )
        if split in changed:
            show_chart(
                change_bars(before[split], after[split]),
                title=f"Images of {split} before and after your decisions",
                key=f"effect_{split}",
                file=f"{dataset.name}-{split}-decisions",
                alt=f"Images of {split} per class, as imported and after applying your decisions",
            )


def _show_problems(state: CurationState) -> None:
    if state.curation.problems:
        with st.expander(
            f"{counted(len(state.curation.problems), 'line')} of curation.csv cannot be read",
            icon=":material/warning:",
        ):
            for problem in state.curation.problems[:_MAX_PROBLEMS]:
                st.write(plain_text(problem))
    if state.match.warning:
        st.warning(plain_text(state.match.warning), icon=":material/warning:")


def _show_table(dataset: LoadedDataset, state: CurationState) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        actions = st.pills(
            "Decision",
            ACTIONS,
            selection_mode="multi",
            format_func=_ACTION_WORDS.__getitem__,
            key="curation_actions",
        )
        split = st.selectbox("Split", ["all", *SPLITS], key="curation_split", width=150)
        text = st.text_input("Search name, reason or source", key="curation_text", width=240)
    matching = [
        entry
        for entry in state.curation.entries
        if (not actions or entry.action in actions)
        and split in ("all", entry.split)
        and text.lower() in f"{entry.name} {entry.reason} {entry.source}".lower()
    ]
    selection = st.dataframe(
        [_table_row(entry) for entry in matching],
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        height=table_height(len(matching), maximum=320),
        # Streamlit stores the selection as row numbers, which would select wrong decisions in a
        # different list. The key therefore changes with the list. The mask makes the hash positive.
        key=f"curation_table_{hash(tuple(entry.identity for entry in matching)) & 0xFFFFFFFF:x}",
        alt="Decisions that match the filters: image, split, decision, reason, source, time",
    )
    rows = [row for row in selection["selection"]["rows"] if row < len(matching)]
    selected = [matching[row] for row in rows]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            f"Remove {len(selected):,} selected" if selected else "Remove selected",
            icon=":material/backspace:",
            key="curation_remove",
            disabled=not selected,
            on_click=_remove,
            args=(dataset, selected),
        )
        st.button(
            f"Remove all {len(matching):,} shown",
            icon=":material/layers_clear:",
            key="curation_remove_all",
            disabled=not matching,
            on_click=_remove,
            args=(dataset, matching),
        )
    _show_faces(dataset, state, selected or matching)


def _table_row(entry: CurationEntry) -> dict[str, str]:
    return {
        "Image": entry.name,
        "Split": entry.split,
        "Decision": entry.action if entry.label is None else f"{entry.action}: {entry.label}",
        "Reason": entry.reason,
        "Source": entry.source,
        "Time": entry.time[:19].replace("T", " "),  # without the time zone
    }


def _show_faces(dataset: LoadedDataset, state: CurationState, entries: list[CurationEntry]) -> None:
    """Draw the faces of the first decisions in a list."""
    shown_identities = {entry.identity for entry in entries[:_MAX_FACES]}
    rows = [row for row, entry in state.match.by_row.items() if entry.identity in shown_identities]
    if rows:
        show_gallery(
            dataset.faces.images,
            np.array(rows[:_MAX_FACES], dtype=np.intp),
            face_texts(dataset, state),
            key="curation_faces",
            open_face=FaceDrawer(dataset, "clean up").opener,
            page_size=_MAX_FACES,
        )
        if len(entries) > _MAX_FACES:
            st.caption(f"The images of the first {_MAX_FACES} of {len(entries):,} decisions.")


def _remove(dataset: LoadedDataset, entries: list[CurationEntry]) -> None:
    identities = [entry.identity for entry in entries]
    change_curation(dataset, lambda file: file.remove(identities))


def _offer_import(dataset: LoadedDataset) -> None:
    with st.expander("Import decisions from a CSV", icon=":material/upload:"):
        with st.form("curation_import_form", border=False, clear_on_submit=True):
            upload = st.file_uploader(
                "Curation file",
                type=["csv"],
                key="curation_upload",
                max_upload_size=_MAX_UPLOAD_MB,
                help="A file from 'Decisions as CSV', or one that someone else made for the same "
                "images.",
            )
            if st.form_submit_button("Import decisions", key="curation_import_start"):
                if upload is None:
                    st.warning("Choose a file first.", icon=":material/upload_file:")
                else:
                    require_editor()
                    folder = imported_dataset_folder(dataset.name, dataset.settings)
                    result = CurationFile(folder).import_csv(
                        read_upload(upload, _MAX_UPLOAD_MB), upload.name, dataset.faces
                    )
                    st.session_state[_IMPORT_RESULT] = (dataset.name, result)
                    # The numbers above this form were drawn before the import: draw them again.
                    st.rerun()
        _show_import_result(dataset)


def _show_import_result(dataset: LoadedDataset) -> None:
    """Draw the result of the latest import for this dataset, and the lines that cannot be read."""
    name_and_result: tuple[str, CurationImport] | None = st.session_state.get(_IMPORT_RESULT)
    if name_and_result is None or name_and_result[0] != dataset.name:
        return
    result = name_and_result[1]
    st.success(plain_text(result.change.summary), icon=":material/check:")
    if result.warning:
        st.warning(plain_text(result.warning), icon=":material/warning:")
    for problem in result.problems[:_MAX_PROBLEMS]:
        st.warning(plain_text(problem), icon=":material/warning:")
    if len(result.problems) > _MAX_PROBLEMS:
        more = len(result.problems) - _MAX_PROBLEMS
        st.caption(f"And {counted(more, 'more line')} that cannot be read.")
