import pytest
from live_scenes import scene

from fer_core.vision.boxes import FaceBox
from fer_core.vision.flow import FlowFrame, follow


def test_a_moved_square_is_followed_to_a_pixel() -> None:
    before, now = FlowFrame.of(scene((200, 150))), FlowFrame.of(scene((212, 144)))
    (place,) = follow([FaceBox(200, 150, 80, 80)], before, now)
    assert place is not None
    assert place.x == pytest.approx(212, abs=1.5)
    assert place.y == pytest.approx(144, abs=1.5)
    assert place.width == pytest.approx(80, abs=2)


def test_several_squares_are_followed_independently() -> None:
    before, now = (
        FlowFrame.of(scene((50, 60), (400, 300))),
        FlowFrame.of(scene((58, 60), (392, 308))),
    )
    first, second = follow([FaceBox(50, 60, 80, 80), FaceBox(400, 300, 80, 80)], before, now)
    assert first is not None
    assert second is not None
    assert (first.x, first.y) == pytest.approx((58, 60), abs=1.5)
    assert (second.x, second.y) == pytest.approx((392, 308), abs=1.5)


def test_a_square_that_disappeared_is_not_followed() -> None:
    before, now = FlowFrame.of(scene((200, 150))), FlowFrame.of(scene())
    assert follow([FaceBox(200, 150, 80, 80)], before, now) == [None]


def test_no_boxes_give_an_empty_list() -> None:
    frame = FlowFrame.of(scene())
    assert follow([], frame, frame) == []


def test_frames_of_different_sizes_raise() -> None:
    with pytest.raises(ValueError, match=r"\(480, 640\), \(240, 320\)"):
        follow([], FlowFrame.of(scene()), FlowFrame.of(scene(size=(240, 320))))
