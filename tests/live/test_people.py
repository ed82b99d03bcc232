import math

import numpy as np
import pytest

from fer_core.emotions import EMOTIONS
from fer_core.live.people import People, Person, smoothing_share
from fer_core.vision.boxes import FaceBox
from fer_core.vision.face import Face

LEFT, RIGHT = FaceBox(0, 0, 50, 50), FaceBox(300, 0, 50, 50)


def numbers(people: People) -> list[int | None]:
    return [one.number for one in people.visible]


def update(people: People, boxes: list[FaceBox], seconds: float, smoothing: float = 0.0) -> None:
    people.update([Face(box) for box in boxes], seconds, smoothing)


def seen_twice(*boxes: FaceBox) -> People:
    people = People()
    update(people, [*boxes], 0.0)
    update(people, [*boxes], 0.1)
    return people


def test_a_face_is_shown_once_it_is_confirmed() -> None:
    people = People()
    update(people, [LEFT], 0.0)
    assert numbers(people) == []
    update(people, [LEFT], 0.1)
    assert numbers(people) == [1]


def test_what_is_seen_once_only_is_never_shown() -> None:
    people = People()
    update(people, [LEFT], 0.0)
    update(people, [], 0.1)
    update(people, [LEFT], 0.2)
    assert numbers(people) == []


def test_numbers_stay_with_places_whatever_the_order() -> None:
    people = seen_twice(LEFT, RIGHT)
    update(people, [RIGHT, LEFT], 0.2)
    by_number = {one.number: one.box.x for one in people.visible}
    assert by_number == {1: 0, 2: 300}


def test_a_missed_look_does_not_hide_a_face_that_is_followed() -> None:
    people = seen_twice(LEFT)
    update(people, [], 0.3)
    assert numbers(people) == [1]
    update(people, [], 1.0)
    assert numbers(people) == []


def test_a_face_that_was_lost_is_gone_with_the_look_that_misses_it() -> None:
    people = seen_twice(LEFT)
    people.follow(lambda places: [None for _ in places])
    assert people.has_lost_someone
    update(people, [], 0.2)
    assert numbers(people) == []
    assert not people.has_lost_someone


def test_whoever_comes_back_to_the_same_place_keeps_the_number() -> None:
    people = seen_twice(LEFT)
    update(people, [], 1.5)
    update(people, [FaceBox(10, 5, 50, 50)], 3.0)
    assert numbers(people) == [1]


@pytest.mark.parametrize(
    "box, seconds", [(RIGHT, 3.0), (LEFT, 9.0), (FaceBox(0, 0, 200, 200), 3.0)]
)
def test_whoever_comes_back_elsewhere_later_or_much_nearer_is_somebody_new(
    box: FaceBox, seconds: float
) -> None:
    people = seen_twice(LEFT)
    update(people, [], 1.5)
    update(people, [box], seconds)
    update(people, [box], seconds + 0.1)
    assert numbers(people) == [2]


def test_motion_is_followed_at_once_and_corrections_are_smoothed() -> None:
    people = seen_twice(FaceBox(0, 0, 100, 100))
    people.follow(lambda places: [place.moved(30, 0) for place in places])
    assert people.visible[0].box.x == 30
    # Seen 0.2 s after the last look with a time constant of 0.4 s: 1 - exp(-1/2) of 10 pixels.
    update(people, [FaceBox(40, 0, 100, 100)], 0.3, smoothing=0.4)
    assert people.visible[0].box.x == pytest.approx(30 + 10 * (1 - math.exp(-0.5)))


def test_a_box_that_has_gone_astray_is_replaced_at_once() -> None:
    people = seen_twice(FaceBox(0, 0, 100, 100))
    update(people, [FaceBox(50, 0, 100, 100)], 0.3, smoothing=3.0)
    assert people.visible[0].box == FaceBox(50, 0, 100, 100)


def test_whoever_was_followed_to_the_wrong_place_is_found_again_as_the_same() -> None:
    people = seen_twice(FaceBox(100, 0, 100, 100))
    people.follow(lambda places: [place.moved(70, 0) for place in places])
    for seconds in (0.3, 0.5):
        update(people, [FaceBox(100, 0, 100, 100)], seconds)
    assert numbers(people) == [1]
    assert people.visible[0].box == FaceBox(100, 0, 100, 100)


def test_a_picture_of_another_size_takes_everybody_along() -> None:
    people = seen_twice(RIGHT)
    people.rescale(2.0, 1.5)
    assert people.visible[0].box == FaceBox(600, 0, 100, 75)


def test_readings_are_averaged_over_time() -> None:
    box = FaceBox(0, 0, 10, 10)
    person = Person(Face(box, track_id=1), 0.0)
    rows = np.eye(7, dtype=np.float32)[:2]
    first, second = (Face(box, probabilities=row, classes=EMOTIONS) for row in rows)
    person.add_prediction(first, 0.0, 0.5)
    person.add_prediction(second, 0.5, 0.5)
    share = 1 - math.exp(-1)
    assert person.face.probabilities == pytest.approx([1 - share, share, 0, 0, 0, 0, 0], abs=1e-6)
    person.add_prediction(second, 0.6, 0.0)
    assert person.face.probabilities == pytest.approx(rows[1])
    assert person.face.track_id == 1
    person.discard_prediction()
    assert not person.face.is_classified
    assert (person.face.box, person.face.track_id) == (box, 1)


def test_predictions_of_other_classes_are_not_averaged() -> None:
    box = FaceBox(0, 0, 10, 10)
    person = Person(Face(box, track_id=1), 0.0)
    row = np.eye(7, dtype=np.float32)[0]
    person.add_prediction(Face(box, probabilities=row, classes=EMOTIONS), 0.0, 0.5)
    pair = np.array([0.25, 0.75], np.float32)
    person.add_prediction(Face(box, probabilities=pair, classes=("calm", "excited")), 0.1, 0.5)
    assert person.face.label == "excited"
    assert person.face.score == 0.75


def test_smoothing_share_by_hand() -> None:
    assert smoothing_share(1.0, 0.0) == 1.0
    assert smoothing_share(0.0, 1.0) == 0.0
    assert smoothing_share(1.0, 1.0) == pytest.approx(0.63212, abs=1e-5)
