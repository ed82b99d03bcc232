"""The charts of the HTML report, with captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fer_core.charts.evaluation.calibration_charts import coverage_lines, reliability_diagram
from fer_core.charts.evaluation.comparison_chart import difference_intervals
from fer_core.charts.evaluation.confusion_chart import confusion_heatmap
from fer_core.charts.evaluation.per_class_charts import (
    METRIC_TITLES,
    class_intervals,
    precision_recall_lines,
    roc_lines,
)
from fer_core.charts.evaluation.robustness_charts import robustness_lines, slice_points
from fer_core.charts.evaluation.summary_chart import summary_intervals
from fer_core.charts.labels import plotly_texts
from fer_core.charts.style import MARGIN
from fer_core.charts.training import accuracy_lines, loss_lines
from fer_core.classes import class_colors
from fer_core.evaluation.model_comparison import Comparison
from fer_core.evaluation.result import EvaluationResult
from fer_core.phrases import capitalized
from fer_core.training.run_folder import EpochRecord

if TYPE_CHECKING:
    import plotly.graph_objects as go

#: The minimum confidence that is marked in the coverage chart. Unlike the page, the report has no
#: slider for it.
_MARKED_CONFIDENCE = 0.5


def report_figures(
    result: EvaluationResult,
    *,
    training_counts: Mapping[str, int] | None = None,
    epochs: Sequence[EpochRecord] = (),
    comparison: Comparison | None = None,
) -> dict[str, list[tuple[str, go.Figure]]]:
    """Return pairs of a caption and a chart, by section of the report.

    Args:
        result: The evaluation. Charts of slices and robustness are included if it contains them.
        training_counts: Number of training images per class; None if unknown.
        epochs: The epochs of the model's training; empty if unknown.
        comparison: The comparison with a second model; None if there is no second model.
    """
    figures = {
        "summary": [
            (
                "Metrics with 95 % bootstrap intervals. Dashed: majority-class baseline.",
                summary_intervals(result),
            )
        ],
        "balance": [
            (
                "Share of each class in the evaluated images"
                + (" and in the training images (hatched)." if training_counts else "."),
                balance_bars(result, training_counts or {}),
            )
        ],
        "classes": _class_figures(result),
        "confusion": [
            (
                "Confusion matrix: rows are true classes, columns are predicted classes. The color "
                "shows the share of the row.",
                confusion_heatmap(result.confusion, result.classes),
            )
        ],
        "calibration": [
            (
                "Accuracy of the calibrated model in bins of equal count, with Wilson's 95 % "
                "intervals. The dashed line is perfect calibration.",
                reliability_diagram(result.calibration.calibrated),
            ),
            (
                "Share and accuracy of the predictions that reach a minimum confidence.",
                coverage_lines(result.coverage, _MARKED_CONFIDENCE),
            ),
        ],
        "slices": [
            (
                f"Accuracy by {slicing.title.lower()}, in slices of nearly equal size, with "
                "Wilson's 95 % intervals. Dashed: accuracy on all images.",
                slice_points(slicing, float(result.is_correct.mean())),
            )
            for slicing in result.slicings
        ],
        "robustness": [
            (
                f"{curve.title}: accuracy on {curve.n:,} of the images, with Wilson's 95 % "
                "intervals. The first point is the accuracy on the unchanged images.",
                robustness_lines(curve),
            )
            for curve in result.robustness
        ],
    }
    if comparison is not None:
        figures["comparison"] = [
            (
                f"Recall of {comparison.second_name} minus recall of {comparison.first_name}, with "
                "paired 95 % bootstrap intervals.",
                difference_intervals(comparison, "recall"),
            )
        ]
    if epochs:
        figures["training"] = [
            ("Accuracy in training and validation by epoch.", accuracy_lines(epochs)),
            ("Loss in training and validation by epoch.", loss_lines(epochs)),
        ]
    return figures


def _class_figures(result: EvaluationResult) -> list[tuple[str, go.Figure]]:
    figures = [
        (
            f"{capitalized(title)} per class, with 95 % bootstrap intervals.",
            class_intervals(result.per_class, name),
        )
        for name, title in METRIC_TITLES.items()
    ]
    if any(class_result.roc is not None for class_result in result.per_class):
        figures.append(("ROC curves: each class against the rest.", roc_lines(result.per_class)))
    if any(class_result.precision_recall is not None for class_result in result.per_class):
        figures.append(
            (
                "Precision and recall: each class against the rest, for decreasing thresholds on "
                "the probability of the class.",
                precision_recall_lines(result.per_class),
            )
        )
    return figures


def balance_bars(result: EvaluationResult, training_counts: Mapping[str, int]) -> go.Figure:
    """Draw the share of each class in the evaluated and in the training images, in percent.

    Args:
        result: The evaluation.
        training_counts: Number of training images per class; empty if unknown.
    """
    import plotly.graph_objects as go

    colors = [class_colors(result.classes)[name] for name in result.classes]
    series = {
        "evaluated": {class_result.name: class_result.support for class_result in result.per_class}
    }
    if training_counts:
        series["training"] = dict(training_counts)
    figure = go.Figure()
    for series_name, counts in series.items():
        total = max(sum(counts.values()), 1)
        pattern = {"shape": "/", "fgcolor": "#FFFFFF"} if series_name == "training" else {}
        figure.add_bar(
            x=plotly_texts(result.classes),
            y=[100 * counts.get(name, 0) / total for name in result.classes],
            name=series_name,
            marker={"color": colors, "pattern": pattern},
            customdata=[counts.get(name, 0) for name in result.classes],
            hovertemplate=f"%{{x}}, {series_name}: %{{customdata:,}} images, %{{y:.1f}} %"
            "<extra></extra>",
        )
    figure.update_layout(
        height=320,
        margin=MARGIN,
        barmode="group",
        showlegend=False,
        xaxis={"fixedrange": True},
        yaxis={"title": {"text": "share of the images"}, "ticksuffix": " %", "fixedrange": True},
    )
    return figure
