import numpy as np
import pytest
from live_scenes import ImmediateExecutor, ManualExecutor, SquareDetector, scene

from fer_core.live.flow import FlowFrame
from fer_core.live.looking import Lookout

IMAGE = scene((200, 152))
FLOW = FlowFrame.of(IMAGE)


def test_one_look_at_a_time(detector: SquareDetector) -> None:
    later = ManualExecutor()
    lookout = Lookout(later)
    lookout.look(detector, IMAGE, FLOW, 0.0)
    lookout.look(detector, IMAGE, FLOW, 5.0)
    assert len(later.waiting) == 1
    assert lookout.found() is None
    later.run_all()
    look = lookout.found()
    assert look is not None
    assert look.seconds == 0.0
    assert [(face.box.x, face.box.y, face.box.width) for face in look.faces] == [(200, 152, 80)]
    assert lookout.found() is None


def test_looks_keep_a_pause_that_urgent_ones_cut_short(detector: SquareDetector) -> None:
    lookout = Lookout(ImmediateExecutor())
    calls = []
    for moment, is_urgent in ((0.0, False), (0.05, False), (0.06, True), (0.07, False)):
        lookout.look(detector, IMAGE, FLOW, moment, is_urgent=is_urgent)
        lookout.found()
        calls.append(detector.calls)
    assert calls == [1, 1, 2, 2]


def test_a_slow_detector_is_asked_less_often() -> None:
    class Slow(SquareDetector):
        def detect(self, image: np.ndarray) -> list:  # type: ignore[type-arg]
            import time

            time.sleep(0.1)
            return super().detect(image)

    slow, lookout = Slow(), Lookout(ImmediateExecutor())
    for frame in range(30):
        lookout.look(slow, IMAGE, FLOW, frame / 30)
        lookout.found()
    # 0.1 s at an eighth of a core: one look in 0.8 s.
    assert slow.calls == 2


def test_a_forgotten_look_is_not_told(detector: SquareDetector) -> None:
    later = ManualExecutor()
    lookout = Lookout(later)
    lookout.look(detector, IMAGE, FLOW, 0.0)
    lookout.forget()
    assert lookout.found() is None
    lookout.look(detector, IMAGE, FLOW, 0.01)
    assert len(later.waiting) == 2


def test_a_detectors_error_comes_out(detector: SquareDetector) -> None:
    detector.error = RuntimeError("broken")
    lookout = Lookout(ImmediateExecutor())
    lookout.look(detector, IMAGE, FLOW, 0.0)
    with pytest.raises(RuntimeError, match="broken"):
        lookout.found()
    assert lookout.found() is None
