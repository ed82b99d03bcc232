"""The confusion matrix tab, with the images behind the selected cell."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from fer_core.evaluation.confusion import cell_positions, normalized_confusion
from fer_core.evaluation.result import EvaluationResult
from fer_core.phrases import counted
from fer_studio.ui.evaluate.evaluations import LoadedEvaluation
from fer_studio.ui.evaluate.faces import require_images, show_positions
from fer_studio.ui.guard import section
from fer_studio.ui.kept import keep_choice, kept_segments
from fer_studio.ui.text import plain_text

_COUNTS = "Counts"
_BY_ROW = "Share of true"
_BY_COLUMN = "Share of predicted"
_TRUE, _PREDICTED = "cell_true", "cell_predicted"
_PAGE_SIZE = 20
#: Widths in screen pixels: the whole matrix, the column of row names, each of the other columns.
_MATRIX_WIDTH, _NAMES_WIDTH, _CELL_WIDTH = 520, 92, 60


@section
def show_confusion(evaluation: LoadedEvaluation) -> None:
    """Show the matrix and the images of the selected cell."""
    _select_first_cell(evaluation.result)
    # Side by side on a wide screen, one below the other on a phone.
    with st.container(horizontal=True, gap="medium"):
        with st.container(width=_MATRIX_WIDTH):
            _show_matrix(evaluation)
        with st.container(width="stretch"):
            _show_cell(evaluation)


def _select_first_cell(result: EvaluationResult) -> None:
    """Select the most frequent confusion, unless a cell was selected before."""
    mistakes = result.confusion * (1 - np.eye(len(result.classes), dtype=np.int64))
    # If there are no mistakes, the most frequent cell is selected.
    table = mistakes if mistakes.any() else result.confusion
    for key, name, index in zip(
        (_TRUE, _PREDICTED),
        ("true", "predicted"),
        np.unravel_index(int(table.argmax()), table.shape),
        strict=True,
    ):
        keep_choice(
            key,
            result.classes,
            name=name,
            noun=f"{name} class",
            default=result.classes[int(index)],
            is_always_shown=True,
        )


def _show_matrix(evaluation: LoadedEvaluation) -> None:
    classes = evaluation.result.classes
    scale = kept_segments(
        "Cells show",
        (_COUNTS, _BY_ROW, _BY_COLUMN),
        key="confusion_scale",
        name="cells",
        noun="kind of cells",
        help="Share of true: each row sums to 100 %, the diagonal is the recall. Share of "
        "predicted: each column sums to 100 %, the diagonal is the precision.",
    )
    # A different matrix gets a new table, because a selection belongs to its table.
    key = f"confusion_{hash((evaluation.key, scale)) & 0xFFFFFFFF:x}"
    chosen = (classes.index(st.session_state[_TRUE]), st.session_state[_PREDICTED])
    if key not in st.session_state:
        st.session_state[key] = _selection(chosen)
    st.session_state["confusion_table"] = key
    st.dataframe(
        _styled(evaluation.result, scale),
        key=key,
        on_select=lambda: _on_cell_selected(classes),
        selection_mode="single-cell",
        row_height=44,
        alt="Confusion matrix: rows are true classes, columns predicted ones",
        column_config={
            "_index": st.column_config.TextColumn("true ↓ pred. →", width=_NAMES_WIDTH),
            **{name: st.column_config.NumberColumn(width=_CELL_WIDTH) for name in classes},
        },
    )
    st.caption(
        "Rows are true classes, columns predicted ones. Select a cell with the pointer or the "
        "arrow keys, or by name, to see its images, highest confidence first."
    )


def _selection(cell: tuple[int, str]) -> dict[str, Any]:
    return {"selection": {"rows": [], "columns": [], "cells": [cell]}}


def _on_cell_selected(classes: tuple[str, ...]) -> None:
    """Copy the selected cell of the table; if it was deselected, keep the last selection."""
    state = st.session_state[st.session_state["confusion_table"]]
    for row, column in state["selection"]["cells"]:
        if column in classes:
            st.session_state[_TRUE] = classes[row]
            st.session_state[_PREDICTED] = column


def _on_names_selected(classes: tuple[str, ...]) -> None:
    """Select the cell that was chosen by name in the table."""
    cell = (classes.index(st.session_state[_TRUE]), st.session_state[_PREDICTED])
    st.session_state[st.session_state["confusion_table"]] = _selection(cell)


def _styled(result: EvaluationResult, scale: str) -> Any:
    """The matrix with cells colored by their share."""
    names = list(result.classes)
    by: Literal["row", "column"] = "column" if scale == _BY_COLUMN else "row"
    shares = normalized_confusion(result.confusion, by)
    values: NDArray[Any] = result.confusion if scale == _COUNTS else 100 * shares
    colors = [
        [
            # Semitransparent, so the text stays readable in the light and the dark theme.
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


def _show_cell(evaluation: LoadedEvaluation) -> None:
    classes, counts = evaluation.result.classes, evaluation.result.confusion
    with st.container(horizontal=True, vertical_alignment="bottom"):
        true, predicted = (
            st.selectbox(
                title, classes, key=key, on_change=_on_names_selected, args=(classes,), width=160
            )
            for title, key in (("True", _TRUE), ("Predicted", _PREDICTED))
        )
    true_text, predicted_text = plain_text(true), plain_text(predicted)
    row, column = classes.index(true), classes.index(predicted)
    count, row_total, column_total = counts[row, column], counts[row].sum(), counts[:, column].sum()
    if not count:
        st.info(
            f"No {true_text} image is predicted as {predicted_text}.", icon=":material/search_off:"
        )
        return
    st.markdown(
        f"**{counted(count, f'{true_text} image')} predicted as "
        f"{predicted_text}**: {100 * count / row_total:.0f} % of the {row_total:,} {true_text} "
        f"images, {100 * count / column_total:.0f} % of the {column_total:,} predicted as "
        f"{predicted_text}."
    )
    require_images(evaluation, "To see their faces")
    positions = cell_positions(evaluation.result, row, column)
    show_positions(evaluation, positions, key="cell", page_size=_PAGE_SIZE)
