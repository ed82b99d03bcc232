"""Fixtures of the tests of ``fer_core.live``."""

import itertools
import time

import pytest
from live_scenes import FixedPredictor, SquareDetector

from fer_core.live.controls import LiveControls
from fer_core.vision.analyzer import Analyzer


@pytest.fixture(autouse=True)
def _constant_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every measured duration be a few milliseconds.

    A stream detects less often if a detection takes long, as on a busy machine. A face that is to
    be shown within half a second would then appear later.
    """
    calls = itertools.count()
    monkeypatch.setattr(time, "perf_counter", lambda: next(calls) / 1000)


@pytest.fixture
def detector() -> SquareDetector:
    return SquareDetector()


@pytest.fixture
def predictor() -> FixedPredictor:
    return FixedPredictor()


@pytest.fixture
def controls(detector: SquareDetector, predictor: FixedPredictor) -> LiveControls:
    return LiveControls(Analyzer(predictor, detector), smoothing_seconds=0.0, is_mirrored=False)
