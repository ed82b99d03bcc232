import pytest

from fer_core.live.rectangle import Rectangle
from fer_core.vision.boxes import FaceBox


def test_overlap_by_hand() -> None:
    one = Rectangle(0, 0, 10, 10)
    assert one.overlap(one) == 1.0
    # 50 in common of 150 in all.
    assert one.overlap(Rectangle(5, 0, 10, 10)) == pytest.approx(50 / 150)
    assert one.overlap(Rectangle(20, 20, 5, 5)) == 0.0


def test_moving_enlarges_about_the_middle() -> None:
    assert Rectangle(10, 20, 40, 60).moved(5, -5, 2.0) == Rectangle(-5, -15, 80, 120)


def test_part_of_the_way() -> None:
    half = Rectangle(0, 0, 10, 10).towards(Rectangle(10, 20, 30, 50), 0.5)
    assert half == Rectangle(5, 10, 20, 30)


def test_boxes_there_and_back() -> None:
    box = FaceBox(-3, 4, 50, 60, 0.7)
    assert Rectangle.of(box).to_box(0.7) == box
    assert Rectangle(0.4, 0.6, 0.2, 0.2).to_box() == FaceBox(0, 1, 1, 1)


def test_a_place_without_extent_is_refused() -> None:
    with pytest.raises(ValueError, match="width and a height"):
        Rectangle(0, 0, 0, 5)
