"""Show the images of an evaluation, or the predictions of an evaluation without images."""

from __future__ import annotations

import contextlib

import streamlit as st
from numpy import intp
from numpy.typing import NDArray

from fer_core.classes import class_columns, match_class
from fer_core.errors import InputError
from fer_studio.ui.curating import (
    CurationState,
    SelectedImages,
    curation_state,
    offer_decisions,
)
from fer_studio.ui.datasets import LoadedDataset
from fer_studio.ui.decision_bar import show_decision_bar
from fer_studio.ui.evaluate.evaluations import LoadedEvaluation
from fer_studio.ui.evaluate.image_dialog import SOURCE, open_image
from fer_studio.ui.gallery import PAGE_SIZE, FaceTexts, choose_faces, selected_faces, show_gallery
from fer_studio.ui.tables import percent_column, table_height
from fer_studio.ui.text import plain_text

#: Maximum number of rows in the table of predictions.
_MAX_TABLE_ROWS = 500


def explain_missing_images(purpose: str) -> None:
    """Say that the evaluation has no images, and how to get them.

    Args:
        purpose: Start of the sentence that is shown, such as "To see their faces".
    """
    st.info(
        f"{purpose}, choose a dataset above. The predictions stored in a model have no images.",
        icon=":material/image:",
    )


def show_images(
    evaluation: LoadedEvaluation, positions: NDArray[intp], *, key: str, page_size: int = PAGE_SIZE
) -> None:
    """Show images in a gallery; if the evaluation has no images, show the predictions in a table.

    Args:
        evaluation: The evaluation.
        positions: Positions of the images in the result of the evaluation, in the order to show.
        key: Key of the widgets. A hash of the images is appended, so that a gallery of different
            images starts on its first page.
        page_size: Images per page.
    """
    dataset = evaluation.dataset
    if dataset is None:
        _show_table(evaluation, positions, key)
        return
    is_choosing = st.toggle(
        "Select several",
        key=f"{key}_several",
        help="Select faces with checkboxes, and drop, relabel or keep them together.",
    )
    key = f"{key}_{hash((evaluation.key, positions.tobytes())) & 0xFFFFFFFF:x}"
    if is_choosing:
        _choose_several(evaluation, dataset, positions, key, page_size)
    else:
        _show_pages(evaluation, dataset, positions, key, page_size)
    # If the decisions cannot be read, the warning above already says so.
    with contextlib.suppress(InputError):
        show_decision_bar(dataset)


def _texts(
    evaluation: LoadedEvaluation, dataset: LoadedDataset, position_by_row: dict[int, int]
) -> FaceTexts:
    """Return what a gallery shows of each face: true and predicted class, confidence, decision."""
    state = _decisions(dataset)
    return FaceTexts(
        caption=lambda row: evaluation.prediction_text(position_by_row[row]),
        alternative_text=lambda row: (
            f"{dataset.faces.names[row]}, {evaluation.prediction_text(position_by_row[row])}"
        ),
        mark=lambda row: "" if state is None else state.mark(row),
    )


def _show_pages(
    evaluation: LoadedEvaluation,
    dataset: LoadedDataset,
    positions: NDArray[intp],
    key: str,
    page_size: int,
) -> None:
    """Show a gallery of faces; a click on a face opens it in the drawer."""
    dataset_rows = evaluation.dataset_rows
    position_by_row = {int(dataset_rows[position]): int(position) for position in positions}
    show_gallery(
        dataset.faces.images,
        dataset_rows[positions],
        _texts(evaluation, dataset, position_by_row),
        key=key,
        open_face=lambda row, _: open_image(evaluation, positions, position_by_row[row]),
        page_size=page_size,
    )


def _choose_several(
    evaluation: LoadedEvaluation,
    dataset: LoadedDataset,
    positions: NDArray[intp],
    key: str,
    page_size: int,
) -> None:
    """Show faces with checkboxes, and the decision buttons for the selected ones."""
    result, dataset_rows = evaluation.result, evaluation.dataset_rows
    # For each class of the model, its label in the dataset; None if the dataset has no such class.
    dataset_labels = [match_class(name, dataset.faces.classes) for name in result.classes]
    position_by_row = {int(dataset_rows[position]): int(position) for position in positions}
    key = f"{key}_choice"
    # The buttons are above the faces, so that they stay in view while faces are selected.
    offer_decisions(
        SelectedImages(
            dataset,
            tuple(selected_faces(dataset_rows[positions], key=key)),
            gallery_key=key,
            reason=f"predicted by {evaluation.bundle.name}",
            source=SOURCE,
            suggested={
                row: int(label)
                for row, position in position_by_row.items()
                if (label := dataset_labels[result.predicted[position]]) is not None
                and label != dataset.faces.labels[row]
            },
            is_model_suggestion=True,
        )
    )
    choose_faces(
        dataset.faces.images,
        dataset_rows[positions],
        _texts(evaluation, dataset, position_by_row),
        key=key,
        open_face=lambda row, _: open_image(evaluation, positions, position_by_row[row]),
        page_size=page_size,
    )


def _decisions(dataset: LoadedDataset) -> CurationState | None:
    """Return the decisions that mark the faces; warn and return None if they cannot be read."""
    try:
        return curation_state(dataset)
    except InputError as error:
        st.warning(plain_text(str(error)), icon=":material/warning:")
        return None


def _show_table(evaluation: LoadedEvaluation, positions: NDArray[intp], key: str) -> None:
    """Show labels and predictions as a table, for an evaluation without images."""
    result = evaluation.result
    listed_positions = positions[:_MAX_TABLE_ROWS]
    columns = class_columns(result.classes, ("Image", "True", "Predicted", "Confidence"))
    st.dataframe(
        [
            {
                "Image": int(result.rows[position]),
                "True": result.classes[result.labels[position]],
                "Predicted": result.classes[result.predicted[position]],
                "Confidence": 100 * float(result.confidence[position]),
                **{
                    name: 100 * float(result.probabilities[position, index])
                    for index, name in enumerate(columns)
                },
            }
            for position in listed_positions
        ],
        hide_index=True,
        height=table_height(len(listed_positions), maximum=400),
        key=f"{key}_rows",
        alt="Images with their true and predicted classes and all probabilities",
        column_config={title: percent_column() for title in ("Confidence", *columns)},
    )
    if len(positions) > len(listed_positions):
        st.caption(
            f"The first {len(listed_positions):,} of {len(positions):,} rows; the CSV in the tab "
            "Report contains all rows."
        )
