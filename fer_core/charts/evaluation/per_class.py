"""Each emotion on its own: figures with intervals, curves, thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from fer_core.charts.evaluation.style import (
    GREY,
    MARGIN,
    emotion_axis,
    in_words,
    number_axis,
    percent_axis,
    whiskers,
)
from fer_core.emotions import EMOTION_COLORS, EMOTIONS
from fer_core.evaluation.per_class import ClassAssessment
from fer_core.metrics import ThresholdCurve

if TYPE_CHECKING:
    import plotly.graph_objects as go

Figure = Literal["f1", "precision", "recall"]
FIGURE_TITLES: dict[Figure, str] = {"f1": "F1", "precision": "precision", "recall": "recall"}

#: Below the plot, where it does not cover the curves, in as many lines as the width asks for.
_LEGEND = {"orientation": "h", "yanchor": "top", "y": -0.2, "x": 0}
_CURVE_HEIGHT = 420


def class_intervals(classes: Sequence[ClassAssessment], figure_name: Figure) -> go.Figure:
    """One figure of all seven emotions as points with their intervals.

    Args:
        classes: In the emotions' order.
        figure_name: Which figure.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    for one in classes:
        emotion = EMOTIONS[one.emotion]
        color = EMOTION_COLORS[emotion]
        estimate = getattr(one, figure_name)
        is_defined = estimate.value is not None
        figure.add_trace(
            go.Scatter(
                x=[estimate.value if is_defined else 0],
                y=[emotion],
                mode="markers+text" if is_defined else "text",
                marker={"size": 11, "color": color},
                error_x=whiskers([estimate], color),
                text=[f"{estimate.value:.2f}" if is_defined else "undefined"],
                textposition="top center" if is_defined else "middle right",
                cliponaxis=False,
                hovertemplate=f"{emotion}: {in_words(estimate, '.3f')}<br>"
                f"{one.support:,} images, {one.predicted_count:,} predicted<extra></extra>",
            )
        )
    figure.update_layout(
        height=380,
        margin=MARGIN,
        showlegend=False,
        xaxis=number_axis(FIGURE_TITLES[figure_name], 0, 1),
        # Room for the uppermost figure above its point.
        yaxis=emotion_axis(top=-0.8),
    )
    return figure


def roc_lines(classes: Sequence[ClassAssessment]) -> go.Figure:
    """The ROC curve of each emotion against the rest; the diagonal is chance."""
    import plotly.graph_objects as go

    figure = go.Figure(
        go.Scatter(
            x=[0, 1],
            y=[0, 1],
            mode="lines",
            line={"color": GREY, "dash": "dash", "width": 1},
            name="chance",
            hoverinfo="skip",
        )
    )
    for one in classes:
        if one.roc is not None:
            figure.add_trace(
                _curve(
                    one.roc.false_positive_rate,
                    one.roc.true_positive_rate,
                    EMOTIONS[one.emotion],
                    f"area {one.auc:.3f}",
                    hover="%{x:.1%} of the rest taken for it, %{y:.1%} of it found",
                )
            )
    return _with_square_axes(figure, "false positive rate", "true positive rate")


def precision_recall_lines(classes: Sequence[ClassAssessment]) -> go.Figure:
    """Precision against recall of each emotion against the rest, as steps."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for one in classes:
        if one.precision_recall is not None:
            figure.add_trace(
                _curve(
                    one.precision_recall.recall,
                    one.precision_recall.precision,
                    EMOTIONS[one.emotion],
                    f"average {one.average_precision:.3f}",
                    hover="recall %{x:.1%}, precision %{y:.1%}",
                    shape="vh",
                )
            )
    return _with_square_axes(figure, "recall", "precision")


def _curve(x: Any, y: Any, emotion: str, figure: str, *, hover: str, shape: str = "linear") -> Any:
    import plotly.graph_objects as go

    return go.Scatter(
        x=x,
        y=y,
        mode="lines",
        line={"color": EMOTION_COLORS[emotion], "width": 2, "shape": shape},
        name=f"{emotion}, {figure}",
        hovertemplate=f"{emotion}: {hover}<extra></extra>",
    )


def _with_square_axes(figure: go.Figure, x_title: str, y_title: str) -> go.Figure:
    figure.update_layout(
        height=_CURVE_HEIGHT,
        margin=MARGIN,
        showlegend=True,
        legend=_LEGEND,
        xaxis=percent_axis(x_title, -0.01, 1.01),
        yaxis=percent_axis(y_title, -0.01, 1.02),
    )
    return figure


def threshold_lines(curve: ThresholdCurve, emotion: str, threshold: float) -> go.Figure:
    """Precision, recall and F1 of one emotion over the threshold on its probability.

    Args:
        curve: What is drawn; gaps where a figure is undefined.
        emotion: Gives the colour; the three lines are told by their dashes.
        threshold: A line marks it.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    for name, values, dash in (
        ("precision", curve.precision, "dash"),
        ("recall", curve.recall, "dot"),
        ("F1", curve.f1, "solid"),
    ):
        figure.add_trace(
            go.Scatter(
                x=curve.thresholds,
                y=values,
                mode="lines",
                line={"color": EMOTION_COLORS[emotion], "dash": dash, "width": 2.5},
                name=name,
                hovertemplate=f"{name} %{{y:.3f}} from %{{x:.0%}} on<extra></extra>",
            )
        )
    figure.add_vline(x=threshold, line={"color": GREY, "width": 2})
    figure.update_layout(
        height=340,
        margin=MARGIN,
        legend=_LEGEND | {"y": -0.25},
        xaxis=percent_axis(f"it is {emotion} from this probability on"),
        yaxis=number_axis("precision, recall, F1", 0, 1.02),
    )
    return figure
