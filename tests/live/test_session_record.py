import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_core.emotions import EMOTIONS
from fer_core.live.session_record import RecordContext, SessionRecord, unsure_name
from fer_core.vision.boxes import FaceBox
from fer_core.vision.face import Face

BOX = FaceBox(10, 20, 30, 40)
FLAT = np.full(7, 1 / 7, np.float32)
HAPPY, SAD = np.eye(7, dtype=np.float32)[[3, 4]]


def face_of(track_id: int, row: NDArray[np.float32]) -> Face:
    return Face(BOX, probabilities=row, classes=EMOTIONS, track_id=track_id)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_person_is_recorded_five_times_per_second() -> None:
    clock = Clock()
    record = SessionRecord(clock=clock)
    for frame in range(61):
        clock.now = 100 + frame / 30
        record.add(face_of(1, HAPPY))
        record.add(face_of(2, SAD))
    rows = record.rows()
    assert np.count_nonzero(rows.persons == 1) == 11
    assert np.count_nonzero(rows.persons == 2) == 11
    assert rows.seconds[0] == 0
    assert np.diff(rows.seconds[rows.persons == 1]) == pytest.approx(0.2)
    assert set(rows.labels) == {"happy", "sad"}


def test_shares_are_of_time_and_not_of_rows() -> None:
    clock = Clock()
    record = SessionRecord(clock=clock)
    # Happy for 0.2 s, sad for 0.6 s, happy for 0.2 s, the interval of the last row.
    for moment, row in ((0.0, HAPPY), (0.2, SAD), (0.8, HAPPY)):
        clock.now = 100 + moment
        record.add(face_of(1, row))
    shares = record.shares()[1]
    assert shares["happy"] == pytest.approx(0.4)
    assert shares["sad"] == pytest.approx(0.6)
    assert sum(shares.values()) == pytest.approx(1)


def test_time_without_a_certain_class_has_its_own_share() -> None:
    clock = Clock()
    record = SessionRecord(clock=clock)
    # Happy for 0.2 s, then uncertain for 0.6 s and the interval of the last row.
    uncertain = replace(face_of(1, HAPPY), minimum_confidence=0.5, probabilities=FLAT)
    for moment, face in ((0.0, face_of(1, HAPPY)), (0.2, uncertain), (0.8, uncertain)):
        clock.now = 100 + moment
        record.add(face)
    shares = record.shares()[1]
    assert tuple(shares) == (*EMOTIONS, "not sure")
    assert shares["happy"] == pytest.approx(0.2)
    assert shares["not sure"] == pytest.approx(0.8)
    assert sum(shares.values()) == pytest.approx(1)
    assert record.rows().is_confident.tolist() == [True, False, False]
    assert unsure_name(("not sure", "calm")) == "(not sure)"


def test_rows_state_what_produced_them() -> None:
    clock = Clock()
    record = SessionRecord(clock=clock)
    context = RecordContext("votes", "yunet", "strong", 0.62, 0.4, True, 640, 480)
    raw = np.array([0, 0, 0, 0.25, 0.75, 0, 0], np.float32)
    record.add(face_of(4, HAPPY), raw, context)
    clock.now += 1
    record.add(face_of(4, HAPPY), raw, replace(context, is_mirrored=False))
    first, second = csv.DictReader(io.StringIO(record.to_csv()))
    # The box [10, 20, 30, 40] of the camera's picture, in the mirrored picture that is recorded.
    assert [first[name] for name in ("x", "y", "width", "height")] == ["600", "20", "30", "40"]
    assert (second["x"], first["mirrored"], second["mirrored"]) == ("10", "true", "false")
    assert (first["happy"], first["raw_happy"], first["raw_sad"]) == ("1.0000", "0.2500", "0.7500")
    assert first["is_confident"] == "true"
    names = ("model", "detector", "emphasis", "minimum_confidence", "smoothing_seconds")
    assert [first[name] for name in names] == ["votes", "yunet", "strong", "0.62", "0.4"]
    assert (first["picture_width"], first["picture_height"]) == ("640", "480")
    document = json.loads(record.to_json())
    assert [row["settings"] for row in document["rows"]] == [0, 1]
    assert document["settings"][0]["model"] == "votes"
    assert document["settings"][1]["is_mirrored"] is False
    assert document["rows"][0]["raw_probabilities"]["sad"] == pytest.approx(0.75)
    assert document["rows"][0]["is_confident"] is True


def test_time_without_a_face_does_not_count() -> None:
    clock = Clock()
    record = SessionRecord(clock=clock)
    for moment, row in ((0.0, HAPPY), (60.0, SAD), (60.8, SAD)):
        clock.now = 100 + moment
        record.add(face_of(1, row))
    # At most 1 s for the first row, 0.8 and 0.2 s for the others.
    assert record.shares()[1]["happy"] == pytest.approx(0.5)


def test_rows_from_a_moment_on() -> None:
    clock = Clock()
    record = SessionRecord(clock=clock)
    for second in range(10):
        clock.now = 100 + second
        record.add(face_of(1, HAPPY))
    assert list(record.rows(since=7).seconds) == [7, 8, 9]
    assert len(record.rows()) == 10
    clock.now = 112
    assert record.seconds == 12


def test_a_full_record_keeps_its_rows_and_counts_further_ones() -> None:
    clock = Clock()
    record = SessionRecord(max_rows=3000, clock=clock)
    for second in range(3010):
        clock.now = 100 + second
        record.add(face_of(1, HAPPY))
    assert len(record) == 3000
    assert record.is_full
    assert record.dropped_rows == 10
    assert record.rows().seconds[-1] == 2999


def test_clear_removes_all_rows() -> None:
    clock = Clock()
    record = SessionRecord(clock=clock)
    record.add(face_of(1, HAPPY))
    record.clear()
    assert len(record) == 0
    assert record.started_at is None
    assert record.seconds == 0
    clock.now = 150
    record.add(face_of(1, SAD))
    assert list(record.rows().seconds) == [0]


def test_csv_and_json_contain_time_person_box_and_probabilities() -> None:
    clock = Clock()
    record = SessionRecord(clock=clock)
    row = np.array([0.1, 0, 0.05, 0.6, 0.05, 0.1, 0.1], np.float32)
    record.add(face_of(4, row))
    clock.now += 1.5
    record.add(face_of(4, row))
    lines = list(csv.DictReader(io.StringIO(record.to_csv())))
    assert [line["seconds"] for line in lines] == ["0.00", "1.50"]
    first = lines[0]
    assert record.started_at is not None
    assert first["time"].startswith(record.started_at[:19])
    assert [first[name] for name in ("person", "x", "y", "width", "height")] == [
        "4",
        "10",
        "20",
        "30",
        "40",
    ]
    assert (first["label"], first["score"]) == ("happy", "0.6000")
    assert [float(first[emotion]) for emotion in EMOTIONS] == pytest.approx(list(row), abs=1e-4)
    document = json.loads(record.to_json())
    assert document["rows"][1]["box"] == [10, 20, 30, 40]
    assert document["rows"][1]["probabilities"]["happy"] == pytest.approx(0.6)
    assert document["shares"]["4"]["happy"] == 1.0
    assert document["dropped_rows"] == 0


def test_an_empty_record_gives_a_header_only() -> None:
    record = SessionRecord()
    assert record.to_csv().count("\n") == 1
    assert json.loads(record.to_json())["rows"] == []
    assert record.shares() == {}
