"""The data of the timeline."""

from dataclasses import replace

import numpy as np
import pytest

from fer_core.charts.video import TimelineMarker, downsampled, emotion_lanes, timeline_height
from fer_core.classes import class_colors
from fer_core.video.face_table import FaceTable, empty_table

CLASSES = ("happy", "sad")


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
    values = np.zeros(len(seconds), np.float32)
    values[50_000] = 0.9
    times, peaks = downsampled(seconds, values, 0.0, 3600.0)
    assert len(times) == len(peaks) == 600
    assert peaks.max() == pytest.approx(0.9)
    assert times[peaks.argmax()] == pytest.approx(50_000 / 30, abs=3.0)


def test_parts_without_the_person_are_empty() -> None:
    seconds = np.concatenate([np.arange(0, 100, 0.05), np.arange(500, 600, 0.05)])
    _, peaks = downsampled(seconds, np.ones(len(seconds), np.float32), 0.0, 600.0)
    assert np.isnan(peaks[150:450]).all() and not np.isnan(peaks[:99]).any()


def test_short_curves_are_complete() -> None:
    seconds = np.arange(10) / 10
    times, values = downsampled(seconds, np.arange(10, dtype=np.float32), 0.2, 0.5)
    assert list(values) == [2, 3, 4, 5]
    assert times == pytest.approx([0.2, 0.3, 0.4, 0.5])


def test_each_person_and_class_has_a_lane_in_its_color_that_can_be_clicked() -> None:
    table = table_of(np.arange(0, 5, 0.1))
    figure = emotion_lanes(table, {1: "Ada <b>"}, CLASSES, (0.0, 5.0), current=2.0)
    lanes = [trace for trace in figure.data if trace.mode == "lines"]
    points = [trace for trace in figure.data if trace.mode == "markers"]
    assert [trace.line.color for trace in lanes] == [
        class_colors(table.classes)[name] for name in CLASSES
    ]
    assert len(points) == 2
    assert points[0].x[0] == 0.0 and points[0].x[-1] == 5.0
    assert list(points[0].customdata[0]) == [0.0, 1, "happy"]
    assert points[0].text[-1] == "Ada &lt;b&gt;, 0:05.0<br>happy: 100 %"
    assert np.nanmax(lanes[0].y) == pytest.approx(-1 + 0.86)
    assert figure.layout.height == timeline_height(1, 2)
    assert figure.layout.xaxis.ticktext[:2] == ("0:00", "0:01")
    assert figure.layout.shapes[0].x0 == 2.0


def test_absences_interrupt_a_lane() -> None:
    seconds = np.concatenate([np.arange(0, 2, 0.1), np.arange(4, 5, 0.1)])
    figure = emotion_lanes(table_of(seconds), {1: "Person 1"}, ("happy",), (0.0, 5.0))
    lane, points = figure.data
    assert np.isnan(lane.x).sum() == 2
    outside = [x for x in lane.x if 2.1 < x < 3.9]
    assert outside == []
    absent = [text for x, text in zip(points.x, points.text, strict=True) if 2.4 < x < 3.6]
    assert absent and all(text.endswith("not seen") for text in absent)


def test_markers_outside_the_range_are_not_drawn() -> None:
    markers = [TimelineMarker(1.0, "start"), TimelineMarker(9.0, "end")]
    table = table_of(np.arange(0, 5, 0.1))
    figure = emotion_lanes(table, {1: "Person 1"}, ("sad",), (0.0, 5.0), markers=markers)
    texts = [annotation.text for annotation in figure.layout.annotations]
    assert "start" in texts and "end" not in texts
