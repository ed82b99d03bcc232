import time

import numpy as np
import pytest
from live_scenes import ImmediateExecutor, ManualExecutor, SquareDetector, scene

from fer_core.live.detection_scheduler import DetectionScheduler
from fer_core.vision.flow import FlowFrame

IMAGE = scene((200, 152))
FLOW = FlowFrame.of(IMAGE)


def test_one_detection_runs_at_a_time(detector: SquareDetector) -> None:
    executor = ManualExecutor()
    scheduler = DetectionScheduler(executor)
    scheduler.submit(detector, IMAGE, FLOW, 0.0)
    scheduler.submit(detector, IMAGE, FLOW, 5.0)
    assert len(executor.waiting) == 1
    assert scheduler.take_result() is None
    executor.run_all()
    result = scheduler.take_result()
    assert result is not None
    assert result.seconds == 0.0
    assert [(face.box.x, face.box.y, face.box.width) for face in result.faces] == [(200, 152, 80)]
    assert scheduler.take_result() is None


def test_detections_keep_an_interval_that_is_shorter_if_urgent(detector: SquareDetector) -> None:
    scheduler = DetectionScheduler(ImmediateExecutor())
    calls = []
    for moment, is_urgent in ((0.0, False), (0.05, False), (0.06, True), (0.07, False)):
        scheduler.submit(detector, IMAGE, FLOW, moment, is_urgent=is_urgent)
        scheduler.take_result()
        calls.append(detector.calls)
    assert calls == [1, 1, 2, 2]


def test_a_slow_detector_runs_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: seconds[0])

    class Slow(SquareDetector):
        """A detector that takes a tenth of a second, without waiting."""

        def detect(self, image: np.ndarray) -> list:  # type: ignore[type-arg]
            seconds[0] += 0.1
            return super().detect(image)

    slow, scheduler = Slow(), DetectionScheduler(ImmediateExecutor())
    for frame in range(30):
        scheduler.submit(slow, IMAGE, FLOW, frame / 30)
        scheduler.take_result()
    # 0.1 s at an eighth of a core: one detection in 0.8 s.
    assert slow.calls == 2


def test_reset_discards_the_running_detection(detector: SquareDetector) -> None:
    executor = ManualExecutor()
    scheduler = DetectionScheduler(executor)
    scheduler.submit(detector, IMAGE, FLOW, 0.0)
    scheduler.reset()
    assert scheduler.take_result() is None
    scheduler.submit(detector, IMAGE, FLOW, 0.01)
    assert len(executor.waiting) == 2


def test_take_result_raises_the_detectors_error(detector: SquareDetector) -> None:
    detector.error = RuntimeError("broken")
    scheduler = DetectionScheduler(ImmediateExecutor())
    scheduler.submit(detector, IMAGE, FLOW, 0.0)
    with pytest.raises(RuntimeError, match="broken"):
        scheduler.take_result()
    assert scheduler.take_result() is None
