"""The dialog with one enlarged image: probabilities, origin, heat map, label decision."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fer_core.bundle import Bundle
from fer_core.dataset.face_set import FACE_SIZE, SPLITS
from fer_core.errors import InputError
from fer_core.evaluation.explanation import Explainer, Explanation, overlay
from fer_studio.ui.access import leave_if_refused
from fer_studio.ui.bars import show_probabilities, show_votes_of_face
from fer_studio.ui.evaluate.evaluations import LoadedEvaluation
from fer_studio.ui.evaluate.image_findings import findings_of, votes_of
from fer_studio.ui.evaluate.label_decision import offer_decision
from fer_studio.ui.messages import show_error
from fer_studio.ui.text import plain_text

#: Number of screen pixels per image pixel.
_SCALE = 4
_WIDTH = FACE_SIZE * _SCALE
_STEP = "example_step"
_MAX_EXPLAINERS = 2
_MAX_EXPLANATIONS = 500


def open_image(evaluation: LoadedEvaluation, positions: NDArray[np.intp], position: int) -> None:
    """Open the dialog at one of several images, with buttons for the previous and the next.

    Args:
        evaluation: The evaluation.
        positions: The images to step through.
        position: The image to show first.
    """
    st.session_state[_STEP] = int(np.flatnonzero(positions == position)[0])
    _show_image(evaluation, positions)


@st.dialog("Prediction", width="large", icon=":material/visibility:")
def _show_image(evaluation: LoadedEvaluation, positions: NDArray[np.intp]) -> None:
    leave_if_refused("evaluate")
    step = st.session_state.get(_STEP, 0) % len(positions)
    position = int(positions[step])
    _show_steps(step, len(positions))
    _show_prediction(evaluation, position)
    face_side, chart_side = st.columns(2, gap="medium")
    with face_side:
        _show_explained_face(evaluation, position)
        _show_votes(evaluation, position)
    with chart_side:
        probability_by_class = dict(
            zip(
                evaluation.result.classes,
                evaluation.result.probabilities[position].tolist(),
                strict=True,
            )
        )
        show_probabilities(probability_by_class, key=f"example_bars_{position}")
        _show_origin(evaluation, position)
    offer_decision(evaluation, position)


def _show_steps(step: int, count: int) -> None:
    def move(by: int) -> None:
        st.session_state[_STEP] = (step + by) % count

    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Previous",
            icon=":material/chevron_left:",
            key="example_previous",
            on_click=move,
            args=(-1,),
            disabled=count < 2,
            shortcut="ArrowLeft",
        )
        st.button(
            "Next",
            icon=":material/chevron_right:",
            key="example_next",
            on_click=move,
            args=(1,),
            disabled=count < 2,
            shortcut="ArrowRight",
        )
        st.caption(f"{step + 1:,} of {count:,}")


def _show_prediction(evaluation: LoadedEvaluation, position: int) -> None:
    result = evaluation.result
    true = result.classes[result.labels[position]]
    predicted = result.classes[result.predicted[position]]
    confidence = f"{100 * result.confidence[position]:.0f} %"
    suffix = " (correct)" if true == predicted else ""
    st.markdown(
        f"Label: **{plain_text(true)}**. Prediction: **{plain_text(predicted)}**{suffix}, "
        f"confidence {confidence}."
    )


def _show_explained_face(evaluation: LoadedEvaluation, position: int) -> None:
    result = evaluation.result
    classes = result.classes
    predicted, true = classes[result.predicted[position]], classes[result.labels[position]]
    face = evaluation.face(position)
    images = st.container(horizontal=True, gap="small")
    images.image(
        # Enlarged here, because a browser would smooth the pixels.
        face.repeat(_SCALE, axis=0).repeat(_SCALE, axis=1),
        width=_WIDTH,
        alt=f"Input of the network: {result.names[position]}",
    )
    name = st.selectbox(
        "Heat map for",
        classes,
        index=classes.index(predicted),
        format_func=lambda name: (
            f"{name} (predicted)"
            if name == predicted
            else f"{name} (label)"
            if name == true
            else name
        ),
        key=f"explained_{position}",
        width=_WIDTH,
    )
    try:
        explanation = _explanation(
            evaluation.bundle.content_key, face.tobytes(), classes.index(name), evaluation.bundle
        )
    except InputError as error:
        show_error(error)
        return
    images.image(
        overlay(face, explanation.heat, size=_WIDTH),
        width=_WIDTH,
        alt=f"The same face with the heat map for {name}",
    )
    st.caption(explanation.note)


def _show_votes(evaluation: LoadedEvaluation, position: int) -> None:
    """Show the votes of the FER+ annotators, if there are any."""
    votes = votes_of(evaluation)
    row = int(evaluation.result.rows[position])
    if votes is None or not votes.has_votes[row]:
        return
    st.markdown(f"**Votes of {votes.total[row]} FER+ annotators**")
    show_votes_of_face(votes.distribution(row), votes.classes, key=f"example_votes_{position}")


def _show_origin(evaluation: LoadedEvaluation, position: int) -> None:
    result = evaluation.result
    assert evaluation.dataset is not None  # the dialog is opened only for images
    row = int(evaluation.dataset_rows[position])
    st.markdown(plain_text(result.names[position]))
    st.caption(f"Row {row:,}, {SPLITS[evaluation.dataset.faces.splits[row]]} split.")
    with st.container(horizontal=True, gap="xsmall"):
        for title, mask in findings_of(evaluation).items():
            if mask[position]:
                st.badge(title, color="orange")


@st.cache_data(max_entries=_MAX_EXPLANATIONS, show_spinner="Computing the heat map…")
def _explanation(
    content_key: tuple[str, ...], face: bytes, class_index: int, _bundle: Bundle
) -> Explanation:
    crop = np.frombuffer(face, np.uint8).reshape(FACE_SIZE, FACE_SIZE)
    return _explainer(content_key, _bundle).explain(crop, class_index)


@st.cache_resource(max_entries=_MAX_EXPLAINERS, show_spinner=False)
def _explainer(content_key: tuple[str, ...], _bundle: Bundle) -> Explainer:
    return Explainer(_bundle)
