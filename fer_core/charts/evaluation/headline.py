"""The headline's shares on one scale, beside chance and people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_core.charts.evaluation.style import FIRST, GREY, MARGIN, in_words, percent_axis, whiskers
from fer_core.emotions import EMOTIONS
from fer_core.evaluation.headline import Headline

if TYPE_CHECKING:
    import plotly.graph_objects as go


def headline_intervals(figures: Headline) -> go.Figure:
    """Accuracy, its leak-free part, balanced and top-2 accuracy as points with their intervals.

    A dashed line is what always naming the largest class would reach; a band is what people reach,
    where that is known.
    """
    import plotly.graph_objects as go

    named = {"accuracy": figures.accuracy}
    if figures.leak_free_accuracy is not None:
        named["leak-free accuracy"] = figures.leak_free_accuracy
    named |= {
        "balanced accuracy": figures.balanced_accuracy,
        "top-2 accuracy": figures.top2_accuracy,
    }
    defined = {name: one for name, one in named.items() if one.value is not None}
    figure = go.Figure(
        go.Scatter(
            x=[one.value for one in defined.values()],
            y=list(defined),
            mode="markers",
            marker={"size": 11, "color": FIRST},
            error_x=whiskers(list(defined.values()), FIRST),
            customdata=[in_words(one, ".1%") for one in defined.values()],
            hovertemplate="%{y}: %{customdata}<extra></extra>",
        )
    )
    label = {"yref": "paper", "y": 1, "yanchor": "bottom", "showarrow": False}
    figure.add_vline(x=figures.baseline_accuracy, line={"color": GREY, "dash": "dash"})
    figure.add_annotation(
        x=figures.baseline_accuracy,
        text=f"always {EMOTIONS[figures.baseline_emotion]} {100 * figures.baseline_accuracy:.0f} %",
        **label,
    )
    if figures.human_accuracy is not None:
        middle, low, high = figures.human_accuracy
        figure.add_vrect(x0=low, x1=high, fillcolor=GREY, opacity=0.25, line_width=0)
        figure.add_annotation(
            x=middle, text=f"people {100 * middle:.0f} ± {100 * (high - middle):.0f} %", **label
        )
    figure.update_layout(
        height=110 + 34 * len(named),
        margin=MARGIN | {"t": 28},
        showlegend=False,
        xaxis=percent_axis("share of the images"),
        yaxis={
            "autorange": "reversed",
            "type": "category",
            "ticksuffix": "  ",
            "fixedrange": True,
        },
    )
    return figure
