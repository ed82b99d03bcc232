"""Reliability diagram, and accuracy against coverage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_core.charts.evaluation.style import (
    FIRST,
    MARGIN,
    SECOND,
    ThresholdLine,
    diagonal,
    estimate_text,
    lines_by_threshold,
    percent_axis,
    whiskers,
)
from fer_core.evaluation.calibration_analysis import CalibrationState
from fer_core.evaluation.coverage import CoverageCurve

if TYPE_CHECKING:
    import plotly.graph_objects as go


def reliability_diagram(state: CalibrationState) -> go.Figure:
    """Plot accuracy against confidence in bins of equal count, with the diagonal as reference."""
    import plotly.graph_objects as go

    figure = go.Figure(
        [
            diagonal(),
            go.Scatter(
                x=[confidence_bin.mean_confidence for confidence_bin in state.bins],
                y=[confidence_bin.accuracy.value for confidence_bin in state.bins],
                error_y=whiskers([confidence_bin.accuracy for confidence_bin in state.bins], FIRST),
                mode="lines+markers",
                marker={"size": 9, "color": FIRST},
                line={"color": FIRST, "width": 1},
                customdata=[
                    (f"{confidence_bin.count:,}", estimate_text(confidence_bin.accuracy, ".1%"))
                    for confidence_bin in state.bins
                ],
                hovertemplate="%{customdata[0]} images, mean confidence %{x:.1%}<br>"
                "accuracy %{customdata[1]}<extra></extra>",
            ),
        ]
    )
    label = {"showarrow": False, "xref": "paper", "yref": "paper", "font": {"size": 12}}
    figure.add_annotation(x=0.02, y=0.98, text="underconfident", xanchor="left", **label)
    figure.add_annotation(x=0.98, y=0.02, text="overconfident", xanchor="right", **label)
    figure.update_layout(
        height=400,
        margin=MARGIN,
        showlegend=False,
        xaxis=percent_axis("mean confidence of the bin", 0, 1.01),
        yaxis=percent_axis("accuracy in the bin", 0, 1.01),
    )
    return figure


def coverage_lines(curve: CoverageCurve, threshold: float) -> go.Figure:
    """Plot accuracy and coverage against the minimum confidence.

    Args:
        curve: The values; a gap where no prediction is accepted.
        threshold: The minimum confidence marked by a vertical line.
    """
    figure = lines_by_threshold(
        curve.thresholds,
        [
            ThresholdLine("accuracy of accepted predictions", curve.accuracy, FIRST, "solid"),
            ThresholdLine("accepted predictions (coverage)", curve.coverage, SECOND, "dash"),
        ],
        threshold,
        ": %{y:.1%}, minimum confidence %{x:.0%}",
    )
    figure.update_layout(
        xaxis=percent_axis("minimum confidence"), yaxis=percent_axis("share", 0, 1.02)
    )
    return figure
