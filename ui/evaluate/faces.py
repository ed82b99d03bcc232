"""Faces of an evaluation in pages, each with a button that opens it; rows where there are none."""

from __future__ import annotations

import streamlit as st
from numpy import intp
from numpy.typing import NDArray

from fer_core.emotions import EMOTIONS
from ui.evaluate.example import open_example
from ui.evaluate.subject import Subject
from ui.gallery import FACE_WIDTH, PAGE_SIZE, face_png, page_of

#: Room beside a face for the words on its button.
_CELL_WIDTH = FACE_WIDTH + 24
_ROWS_LISTED = 500


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
    key = f"{key}_{hash((subject.key, positions.tobytes())) & 0xFFFFFFFF:x}"
    pages = page_of(positions, key=key, page_size=page_size)
    opened = None
    with st.container(horizontal=True, gap="small"):
        for position in map(int, pages):
            verdict = subject.verdict(position)
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
