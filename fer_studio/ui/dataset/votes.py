"""FER+ votes: the labels of ten annotators for each face."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import streamlit as st

from fer_core.charts.dataset import agreement_bars
from fer_core.dataset.face_set import SPLITS
from fer_core.dataset.store import imported_dataset_folder
from fer_core.dataset.votes import Votes, class_agreement, votes_findings
from fer_core.dataset.votes_file import import_votes, remove_votes
from fer_core.errors import InputError
from fer_core.metrics.formatting import percent
from fer_studio.ui.access import require_editor
from fer_studio.ui.bars import show_votes_of_face
from fer_studio.ui.charts import show_chart
from fer_studio.ui.curating import curation_state
from fer_studio.ui.dataset.face_drawer import FaceDrawer, face_texts
from fer_studio.ui.dataset.finding_view import show_finding
from fer_studio.ui.dataset.guard import section
from fer_studio.ui.datasets import LoadedDataset, dataset_votes
from fer_studio.ui.face_grid import face_grid
from fer_studio.ui.gallery import FaceTexts, choose_page, face_tile
from fer_studio.ui.messages import ErrorKeeper
from fer_studio.ui.persistent_widgets import persistent_segments
from fer_studio.ui.text import plain_text
from fer_studio.ui.uploads import read_upload

#: Maximum size of an uploaded table of votes; FER+'s table has 2 MB.
_MAX_UPLOAD_MB = 50

_FACES_ON_PAGE = 6
#: Keeps an error of the callback of "Remove the votes" until the page is drawn.
_CALLBACK_ERROR = ErrorKeeper("votes_problem")


@section
def show_votes(dataset: LoadedDataset) -> None:
    """Draw the agreement of the votes with the labels, and the faces with their votes.

    If the dataset has no votes, draw the form to add them.
    """
    votes = dataset_votes(dataset)
    if votes is None:
        _offer_import(dataset)
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"From {plain_text(votes.source)}. {plain_text(votes.note)} Votes are a second "
            "labeling of the same faces, not the ground truth."
        )
        st.button(
            "Remove the votes",
            icon=":material/delete:",
            key="remove_votes",
            on_click=_remove,
            args=(dataset.folder,),
        )
    _CALLBACK_ERROR.show()
    _show_metrics(dataset, votes)
    findings = votes_findings(dataset.faces, votes)
    view = persistent_segments(
        "View",
        ["distributions", *findings],
        key="votes_view",
        name="view",
        format_func=lambda kind: (
            "Faces with their votes" if kind == "distributions" else findings[kind].title
        ),
        label_visibility="collapsed",
    )
    if view in findings:
        show_finding(dataset, findings[view], source=f"votes: {view}")
    else:
        _show_distributions(dataset, votes)


def _remove(folder: Path) -> None:
    """Delete the votes; a callback, so that the redrawn section can show an error."""
    with _CALLBACK_ERROR:
        require_editor()
        remove_votes(folder)


def _offer_import(dataset: LoadedDataset) -> None:
    st.markdown(
        "Ten annotators labeled every face of FER2013 again "
        "([FER+](https://github.com/microsoft/FERPlus), Barsoum et al. 2016). With their votes, "
        "this page shows how often they agree with each other and with the labels, and which faces "
        "are ambiguous."
    )
    with st.form("votes_form", border=False, clear_on_submit=True):
        upload = st.file_uploader(
            "Votes",
            type=["csv"],
            key="votes_upload",
            max_upload_size=_MAX_UPLOAD_MB,
            help="FER+'s fer2013new.csv, or a CSV file with the path of each image and its votes.",
        )
        is_pressed = st.form_submit_button("Add the votes", type="primary", key="votes_start")
    if not is_pressed:
        return
    if upload is None:
        raise InputError("No file was chosen; choose the CSV file above, then press Add the votes.")
    require_editor()
    folder = imported_dataset_folder(dataset.name, dataset.settings)
    with st.spinner("Matching votes to images…"):
        import_votes(read_upload(upload, _MAX_UPLOAD_MB), upload.name, folder, dataset.faces)
    st.rerun()


def _show_metrics(dataset: LoadedDataset, votes: Votes) -> None:
    faces = dataset.faces
    split = st.selectbox(
        "Split",
        ["all", *faces.present_splits],
        key="votes_split",
        format_func=lambda split: f"Split: {split}",
        label_visibility="collapsed",
        width=180,
    )
    rows = faces.rows(split)
    voted_rows = rows[votes.has_votes[rows]]
    with st.container(horizontal=True):
        st.metric(
            "Images with votes",
            f"{len(voted_rows):,} of {len(rows):,}",
            border=True,
            height="stretch",
        )
        if len(voted_rows):
            agreeing = np.mean(votes.plurality[voted_rows] == faces.labels[voted_rows])
            st.metric(
                "Label is the most frequent answer",
                f"{100 * agreeing:.1f} %",
                border=True,
                height="stretch",
                help="Share of the images whose label has more votes than any other answer. Images "
                "without votes are not counted.",
            )
            st.metric(
                "Annotator agreement",
                f"{100 * float(np.nanmean(votes.agreement[voted_rows])):.0f} %",
                border=True,
                height="stretch",
                help="Share of the annotators who gave the most frequent answer to an image, "
                "averaged over the images.",
            )
    chart, explanation = st.columns([3, 2], vertical_alignment="center")
    shares = {
        agreement.class_name: agreement.share for agreement in class_agreement(faces, votes, split)
    }
    with chart:
        show_chart(
            agreement_bars(shares),
            title="How often the most frequent answer is the label",
            key=f"agreement_{split}",
            file=f"{dataset.name}-agreement",
            alt="How often the annotators' most frequent answer is the label: "
            + ", ".join(
                f"{name} {percent(share)}" for name, share in shares.items() if share is not None
            ),
        )
    explanation.markdown(
        "If annotators disagree with a label, a model that predicts what they see counts as wrong. "
        "If the bar of a class is short, a model cannot learn this class well from these labels."
    )


def _show_distributions(dataset: LoadedDataset, votes: Votes) -> None:
    faces = dataset.faces
    with st.container(horizontal=True, vertical_alignment="bottom"):
        label = st.selectbox(
            "Labeled",
            ["", *faces.classes],
            format_func=lambda name: f"Labeled: {name or 'all'}",
            label_visibility="collapsed",
            key="votes_emotion",
            width=180,
        )
        order = st.selectbox(
            "Order",
            ["most ambiguous first", "clearest first"],
            format_func=lambda order: f"Order: {order}",
            label_visibility="collapsed",
            key="votes_order",
            width=260,
        )
    rows = np.flatnonzero(votes.has_votes)
    # The select box above the metrics also filters these faces.
    split = st.session_state.get("votes_split", "all")
    if split != "all":
        rows = rows[faces.splits[rows] == SPLITS.index(split)]
    if label:
        rows = rows[faces.labels[rows] == faces.classes.index(label)]
    if not len(rows):
        st.info("No image with votes matches the filters.", icon=":material/search_off:")
        return
    entropies = votes.entropy[rows]
    sorted_indices = np.argsort(
        entropies if order == "clearest first" else -entropies, kind="stable"
    )
    rows = rows[sorted_indices]
    key = f"votes_{split}_{label}_{order}"
    texts = face_texts(dataset, curation_state(dataset))
    clicked_row: int | None = None
    grid = st.grid(2, min_column_width=340, border=True)
    for row in choose_page(rows, key=key, page_size=_FACES_ON_PAGE):
        with grid.cell():
            if _show_face(dataset, votes, int(row), texts):
                clicked_row = int(row)
    if clicked_row is not None:
        FaceDrawer(dataset, "votes").opener(clicked_row, rows)


def _show_face(dataset: LoadedDataset, votes: Votes, row: int, texts: FaceTexts) -> bool:
    """Draw a face and its votes; return True if the face was clicked."""
    face, chart = st.columns([1, 2], vertical_alignment="center")
    with face:
        tile = face_tile(dataset.faces.images[row], row, texts)
        clicked_row = face_grid([[tile]], key=f"voted_face_{row}")
    with chart:
        show_votes_of_face(votes.distribution(row), dataset.faces.classes)
    return clicked_row == row
