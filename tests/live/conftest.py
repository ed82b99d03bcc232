"""Fixtures of the tests of ``fer_core.live``."""

import pytest
from live_scenes import FixedPredictor, SquareDetector

from fer_core.live.controls import LiveControls
from fer_core.vision.analyzer import Analyzer


@pytest.fixture
def detector() -> SquareDetector:
    return SquareDetector()


@pytest.fixture
def predictor() -> FixedPredictor:
    return FixedPredictor()


@pytest.fixture
def controls(detector: SquareDetector, predictor: FixedPredictor) -> LiveControls:
    return LiveControls(Analyzer(predictor, detector), smoothing_seconds=0.0, is_mirrored=False)
