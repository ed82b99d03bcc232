"""Charts of a dataset: class counts, intensities, embedding, decisions and votes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fer_core.charts.bars import PERCENT_AXIS, horizontal_bars
from fer_core.charts.labels import height_for, plotly_text, plotly_texts
from fer_core.charts.style import GRAY, LEGEND_ABOVE, MARGIN
from fer_core.classes import class_colors
from fer_core.dataset.face_set import SPLITS

if TYPE_CHECKING:
    import plotly.graph_objects as go

#: Pattern of the bars of each split. The color of a bar shows its class.
_PATTERNS = {"train": "", "validation": "/", "test": "x"}


def _pattern(shape: str) -> dict[str, object]:
    """Return Plotly's pattern of white lines over a bar. An empty shape means no lines."""
    return {"shape": shape, "fillmode": "overlay", "fgcolor": "white", "size": 6, "solidity": 0.3}


def count_bars(counts: Mapping[str, int], split: str) -> go.Figure:
    """Draw the number of images per class in one split as horizontal bars.

    Args:
        counts: Number of images by class.
        split: Name of the split, for the title of the axis.
    """
    return horizontal_bars(
        counts,
        [f"{value:,}" for value in counts.values()],
        "%{y}: %{x:,} images",
        colors=class_colors(counts),
        height=height_for(len(counts), usual_height=280, per_class=26),
        margin=MARGIN,
        # A longer axis leaves space for the number next to the longest bar.
        axis={
            "range": [0, 1.2 * max([*counts.values(), 1])],
            "title": {"text": f"{split} images", "standoff": 12},
            "tickformat": ",",
            "nticks": 5,
        },
    )


def share_bars(shares: Mapping[str, Mapping[str, float]]) -> go.Figure:
    """Draw the share of each class in every split, side by side.

    Args:
        shares: Shares by split and class, 0 to 1; a split without images is missing.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    classes = list(dict.fromkeys(name for by_class in shares.values() for name in by_class))
    colors = class_colors(classes)
    for split, by_class in shares.items():
        figure.add_bar(
            x=plotly_texts(classes),
            y=[100 * by_class.get(name, 0.0) for name in classes],
            name=split,
            marker={
                "color": [colors[name] for name in classes],
                "pattern": _pattern(_PATTERNS[split]),
            },
            offsetgroup=split,
            showlegend=False,
            hovertemplate=f"%{{x}}: %{{y:.1f}} % of {split}<extra></extra>",
        )
        # The legend shows the pattern of each split in gray, because the colors of the bars show
        # classes. This trace has no bars, and is only the entry of the split in the legend.
        figure.add_bar(
            x=[None],
            y=[None],
            name=split,
            marker={
                "color": GRAY,
                "pattern": _pattern(_PATTERNS[split]),
            },
            offsetgroup=split,
            legendrank=SPLITS.index(split),
        )
    figure.update_layout(
        height=320,
        margin=MARGIN,
        barmode="group",
        bargap=0.2,
        legend=LEGEND_ABOVE,
        xaxis={"fixedrange": True},
        yaxis={
            "title": {"text": "share of the split", "standoff": 12},
            "ticksuffix": " %",
            "rangemode": "tozero",
            "fixedrange": True,
        },
    )
    return figure


def intensity_lines(
    histograms: Mapping[str, NDArray[np.float64]], classes: Sequence[str], bin_width: int = 8
) -> go.Figure:
    """Draw the histogram of pixel intensities of each class.

    Args:
        histograms: The share of pixels at each of 256 intensities, float64 ``[256]``, by class.
        classes: All classes of the dataset, which determine the colors.
        bin_width: Number of intensities whose shares are summed into one point.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    centers = np.arange(0, 256, bin_width) + (bin_width - 1) / 2
    colors = class_colors(classes)
    for name, histogram in histograms.items():
        figure.add_scatter(
            x=centers,
            y=100 * histogram.reshape(-1, bin_width).sum(axis=1),
            mode="lines",
            name=plotly_text(name),
            line={"color": colors[name], "width": 2},
            hovertemplate=f"{plotly_text(name)}: %{{y:.2f}} % of pixels around intensity %{{x:.0f}}"
            "<extra></extra>",
        )
    figure.update_layout(
        height=340,
        margin=MARGIN,
        legend=LEGEND_ABOVE,
        xaxis={"title": {"text": "pixel intensity (0 black, 255 white)"}, "range": [0, 255]},
        yaxis={
            "title": {"text": f"share of pixels per {bin_width} levels"},
            "ticksuffix": " %",
            "rangemode": "tozero",
        },
    )
    return figure


