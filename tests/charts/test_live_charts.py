"""The data of the live page's charts."""

import numpy as np
import pytest

from fer_core.charts.live import (
    emotion_shares,
    emotion_timeline,
    face_bars,
    persons_seen_last,
    shares_height,
    timeline_height,
)
from fer_core.emotions import EMOTION_COLORS, EMOTIONS
from fer_core.live.session_record import RecordContext, RecordRows


def rows(seconds: list[float], persons: list[int], emotions: list[str]) -> RecordRows:
    """Return rows with probability 1 for one emotion each."""
    count = len(seconds)
    probabilities = np.zeros((count, 7), np.float32)
    probabilities[np.arange(count), [EMOTIONS.index(emotion) for emotion in emotions]] = 1
    return RecordRows(
        np.array(seconds, np.float64),
        np.array(persons, np.int32),
        np.zeros((count, 4), np.int32),
        probabilities,
        EMOTIONS,
        np.ones(count, bool),
        probabilities,
        np.zeros(count, np.int32),
        (RecordContext(),),
    )


NOTHING = rows([], [], [])


def test_face_bars_have_order_and_colors_of_the_classes() -> None:
    chart = face_bars(dict(zip(EMOTIONS, [0.5, 0.2, 0.1, 0.1, 0.05, 0.05, 0.0], strict=True)))
    (series,) = chart["series"]
    assert chart["yAxis"]["data"] == list(EMOTIONS)
    assert [bar["value"] for bar in series["data"]] == [50, 20, 10, 10, 5, 5, 0]
    colors = [bar["itemStyle"]["color"] for bar in series["data"]]
    assert colors == [EMOTION_COLORS[emotion] for emotion in EMOTIONS]
    assert series["data"][0]["label"]["formatter"] == "50 %"


def test_the_persons_seen_last_are_chosen_and_ordered_by_number() -> None:
    record = rows([0, 1, 2, 3, 4], [1, 4, 2, 3, 2], ["sad"] * 5)
    assert persons_seen_last(record, 2) == [2, 3]
    assert persons_seen_last(record, 9) == [1, 2, 3, 4]
    assert persons_seen_last(NOTHING, 3) == []


def test_the_timeline_stacks_all_classes_in_one_band_per_person() -> None:
    record = rows([0.0, 0.2, 0.1, 0.3], [1, 1, 2, 2], ["happy", "sad", "fear", "fear"])
    chart = emotion_timeline(record, [1, 2], end=0.3)
    assert [series["name"] for series in chart["series"]] == [*EMOTIONS, *EMOTIONS]
    assert [series["stack"] for series in chart["series"]] == ["person 1"] * 7 + ["person 2"] * 7
    assert [series["xAxisIndex"] for series in chart["series"]] == [0] * 7 + [1] * 7
    assert [title["text"] for title in chart["title"]] == ["Person 1", "Person 2"]
    curves = {series["name"]: series["data"] for series in chart["series"][:7]}
    assert curves["happy"] == [[0.0, 100.0], [0.2, 0.0]]
    assert curves["sad"] == [[0.0, 0.0], [0.2, 100.0]]
    for series in chart["series"]:
        assert series["areaStyle"]["color"] == EMOTION_COLORS[series["name"]]


def test_a_person_who_was_away_leaves_a_gap() -> None:
    record = rows([0.0, 1.0, 9.0, 10.0], [1] * 4, ["happy"] * 4)
    happy = emotion_timeline(record, [1], end=10.0)["series"][EMOTIONS.index("happy")]
    assert happy["data"] == [
        [0.0, 100.0],
        [1.0, 100.0],
        [1.0, 0.0],
        [9.0, 0.0],
        [9.0, 100.0],
        [10.0, 100.0],
    ]


def test_the_axis_covers_two_minutes_and_has_a_unit() -> None:
    early, late = (emotion_timeline(NOTHING, [], end=end)["xAxis"][0] for end in (30.0, 300.0))
    assert (early["min"], early["max"]) == (0, 120)
    assert (late["min"], late["max"]) == (180, 300)
    assert late["name"] == "seconds since the first face"
    assert late["axisLabel"]["formatter"] == "{value} s"


def test_many_points_are_downsampled_and_the_latest_is_kept() -> None:
    record = rows([number / 5 for number in range(600)], [1] * 600, ["sad"] * 600)
    data = emotion_timeline(record, [1], end=119.8)["series"][0]["data"]
    assert len(data) <= 120
    assert data[-1][0] == pytest.approx(119.8)


def test_shares_are_stacked_and_labelled_if_the_label_fits() -> None:
    shares = {
        1: dict(zip(EMOTIONS, [0, 0, 0, 0.95, 0.05, 0, 0], strict=True)),
        3: dict(zip(EMOTIONS, [0, 0, 0, 0, 0, 0, 1], strict=True)),
    }
    chart = emotion_shares(shares)
    assert chart["yAxis"]["data"] == ["Person 1", "Person 3"]
    series = {one["name"]: one for one in chart["series"]}
    assert [bar["value"] for bar in series["happy"]["data"]] == [95, 0]
    assert [bar["value"] for bar in series["neutral"]["data"]] == [0, 100]
    assert series["happy"]["data"][0]["label"]["show"]
    assert not series["sad"]["data"][0]["label"]["show"]
    assert sum(one["data"][0]["value"] for one in chart["series"]) == pytest.approx(100)


def test_more_persons_need_more_height() -> None:
    assert timeline_height(0) == timeline_height(1) < timeline_height(2)
    assert shares_height(1) < shares_height(5)
