"""The confusion matrix, and the faces behind the cell that is chosen."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from fer_core.emotions import EMOTIONS
from fer_core.evaluation.confusion import cell_positions, confusion_counts, normalized_confusion
from fer_studio.ui.evaluate.faces import need_pictures, show_positions
from fer_studio.ui.evaluate.subject import Subject, figures_of
from fer_studio.ui.guard import section

_COUNTS = "Counts"
_OF_TRUE = "Share of the true"
_OF_PREDICTED = "Share of the predicted"
_TRUE, _PREDICTED = "cell_true", "cell_predicted"
_ON_PAGE = 20
#: Screen pixels, of which the names of the rows and the seven columns take their shares.
_MATRIX_WIDTH, _NAMES_WIDTH, _CELL_WIDTH = 520, 92, 60


@section
def show_confusion(subject: Subject) -> None:
    """Draw the matrix and what is behind the chosen cell."""
    counts = figures_of(subject, confusion_counts)
    _choose_first_cell(counts)
    # Side by side where there is room, below each other on a phone.
    with st.container(horizontal=True, gap="medium"):
        with st.container(width=_MATRIX_WIDTH):
            _show_matrix(subject, counts)
        with st.container(width="stretch"):
            _show_cell(subject, counts)


def _choose_first_cell(counts: NDArray[np.int64]) -> None:
    """Begin with the commonest confusion."""
    if _TRUE not in st.session_state or _PREDICTED not in st.session_state:
        mistakes = counts * (1 - np.eye(len(EMOTIONS), dtype=np.int64))
        # Without mistakes, with the commonest cell.
        table = mistakes if mistakes.any() else counts
        row, column = np.unravel_index(int(table.argmax()), table.shape)
        st.session_state[_TRUE] = EMOTIONS[int(row)]
        st.session_state[_PREDICTED] = EMOTIONS[int(column)]


def _show_matrix(subject: Subject, counts: NDArray[np.int64]) -> None:
    scale = st.segmented_control(
        "Cells show",
        (_COUNTS, _OF_TRUE, _OF_PREDICTED),
        default=_COUNTS,
        required=True,
        key="confusion_scale",
        help="Of the true: each row adds up to 100 %, the diagonal is recall. Of the predicted: "
        "each column adds up to 100 %, the diagonal is precision.",
    )
    # Another matrix is another table: a selection belongs to the one that it was made in.
    key = f"confusion_{hash((subject.key, scale)) & 0xFFFFFFFF:x}"
    chosen = (EMOTIONS.index(st.session_state[_TRUE]), st.session_state[_PREDICTED])
    if key not in st.session_state:
        st.session_state[key] = _selection(chosen)
    st.session_state["confusion_table"] = key
    st.dataframe(
        _styled(counts, scale),
        key=key,
        on_select=_take_cell,
        selection_mode="single-cell",
        row_height=44,
        alt="Confusion matrix: rows are true emotions, columns predicted ones",
        column_config={
            "_index": st.column_config.TextColumn("true ↓ said →", width=_NAMES_WIDTH),
            **{emotion: st.column_config.NumberColumn(width=_CELL_WIDTH) for emotion in EMOTIONS},
        },
    )
    st.caption(
        "Rows are true emotions, columns what the model says. Choose a cell with the pointer, a "
        "finger or the arrow keys, or by name: the faces behind it are shown, those first of which "
        "the model is surest."
    )


def _selection(cell: tuple[int, str]) -> dict[str, Any]:
    return {"selection": {"rows": [], "columns": [], "cells": [cell]}}


def _take_cell() -> None:
    """The table's cell becomes the choice; without one the last choice stays."""
    state = st.session_state[st.session_state["confusion_table"]]
    for row, column in state["selection"]["cells"]:
        if column in EMOTIONS:
            st.session_state[_TRUE] = EMOTIONS[row]
            st.session_state[_PREDICTED] = column


def _take_names() -> None:
    """What was chosen by name is marked in the table."""
    cell = (EMOTIONS.index(st.session_state[_TRUE]), st.session_state[_PREDICTED])
    st.session_state[st.session_state["confusion_table"]] = _selection(cell)


def _styled(counts: NDArray[np.int64], scale: str) -> Any:
    """The matrix with cells coloured by their share, darker or lighter than any page."""
    names = list(EMOTIONS)
    by: Literal["row", "column"] = "column" if scale == _OF_PREDICTED else "row"
    shares = normalized_confusion(counts, by)
    values = counts if scale == _COUNTS else 100 * shares
    colors = [
        [
            # Laid thinly over the page's own background, it leaves the page's own text readable.
            "" if np.isnan(share) else f"background-color: rgba(0, 114, 178, {0.8 * share:.3f})"
            for share in row
        ]
        for row in shares
    ]
    table = pd.DataFrame(values, index=pd.Index(names, name="true"), columns=names)
    style = table.style.apply(
        lambda _: pd.DataFrame(colors, index=table.index, columns=names), axis=None
    )
    return style.format("{:,.0f}" if scale == _COUNTS else "{:.0f} %", na_rep="none")


def _show_cell(subject: Subject, counts: NDArray[np.int64]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        true = st.selectbox("True", EMOTIONS, key=_TRUE, on_change=_take_names, width=160)
        said = st.selectbox(
            "Model says", EMOTIONS, key=_PREDICTED, on_change=_take_names, width=160
        )
    row, column = EMOTIONS.index(true), EMOTIONS.index(said)
    count, of_true, of_said = counts[row, column], counts[row].sum(), counts[:, column].sum()
    if not count:
        st.info(f"No {true} image is read as {said} here.", icon=":material/search_off:")
        return
    st.markdown(
        f"**{count:,} {true} image{'' if count == 1 else 's'} read as {said}**: "
        f"{100 * count / of_true:.0f} % of the {of_true:,} {true} ones, "
        f"{100 * count / of_said:.0f} % of the {of_said:,} read as {said}."
    )
    need_pictures(subject, "To see their faces")
    positions = figures_of(subject, cell_positions, row, column)
    show_positions(subject, positions, key="cell", page_size=_ON_PAGE)
