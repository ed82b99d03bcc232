import math

import numpy as np
import pytest

from fer_core.emotions import EMOTIONS
from fer_core.vision.boxes import FaceBox
from fer_core.vision.face import Face
from fer_core.vision.face_tracker import FaceTracker, Track, smoothing_weight

LEFT, RIGHT = FaceBox(0, 0, 50, 50), FaceBox(300, 0, 50, 50)


def track_ids(tracker: FaceTracker) -> list[int | None]:
    return [track.track_id for track in tracker.confirmed_tracks]


def update(
    tracker: FaceTracker, boxes: list[FaceBox], seconds: float, smoothing: float = 0.0
) -> None:
    tracker.update([Face(box) for box in boxes], seconds, smoothing)


def seen_twice(*boxes: FaceBox) -> FaceTracker:
    tracker = FaceTracker()
    update(tracker, [*boxes], 0.0)
    update(tracker, [*boxes], 0.1)
    return tracker


def test_a_track_gets_its_id_with_the_second_detection() -> None:
    tracker = FaceTracker()
    update(tracker, [LEFT], 0.0)
    assert track_ids(tracker) == []
    update(tracker, [LEFT], 0.1)
    assert track_ids(tracker) == [1]


def test_a_single_detection_never_gets_an_id() -> None:
    tracker = FaceTracker()
    update(tracker, [LEFT], 0.0)
    update(tracker, [], 0.1)
    update(tracker, [LEFT], 0.2)
    assert track_ids(tracker) == []


def test_ids_do_not_depend_on_the_order_of_detections() -> None:
    tracker = seen_twice(LEFT, RIGHT)
    update(tracker, [RIGHT, LEFT], 0.2)
    by_id = {track.track_id: track.box.x for track in tracker.confirmed_tracks}
    assert by_id == {1: 0, 2: 300}


def test_a_missed_detection_does_not_end_a_followed_track() -> None:
    tracker = seen_twice(LEFT)
    update(tracker, [], 0.3)
    assert track_ids(tracker) == [1]
    update(tracker, [], 1.0)
    assert track_ids(tracker) == []


def test_a_track_that_is_neither_followed_nor_detected_ends() -> None:
    tracker = seen_twice(LEFT)
    tracker.follow(lambda boxes: [None for _ in boxes])
    assert tracker.needs_detection
    update(tracker, [], 0.2)
    assert track_ids(tracker) == []
    assert not tracker.needs_detection


def test_a_face_that_returns_to_the_same_position_keeps_its_id() -> None:
    tracker = seen_twice(LEFT)
    update(tracker, [], 1.5)
    update(tracker, [FaceBox(10, 5, 50, 50)], 3.0)
    assert track_ids(tracker) == [1]


@pytest.mark.parametrize(
    "box, seconds", [(RIGHT, 3.0), (LEFT, 9.0), (FaceBox(0, 0, 200, 200), 3.0)]
)
def test_a_face_that_returns_elsewhere_or_later_or_much_larger_gets_a_new_id(
    box: FaceBox, seconds: float
) -> None:
    tracker = seen_twice(LEFT)
    update(tracker, [], 1.5)
    update(tracker, [box], seconds)
    update(tracker, [box], seconds + 0.1)
    assert track_ids(tracker) == [2]


def test_motion_is_followed_at_once_and_corrections_are_smoothed() -> None:
    tracker = seen_twice(FaceBox(0, 0, 100, 100))
    tracker.follow(lambda boxes: [box.moved(30, 0) for box in boxes])
    assert tracker.confirmed_tracks[0].box.x == 30
    # 0.2 s after the last detection, with a time constant of 0.4 s: 1 - exp(-1/2) of 10 pixels.
    update(tracker, [FaceBox(40, 0, 100, 100)], 0.3, smoothing=0.4)
    assert tracker.confirmed_tracks[0].box.x == pytest.approx(30 + 10 * (1 - math.exp(-0.5)))


def test_an_inaccurate_box_is_replaced_at_once() -> None:
    tracker = seen_twice(FaceBox(0, 0, 100, 100))
    update(tracker, [FaceBox(50, 0, 100, 100)], 0.3, smoothing=3.0)
    assert tracker.confirmed_tracks[0].box == FaceBox(50, 0, 100, 100)


