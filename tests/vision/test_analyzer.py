"""The analyzer with a detector and a network whose answers are known."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_core.emotions import EMOTIONS
from fer_core.vision.analyzer import Analyzer, FaceReading
from fer_core.vision.boxes import BoxGeometry, FaceBox


class KnownDetector:
    """Finds the boxes that it was given."""

    name = "known"
    geometry = BoxGeometry(side=1.0, right=0.0, down=0.0)

    def __init__(self, *boxes: FaceBox) -> None:
        self.boxes = list(boxes)
        self.calls = 0

    def detect(self, image: NDArray[np.uint8]) -> list[FaceBox]:
        self.calls += 1
        return self.boxes


class BrightnessPredictor:
    """Names the emotion whose number is the crop's brightness, and keeps what it was asked."""

    def __init__(self) -> None:
        self.batches: list[NDArray[np.uint8]] = []

    def probabilities(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.batches.append(crops)
        rows = np.full((len(crops), 7), 0.05, np.float32)
        rows[np.arange(len(crops)), crops[:, 24, 24]] = 0.7
        return rows


def analyzer_of(*boxes: FaceBox) -> tuple[Analyzer, BrightnessPredictor, KnownDetector]:
    predictor, detector = BrightnessPredictor(), KnownDetector(*boxes)
    return Analyzer(predictor, detector), predictor, detector


def scene() -> NDArray[np.uint8]:
    image = np.zeros((200, 300, 3), np.uint8)
    image[100:150, 20:70] = 3
    image[10:60, 120:170] = 5
    image[120:170, 120:170] = 6
    return image


def test_one_batch_for_all_faces_from_left_to_right_and_top_to_bottom() -> None:
    boxes = FaceBox(120, 120, 50, 50), FaceBox(120, 10, 50, 50, 0.9), FaceBox(20, 100, 50, 50)
    analyzer, predictor, _ = analyzer_of(*boxes)
    readings = analyzer.analyze(scene())
    assert [reading.label for reading in readings] == ["happy", "surprise", "neutral"]
    assert [reading.box for reading in readings] == [boxes[2], boxes[1], boxes[0]]
    assert [batch.shape for batch in predictor.batches] == [(3, 48, 48)]
    assert predictor.batches[0].dtype == np.uint8
    np.testing.assert_array_equal(readings[1].crop, predictor.batches[0][1])


def test_no_faces_and_no_call_of_the_network() -> None:
    analyzer, predictor, _ = analyzer_of()
    assert analyzer.analyze(scene()) == []
    assert predictor.batches == []


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [(48, 48, 1), (128, 128, 1), (100, 91, 1), (100, 89, 0), (129, 129, 0), (48, 96, 0), (1, 1, 1)],
)
def test_a_small_square_picture_without_a_face_is_classified_whole(
    height: int, width: int, expected: int
) -> None:
    analyzer, _, _ = analyzer_of()
    image = np.full((height, width, 3), 2, np.uint8)
    readings = analyzer.analyze(image)
    assert len(readings) == expected
    if readings:
        assert readings[0].box == FaceBox(0, 0, width, height)
        assert readings[0].label == "fear"
    assert analyzer.analyze(image, whole=False) == []


def test_whole_on_request_asks_no_detector() -> None:
    analyzer, predictor, detector = analyzer_of(FaceBox(20, 100, 50, 50))
    readings = analyzer.analyze(scene(), whole=True)
    assert [reading.box for reading in readings] == [FaceBox(0, 0, 300, 200)]
    assert detector.calls == 0
    assert predictor.batches[0].shape == (1, 48, 48)


def test_a_face_in_a_small_square_picture_is_cut_out() -> None:
    box = FaceBox(10, 10, 40, 40)
    analyzer, _, _ = analyzer_of(box)
    assert [reading.box for reading in analyzer.analyze(np.zeros((80, 80, 3), np.uint8))] == [box]


def test_the_networks_own_size_is_taken_as_it_is() -> None:
    analyzer, predictor, _ = analyzer_of(FaceBox(4, 4, 40, 40))
    grey = np.random.default_rng(0).integers(0, 7, (48, 48), np.uint8)
    readings = analyzer.analyze(np.repeat(grey[:, :, None], 3, axis=2))
    assert [reading.box for reading in readings] == [FaceBox(0, 0, 48, 48)]
    np.testing.assert_array_equal(predictor.batches[0][0], grey)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((5, 5), np.uint8),
        np.zeros((5, 5, 4), np.uint8),
        np.zeros((5, 5, 3), np.float32),
        np.zeros((0, 5, 3), np.uint8),
    ],
)
def test_other_arrays_are_refused(image: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match="image should be uint8"):
        analyzer_of()[0].analyze(image)


def reading_of(probabilities: list[float]) -> FaceReading:
    crop = np.zeros((48, 48), np.uint8)
    return FaceReading(FaceBox(0, 0, 5, 5), crop, np.array(probabilities, np.float32))


def test_label_score_and_all_seven() -> None:
    reading = reading_of([0.1, 0.05, 0.05, 0.5, 0.1, 0.1, 0.1])
    assert reading.label == "happy"
    assert reading.score == pytest.approx(0.5)
    assert tuple(reading.probability_by_emotion) == EMOTIONS
    assert reading.probability_by_emotion["sad"] == pytest.approx(0.1)
    with pytest.raises(FrozenInstanceError):
        reading.box = FaceBox(0, 0, 1, 1)  # type: ignore[misc]


def test_impossible_readings_are_refused() -> None:
    with pytest.raises(ValueError, match="probabilities should be"):
        reading_of([1.0])
    with pytest.raises(ValueError, match="between 0 and 1"):
        reading_of([float("nan")] * 7)
    with pytest.raises(ValueError, match="crop should be"):
        FaceReading(FaceBox(0, 0, 5, 5), np.zeros((4, 4), np.uint8), np.zeros(7, np.float32))
