"""The charts of the HTML report, with titles and captions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_core.charts.evaluation.calibration_charts import coverage_lines, reliability_diagram
from fer_core.charts.evaluation.confusion_chart import confusion_heatmap
from fer_core.charts.evaluation.per_class_charts import (
    METRIC_TITLES,
    class_intervals,
    precision_recall_lines,
    roc_lines,
)
from fer_core.charts.evaluation.robustness_charts import robustness_lines, slice_points
from fer_core.charts.evaluation.summary_chart import summary_intervals
from fer_core.evaluation.result import EvaluationResult
from fer_core.phrases import capitalized

if TYPE_CHECKING:
    import plotly.graph_objects as go

#: The minimum confidence marked in the coverage chart, which has no slider in the report.
_MARKED_CONFIDENCE = 0.5


def report_figures(result: EvaluationResult) -> list[tuple[str, str, go.Figure]]:
    """Return title, caption and figure of each chart of the report, in order.

    Args:
        result: The evaluation; charts of slices and robustness are included if it has them.
    """
    figures = [
        (
            "Summary",
            "Points with 95 % bootstrap intervals. Dashed: majority-class baseline.",
            summary_intervals(result),
        )
    ]
    for name, title in METRIC_TITLES.items():
        figures.append(
            (
                f"{capitalized(title)} per class",
                "Points with 95 % bootstrap intervals.",
                class_intervals(result.per_class, name),
            )
        )
    figures.append(
        (
            "Confusion matrix",
            "Rows are true classes, columns predicted ones; the color is the share of the row.",
            confusion_heatmap(result.confusion, result.classes),
        )
    )
    if any(class_result.roc is not None for class_result in result.per_class):
        figures.append(("ROC curves", "Each class against the rest.", roc_lines(result.per_class)))
    if any(class_result.precision_recall is not None for class_result in result.per_class):
        figures.append(
            (
                "Precision and recall",
                "Each class against the rest, by decreasing threshold on its probability.",
                precision_recall_lines(result.per_class),
            )
        )
    figures += [
        (
            "Calibration",
            "Accuracy of the calibrated model in bins of equal count, with Wilson's 95 % "
            "intervals. The dashed line is perfect calibration.",
            reliability_diagram(result.calibration.calibrated),
        ),
        (
            "Accuracy and coverage",
            "Share and accuracy of the predictions that reach a minimum confidence.",
            coverage_lines(result.coverage, _MARKED_CONFIDENCE),
        ),
    ]
    overall = float(result.is_correct.mean())
    for slicing in result.slicings:
        figures.append(
            (
                f"Accuracy by {slicing.title.lower()}",
                "Slices of nearly equal size, with Wilson's 95 % intervals. Dashed: all images.",
                slice_points(slicing, overall),
            )
        )
    for curve in result.robustness:
        figures.append(
            (
                f"Robustness: {curve.title.lower()}",
                f"Accuracy on {curve.n:,} of the images, unchanged on the left, with Wilson's "
                "95 % intervals.",
                robustness_lines(curve),
            )
        )
    return figures
