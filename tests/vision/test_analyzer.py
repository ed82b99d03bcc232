"""The analyzer with a detector and a network of known results."""

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_core.emotions import EMOTIONS
from fer_core.vision.analyzer import Analyzer
from fer_core.vision.boxes import BoxGeometry, FaceBox
from fer_core.vision.face import Face


class KnownDetector:
    """Returns the boxes that it was given."""

    name = "known"
    geometry = BoxGeometry(relative_side=1.0, offset_x=0.0, offset_y=0.0)

    def __init__(self, *boxes: FaceBox) -> None:
        self.faces = [Face(box, 0.9) for box in boxes]
        self.calls = 0

    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        self.calls += 1
        return self.faces


class BrightnessPredictor:
    """Predicts the class whose number is the brightness of the crop's center; records batches."""

    def __init__(
        self,
        input_shape: tuple[int, int, int] = (48, 48, 1),
        classes: tuple[str, ...] = EMOTIONS,
    ) -> None:
        self.input_shape = input_shape
        self.classes = classes
        self.minimum_confidence = 0.7
        self.batches: list[NDArray[np.uint8]] = []

    def probabilities(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.batches.append(crops)
        count = len(self.classes)
        rows = np.full((len(crops), count), 0.3 / (count - 1), np.float32)
        height, width = crops.shape[1:3]
        centers = crops.reshape(len(crops), height, width, -1)[:, height // 2, width // 2, 0]
        rows[np.arange(len(crops)), centers] = 0.7
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


def test_all_faces_are_classified_in_one_batch_in_reading_order() -> None:
    boxes = FaceBox(120, 120, 50, 50), FaceBox(120, 10, 50, 50), FaceBox(20, 100, 50, 50)
    analyzer, predictor, _ = analyzer_of(*boxes)
    faces = analyzer.analyze(scene())
    assert [face.label for face in faces] == ["happy", "surprise", "neutral"]
    assert [face.box for face in faces] == [boxes[2], boxes[1], boxes[0]]
    assert [face.detection_score for face in faces] == [0.9] * 3
    assert [batch.shape for batch in predictor.batches] == [(3, 48, 48)]
    assert predictor.batches[0].dtype == np.uint8
    assert faces[1].crop is not None
    np.testing.assert_array_equal(faces[1].crop, predictor.batches[0][1])


def test_without_faces_the_network_is_not_called() -> None:
    analyzer, predictor, _ = analyzer_of()
    assert analyzer.analyze(scene()) == []
    assert analyzer.classify(scene(), []) == []
    assert predictor.batches == []


def test_detect_returns_faces_without_probabilities() -> None:
    box = FaceBox(20, 100, 50, 50)
    analyzer, predictor, _ = analyzer_of(box)
    (face,) = analyzer.detect(scene())
    assert (face.box, face.is_classified) == (box, False)
    assert predictor.batches == []


def test_classify_keeps_order_box_score_and_track() -> None:
    analyzer, predictor, detector = analyzer_of()
    tracked = [
        Face(FaceBox(120.4, 10.2, 50, 50), 0.8, track_id=7),
        Face(FaceBox(20, 100, 50, 50), track_id=3),
    ]
    faces = analyzer.classify(scene(), tracked)
    assert [face.label for face in faces] == ["surprise", "happy"]
    assert [(face.box, face.detection_score, face.track_id) for face in faces] == [
        (face.box, face.detection_score, face.track_id) for face in tracked
    ]
    assert detector.calls == 0
    assert len(predictor.batches) == 1


@pytest.mark.parametrize("side", [96, 224])
@pytest.mark.parametrize("channels", [1, 3])
def test_crops_have_the_models_own_size_and_channels_and_the_original_pixels(
    side: int, channels: int
) -> None:
    image = np.random.default_rng(0).integers(0, 7, (400, 400, 3), np.uint8)
    if channels == 1:
        image[:] = image[:, :, :1]
    predictor = BrightnessPredictor((side, side, channels))
    analyzer = Analyzer(predictor, KnownDetector(FaceBox(100, 120, side, side)))
    analyzer.analyze(image)
    expected = image[120 : 120 + side, 100 : 100 + side]
    (batch,) = predictor.batches
    np.testing.assert_array_equal(batch[0], expected[:, :, 0] if channels == 1 else expected)


def test_labels_are_the_models_classes() -> None:
    predictor = BrightnessPredictor(classes=("calm", "excited"))
    image = np.ones((100, 100, 3), np.uint8)
    (face,) = Analyzer(predictor, KnownDetector(FaceBox(10, 10, 50, 50))).analyze(image)
    assert (face.label, face.classes) == ("excited", ("calm", "excited"))


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [(48, 48, 1), (128, 128, 1), (100, 91, 1), (100, 89, 0), (129, 129, 0), (48, 96, 0), (1, 1, 1)],
)
def test_a_small_square_picture_without_a_face_is_classified_whole(
    height: int, width: int, expected: int
) -> None:
    analyzer, _, _ = analyzer_of()
    image = np.full((height, width, 3), 2, np.uint8)
    faces = analyzer.analyze(image)
    assert len(faces) == expected
    if faces:
        assert faces[0].box == FaceBox(0, 0, width, height)
        assert faces[0].label == "fear"
    assert analyzer.analyze(image, as_one_face=False) == []


def test_whole_on_request_does_not_call_the_detector() -> None:
    analyzer, predictor, detector = analyzer_of(FaceBox(20, 100, 50, 50))
    faces = analyzer.analyze(scene(), as_one_face=True)
    assert [face.box for face in faces] == [FaceBox(0, 0, 300, 200)]
    assert detector.calls == 0
    assert predictor.batches[0].shape == (1, 48, 48)


def test_a_detected_face_in_a_small_square_picture_is_cropped() -> None:
    box = FaceBox(10, 10, 40, 40)
    analyzer, _, _ = analyzer_of(box)
    assert [face.box for face in analyzer.analyze(np.zeros((80, 80, 3), np.uint8))] == [box]


def test_a_48_pixel_picture_is_classified_unchanged() -> None:
    analyzer, predictor, _ = analyzer_of(FaceBox(4, 4, 40, 40))
    gray = np.random.default_rng(0).integers(0, 7, (48, 48), np.uint8)
    faces = analyzer.analyze(np.repeat(gray[:, :, None], 3, axis=2))
    assert [face.box for face in faces] == [FaceBox(0, 0, 48, 48)]
    np.testing.assert_array_equal(predictor.batches[0][0], gray)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((5, 5), np.uint8),
        np.zeros((5, 5, 4), np.uint8),
        np.zeros((5, 5, 3), np.float32),
        np.zeros((0, 5, 3), np.uint8),
    ],
)
def test_arrays_that_are_not_pictures_raise(image: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match="image should be uint8"):
        analyzer_of()[0].analyze(image)
