"""Charts of a dataset: class counts, intensities, embedding, decisions and votes."""

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

#: Pattern of the bars by split; the color shows the emotion.
_PATTERNS = {"train": "", "validation": "/", "test": "x"}

_MARGIN = {"l": 0, "r": 8, "t": 8, "b": 44}
_GRAY = "#8A8A8A"


def _pattern(shape: str) -> dict[str, object]:
    """Return white lines over the color of a bar; none for an empty shape."""
    return {"shape": shape, "fillmode": "overlay", "fgcolor": "white", "size": 6, "solidity": 0.3}


def count_bars(counts: Mapping[str, int], split: str) -> go.Figure:
    """Draw the images per emotion in one split as horizontal bars.

    Args:
        counts: Images by emotion.
        split: Name of the split, for the axis.
    """
    values = {emotion: counts.get(emotion, 0) for emotion in EMOTIONS}
    return horizontal_bars(
        values,
        [f"{value:,}" for value in values.values()],
        "%{y}: %{x:,} images",
        height=280,
        margin=_MARGIN,
        # A longer axis leaves space for the number next to the longest bar.
        axis={
            "range": [0, 1.2 * max([*values.values(), 1])],
            "title": {"text": f"{split} images", "standoff": 12},
            "tickformat": ",",
            "nticks": 5,
        },
    )


def share_bars(shares: Mapping[str, Mapping[str, float]]) -> go.Figure:
    """Draw the share of each emotion in every split, side by side.

    Args:
        shares: By split and emotion, 0 to 1; missing splits are omitted.
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
        # A separate entry for the legend, because the colors of the bars show emotions.
        figure.add_bar(
            x=[None],
            y=[None],
            name=split,
            marker={
                "color": _GRAY,
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


def intensity_lines(histograms: Mapping[str, NDArray[np.float64]], bin_width: int = 8) -> go.Figure:
    """Draw the histogram of pixel intensities of each emotion.

    Args:
        histograms: By emotion, the share of pixels at each of 256 intensities.
        bin_width: Number of intensities per point.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    centers = np.arange(0, 256, bin_width) + (bin_width - 1) / 2
    for emotion, histogram in histograms.items():
        figure.add_scatter(
            x=centers,
            y=100 * histogram.reshape(-1, bin_width).sum(axis=1),
            mode="lines",
            name=emotion,
            line={"color": EMOTION_COLORS[emotion], "width": 2},
            hovertemplate=f"{emotion}: %{{y:.2f}} % of pixels around intensity %{{x:.0f}}"
            "<extra></extra>",
        )
    figure.update_layout(
        height=340,
        margin=_MARGIN,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        xaxis={"title": {"text": "pixel intensity (0 black, 255 white)"}, "range": [0, 255]},
        yaxis={
            "title": {"text": f"share of pixels per {bin_width} intensities"},
            "ticksuffix": " %",
            "rangemode": "tozero",
        },
    )
    return figure


def difference_map(difference: NDArray[np.float64], first: str, second: str) -> go.Figure:
    """Draw where the mean face of one emotion is brighter or darker than another's.

    Args:
        difference: float64 ``[48, 48]``, the first mean minus the second, in pixel intensities.
        first: The emotion that is brighter where the difference is positive.
        second: The other emotion.
    """
    import plotly.graph_objects as go

    bound = max(float(np.abs(difference).max()), 1.0)
    figure = go.Figure(
        go.Heatmap(
            z=difference,
            zmin=-bound,
            zmax=bound,
            # Blue to red over white can be distinguished with any color vision deficiency.
            colorscale="RdBu_r",
            colorbar={"title": {"text": "intensity", "side": "right"}, "thickness": 12},
            hovertemplate=f"{first} minus {second}: %{{z:.1f}} intensities<br>"
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
    """Draw an embedding: faces as points, close to each other if a network finds them similar.

    Args:
        points: float32 ``[m, 2]``.
        labels: int8 ``[m]``.
        names: Hover text of each point.
        rows: Row in the dataset of each point, stored in its ``customdata``.
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
        # The axes of the projection have no unit.
        xaxis={"visible": False},
        yaxis={"visible": False, "scaleanchor": "x"},
    )
    return figure


def change_bars(before: Mapping[str, int], after: Mapping[str, int]) -> go.Figure:
    """Draw the images per emotion before and after the decisions are applied.

    Args:
        before: Images by emotion, as imported.
        after: Images by emotion, as used in training.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    for name, counts, pattern in (("as imported", before, "/"), ("used in training", after, "")):
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
            x=[None], y=[None], name=name, marker={"color": _GRAY, **style}, offsetgroup=name
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
    """Draw how often the most frequent answer of the annotators is the label, by label.

    Args:
        share_by_emotion: 0 to 1; None if no image of the emotion has votes.
    """
    shares = {emotion: share_by_emotion.get(emotion) for emotion in EMOTIONS}
    known = {emotion: 100 * share for emotion, share in shares.items() if share is not None}
    return horizontal_bars(
        known,
        [f"{share:.0f} %" for share in known.values()],
        "annotators agree with %{x:.1f} % of the labels %{y}",
        height=280,
        margin=_MARGIN,
        axis={
            **PERCENT_AXIS,
            "title": {"text": "labels that annotators agree with"},
        },
    )


def vote_bars(votes: Mapping[str, int]) -> go.Figure:
    """Draw the votes for one image.

    Args:
        votes: Number of annotators by answer, in the order to draw them; answers other than the
            seven emotions are drawn in gray.
    """
    return horizontal_bars(
        votes,
        [str(count) if count else "" for count in votes.values()],
        "%{y}: %{x} annotators",
        height=250,
        margin={"l": 0, "r": 8, "t": 4, "b": 36},
        gap=0.2,
        axis={
            "range": [0, 1.18 * max([*votes.values(), 1])],
            "title": {"text": "annotators", "standoff": 8},
            "nticks": 4,
        },
    )
