"""The overall metrics on one scale, with the majority-class baseline and human accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fer_core.charts.style import (
    FIRST_COLOR,
    GRAY,
    MARGIN,
    as_percent,
    percent_axis,
    percent_text,
    percent_whiskers,
)
from fer_core.evaluation.result import EvaluationResult

if TYPE_CHECKING:
    import plotly.graph_objects as go


def summary_intervals(result: EvaluationResult) -> go.Figure:
    """Plot accuracy, leak-free accuracy, balanced accuracy and top-2 accuracy with intervals.

    The leak-free accuracy is omitted if it is unknown, or if the split is train, because all images
    in train count as leaked. Undefined values have no point. A dashed line shows the
    majority-class baseline. If human accuracy is known, a band shows it. The line and the band are
    drawn only in the row of the accuracy, because the other metrics cannot be compared with them.
    """
    import plotly.graph_objects as go

    metrics = {"accuracy": result.accuracy}
    if result.leak_free_accuracy is not None and result.split != "train":
        metrics["leak-free accuracy"] = result.leak_free_accuracy
    metrics |= {
        "balanced accuracy": result.balanced_accuracy,
        "top-2 accuracy": result.top2_accuracy,
    }
    defined = {name: estimate for name, estimate in metrics.items() if estimate.value is not None}
    # The complete layout is passed at once. Updating a figure step by step takes several times as
    # long.
    return go.Figure(
        go.Scatter(
            x=as_percent(estimate.value for estimate in defined.values()),
            y=list(defined),
            mode="markers",
            marker={"size": 11, "color": FIRST_COLOR},
            error_x=percent_whiskers(list(defined.values()), FIRST_COLOR),
            customdata=[percent_text(estimate) for estimate in defined.values()],
            hovertemplate="%{y}: %{customdata}<extra></extra>",
        ),
        layout={
            "height": 126 + 34 * len(metrics),
            "margin": MARGIN | {"t": 44},
            "showlegend": False,
            "xaxis": percent_axis("share of the images"),
            "yaxis": {
                "autorange": "reversed",
                "type": "category",
                "ticksuffix": "  ",
                "fixedrange": True,
            },
            "shapes": _reference_shapes(result),
            "annotations": _reference_labels(result),
        },
    )


#: The accuracy is the first category, so its center is at 0. Each category is 1 high.
_ACCURACY_ROW = {"yref": "y", "y0": -0.5, "y1": 0.5}


def _reference_shapes(result: EvaluationResult) -> list[dict[str, Any]]:
    baseline = 100 * result.baseline_accuracy
    line = {"color": GRAY, "dash": "dash", "width": 2}
    shapes = [{**_ACCURACY_ROW, "type": "line", "x0": baseline, "x1": baseline, "line": line}]
    if result.human_accuracy is not None:
        _, low, high = (100 * share for share in result.human_accuracy)
        style = {"fillcolor": GRAY, "opacity": 0.25, "line_width": 0}
        shapes.append({**_ACCURACY_ROW, **style, "type": "rect", "x0": low, "x1": high})
    return shapes


def _reference_labels(result: EvaluationResult) -> list[dict[str, Any]]:
    baseline = 100 * result.baseline_accuracy
    style = {"yref": "paper", "y": 1, "yanchor": "bottom", "showarrow": False}
    labels = [{**style, "x": baseline, "text": f"majority-class<br>baseline {baseline:.1f} %"}]
    if result.human_accuracy is not None:
        middle, _, high = (100 * share for share in result.human_accuracy)
        text = f"humans<br>{middle:.0f} ± {high - middle:.0f} %"
        labels.append({**style, "x": middle, "text": text})
    return labels
