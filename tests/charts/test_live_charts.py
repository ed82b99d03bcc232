"""The data of the live page's charts."""

from dataclasses import replace

import numpy as np
import pytest

from fer_core.charts.live import (
    emotion_shares,
    emotion_timeline,
    lane_names,
    persons_seen_last,
    shares_height,
    timeline_height,
    timeline_span,
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


def test_the_persons_seen_last_are_chosen_and_ordered_by_number() -> None:
    record = rows([0, 1, 2, 3, 4], [1, 4, 2, 3, 2], ["sad"] * 5)
    assert persons_seen_last(record, 2) == [2, 3]
    assert persons_seen_last(record, 9) == [1, 2, 3, 4]
    assert persons_seen_last(NOTHING, 3) == []


def test_the_timeline_has_a_lane_per_class_and_a_column_per_person() -> None:
    record = rows([0.0, 0.2, 0.1, 0.3], [1, 1, 2, 2], ["happy", "sad", "fear", "fear"])
    chart = emotion_timeline(record, [1, 2], end=0.3)
    assert [series["name"] for series in chart["series"]] == [*EMOTIONS, *EMOTIONS]
    assert [series["xAxisIndex"] for series in chart["series"]] == [0] * 7 + [1] * 7
    assert [title["text"] for title in chart["title"]] == ["Person 1", "Person 2"]
    first, second = chart["grid"]
    # Percent of the width: 12 for the names, half of the rest for each person with a gap of 3.
    assert (first["left"], first["width"]) == ("12.0%", "41.0%")
    assert (second["left"], second["width"]) == ("56.0%", "41.0%")
    names, positions = chart["yAxis"][:2]
    assert names["data"] == list(EMOTIONS) and names["inverse"]
    assert (positions["min"], positions["max"]) == (0, 7)
    curves = {series["name"]: series for series in chart["series"][:7]}
    # Time, position and percent. The first of seven lanes is the highest one; a lane is 1 high, and
    # its curve at most 0.9.
    assert curves["angry"]["areaStyle"]["origin"] == 6
    assert curves["happy"]["areaStyle"]["origin"] == 3
    assert curves["happy"]["data"] == [[0.0, 3.9, 100.0], [0.2, 3.0, 0.0]]
    assert curves["sad"]["data"] == [[0.0, 2.0, 0.0], [0.2, 2.9, 100.0]]
    for series in chart["series"]:
        assert series["areaStyle"]["color"] == EMOTION_COLORS[series["name"]]
        assert series["encode"]["tooltip"] == [2]


def test_a_person_who_was_away_leaves_a_gap() -> None:
    record = rows([0.0, 1.0, 9.0, 10.0], [1] * 4, ["happy"] * 4)
    happy = emotion_timeline(record, [1], end=10.0)["series"][EMOTIONS.index("happy")]
    assert happy["data"] == [
        [0.0, 3.9, 100.0],
        [1.0, 3.9, 100.0],
        [9.0, None, None],
        [9.0, 3.9, 100.0],
        [10.0, 3.9, 100.0],
    ]


@pytest.mark.parametrize(
    ("end", "span"), [(0.0, 15), (15.0, 15), (15.1, 30), (60.0, 60), (61.0, 120), (500.0, 120)]
)
def test_the_window_of_the_timeline_grows(end: float, span: float) -> None:
    assert timeline_span(end) == span


def test_the_axis_ends_at_the_latest_row_and_has_a_unit() -> None:
    record = rows([0.0], [1], ["sad"])
    early, late = (emotion_timeline(record, [1], end=end)["xAxis"][0] for end in (7.0, 300.0))
    assert (early["min"], early["max"]) == (0, 15)
    assert (late["min"], late["max"]) == (180, 300)
    assert late["name"] == "seconds since the first face"
    assert late["axisLabel"]["formatter"] == "{value} s"


def test_many_points_are_downsampled_and_the_latest_is_kept() -> None:
    record = rows([number / 5 for number in range(600)], [1] * 600, ["sad"] * 600)
    data = emotion_timeline(record, [1], end=119.8)["series"][0]["data"]
    assert len(data) <= 120
    assert data[-1][0] == pytest.approx(119.8)


def test_downsampling_adds_no_gaps_and_keeps_those_of_the_record() -> None:
    # About one row per second, so that every second of them is drawn.
    seconds = [number * 0.9 for number in range(130)]
    away = [*seconds[:100], *(second + 3.0 for second in seconds[100:])]
    for times, count in ((seconds, 0), (away, 1)):
        record = rows(times, [1] * 130, ["sad"] * 130)
        data = emotion_timeline(record, [1], end=times[-1])["series"][0]["data"]
        assert sum(position is None for _, position, _ in data) == count


def test_of_many_classes_the_most_probable_ones_have_lanes() -> None:
    classes = tuple(f"class {number:02}" for number in range(20))
    probabilities = np.zeros((1, 20), np.float32)
    probabilities[0, 12:] = 1 / 8
    record = replace(rows([0.0], [1], ["sad"]), probabilities=probabilities, classes=classes)
    assert lane_names(record) == classes[12:]
    assert lane_names(rows([0.0], [1], ["sad"])) == EMOTIONS
    assert timeline_height(20) == timeline_height(8) > timeline_height(7)


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
    assert shares_height(1) < shares_height(5)
