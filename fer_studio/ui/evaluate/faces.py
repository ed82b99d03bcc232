"""Faces of an evaluation in pages, each with a button that opens it; rows where there are none."""

from __future__ import annotations

import streamlit as st
from numpy import intp
from numpy.typing import NDArray

from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_studio.ui.curating import (
    Chosen,
    CurationState,
    curation_state,
    offer_decisions,
    offer_undo,
)
from fer_studio.ui.evaluate.decision import SOURCE
from fer_studio.ui.evaluate.example import open_example
from fer_studio.ui.evaluate.subject import Subject
from fer_studio.ui.gallery import FACE_WIDTH, PAGE_SIZE, choose_faces, face_png, page_of
from fer_studio.ui.text import plain_text

#: Room beside a face for the words on its button.
_CELL_WIDTH = FACE_WIDTH + 24
_ROWS_LISTED = 500


def need_pictures(subject: Subject, what: str) -> bool:
    """Whether there are pictures; if not, say how to get them.

    Args:
        subject: The evaluation.
        what: What they would make possible, as the start of a sentence.
    """
    if subject.faces is None:
        st.info(
            f"{what}: choose a dataset above. The predictions that lie in the model's folder come "
            "without pictures.",
            icon=":material/image:",
        )
    return subject.faces is not None


def show_positions(
    subject: Subject, positions: NDArray[intp], *, key: str, page_size: int = PAGE_SIZE
) -> None:
    """Draw images of an evaluation in a given order.

    Args:
        subject: The evaluation.
        positions: Which of its images.
        key: Of the widgets; what hangs on the images themselves is added to it, so that other
            images begin at their first page.
        page_size: Faces on a page.
    """
    if subject.faces is None:
        _show_rows(subject, positions, key)
        return
    is_choosing = st.toggle(
        "Decide about several",
        key=f"{key}_several",
        help="Choose faces by their boxes, and drop, relabel or keep them all at once.",
    )
    key = f"{key}_{hash((subject.key, positions.tobytes())) & 0xFFFFFFFF:x}"
    if is_choosing:
        _choose_several(subject, positions, key, page_size)
    else:
        _show_pages(subject, positions, key, page_size)


def _show_pages(subject: Subject, positions: NDArray[intp], key: str, page_size: int) -> None:
    """Faces, each with a button that opens it."""
    pages = page_of(positions, key=key, page_size=page_size)
    state = _decisions(subject)
    opened = None
    with st.container(horizontal=True, gap="small"):
        for position in map(int, pages):
            verdict = _marked_verdict(subject, position, state)
            with st.container(width=_CELL_WIDTH, gap="xxsmall"):
                st.image(
                    face_png(subject.face(position)),
                    width=FACE_WIDTH,
                    alt=f"Face {subject.result.names[position]}: {verdict}",
                )
                if st.button(
                    verdict,
                    key=f"{key}_{position}",
                    type="tertiary",
                    help="Open it: all probabilities, and what the network looked at",
                ):
                    opened = position
    if opened is not None:
        open_example(subject, positions, opened)


def _choose_several(subject: Subject, positions: NDArray[intp], key: str, page_size: int) -> None:
    """Faces with boxes, and the decisions about those that are chosen."""
    dataset, result = subject.dataset, subject.result
    assert dataset is not None  # asked only where there are pictures
    state = curation_state(dataset)
    dataset_rows = subject.dataset_rows
    position_by_row = {int(dataset_rows[position]): int(position) for position in positions}
    key = f"{key}_choice"
    chosen = choose_faces(
        dataset.faces.images,
        dataset_rows[positions],
        lambda row: _marked_verdict(subject, position_by_row[row], state),
        key=key,
        name=lambda row: f"{dataset.faces.names[row]}, {subject.verdict(position_by_row[row])}",
        page_size=page_size,
    )
    offer_decisions(
        Chosen(
            dataset,
            tuple(chosen),
            gallery=key,
            reason=f"as {subject.bundle.name} reads it",
            source=SOURCE,
            suggested={
                row: int(result.predicted[position])
                for row, position in position_by_row.items()
                if result.predicted[position] != dataset.faces.labels[row]
            },
        )
    )
    offer_undo(dataset, state, key=f"{key}_undo")


def _decisions(subject: Subject) -> CurationState | None:
    """The decisions that the faces are marked with; none if they cannot be read, which is said."""
    if subject.dataset is None:
        return None
    try:
        return curation_state(subject.dataset)
    except InputError as error:
        st.warning(plain_text(str(error)), icon=":material/warning:")
        return None


def _marked_verdict(subject: Subject, position: int, state: CurationState | None) -> str:
    mark = "" if state is None else state.mark(int(subject.dataset_rows[position]))
    verdict = subject.verdict(position)
    return f"{verdict} · {mark}" if mark else verdict


def _show_rows(subject: Subject, positions: NDArray[intp], key: str) -> None:
    """Without pictures: what is known of each image, as a table."""
    result = subject.result
    shown = positions[:_ROWS_LISTED]
    st.dataframe(
        [
            {
                "Image": int(result.rows[position]),
                "True": EMOTIONS[result.labels[position]],
                "Predicted": EMOTIONS[result.predicted[position]],
                "Confidence": float(result.confidence[position]),
                **{
                    emotion: float(result.probabilities[position, index])
                    for index, emotion in enumerate(EMOTIONS)
                },
            }
            for position in shown
        ],
        hide_index=True,
        key=f"{key}_rows",
        alt="Images with their true and predicted emotions and all probabilities",
        column_config={
            title: st.column_config.NumberColumn(format="percent")
            for title in ("Confidence", *EMOTIONS)
        },
    )
    if len(positions) > len(shown):
        st.caption(
            f"The first {len(shown):,} of {len(positions):,}; the CSV of the report has all."
        )
