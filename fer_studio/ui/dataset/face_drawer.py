"""The drawer with one face of a dataset: why a gallery lists it, votes, prediction, decision."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fer_core.bundle import find_bundle
from fer_core.classes import class_colors
from fer_core.dataset.face_set import SPLITS
from fer_core.errors import InputError
from fer_studio.ui.access import rerun_if_refused
from fer_studio.ui.bars import show_probability_chart, show_vote_chart
from fer_studio.ui.curating import CurationState
from fer_studio.ui.datasets import LoadedDataset, dataset_votes, exact_audit
from fer_studio.ui.explained_face import show_explained_face
from fer_studio.ui.face_steps import (
    DRAWER_WIDTH,
    ENLARGED_WIDTH,
    enlarged,
    set_first_face,
    show_step_buttons,
)
from fer_studio.ui.gallery import FaceTexts, OpenFace
from fer_studio.ui.image_decision import Proposal, offer_decision
from fer_studio.ui.loaders import open_predictor
from fer_studio.ui.messages import show_error
from fer_studio.ui.pictures import png_url
from fer_studio.ui.text import plain_text


@dataclass(frozen=True, eq=False)
class FaceDrawer:
    """The drawer that a gallery opens, and what it says about the faces of the gallery.

    Attributes:
        dataset: The dataset that contains the faces.
        source: Recorded as the source of decisions made in the drawer.
        reasons: By row, why the gallery lists the face; a missing row has no reason.
        suggested: By row, the index of the class that is suggested as the correct label; a missing
            row has no suggestion.
        is_model_suggestion: True if a model suggests the labels.
    """

    dataset: LoadedDataset
    source: str
    reasons: Mapping[int, str] = field(default_factory=dict)
    suggested: Mapping[int, int] = field(default_factory=dict)
    is_model_suggestion: bool = False

    @property
    def opener(self) -> OpenFace:
        """The function that a gallery calls when a face is clicked."""

        def open_face(row: int, rows: NDArray[np.intp]) -> None:
            set_first_face(rows, row)
            _show_face(self, rows)

        return open_face


def face_texts(
    dataset: LoadedDataset,
    state: CurationState,
    *,
    caption: Callable[[int], str] | None = None,
    detail: Callable[[int], str] | None = None,
    note: Callable[[int], str] = lambda row: "",
) -> FaceTexts:
    """Return the texts that galleries of the dataset page show with each face.

    Args:
        dataset: The dataset.
        state: The decisions about its images.
        caption: Returns the text below the face with a given row; by default, the class.
        detail: Returns a second line below this text; by default, the split.
        note: Returns a text to append to the alternative text of the face; by default, nothing.
    """
    colors = class_colors(dataset.faces.classes)
    return FaceTexts(
        caption=caption or dataset.faces.class_of,
        detail=detail or dataset.split_of,
        alternative_text=lambda row: (
            f"{dataset.faces.names[row]}, {dataset.caption(row)}{note(row)}"
        ),
        mark=state.mark,
        color=lambda row: colors[dataset.faces.class_of(row)],
    )


@st.dialog(
    "Face",
    width=DRAWER_WIDTH,
    position="right",
    icon=":material/face:",
    # The gallery behind the drawer shows decisions, which may have changed in the drawer.
    on_dismiss="rerun",
)
def _show_face(drawer: FaceDrawer, rows: NDArray[np.intp]) -> None:
    rerun_if_refused("dataset")
    dataset = drawer.dataset
    row = show_step_buttons(rows)
    label = dataset.faces.class_of(row)
    with st.container(horizontal=True, gap="medium"):
        st.image(
            png_url(enlarged(dataset.faces.images[row])),
            width=ENLARGED_WIDTH,
            alt=f"{dataset.faces.names[row]}, labeled {label}",
        )
        with st.container(width="stretch"):
            st.markdown(f"Labeled **{plain_text(label)}**")
            st.caption(
                f"{plain_text(dataset.faces.names[row])} · row {row:,} · "
                f"{SPLITS[dataset.faces.splits[row]]}"
            )
            if drawer.reasons.get(row):
                st.markdown(plain_text(drawer.reasons[row]))
            with st.container(horizontal=True, gap="xsmall"):
                for title in _findings_about(dataset, row):
                    st.badge(title, color="orange")
    suggested = drawer.suggested.get(row)
    suggestion = None if suggested is None else dataset.faces.classes[suggested]
    offer_decision(
        dataset,
        row,
        Proposal(
            reason=drawer.reasons.get(row, ""),
            source=drawer.source,
            label=suggestion,
            model_label=suggestion if drawer.is_model_suggestion else None,
        ),
    )
    _show_votes(dataset, row)
    # The prediction is computed only if the expander is open, because a model takes a moment to
    # load.
    prediction_expander = st.expander(
        "Prediction of the default model",
        icon=":material/psychology:",
        key="face_prediction",
        on_change="rerun",
    )
    if prediction_expander.open:
        with prediction_expander:
            _show_prediction(dataset, row)


def _findings_about(dataset: LoadedDataset, row: int) -> list[str]:
    """Return the titles of the findings that contain an image: copies, leaks, blank images."""
    audit = exact_audit(dataset)
    groups_by_title: dict[str, list[NDArray[np.intp]]] = {
        "Exact duplicate": list(audit.groups),
        "Conflicting labels": list(audit.conflicting_groups),
        "Also appears in train": list(audit.leaked_rows.values()),
        "Blank": [audit.blank_rows],
    }
    return [
        title for title, groups in groups_by_title.items() if any(row in group for group in groups)
    ]


def _show_votes(dataset: LoadedDataset, row: int) -> None:
    try:
        votes = dataset_votes(dataset)
    except InputError as error:
        show_error(error)
        return
    if votes is None or not votes.has_votes[row]:
        return
    show_vote_chart(
        votes.distribution(row),
        dataset.faces.classes,
        key=f"face_votes_{row}",
        title=f"Votes of {votes.total[row]} FER+ annotators",
    )


def _show_prediction(dataset: LoadedDataset, row: int) -> None:
    try:
        bundle = find_bundle(None, dataset.settings)
        predictor = open_predictor(bundle)
        probabilities = predictor.probabilities(dataset.faces.images[row : row + 1])[0]
    except InputError as error:
        show_error(error)
        return
    st.caption(f"Model: **{plain_text(bundle.name)}**. It may have learned from this image.")
    label = dataset.faces.class_of(row)
    show_explained_face(
        bundle,
        dataset.faces.images[row],
        name=dataset.faces.names[row],
        classes=predictor.classes,
        predicted=predictor.classes[int(probabilities.argmax())],
        label=label,
        key=f"face_explained_{row}",
    )
    show_probability_chart(
        dict(zip(predictor.classes, probabilities.tolist(), strict=True)),
        key=f"face_probabilities_{row}",
    )
