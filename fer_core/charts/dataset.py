"""Charts of a dataset: how many, how alike, where in the map, how agreed upon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fer_core.charts.bars import PERCENT_AXIS, horizontal_bars
from fer_core.dataset.face_set import SPLITS
from fer_core.emotions import EMOTION_COLORS, EMOTIONS

if TYPE_CHECKING:
    import plotly.graph_objects as go

#: A split is told by the pattern of its bars, because their colour tells the emotion.
_PATTERNS = {"train": "", "validation": "/", "test": "x"}

_MARGIN = {"l": 0, "r": 8, "t": 8, "b": 44}
_GREY = "#8A8A8A"


def _pattern(shape: str) -> dict[str, object]:
    """White lines over a bar's own colour; none for an empty shape."""
    return {"shape": shape, "fillmode": "overlay", "fgcolor": "white", "size": 6, "solidity": 0.3}


def count_bars(counts: Mapping[str, int], split: str) -> go.Figure:
    """Images of each emotion in one split, as horizontal bars.

    Args:
        counts: Images by emotion.
        split: What the axis calls the split.
    """
    values = {emotion: counts.get(emotion, 0) for emotion in EMOTIONS}
    return horizontal_bars(
        values,
        [f"{value:,}" for value in values.values()],
        "%{y}: %{x:,} images",
        height=280,
        margin=_MARGIN,
        # A longer axis leaves room for the figure beside the longest bar.
        axis={
            "range": [0, 1.2 * max([*values.values(), 1])],
            "title": {"text": f"{split} images", "standoff": 12},
            "tickformat": ",",
            "nticks": 5,
        },
    )


def share_bars(shares: Mapping[str, Mapping[str, float]]) -> go.Figure:
    """Each emotion's share of every split, side by side.

    Args:
        shares: By split and emotion, 0 to 1; splits that there are not are left out.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    for split, by_emotion in shares.items():
        figure.add_bar(
            x=list(EMOTIONS),
            y=[100 * by_emotion.get(emotion, 0.0) for emotion in EMOTIONS],
            name=split,
            marker={
                "color": [EMOTION_COLORS[emotion] for emotion in EMOTIONS],
                "pattern": _pattern(_PATTERNS[split]),
            },
            offsetgroup=split,
            showlegend=False,
            hovertemplate=f"%{{x}}: %{{y:.1f}} % of {split}<extra></extra>",
        )
        # A line of its own in the legend: the bars' colours are the emotions', not the split's.
        figure.add_bar(
            x=[None],
            y=[None],
            name=split,
            marker={
                "color": _GREY,
                "pattern": _pattern(_PATTERNS[split]),
            },
            offsetgroup=split,
            legendrank=SPLITS.index(split),
        )
    figure.update_layout(
        height=320,
        margin=_MARGIN,
        barmode="group",
        bargap=0.2,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        xaxis={"fixedrange": True},
        yaxis={
            "title": {"text": "share of the split"},
            "ticksuffix": " %",
            "rangemode": "tozero",
            "fixedrange": True,
        },
    )
    return figure


def grey_lines(histograms: Mapping[str, NDArray[np.float64]], bin_width: int = 8) -> go.Figure:
    """How bright the pixels of each emotion's faces are.

    Args:
        histograms: By emotion, the share of pixels at each of 256 grey values.
        bin_width: Grey values that are summed into one point.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    centres = np.arange(0, 256, bin_width) + (bin_width - 1) / 2
    for emotion, histogram in histograms.items():
        figure.add_scatter(
            x=centres,
            y=100 * histogram.reshape(-1, bin_width).sum(axis=1),
            mode="lines",
            name=emotion,
            line={"color": EMOTION_COLORS[emotion], "width": 2},
            hovertemplate=f"{emotion}: %{{y:.2f}} % of pixels around grey %{{x:.0f}}"
            "<extra></extra>",
        )
    figure.update_layout(
        height=340,
        margin=_MARGIN,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        xaxis={"title": {"text": "grey value (0 black, 255 white)"}, "range": [0, 255]},
        yaxis={
            "title": {"text": f"share of pixels per {bin_width} grey values"},
            "ticksuffix": " %",
            "rangemode": "tozero",
        },
    )
    return figure


