"""``Face``: derived values, and arguments that raise."""

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from fer_core.emotions import EMOTIONS
from fer_core.vision.boxes import FaceBox
from fer_core.vision.face import Face, is_too_small

BOX = FaceBox(0, 0, 5, 5)
ROW = np.array([0.1, 0.05, 0.05, 0.5, 0.1, 0.1, 0.1], np.float32)


def test_label_score_and_probabilities_by_class() -> None:
    face = Face(BOX, probabilities=ROW, classes=EMOTIONS)
    assert face.is_classified
    assert face.label == "happy"
    assert face.score == pytest.approx(0.5)
    assert tuple(face.probability_by_class()) == EMOTIONS
    assert face.probability_by_class()["sad"] == pytest.approx(0.1)


def test_confidence_is_compared_with_the_minimum() -> None:
    face = Face(BOX, probabilities=ROW, classes=EMOTIONS)
    assert face.is_confident and face.description == "happy 50 %"
    assert replace(face, minimum_confidence=0.5).is_confident
    uncertain = replace(face, minimum_confidence=0.51)
    assert not uncertain.is_confident
    # Of several equally probable classes the first one is named.
    assert uncertain.description == "not sure: happy or angry"


def test_a_small_face_is_not_read() -> None:
    assert is_too_small(FaceBox(3, 4, 23.9, 40)) and is_too_small(FaceBox(3, 4, 40, 23.9))
    assert not is_too_small(FaceBox(3, 4, 24, 24))
    face = Face(BOX, probabilities=ROW, classes=EMOTIONS, is_too_small=True)
    assert not face.is_confident
    assert face.description == "too small to read"


def test_a_face_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Face(BOX).box = FaceBox(0, 0, 1, 1)  # type: ignore[misc]


def test_a_detection_has_no_label_yet() -> None:
    face = Face(BOX, 0.7)
    assert not face.is_classified
    for name in ("label", "score"):
        with pytest.raises(ValueError, match="not classified"):
            getattr(face, name)
    with pytest.raises(ValueError, match="not classified"):
        face.probability_by_class()


def test_invalid_values_raise() -> None:
    with pytest.raises(ValueError, match=r"detection_score=1\.1"):
        Face(BOX, 1.1)
    with pytest.raises(ValueError, match=r"probabilities should be \[7\]"):
        Face(BOX, probabilities=np.ones(1, np.float32), classes=EMOTIONS)
    with pytest.raises(ValueError, match="probabilities should be"):
        Face(BOX, probabilities=np.ones(0, np.float32))
    with pytest.raises(ValueError, match="between 0 and 1"):
        Face(BOX, probabilities=np.full(7, np.nan, np.float32), classes=EMOTIONS)
    for shape, dtype in (((4, 4, 2), np.uint8), ((4, 4), np.float32), ((4,), np.uint8)):
        with pytest.raises(ValueError, match="crop should be"):
            Face(BOX, crop=np.zeros(shape, dtype))