def test_a_track_followed_to_a_wrong_position_keeps_its_id() -> None:
    tracker = seen_twice(FaceBox(100, 0, 100, 100))
    tracker.follow(lambda boxes: [box.moved(70, 0) for box in boxes])
    for seconds in (0.3, 0.5):
        update(tracker, [FaceBox(100, 0, 100, 100)], seconds)
    assert track_ids(tracker) == [1]
    assert tracker.confirmed_tracks[0].box == FaceBox(100, 0, 100, 100)


def test_rescale_converts_all_boxes() -> None:
    tracker = seen_twice(RIGHT)
    tracker.rescale(2.0, 1.5)
    assert tracker.confirmed_tracks[0].box == FaceBox(600, 0, 100, 75)


def test_predictions_are_averaged_over_time() -> None:
    box = FaceBox(0, 0, 10, 10)
    track = Track(Face(box, track_id=1), 0.0)
    rows = np.eye(7, dtype=np.float32)[:2]
    first, second = (Face(box, probabilities=row, classes=EMOTIONS) for row in rows)
    track.add_prediction(first, 0.0, 0.5)
    track.add_prediction(second, 0.5, 0.5)
    weight = 1 - math.exp(-1)
    assert track.face.probabilities == pytest.approx([1 - weight, weight, 0, 0, 0, 0, 0], abs=1e-6)
    track.add_prediction(second, 0.6, 0.0)
    assert track.face.probabilities == pytest.approx(rows[1])
    assert track.face.track_id == 1
    track.discard_prediction()
    assert not track.face.is_classified
    assert (track.face.box, track.face.track_id) == (box, 1)


def test_predictions_of_other_classes_are_not_averaged() -> None:
    box = FaceBox(0, 0, 10, 10)
    track = Track(Face(box, track_id=1), 0.0)
    row = np.eye(7, dtype=np.float32)[0]
    track.add_prediction(Face(box, probabilities=row, classes=EMOTIONS), 0.0, 0.5)
    pair = np.array([0.25, 0.75], np.float32)
    track.add_prediction(Face(box, probabilities=pair, classes=("calm", "excited")), 0.1, 0.5)
    assert track.face.label == "excited"
    assert track.face.score == 0.75


def test_smoothing_weight_by_hand() -> None:
    assert smoothing_weight(1.0, 0.0) == 1.0
    assert smoothing_weight(0.0, 1.0) == 0.0
    assert smoothing_weight(1.0, 1.0) == pytest.approx(0.63212, abs=1e-5)


def test_the_number_of_detections_before_an_id_is_an_option() -> None:
    tracker = FaceTracker(minimum_consecutive_detections=1)
    update(tracker, [LEFT], 0.0)
    assert track_ids(tracker) == [1]


def test_the_buffer_of_lost_tracks_is_an_option() -> None:
    tracker = FaceTracker(minimum_consecutive_detections=1, reappearance_seconds=1.0)
    update(tracker, [LEFT], 0.0)
    update(tracker, [], 0.9)
    update(tracker, [LEFT], 1.5)
    assert track_ids(tracker) == [2]


def test_the_matching_threshold_is_an_option() -> None:
    # 40 of 50 pixels in common horizontally: an IoU of 2/3.
    moved = FaceBox(10, 0, 50, 50)
    for threshold, weight in ((0.6, 0.5), (0.7, 1.0)):
        tracker = FaceTracker(minimum_consecutive_detections=1, minimum_matching_iou=threshold)
        update(tracker, [LEFT], 0.0)
        update(tracker, [moved], math.log(2), smoothing=1.0)
        # A match is smoothed: half of the way after ln 2 time constants.
        assert tracker.confirmed_tracks[0].box.x == pytest.approx(10 * weight)


def test_a_copy_also_continues_the_only_track_after_a_gap() -> None:
    tracker = seen_twice(LEFT)
    tracker.resume_after_gap(10.0)
    other = tracker.copy()
    for one in (tracker, other):
        update(one, [RIGHT], 10.0)
        assert track_ids(one) == [1]
