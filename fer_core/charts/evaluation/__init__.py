"""Charts of an evaluation: how good, where it fails, whether its probabilities can be believed."""

from fer_core.charts.evaluation.calibration import coverage_lines, reliability_diagram
from fer_core.charts.evaluation.comparison import difference_intervals
from fer_core.charts.evaluation.conditions import robustness_lines, slice_points
from fer_core.charts.evaluation.confusion import confusion_heatmap
from fer_core.charts.evaluation.headline import headline_intervals
from fer_core.charts.evaluation.in_report import report_figures
from fer_core.charts.evaluation.per_class import (
    class_intervals,
    precision_recall_lines,
    roc_lines,
    threshold_lines,
)

__all__ = [
    "class_intervals",
    "confusion_heatmap",
    "coverage_lines",
    "difference_intervals",
    "headline_intervals",
    "precision_recall_lines",
    "reliability_diagram",
    "report_figures",
    "robustness_lines",
    "roc_lines",
    "slice_points",
    "threshold_lines",
]
