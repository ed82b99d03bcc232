"""The data of the timeline."""

import json
from dataclasses import replace

import numpy as np
import pytest

from fer_core.charts.video import downsampled, emotion_lanes, lanes_csv, time_ticks
from fer_core.video.face_table import FaceTable, empty_table
from fer_studio.ui.video.timeline import timeline_data, timeline_height

CLASSES = ("happy", "sad")
HOUR = ("0:00", "10:00", "20:00", "30:00", "40:00", "50:00", "1:00:00")


def table_of(seconds: np.ndarray, person: int = 1) -> FaceTable:
    count = len(seconds)
    smoothed = np.stack([np.linspace(0, 1, count), np.linspace(1, 0, count)], axis=1)
    return replace(
        empty_table("a.mp4", CLASSES, 0.4),
        frame=np.arange(count),
        seconds=seconds.astype(float),
        duration=np.full(count, 0.1),
        person=np.full(count, person, np.int32),
        boxes=np.ones((count, 4), np.float32),
        detection_score=np.ones(count, np.float32),
        probabilities=smoothed.astype(np.float32),
        smoothed=smoothed.astype(np.float32),
    )


def test_an_hour_keeps_its_peaks_in_600_points() -> None:
    seconds = np.arange(0, 3600, 1 / 30)
    values = np.zeros((len(seconds), 2), np.float32)
    values[50_000, 1] = 0.9
    times, peaks = downsampled(seconds, values, 0.0, 3600.0)
    assert len(times) == len(peaks) == 600
    assert peaks.max(axis=0) == pytest.approx([0, 0.9])
    assert times[peaks[:, 1].argmax()] == pytest.approx(50_000 / 30, abs=3.0)


def test_parts_without_the_person_are_empty() -> None:
    seconds = np.concatenate([np.arange(0, 100, 0.05), np.arange(500, 600, 0.05)])
    _, peaks = downsampled(seconds, np.ones((len(seconds), 1), np.float32), 0.0, 600.0)
    assert np.isnan(peaks[150:450]).all() and not np.isnan(peaks[:99]).any()


def test_short_curves_are_complete() -> None:
    seconds = np.arange(10) / 10
    times, values = downsampled(seconds, np.arange(20, dtype=np.float32).reshape(10, 2), 0.2, 0.5)
    assert values.tolist() == [[4, 5], [6, 7], [8, 9], [10, 11]]
    assert times == pytest.approx([0.2, 0.3, 0.4, 0.5])


def test_a_person_has_a_curve_per_class_in_the_given_order() -> None:
    table = table_of(np.arange(0, 5, 0.1))
    (person,) = emotion_lanes(table, {1: "Ada"}, ("sad", "happy"), (0.0, 5.0))
    assert person.title == "Ada"
    assert person.step == pytest.approx(0.1)
    assert person.seconds == pytest.approx(table.seconds)
    assert person.values[:, 0] == pytest.approx(table.smoothed[:, 1])
    assert person.values[:, 1] == pytest.approx(table.smoothed[:, 0])


def test_absences_interrupt_a_curve() -> None:
    seconds = np.concatenate([np.arange(0, 2, 0.1), np.arange(4, 5, 0.1)])
    (person,) = emotion_lanes(table_of(seconds), {1: "Person 1"}, ("happy",), (0.0, 5.0))
    absent = np.isnan(person.values[:, 0])
    assert person.seconds[absent] == pytest.approx([2.95])
    assert len(person.seconds) == len(seconds) + 1


def test_a_single_row_is_visible() -> None:
    (person,) = emotion_lanes(table_of(np.array([1.0])), {1: "A"}, ("sad",), (0.0, 5.0))
    assert person.step == 0.02


def test_the_table_of_the_curves_leaves_absences_out() -> None:
    seconds = np.array([0.0, 0.1, 2.0, 2.1])
    lanes = emotion_lanes(table_of(seconds), {1: "Ada, A."}, CLASSES, (0.0, 5.0))
    assert lanes_csv(lanes, CLASSES).splitlines() == [
        "person,time (s),happy (%),sad (%)",
        '"Ada, A.",0.000,0.0,100.0',
        '"Ada, A.",0.100,33.3,66.7',
        '"Ada, A.",2.000,66.7,33.3',
        '"Ada, A.",2.100,100.0,0.0',
    ]


@pytest.mark.parametrize(
    ("limits", "ticks"),
    [
        ((0.0, 5.0), [(float(second), f"0:0{second}") for second in range(6)]),
        ((0.1, 0.7), [(tenth / 10, f"0:00.{tenth}") for tenth in range(1, 8)]),
        ((50.0, 3700.0), [(600.0 * k, text) for k, text in enumerate(HOUR) if k]),
    ],
)
def test_the_axis_has_round_times(
    limits: tuple[float, float], ticks: list[tuple[float, str]]
) -> None:
    found = time_ticks(*limits)
    assert [text for _, text in found] == [text for _, text in ticks]
    assert [time for time, _ in found] == pytest.approx([time for time, _ in ticks])


def test_what_the_component_draws() -> None:
    seconds = np.array([0.0, 0.1, 2.0, 2.1])
    lanes = emotion_lanes(table_of(seconds), {1: "Ada"}, ("sad",), (0.0, 5.0))
    data = timeline_data(lanes, {"sad": "#0072B2"}, (0.0, 5.0))
    assert data["limits"] == [0.0, 5.0]
    assert data["classes"] == [{"name": "sad", "color": "#0072B2"}]
    assert data["sizes"]["height"] == timeline_height(person_count=1, class_count=1)
    (person,) = data["persons"]
    assert person["seconds"] == [0.0, 0.1, 1.05, 2.0, 2.1]
    assert person["values"] == [[1.0, 0.667, None, 0.333, 0.0]]
    json.dumps(data, allow_nan=False)
