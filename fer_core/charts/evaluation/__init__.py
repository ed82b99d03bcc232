"""Plotly charts of an evaluation: metrics, confusion matrix, calibration, robustness."""

from fer_core.charts.evaluation.calibration_charts import coverage_lines, reliability_diagram
from fer_core.charts.evaluation.comparison_chart import difference_intervals
from fer_core.charts.evaluation.confusion_chart import confusion_heatmap
from fer_core.charts.evaluation.per_class_charts import (
    class_intervals,
    precision_recall_lines,
    roc_lines,
    threshold_lines,
)
from fer_core.charts.evaluation.report_charts import report_figures
from fer_core.charts.evaluation.robustness_charts import robustness_lines, slice_points
from fer_core.charts.evaluation.summary_chart import summary_intervals

__all__ = [
    "class_intervals",
    "confusion_heatmap",
    "coverage_lines",
    "difference_intervals",
    "precision_recall_lines",
    "reliability_diagram",
    "report_figures",
    "robustness_lines",
    "roc_lines",
    "slice_points",
    "summary_intervals",
    "threshold_lines",
]
