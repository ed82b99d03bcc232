"""Whether probabilities mean what they say, and what saying "unsure" would bring."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fer_core.charts.evaluation.style import (
    FIRST,
    GREY,
    MARGIN,
    SECOND,
    in_words,
    percent_axis,
    whiskers,
)
from fer_core.evaluation.calibration import CalibrationState, CoverageCurve

if TYPE_CHECKING:
    import plotly.graph_objects as go


def reliability_diagram(state: CalibrationState) -> go.Figure:
    """Accuracy against claimed confidence in bins of equal count; on the diagonal all is well."""
    import plotly.graph_objects as go

    figure = go.Figure(
        [
            go.Scatter(
                x=[0, 1],
                y=[0, 1],
                mode="lines",
                line={"color": GREY, "dash": "dash", "width": 1},
                hoverinfo="skip",
            ),
            go.Scatter(
                x=[one.mean_confidence for one in state.bins],
                y=[one.accuracy.value for one in state.bins],
                error_y=whiskers([one.accuracy for one in state.bins], FIRST),
                mode="lines+markers",
                marker={"size": 9, "color": FIRST},
                line={"color": FIRST, "width": 1},
                customdata=[
                    (f"{one.count:,}", in_words(one.accuracy, ".1%")) for one in state.bins
                ],
                hovertemplate="%{customdata[0]} images, mean confidence %{x:.1%}<br>"
                "right %{customdata[1]}<extra></extra>",
            ),
        ]
    )
    label = {"showarrow": False, "xref": "paper", "yref": "paper", "font": {"size": 12}}
    figure.add_annotation(
        x=0.02, y=0.98, text="right more often than it claims", xanchor="left", **label
    )
    figure.add_annotation(
        x=0.98, y=0.02, text="right less often than it claims", xanchor="right", **label
    )
    figure.update_layout(
        height=400,
        margin=MARGIN,
        showlegend=False,
        xaxis=percent_axis("confidence, mean of the bin", 0, 1.01),
        yaxis=percent_axis("right predictions in the bin", 0, 1.01),
    )
    return figure


def coverage_lines(curve: CoverageCurve, threshold: float) -> go.Figure:
    """Accuracy and coverage over the confidence below which the model says "unsure".

    Args:
        curve: What is drawn; a gap where nothing is answered.
        threshold: A line marks it.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    for name, values, color, dash in (
        ("right when it answers", curve.accuracy, FIRST, "solid"),
        ("answers", curve.coverage, SECOND, "dash"),
    ):
        figure.add_trace(
            go.Scatter(
                x=curve.thresholds,
                y=np.asarray(values),
                mode="lines",
                line={"color": color, "dash": dash, "width": 2.5},
                name=name,
                hovertemplate=f"{name}: %{{y:.1%}}, unsure below %{{x:.0%}}<extra></extra>",
            )
        )
    figure.add_vline(x=threshold, line={"color": GREY, "width": 2})
    figure.update_layout(
        height=340,
        margin=MARGIN,
        legend={"orientation": "h", "yanchor": "top", "y": -0.25, "x": 0},
        xaxis=percent_axis("unsure below this confidence"),
        yaxis=percent_axis("share of the images", 0, 1.02),
    )
    return figure
