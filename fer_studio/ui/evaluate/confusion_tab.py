"""The confusion matrix tab, with the images behind the selected cell."""

from __future__ import annotations

import numpy as np
import streamlit as st

from fer_core.evaluation.confusion import cell_positions
from fer_core.evaluation.result import EvaluationResult
from fer_core.phrases import counted
from fer_studio.ui.evaluate.confusion_matrix import Scale, show_confusion_matrix
from fer_studio.ui.evaluate.evaluations import LoadedEvaluation
from fer_studio.ui.evaluate.faces import explain_missing_images, show_images
from fer_studio.ui.guard import section
from fer_studio.ui.persistent_widgets import persist_choice, persistent_segments
from fer_studio.ui.text import plain_text

_SCALES: dict[str, Scale] = {
    "Counts": "counts",
    "Share of true": "row",
    "Share of predicted": "column",
}
#: Session keys of the true and the predicted class of the selected cell.
_TRUE, _PREDICTED = "cell_true", "cell_predicted"
#: Width of the matrix in CSS pixels; on narrower screens, the matrix is as wide as the page.
_MATRIX_WIDTH = 680


@section
def show_confusion(evaluation: LoadedEvaluation) -> None:
    """Show the matrix and the images of the selected cell."""
    _select_first_cell(evaluation.result)
    # The matrix and the images are side by side on a wide screen, and stacked on a phone.
    with st.container(horizontal=True, gap="medium"):
        with st.container(width=_MATRIX_WIDTH):
            _show_matrix(evaluation)
        with st.container(width="stretch"):
            _show_cell(evaluation)


def _select_first_cell(result: EvaluationResult) -> None:
    """Select the most frequent confusion if no cell is selected yet."""
    # The diagonal is set to 0, so that only mistakes are counted.
    mistakes = result.confusion * (1 - np.eye(len(result.classes), dtype=np.int64))
    # If there are no mistakes, the largest cell of the diagonal is selected.
    counts = mistakes if mistakes.any() else result.confusion
    for key, name, index in zip(
        (_TRUE, _PREDICTED),
        ("true", "predicted"),
        np.unravel_index(int(counts.argmax()), counts.shape),
        strict=True,
    ):
        persist_choice(
            key,
            result.classes,
            name=name,
            noun=f"{name} class",
            default=result.classes[int(index)],
            is_always_shown=True,
        )


def _show_matrix(evaluation: LoadedEvaluation) -> None:
    result = evaluation.result
    scale = persistent_segments(
        "Cells show",
        list(_SCALES),
        key="confusion_scale",
        name="cells",
        noun="content of the cells",
        help="Share of true: each row sums to 100 %, the diagonal is the recall. Share of "
        "predicted: each column sums to 100 %, the diagonal is the precision.",
    )

    def select(row: int, column: int) -> None:
        st.session_state[_TRUE] = result.classes[row]
        st.session_state[_PREDICTED] = result.classes[column]

    show_confusion_matrix(
        result.confusion,
        result.classes,
        scale=_SCALES[scale],
        selected=(
            result.classes.index(st.session_state[_TRUE]),
            result.classes.index(st.session_state[_PREDICTED]),
        ),
        on_select=select,
        file_stem=f"{evaluation.bundle.name}-confusion-matrix",
    )


def _show_cell(evaluation: LoadedEvaluation) -> None:
    classes, counts = evaluation.result.classes, evaluation.result.confusion
    with st.container(horizontal=True, vertical_alignment="bottom"):
        true, predicted = (
            st.selectbox(title, classes, key=key, width=160)
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
    if evaluation.faces is None:
        explain_missing_images("To see their faces")
    positions = cell_positions(evaluation.result, row, column)
    show_images(evaluation, positions, key="cell")
