"""The drawer with one image of an evaluation: prediction, heat map, votes, decision."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fer_core.classes import match_class
from fer_core.dataset.face_set import SPLITS
from fer_studio.ui.access import rerun_if_refused
from fer_studio.ui.bars import show_probability_chart, show_vote_chart
from fer_studio.ui.evaluate.evaluations import LoadedEvaluation
from fer_studio.ui.evaluate.image_findings import findings_of, votes_of
from fer_studio.ui.explained_face import show_explained_face
from fer_studio.ui.face_steps import DRAWER_WIDTH, set_first_face, show_step_buttons
from fer_studio.ui.image_decision import Proposal, offer_decision
from fer_studio.ui.text import plain_text

#: The source that is recorded for decisions made on this page.
SOURCE = "evaluate page"


def open_image(evaluation: LoadedEvaluation, positions: NDArray[np.intp], position: int) -> None:
    """Open the drawer with an image, and with buttons for the previous and the next image.

    Args:
        evaluation: An evaluation with images.
        positions: The images to step through, as positions in the result.
        position: The image to show first; one of ``positions``.
    """
    set_first_face(positions, position)
    _show_image(evaluation, positions)


@st.dialog(
    "Prediction",
    width=DRAWER_WIDTH,
    position="right",
    icon=":material/visibility:",
    # When the drawer is closed, the gallery is drawn again, with the new decisions.
    on_dismiss="rerun",
)
def _show_image(evaluation: LoadedEvaluation, positions: NDArray[np.intp]) -> None:
    rerun_if_refused("evaluate")
    result = evaluation.result
    position = show_step_buttons(positions)
    _show_prediction(evaluation, position)
    show_explained_face(
        evaluation.bundle,
        evaluation.face(position),
        name=result.names[position],
        classes=result.classes,
        predicted=result.classes[result.predicted[position]],
        label=result.classes[result.labels[position]],
        key=f"explained_{position}",
    )
    st.markdown("**Is the label correct?**")
    assert evaluation.dataset is not None  # the drawer opens only for an evaluation with images
    offer_decision(
        evaluation.dataset,
        int(evaluation.dataset_rows[position]),
        _proposal(evaluation, position),
    )
    show_probability_chart(
        dict(zip(result.classes, result.probabilities[position].tolist(), strict=True)),
        key=f"example_bars_{position}",
    )
    _show_votes(evaluation, position)
    _show_origin(evaluation, position)


def _show_prediction(evaluation: LoadedEvaluation, position: int) -> None:
    result = evaluation.result
    true = result.classes[result.labels[position]]
    predicted = result.classes[result.predicted[position]]
    confidence = f"{100 * result.confidence[position]:.1f} %"
    suffix = " (correct)" if true == predicted else ""
    st.markdown(
        f"Label: **{plain_text(true)}**. Prediction: **{plain_text(predicted)}**{suffix}, "
        f"confidence {confidence}."
    )


def _proposal(evaluation: LoadedEvaluation, position: int) -> Proposal:
    """Propose the most probable class of the dataset, other than the current label."""
    result, dataset = evaluation.result, evaluation.dataset
    assert dataset is not None  # the drawer opens only for an evaluation with images
    predicted = result.classes[result.predicted[position]]
    classes = dataset.faces.classes
    label = dataset.faces.class_of(int(evaluation.dataset_rows[position]))
    columns = {name: match_class(name, result.classes) for name in classes if name != label}
    probabilities = {
        name: float(result.probabilities[position, column])
        for name, column in columns.items()
        if column is not None
    }
    predicted_label = match_class(predicted, classes)
    return Proposal(
        reason=f"{evaluation.bundle.name} predicts {predicted} with "
        f"{100 * result.confidence[position]:.1f} %",
        source=SOURCE,
        label=max(probabilities, key=lambda name: probabilities[name], default=None),
        model_label=None if predicted_label is None else classes[predicted_label],
    )


def _show_votes(evaluation: LoadedEvaluation, position: int) -> None:
    """Show the votes of the FER+ annotators for this image, if there are any."""
    votes = votes_of(evaluation)
    row = int(evaluation.result.rows[position])
    if votes is None or not votes.has_votes[row]:
        return
    show_vote_chart(
        votes.distribution(row),
        votes.classes,
        key=f"example_votes_{position}",
        title=f"Votes of {votes.total[row]} FER+ annotators",
    )


def _show_origin(evaluation: LoadedEvaluation, position: int) -> None:
    """Show name, row and split of the image, with a badge for each finding about it."""
    result = evaluation.result
    assert evaluation.dataset is not None  # the drawer opens only for an evaluation with images
    row = int(evaluation.dataset_rows[position])
    split = SPLITS[evaluation.dataset.faces.splits[row]]
    st.caption(f"{plain_text(result.names[position])} · row {row:,} · {split}")
    with st.container(horizontal=True, gap="xsmall"):
        for title, mask in findings_of(evaluation).items():
            if mask[position]:
                st.badge(title, color="orange")
