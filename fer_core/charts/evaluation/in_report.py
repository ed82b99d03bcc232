"""Which charts a report holds, in which order, and what stands below them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_core.charts.evaluation.calibration import coverage_lines, reliability_diagram
from fer_core.charts.evaluation.conditions import robustness_lines, slice_points
from fer_core.charts.evaluation.confusion import confusion_heatmap
from fer_core.charts.evaluation.headline import headline_intervals
from fer_core.charts.evaluation.per_class import (
    FIGURE_TITLES,
    class_intervals,
    precision_recall_lines,
    roc_lines,
)
from fer_core.evaluation.assessment import Assessment

if TYPE_CHECKING:
    import plotly.graph_objects as go

#: The confidence that the coverage chart marks in print, where no slider can be moved.
_MARKED_CONFIDENCE = 0.5


def report_figures(assessment: Assessment) -> list[tuple[str, str, go.Figure]]:
    """Title, caption and figure of each chart of a report, in order.

    Args:
        assessment: What is reported; charts of what it does not hold are left out.
    """
    figures = [
        (
            "Headline",
            "Points with 95 % bootstrap intervals. Dashed: always naming the largest class.",
            headline_intervals(assessment.headline),
        )
    ]
    for name, title in FIGURE_TITLES.items():
        figures.append(
            (
                f"{title[:1].upper()}{title[1:]} per emotion",
                "Points with 95 % bootstrap intervals.",
                class_intervals(assessment.classes, name),
            )
        )
    figures.append(
        (
            "Confusion matrix",
            "Rows are true emotions, columns predicted ones; colour is the share of the row.",
            confusion_heatmap(assessment.confusion),
        )
    )
    if any(one.roc is not None for one in assessment.classes):
        figures.append(
            ("ROC curves", "Each emotion against the rest.", roc_lines(assessment.classes))
        )
    if any(one.precision_recall is not None for one in assessment.classes):
        figures.append(
            (
                "Precision and recall",
                "Each emotion against the rest, as the threshold on its probability falls.",
                precision_recall_lines(assessment.classes),
            )
        )
    figures += [
        (
            "Calibration in force",
            "Accuracy in bins of equal count, with Wilson's 95 % intervals. On the dashed line "
            "probabilities mean what they say.",
            reliability_diagram(assessment.calibration.in_force),
        ),
        (
            "Accuracy and coverage",
            "What remains, and how right it is, when the model may say that it is unsure.",
            coverage_lines(assessment.coverage, _MARKED_CONFIDENCE),
        ),
    ]
    overall = float(assessment.result.is_correct.mean())
    for slicing in assessment.slicings:
        figures.append(
            (
                f"Accuracy by {slicing.title.lower()}",
                "Slices of nearly equal count, with Wilson's 95 % intervals. Dashed: all images.",
                slice_points(slicing, overall),
            )
        )
    for curve in assessment.robustness:
        figures.append(
            (
                f"Robustness: {curve.title.lower()}",
                f"Accuracy on {curve.n:,} of the images, untouched on the left, with Wilson's "
                "95 % intervals.",
                robustness_lines(curve),
            )
        )
    return figures
