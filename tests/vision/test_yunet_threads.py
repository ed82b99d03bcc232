"""YuNet in several threads, with networks that notice when two threads use one of them."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from fer_core.vision.yunet import YuNetDetector


class RecordingNetwork:
    """In place of OpenCV's network: waits until two networks of one size run."""

    created = 0
    both_run = threading.Barrier(2, timeout=180)

    def __init__(self) -> None:
        self._use = threading.Lock()

    @classmethod
    def create(cls, *_: object) -> "RecordingNetwork":
        cls.created += 1
        return cls()

    def setInputSize(self, _: tuple[int, int]) -> None:  # noqa: N802 - OpenCV's name
        pass

    def detect(self, _: NDArray[np.uint8]) -> tuple[int, None]:
        assert self._use.acquire(blocking=False), "two threads use one network"
        try:
            self.both_run.wait()
        finally:
            self._use.release()
        return 1, None


def test_two_threads_detect_at_the_same_time_with_networks_that_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cv2, "FaceDetectorYN", RecordingNetwork)
    monkeypatch.setattr(RecordingNetwork, "created", 0)
    detector = YuNetDetector(Path("yunet.onnx"))
    assert RecordingNetwork.created == 3  # one for each size
    small = np.zeros((120, 160, 3), np.uint8)  # only the medium pass runs
    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(detector.detect, [small] * 6)) == [[]] * 6
    assert RecordingNetwork.created == 4
