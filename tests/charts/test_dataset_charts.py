"""The dataset page's charts: the figures that go in are the ones that are drawn."""

from collections.abc import Callable

import numpy as np
import plotly.graph_objects as go
import pytest

from fer_core.charts.dataset import (
    agreement_bars,
    change_bars,
    count_bars,
    difference_map,
    embedding_map,
    intensity_lines,
    share_bars,
    vote_bars,
)
from fer_core.emotions import EMOTION_COLORS, EMOTIONS

COUNTS = dict(zip(EMOTIONS, (3, 0, 4, 1000, 5, 6, 7), strict=True))
COLORS = tuple(EMOTION_COLORS[emotion] for emotion in EMOTIONS)


def test_counts_are_drawn_in_the_color_of_their_emotion() -> None:
    figure = count_bars(COUNTS, "train")
    (bars,) = figure.data
    assert dict(zip(bars.y, bars.x, strict=True)) == COUNTS
    assert bars.marker.color == COLORS
    assert bars.text == ("3", "0", "4", "1,000", "5", "6", "7")
    assert figure.layout.xaxis.title.text == "train images"


def test_splits_have_different_patterns_and_a_legend() -> None:
    shares = {
        "train": dict.fromkeys(EMOTIONS, 0.0) | {"happy": 0.75, "sad": 0.25},
        "validation": dict.fromkeys(EMOTIONS, 0.0) | {"happy": 0.5, "sad": 0.5},
    }
    figure = share_bars(shares)
    drawn = [trace for trace in figure.data if trace.x != (None,)]
    assert [trace.name for trace in drawn] == ["train", "validation"]
    assert [trace.y[EMOTIONS.index("happy")] for trace in drawn] == [75, 50]
    assert all(trace.marker.color == COLORS for trace in drawn)
    assert len({trace.marker.pattern.shape for trace in drawn}) == 2
    named = [trace for trace in figure.data if trace.showlegend is not False]
    assert [trace.name for trace in named] == ["train", "validation"]
    assert figure.layout.yaxis.ticksuffix == " %"


def test_gray_values_are_summed_into_bins_that_keep_the_whole() -> None:
    histogram = np.zeros(256)
    histogram[[0, 7, 8, 255]] = 0.25
    (line,) = intensity_lines({"sad": histogram}, EMOTIONS).data
    assert line.y[:2].tolist() == [50, 25]
    assert sum(line.y) == pytest.approx(100)
    assert line.x[:2].tolist() == [3.5, 11.5]
    assert line.line.color == EMOTION_COLORS["sad"]


def test_a_difference_is_symmetric_about_white() -> None:
    difference = np.zeros((48, 48))
    difference[2, 3] = -40
    (heat,) = difference_map(difference, "happy", "sad").data
    assert (heat.zmin, heat.zmax) == (-40, 40)
    assert heat.z[2][3] == -40


def test_every_point_of_the_map_carries_its_row() -> None:
    labels = np.array([4, 3, 4], np.int8)
    figure = embedding_map(
        np.array([[0, 1], [2, 3], [4, 5]], np.float32),
        labels,
        ["a", "b", "c"],
        np.array([70, 80, 90]),
        EMOTIONS,
    )
    by_name = {trace.name: trace for trace in figure.data}
    assert set(by_name) == {"happy", "sad"}
    assert by_name["sad"].customdata.tolist() == [70, 90]
    assert by_name["sad"].x.tolist() == [0, 4]
    assert by_name["sad"].text == ("a", "c")
    assert by_name["happy"].marker.color == EMOTION_COLORS["happy"]


def test_counts_before_and_after_are_grouped_by_emotion() -> None:
    after = COUNTS | {"happy": 10}
    drawn = [trace for trace in change_bars(COUNTS, after).data if trace.x != (None,)]
    assert [trace.y[EMOTIONS.index("happy")] for trace in drawn] == [1000, 10]
    assert [trace.name for trace in drawn] == ["as imported", "after decisions"]


def test_agreement_leaves_out_what_was_not_voted_on() -> None:
    (bars,) = agreement_bars({"fear": 0.125, "happy": 0.9, "sad": None}).data
    assert dict(zip(bars.y, bars.x, strict=True)) == {"fear": 12.5, "happy": 90}
    assert bars.marker.color == (EMOTION_COLORS["fear"], EMOTION_COLORS["happy"])


def test_votes_for_no_emotion_are_gray() -> None:
    (bars,) = vote_bars({"happy": 7, "contempt": 2, "not face": 0}, EMOTIONS).data
    assert bars.x == (7, 2, 0)
    assert bars.marker.color[0] == EMOTION_COLORS["happy"]
    assert bars.marker.color[1] == bars.marker.color[2]
    assert bars.marker.color[1] not in COLORS


@pytest.mark.parametrize(
    "draw",
    [
        lambda: count_bars({}, "test"),
        lambda: share_bars({}),
        lambda: intensity_lines({}, EMOTIONS),
        lambda: agreement_bars({}),
        lambda: vote_bars({}, EMOTIONS),
        lambda: change_bars({}, {}),
    ],
)
def test_nothing_to_draw_is_an_empty_chart(draw: Callable[[], go.Figure]) -> None:
    assert isinstance(draw(), go.Figure)


def test_names_of_classes_are_shown_as_they_are() -> None:
    counts = {"<b>bold</b> & 50 %{x}": 3, "快乐": 4}
    (bars,) = count_bars(counts, "train").data
    assert bars.y == ("&lt;b&gt;bold&lt;/b&gt; &amp; 50 %&#123;x}", "快乐")


def test_twenty_classes_have_more_space_and_different_colors() -> None:
    counts = {f"class {number}": number for number in range(20)}
    few, many = count_bars(COUNTS, "train"), count_bars(counts, "train")
    assert many.layout.height > 2 * few.layout.height
    assert len(set(many.data[0].marker.color)) == 20
