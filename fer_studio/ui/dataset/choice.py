"""Selecting, importing and deleting datasets."""

from __future__ import annotations

import streamlit as st

from fer_core.dataset.store import DEMO_NAME, dataset_names, delete_dataset
from fer_core.errors import InputError
from fer_core.phrases import counted
from fer_core.settings import Settings
from fer_core.training.registry import list_runs
from fer_studio.ui.access import require_editor, rerun_if_refused
from fer_studio.ui.address import forget
from fer_studio.ui.dataset.importing import (
    collect_finished_import,
    forget_notice,
    show_import,
    show_import_state,
    use_demo,
)
from fer_studio.ui.datasets import LoadedDataset, open_dataset
from fer_studio.ui.messages import ErrorKeeper, show_error
from fer_studio.ui.persistent_widgets import persistent_selectbox
from fer_studio.ui.text import plain_text

#: Session key of the name of the dataset that was just deleted.
_DELETED = "dataset_deleted"
#: Keeps the error of a failed deletion until the dialog is drawn again and shows it.
_DELETION_ERROR = ErrorKeeper("dataset_not_deleted")


def choose_dataset(settings: Settings) -> LoadedDataset | None:
    """Draw the selection of a dataset and the form to import one.

    Returns:
        The selected dataset; None if there is no dataset, or if it cannot be opened. If it is None,
        the page says what to do, or shows the error.
    """
    imported_name = collect_finished_import()
    names = dataset_names(settings)
    if imported_name in names:
        st.session_state["dataset"] = imported_name
    deleted_name = st.session_state.pop(_DELETED, None)
    if deleted_name is not None:
        forget("dataset")
        st.toast(f"{deleted_name} was deleted.", icon=":material/delete:")
    # The selection and the state of imports have their own containers, which exist even if they are
    # empty, so that the elements below always have the same position. Streamlit identifies
    # containers and fragments by their position: if one moves, the browser replaces it, and a click
    # on it at that moment is lost.
    # app.css places a closed import form next to the selection, and an open one below it.
    with st.container(
        horizontal=True, vertical_alignment="center", gap="small", key="dataset_choice"
    ):
        selection = st.container(horizontal=True, width="content", key="dataset_selection")
        import_form = st.expander(
            "Import a dataset",
            expanded=not names,
            icon=":material/add:",
            key="import_open",
            on_change="rerun",
        )
    import_state = st.container()
    name = None
    if names:
        with selection:
            name = _draw_selection(names, settings)
    with import_form:
        if import_form.open or not names:
            show_import(settings)
    with import_state:
        show_import_state()
    if name is None:
        _show_empty_state(settings)
        return None
    try:
        return open_dataset(name, settings)
    except InputError as error:
        show_error(error)
        return None


def _draw_selection(names: list[str], settings: Settings) -> str:
    """Draw the selection and the button for deletion; return the name of the selected dataset."""
    name = persistent_selectbox(
        "Dataset",
        names,
        key="dataset",
        name="dataset",
        is_always_shown=True,
        format_func=lambda name: f"{name} (drawn, not real faces)" if name == DEMO_NAME else name,
        is_in_bar=True,
        width=360,
        on_change=forget_notice,
    )
    if st.button("Delete…", icon=":material/delete:", key="delete_dataset"):
        _confirm_deletion(name, settings)
    return name


def _show_empty_state(settings: Settings) -> None:
    with st.container(border=True):
        st.markdown(
            "**There is no dataset yet.** Import one above: FER2013 as an archive or a table, "
            "FER+, or your own pictures in folders named after their classes. If you have no data "
            "yet, use the demo set of drawn faces: you can try everything on this page with it."
        )
        if st.session_state.get("import_source") != "demo":
            st.button(
                "Use the demo set",
                icon=":material/draw:",
                key="empty_use_demo",
                type="primary",
                on_click=use_demo,
                args=(settings,),
            )


@st.dialog("Delete this dataset?")
def _confirm_deletion(name: str, settings: Settings) -> None:
    rerun_if_refused("dataset")
    st.write(
        f"**{plain_text(name)}** will be deleted from this server, including its annotator "
        "votes and the decisions about its images. Models that were trained on this dataset stay."
    )
    active: list[str] = []
    inactive: list[str] = []
    try:
        active, inactive = _runs_on(name, settings)
    except InputError as error:
        show_error(error)
    if active:
        st.warning(
            "Active trainings on this dataset "
            f"({', '.join(plain_text(run) for run in active)}) continue, because they have the "
            "images in memory. If such a training is interrupted, it cannot be resumed.",
            icon=":material/warning:",
        )
    if inactive:
        runs = counted(len(inactive), "other run" if active else "run")
        st.caption(
            f"After the deletion, {runs} on this dataset can no longer be started, resumed or "
            "evaluated."
        )
    if _DELETED in st.session_state:
        st.rerun()  # the dataset was deleted: close this dialog
    _DELETION_ERROR.show()
    with st.container(horizontal=True):
        st.button(
            "Delete",
            type="primary",
            icon=":material/delete:",
            key="delete_confirmed",
            on_click=_delete,
            args=(name, settings),
        )
        if st.button("Cancel", key="delete_cancelled"):
            st.rerun()


def _delete(name: str, settings: Settings) -> None:
    with _DELETION_ERROR:
        require_editor()
        delete_dataset(name, settings)
        st.session_state[_DELETED] = name
        forget_notice()


def _runs_on(name: str, settings: Settings) -> tuple[list[str], list[str]]:
    """Return the titles of the active runs on a dataset, and those of the inactive ones."""
    active: list[str] = []
    inactive: list[str] = []
    for run in list_runs(settings):
        if run.data == name:
            (active if run.is_active else inactive).append(run.title)
    return active, inactive
