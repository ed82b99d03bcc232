"""What the tests of the live room share."""

import pytest
from live_scenes import FixedPredictor, SquareDetector

from fer_core.live.controls import LiveControls


@pytest.fixture
def detector() -> SquareDetector:
    return SquareDetector()


@pytest.fixture
def predictor() -> FixedPredictor:
    return FixedPredictor()


@pytest.fixture
def controls(detector: SquareDetector, predictor: FixedPredictor) -> LiveControls:
    return LiveControls(predictor, detector, smoothing_seconds=0.0, is_mirrored=False)
