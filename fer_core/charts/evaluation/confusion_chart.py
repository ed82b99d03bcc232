"""The confusion matrix as a heat map, for the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fer_core.charts.labels import height_for, plotly_texts
from fer_core.charts.style import MARGIN
from fer_core.evaluation.confusion import normalized_confusion

if TYPE_CHECKING:
    import plotly.graph_objects as go


def confusion_heatmap(counts: NDArray[np.int64], classes: Sequence[str]) -> go.Figure:
    """Plot the number of images in each cell. The color shows the share of the row.

    Args:
        counts: int64 ``[classes, classes]``. Rows are true classes, columns are predicted classes.
        classes: Class names in order.
    """
    import plotly.graph_objects as go

    shares = normalized_confusion(counts, "row")
    names = plotly_texts(classes)
    figure = go.Figure(
        go.Heatmap(
            z=100 * shares,
            x=names,
            y=names,
            text=[[f"{count:,}" for count in row] for row in counts.tolist()],
            texttemplate="%{text}",
            textfont={"size": 12 if len(names) <= 12 else 9},
            zmin=0,
            zmax=100,
            colorscale=[[0, "rgba(0, 114, 178, 0.03)"], [1, "rgba(0, 114, 178, 0.8)"]],
            colorbar={"title": {"text": "share of the row"}, "ticksuffix": " %", "thickness": 12},
            hovertemplate="true %{y}, predicted %{x}: %{text} images, %{z:.1f} % of the row"
            "<extra></extra>",
            xgap=1,
            ygap=1,
        )
    )
    figure.update_layout(
        height=height_for(len(names), usual_height=460, per_class=28),
        margin=MARGIN,
        xaxis={"title": {"text": "predicted", "standoff": 12}, "fixedrange": True},
        yaxis={
            "title": {"text": "true", "standoff": 12},
            "autorange": "reversed",
            "fixedrange": True,
        },
    )
    return figure
