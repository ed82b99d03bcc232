"""Reliability diagram, and accuracy and coverage by minimum confidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_core.charts.style import (
    FIRST_COLOR,
    MARGIN,
    SECOND_COLOR,
    ThresholdLine,
    as_percent,
    diagonal,
    lines_by_threshold,
    percent_axis,
    percent_text,
    percent_whiskers,
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
                x=as_percent(confidence_bin.mean_confidence for confidence_bin in state.bins),
                y=as_percent(confidence_bin.accuracy.value for confidence_bin in state.bins),
                error_y=percent_whiskers(
                    [confidence_bin.accuracy for confidence_bin in state.bins], FIRST_COLOR
                ),
                mode="lines+markers",
                marker={"size": 9, "color": FIRST_COLOR},
                line={"color": FIRST_COLOR, "width": 1},
                customdata=[
                    (f"{confidence_bin.count:,}", percent_text(confidence_bin.accuracy))
                    for confidence_bin in state.bins
                ],
                hovertemplate="%{customdata[0]} images, mean confidence %{x:.1f} %<br>"
                "accuracy %{customdata[1]}<extra></extra>",
            ),
        ]
    )
    label_style = {"showarrow": False, "xref": "paper", "yref": "paper", "font": {"size": 12}}
    figure.add_annotation(x=0.02, y=0.98, text="underconfident", xanchor="left", **label_style)
    figure.add_annotation(x=0.98, y=0.02, text="overconfident", xanchor="right", **label_style)
    figure.update_layout(
        height=400,
        margin=MARGIN,
        showlegend=False,
        # The axes extend slightly beyond 100 %, so that a line at 100 % is not cut off.
        xaxis=percent_axis("mean confidence of the bin", 0, 101),
        yaxis=percent_axis("accuracy in the bin", 0, 101),
    )
    return figure


def coverage_lines(curve: CoverageCurve, threshold: float) -> go.Figure:
    """Plot accuracy and coverage against the minimum confidence.

    Args:
        curve: The values. The accuracy has a gap where no prediction is accepted.
        threshold: The minimum confidence marked by a vertical line, 0 to 1.
    """
    figure = lines_by_threshold(
        as_percent(curve.thresholds),
        [
            ThresholdLine(
                "accuracy of accepted predictions", as_percent(curve.accuracy), FIRST_COLOR, "solid"
            ),
            ThresholdLine(
                "accepted predictions (coverage)", as_percent(curve.coverage), SECOND_COLOR, "dash"
            ),
        ],
        100 * threshold,
        ": %{y:.1f} %, minimum confidence %{x:.0f} %",
    )
    figure.update_layout(
        xaxis=percent_axis("minimum confidence"),
        yaxis=percent_axis("share of the predictions", 0, 102),
    )
    return figure
