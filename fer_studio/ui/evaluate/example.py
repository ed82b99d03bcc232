"""One image large: its probabilities, where it came from, and what the network looked at."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fer_core.bundle import Bundle
from fer_core.dataset.face_set import FACE_SIZE, SPLITS
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.evaluation.explanation import Explainer, Explanation, overlay
from fer_studio.ui.bars import show_probabilities, show_votes_of_face
from fer_studio.ui.evaluate.decision import offer_decision
from fer_studio.ui.evaluate.findings import findings_of, votes_of
from fer_studio.ui.evaluate.subject import Subject
from fer_studio.ui.messages import show_error
from fer_studio.ui.text import plain_text

#: Screen pixels for each of a face's own.
_ENLARGED = 4
_WIDTH = FACE_SIZE * _ENLARGED
_STEP = "example_step"
_EXPLAINERS_HELD = 2
_EXPLANATIONS_HELD = 500


def open_example(subject: Subject, positions: NDArray[np.intp], position: int) -> None:
    """Open one of several images, from which one can go on to the next.

    Args:
        subject: The evaluation.
        positions: The images that one can step through.
        position: That which is opened.
    """
    st.session_state[_STEP] = int(np.flatnonzero(positions == position)[0])
    _show_example(subject, positions)


@st.dialog("What the model saw", width="large", icon=":material/visibility:")
def _show_example(subject: Subject, positions: NDArray[np.intp]) -> None:
    step = st.session_state.get(_STEP, 0) % len(positions)
    position = int(positions[step])
    _show_steps(step, len(positions))
    _show_verdict(subject, position)
    face_side, chart_side = st.columns(2, gap="medium")
    with face_side:
        _show_explained_face(subject, position)
        _show_votes(subject, position)
    with chart_side:
        probability_by_emotion = dict(
            zip(EMOTIONS, subject.result.probabilities[position].tolist(), strict=True)
        )
        show_probabilities(probability_by_emotion, key=f"example_bars_{position}")
        _show_origin(subject, position)
    offer_decision(subject, position)


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


def _show_verdict(subject: Subject, position: int) -> None:
    result = subject.result
    true, said = EMOTIONS[result.labels[position]], EMOTIONS[result.predicted[position]]
    confidence = f"{100 * result.confidence[position]:.0f} %"
    if true == said:
        st.markdown(f"Labelled **{true}**, and read so with {confidence}.")
    else:
        st.markdown(f"Labelled **{true}**, read as **{said}** with {confidence}.")


def _show_explained_face(subject: Subject, position: int) -> None:
    result = subject.result
    said = EMOTIONS[result.predicted[position]]
    true = EMOTIONS[result.labels[position]]
    face = subject.face(position)
    pictures = st.container(horizontal=True, gap="small")
    pictures.image(
        # Enlarged here: a browser would smooth its pixels away.
        face.repeat(_ENLARGED, axis=0).repeat(_ENLARGED, axis=1),
        width=_WIDTH,
        alt=f"The face as the network saw it: {result.names[position]}",
    )
    emotion = st.selectbox(
        "What spoke for",
        EMOTIONS,
        index=EMOTIONS.index(said),
        format_func=lambda emotion: (
            f"{emotion} (predicted)"
            if emotion == said
            else f"{emotion} (labelled)"
            if emotion == true
            else emotion
        ),
        key=f"explained_{position}",
        width=_WIDTH,
    )
    try:
        explanation = _explanation(
            subject.bundle.content_key, face.tobytes(), EMOTIONS.index(emotion), subject.bundle
        )
    except InputError as error:
        show_error(error)
        return
    pictures.image(
        overlay(face, explanation.heat, size=_WIDTH),
        width=_WIDTH,
        alt=f"The same face, coloured where the network saw {emotion}",
    )
    st.caption(explanation.note)


def _show_votes(subject: Subject, position: int) -> None:
    """What FER+'s taggers saw in it, where they were asked."""
    votes = votes_of(subject)
    row = int(subject.result.rows[position])
    if votes is None or not votes.has_votes[row]:
        return
    st.markdown(f"**What {votes.total[row]} taggers of FER+ saw**")
    show_votes_of_face(votes.distribution(row), key=f"example_votes_{position}")


def _show_origin(subject: Subject, position: int) -> None:
    result = subject.result
    assert subject.dataset is not None  # an example has a picture
    row = int(subject.dataset_rows[position])
    st.markdown(plain_text(result.names[position]))
    st.caption(f"Row {row:,}, {SPLITS[subject.dataset.faces.splits[row]]} split.")
    with st.container(horizontal=True, gap="xsmall"):
        for title, mask in findings_of(subject).items():
            if mask[position]:
                st.badge(title, color="orange")


@st.cache_data(max_entries=_EXPLANATIONS_HELD, show_spinner="Looking at what it looked at…")
def _explanation(
    content_key: tuple[str, ...], face: bytes, emotion: int, _bundle: Bundle
) -> Explanation:
    crop = np.frombuffer(face, np.uint8).reshape(FACE_SIZE, FACE_SIZE)
    return _explainer(content_key, _bundle).explain(crop, emotion)


@st.cache_resource(max_entries=_EXPLAINERS_HELD, show_spinner=False)
def _explainer(content_key: tuple[str, ...], _bundle: Bundle) -> Explainer:
    return Explainer(_bundle)