def difference_map(difference: NDArray[np.float64], first: str, second: str) -> go.Figure:
    """Where the mean face of one emotion is brighter than another's, and where darker.

    Args:
        difference: float64 ``[48, 48]``, the first's mean minus the second's, in grey values.
        first: What is brighter where the difference is positive.
        second: The other.
    """
    import plotly.graph_objects as go

    bound = max(float(np.abs(difference).max()), 1.0)
    figure = go.Figure(
        go.Heatmap(
            z=difference,
            zmin=-bound,
            zmax=bound,
            # Blue to red over white: told apart by people with any colour vision deficiency.
            colorscale="RdBu_r",
            colorbar={"title": {"text": "grey values", "side": "right"}, "thickness": 12},
            hovertemplate=f"{first} minus {second}: %{{z:.1f}} grey values<br>"
            "column %{x}, row %{y}<extra></extra>",
        )
    )
    figure.update_layout(
        height=340,
        margin={"l": 0, "r": 0, "t": 8, "b": 8},
        xaxis={"visible": False, "fixedrange": True, "constrain": "domain"},
        yaxis={
            "visible": False,
            "autorange": "reversed",
            "scaleanchor": "x",
            "constrain": "domain",
            "fixedrange": True,
        },
    )
    return figure


def embedding_map(
    points: NDArray[np.float32],
    labels: NDArray[np.int8],
    names: Sequence[str],
    rows: NDArray[np.intp],
) -> go.Figure:
    """Faces as points that lie near each other where a network finds them alike.

    Args:
        points: float32 ``[m, 2]``.
        labels: int8 ``[m]``.
        names: What hover says of each point.
        rows: A point's row in the dataset, which its ``customdata`` carries.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    for index, emotion in enumerate(EMOTIONS):
        chosen = np.flatnonzero(labels == index).tolist()
        if not chosen:
            continue
        figure.add_scattergl(
            x=points[chosen, 0],
            y=points[chosen, 1],
            mode="markers",
            name=emotion,
            marker={"color": EMOTION_COLORS[emotion], "size": 6, "opacity": 0.75},
            customdata=rows[chosen],
            text=[names[position] for position in chosen],
            hovertemplate=f"{emotion}<br>%{{text}}<extra></extra>",
        )
    figure.update_layout(
        height=520,
        margin={"l": 0, "r": 0, "t": 8, "b": 8},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        dragmode="pan",
        # The axes of such a projection have no unit and no meaning.
        xaxis={"visible": False},
        yaxis={"visible": False, "scaleanchor": "x"},
    )
    return figure


def change_bars(before: Mapping[str, int], after: Mapping[str, int]) -> go.Figure:
    """Images of each emotion before and after decisions about single images.

    Args:
        before: Images by emotion as imported.
        after: As a training sees them.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    for name, counts, pattern in (("as imported", before, "/"), ("what training sees", after, "")):
        style = {"pattern": _pattern(pattern)}
        figure.add_bar(
            x=list(EMOTIONS),
            y=[counts.get(emotion, 0) for emotion in EMOTIONS],
            name=name,
            marker={"color": [EMOTION_COLORS[emotion] for emotion in EMOTIONS], **style},
            offsetgroup=name,
            showlegend=False,
            hovertemplate=f"%{{x}}: %{{y:,}} images {name}<extra></extra>",
        )
        figure.add_bar(
            x=[None], y=[None], name=name, marker={"color": _GREY, **style}, offsetgroup=name
        )
    figure.update_layout(
        height=300,
        margin=_MARGIN,
        barmode="group",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        xaxis={"fixedrange": True},
        yaxis={"title": {"text": "images"}, "tickformat": ",", "fixedrange": True},
    )
    return figure


def agreement_bars(share_by_emotion: Mapping[str, float | None]) -> go.Figure:
    """How often the taggers' commonest answer is the label, by the label.

    Args:
        share_by_emotion: 0 to 1; None where no image of the emotion was voted on.
    """
    shares = {emotion: share_by_emotion.get(emotion) for emotion in EMOTIONS}
    known = {emotion: 100 * share for emotion, share in shares.items() if share is not None}
    return horizontal_bars(
        known,
        [f"{share:.0f} %" for share in known.values()],
        "of images labelled %{y}, %{x:.1f} % are so to most taggers",
        height=280,
        margin=_MARGIN,
        axis={
            **PERCENT_AXIS,
            "title": {"text": "images whose label is the taggers' commonest answer"},
        },
    )


def vote_bars(votes: Mapping[str, int]) -> go.Figure:
    """One image's votes.

    Args:
        votes: Taggers by answer, in the order to draw them in; answers that are none of the seven
            emotions are drawn in grey.
    """
    return horizontal_bars(
        votes,
        [str(count) if count else "" for count in votes.values()],
        "%{y}: %{x} taggers",
        height=250,
        margin={"l": 0, "r": 8, "t": 4, "b": 36},
        gap=0.2,
        axis={
            "range": [0, 1.18 * max([*votes.values(), 1])],
            "title": {"text": "taggers", "standoff": 8},
            "nticks": 4,
        },
    )
