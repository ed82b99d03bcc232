"""The confusion matrix as a custom component of the page. The user can select its cells."""

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

Scale = Literal["counts", "row", "column"]

#: Keys of the component and of the container around it.
_KEY, _CONTAINER_KEY = "confusion_matrix", "confusion_place"
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
    # With a line break, Streamlit treats the string as HTML. Without it, Streamlit could take the
    # string for a path.
    html='<div class="confusion-matrix">\n</div>',
    css=_STYLE,
    js=_SCRIPT,
    # The component gets no shadow root. The script that downloads charts as pictures would not find
    # the matrix inside a shadow root.
    isolate_styles=False,
)


def show_confusion_matrix(
    counts: NDArray[np.int64],
    classes: Sequence[str],
    *,
    scale: Scale,
    selected: tuple[int, int],
    on_select: Callable[[int, int], None],
    file_stem: str,
) -> None:
    """Draw the matrix with the totals of its rows and columns.

    Args:
        counts: int64 ``[classes, classes]``, rows true, columns predicted.
        classes: Class names in order.
        scale: What the cells show: counts, or their share of the row or of the column.
        selected: Row and column of the selected cell.
        on_select: Callback that receives the row and the column of a cell that the user selects.
        file_stem: The name of downloaded files, without suffix.
    """

    def report_selection() -> None:
        # The browser may send anything, also a cell outside the matrix.
        match st.session_state[_KEY].cell:
            case [int(row), int(column)] if 0 <= row < len(classes) and 0 <= column < len(classes):
                on_select(row, column)

    with (
        chart_frame(
            "Confusion matrix",
            key=_KEY,
            table=lambda: confusion_csv(counts, classes),
            caption="Rows are true classes, columns are predicted classes. The color shows the "
            f"share of the {_normalizing_class(scale)}.",
            file=file_stem,
        ),
        st.container(key=_CONTAINER_KEY, gap=None),
    ):
        # app.css reserves the height of the matrix in this container until the browser has loaded
        # the component.
        _component(
            key=_KEY,
            data=matrix_data(counts, classes, scale) | {"selected": selected},
            on_cell_change=report_selection,
        )


def matrix_data(counts: NDArray[np.int64], classes: Sequence[str], scale: Scale) -> dict[str, Any]:
    """Return the data of the component, except "selected"; see ``confusion_matrix.js``.

    Args:
        counts: int64 ``[classes, classes]``, rows true, columns predicted.
        classes: Class names in order.
        scale: What the cells show.
    """
    by: Literal["row", "column"] = "column" if scale == "column" else "row"
    shares = normalized_confusion(counts, by)
    share_of = f"of the {_normalizing_class(scale)}"
    # JSON has no NaN.
    json_shares = [[None if np.isnan(share) else float(share) for share in line] for line in shares]
    cells = counts.tolist()
    return {
        "title": "Confusion matrix: rows are true classes, columns predicted ones",
        "classes": list(classes),
        "shares": json_shares,
        "texts": [[f"{count:,}" for count in line] for line in cells]
        if scale == "counts"
        else [
            ["" if share is None else f"{100 * share:.0f} %" for share in line]
            for line in json_shares
        ],
        "labels": [
            [
                f"{true} predicted as {predicted}: {counted(count, 'image')}"
                + ("" if share is None else f", {percent(share)} {share_of}")
                for predicted, count, share in zip(classes, line, line_shares, strict=True)
            ]
            for true, line, line_shares in zip(classes, cells, json_shares, strict=True)
        ],
        "rows": [f"{total:,}" for total in counts.sum(axis=1).tolist()],
        "columns": [f"{total:,}" for total in counts.sum(axis=0).tolist()],
        "total": f"{int(counts.sum()):,}",
        "legend": f"share {share_of}",
    }


def _normalizing_class(scale: Scale) -> str:
    """Return what the shares refer to: "true class" or "predicted class".

    The colors show shares even if the cells show counts. They are then shares of the true class.
    """
    return "predicted class" if scale == "column" else "true class"


def confusion_csv(counts: NDArray[np.int64], classes: Sequence[str]) -> str:
    """Return the counts and totals as the text of a CSV file, a row per true class."""
    rows = [[name, *line, sum(line)] for name, line in zip(classes, counts.tolist(), strict=True)]
    columns = counts.sum(axis=0).tolist()
    return csv_text(["true", *classes, "total"], [*rows, ["total", *columns, sum(columns)]])
