"""The confusion matrix as an element of the page whose cells can be selected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fer_core.csv_text import csv_text
from fer_core.evaluation.confusion import normalized_confusion
from fer_core.metrics.formatting import percent
from fer_core.phrases import counted
from fer_studio.ui.charts import chart_frame
from fer_studio.ui.style import style_container

Scale = Literal["counts", "row", "column"]

_KEY, _PLACE = "confusion_matrix", "confusion_place"
_SCRIPT = (Path(__file__).parents[1] / "assets" / "confusion_matrix.js").read_text(encoding="utf-8")
_STYLE = """
.confusion-matrix { width: 100%; overflow-x: auto; color: var(--st-text-color); }
.confusion-matrix svg { display: block; }
.confusion-matrix .cell { cursor: pointer; outline: none; }
.confusion-matrix .cell:hover rect { stroke-width: 1.5px; }
.confusion-matrix .cell:focus-visible rect { stroke: var(--st-primary-color); stroke-width: 3px; }
"""

_component = st.components.v2.component(
    "fer_studio_confusion_matrix",
    html='<div class="confusion-matrix">\n</div>',
    css=_STYLE,
    js=_SCRIPT,
    # In the page itself, where the download of the picture finds it.
    isolate_styles=False,
)


def show_confusion_matrix(
    counts: NDArray[np.int64],
    classes: Sequence[str],
    *,
    scale: Scale,
    selected: tuple[int, int],
    on_select: Callable[[int, int], None],
    file: str,
) -> None:
    """Draw the matrix with the totals of its rows and columns.

    Args:
        counts: int64 ``[classes, classes]``, rows true, columns predicted.
        classes: Class names in order.
        scale: What the cells show: counts, or their share of the row or of the column.
        selected: Row and column of the selected cell.
        on_select: Called with the row and the column of a cell when it is selected; a callback.
        file: The name of downloaded files, without suffix.
    """

    def notice() -> None:
        row, column = st.session_state[_KEY].cell
        if 0 <= row < len(classes) and 0 <= column < len(classes):
            on_select(row, column)

    whole = "true" if scale != "column" else "predicted"
    with (
        chart_frame(
            "Confusion matrix",
            key=_KEY,
            table=lambda: confusion_csv(counts, classes),
            caption="Rows are true classes, columns predicted ones; the color is the share of the "
            f"{whole} class.",
            file=file,
        ),
        st.container(key=_PLACE, gap=None),
    ):
        # The place of the matrix, until the browser has loaded the element.
        style_container(_PLACE, "aspect-ratio: 0.97;")
        _component(
            key=_KEY,
            data=matrix_data(counts, classes, scale) | {"selected": selected},
            on_cell_change=notice,
        )


def matrix_data(counts: NDArray[np.int64], classes: Sequence[str], scale: Scale) -> dict[str, Any]:
    """Return the texts, colors and labels of the matrix, as ``confusion_matrix.js`` takes them.

    Args:
        counts: int64 ``[classes, classes]``, rows true, columns predicted.
        classes: Class names in order.
        scale: What the cells show.
    """
    by: Literal["row", "column"] = "column" if scale == "column" else "row"
    shares = normalized_confusion(counts, by)
    whole = "predicted" if by == "column" else "true"
    known = [[None if np.isnan(share) else float(share) for share in line] for line in shares]
    cells = counts.tolist()
    return {
        "title": "Confusion matrix: rows are true classes, columns predicted ones",
        "classes": list(classes),
        "shares": known,
        "texts": [[f"{count:,}" for count in line] for line in cells]
        if scale == "counts"
        else [
            ["" if share is None else f"{100 * share:.0f} %" for share in line] for line in known
        ],
        "labels": [
            [
                f"{true} predicted as {predicted}: {counted(count, 'image')}"
                + ("" if share is None else f", {percent(share)} of the {whole} class")
                for predicted, count, share in zip(classes, line, line_shares, strict=True)
            ]
            for true, line, line_shares in zip(classes, cells, known, strict=True)
        ],
        "rows": [f"{total:,}" for total in counts.sum(axis=1).tolist()],
        "columns": [f"{total:,}" for total in counts.sum(axis=0).tolist()],
        "total": f"{int(counts.sum()):,}",
        "legend": f"share of the {whole} class",
    }


def confusion_csv(counts: NDArray[np.int64], classes: Sequence[str]) -> str:
    """Return the counts and totals as the text of a CSV file, a row per true class."""
    rows = [[name, *line, sum(line)] for name, line in zip(classes, counts.tolist(), strict=True)]
    columns = counts.sum(axis=0).tolist()
    return csv_text(["true", *classes, "total"], [*rows, ["total", *columns, sum(columns)]])