def difference_map(difference: NDArray[np.float64], first: str, second: str) -> go.Figure:
    """Draw where the mean face of one class is brighter or darker than that of another class.

    Args:
        difference: float64 ``[48, 48]``, the first mean minus the second, in intensity levels.
        first: The class whose mean face is brighter where the difference is positive.
        second: The other class.
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
            hovertemplate=f"{plotly_text(first)} minus {plotly_text(second)}: "
            "%{z:.1f} intensity levels<br>"
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
    hover_texts: Sequence[str],
    rows: NDArray[np.intp],
    classes: Sequence[str],
) -> go.Figure:
    """Draw faces as points. Faces that a network finds similar are close to each other.

    Args:
        points: Coordinates of each face, float32 ``[m, 2]``.
        labels: Label of each face, int8 ``[m]``.
        hover_texts: Hover text of each point.
        rows: Row of each face in the dataset, stored in the ``customdata`` of its point.
        classes: The names of the classes.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    colors = class_colors(classes)
    for label, name in enumerate(classes):
        indices = np.flatnonzero(labels == label).tolist()
        if not indices:
            continue
        figure.add_scattergl(
            x=points[indices, 0],
            y=points[indices, 1],
            mode="markers",
            name=plotly_text(name),
            marker={"color": colors[name], "size": 6, "opacity": 0.75},
            customdata=rows[indices],
            text=[hover_texts[index] for index in indices],
            hovertemplate=f"{plotly_text(name)}<br>%{{text}}<extra></extra>",
        )
    figure.update_layout(
        height=520,
        margin={"l": 0, "r": 0, "t": 8, "b": 8},
        legend=LEGEND_ABOVE,
        dragmode="pan",
        # The axes of the projection have no unit.
        xaxis={"visible": False},
        yaxis={"visible": False, "scaleanchor": "x"},
    )
    return figure


def change_bars(before: Mapping[str, int], after: Mapping[str, int]) -> go.Figure:
    """Draw the number of images per class before and after the curation decisions are applied.

    Args:
        before: Number of images by class, as imported.
        after: Number of images by class, after applying the decisions.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    colors = class_colors(before)
    for name, counts, pattern in (("as imported", before, "/"), ("after decisions", after, "")):
        style = {"pattern": _pattern(pattern)}
        figure.add_bar(
            x=plotly_texts(before),
            y=[counts.get(label, 0) for label in before],
            name=name,
            marker={"color": [colors[label] for label in before], **style},
            offsetgroup=name,
            showlegend=False,
            hovertemplate=f"%{{x}}: %{{y:,}} images {name}<extra></extra>",
        )
        # This trace has no bars, and is only an entry in the legend, as in share_bars.
        figure.add_bar(
            x=[None], y=[None], name=name, marker={"color": GRAY, **style}, offsetgroup=name
        )
    figure.update_layout(
        height=300,
        margin=MARGIN,
        barmode="group",
        legend=LEGEND_ABOVE,
        xaxis={"fixedrange": True},
        yaxis={"title": {"text": "images"}, "tickformat": ",", "fixedrange": True},
    )
    return figure


def agreement_bars(share_by_class: Mapping[str, float | None]) -> go.Figure:
    """Draw for each class how often annotators agree with the label.

    Args:
        share_by_class: Share of the images of each class whose label is the most frequent answer of
            the annotators, 0 to 1; None if no image of the class has votes.
    """
    percentages = {name: 100 * share for name, share in share_by_class.items() if share is not None}
    return horizontal_bars(
        percentages,
        [f"{percentage:.1f} %" for percentage in percentages.values()],
        "annotators agree with %{x:.1f} % of the %{y} labels",
        colors=class_colors(share_by_class),
        height=height_for(len(percentages), usual_height=280, per_class=26),
        margin=MARGIN,
        axis={
            **PERCENT_AXIS,
            "title": {"text": "labels that annotators agree with"},
        },
    )


def vote_bars(votes: Mapping[str, int], classes: Sequence[str]) -> go.Figure:
    """Draw the votes for one image.

    Args:
        votes: Number of annotators by answer, in the order to draw them.
        classes: The classes of the dataset; other answers are drawn in gray.
    """
    return horizontal_bars(
        votes,
        [str(count) if count else "" for count in votes.values()],
        "%{y}: %{x} annotators",
        colors=class_colors(classes),
        height=250,
        margin={"l": 0, "r": 8, "t": 4, "b": 36},
        gap=0.2,
        # A longer axis leaves space for the number next to the longest bar.
        axis={
            "range": [0, 1.18 * max([*votes.values(), 1])],
            "title": {"text": "annotators", "standoff": 8},
            "nticks": 4,
        },
    )
