"""Positions and colors of boxes and labels."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_core.classes import color_rgb
from fer_core.emotions import EMOTION_COLORS, EMOTIONS
from fer_core.vision.boxes import FaceBox
from fer_core.vision.draw import annotate, label_text
from fer_core.vision.face import Face


def face_at(box: FaceBox, emotion: str = "happy", score: float = 0.93) -> Face:
    probabilities = np.full(7, (1 - score) / 6, np.float32)
    probabilities[EMOTIONS.index(emotion)] = score
    return Face(box, probabilities=probabilities, classes=EMOTIONS)


def blank(height: int, width: int) -> NDArray[np.uint8]:
    return np.full((height, width, 3), 17, np.uint8)


def changed(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.asarray((before != after).any(axis=2))


def test_label_texts() -> None:
    face = face_at(FaceBox(0, 0, 9, 9), "happy", 0.934)
    assert label_text(face) == "happy 93 %"
    assert label_text(face, 3) == "3: happy 93 %"
    uncertain = replace(face, minimum_confidence=0.95)
    assert label_text(uncertain, 3) == "3: not sure: happy or angry"


def test_without_faces_the_picture_is_unchanged() -> None:
    image = blank(50, 60)
    result = annotate(image, [])
    assert result is not image
    np.testing.assert_array_equal(result, image)


def test_the_box_has_the_emotions_color_and_does_not_cover_the_face() -> None:
    image = blank(480, 640)
    result = annotate(image, [face_at(FaceBox(200, 150, 160, 160), "surprise")])
    assert (image == 17).all()
    assert tuple(result[230, 200]) == color_rgb(EMOTION_COLORS["surprise"])
    assert tuple(result[309, 359]) == color_rgb(EMOTION_COLORS["surprise"])
    where = changed(image, result)
    assert not where[155:305, 205:355].any()
    assert not where[311:].any()
    assert not where[:, :200].any() and not where[:, 360:].any()
    # The label is directly above the box, in at least two colors.
    label = result[125:150, 200:360].reshape(-1, 3)
    assert len(np.unique(label, axis=0)) > 2


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_text_contrasts_with_its_background(emotion: str) -> None:
    image = blank(480, 640)
    result = annotate(image, [face_at(FaceBox(200, 150, 160, 160), emotion)])
    label = result[128:148, 204:280].reshape(-1, 3).tolist()
    assert [0, 0, 0] in label or [255, 255, 255] in label


def test_faces_below_the_minimum_confidence_are_gray() -> None:
    face = replace(face_at(FaceBox(200, 150, 99, 99), score=0.3), minimum_confidence=0.5)
    result = annotate(blank(480, 640), [face])
    assert len(set(result[200, 200].tolist())) == 1


def test_faces_that_are_too_small_get_a_dot() -> None:
    image = blank(480, 640)
    result = annotate(image, [replace(face_at(FaceBox(200, 150, 20, 20)), is_too_small=True)])
    where = changed(image, result)
    # Only the center, where the box would not be drawn, and no label above it.
    assert where[160, 210] and not where[150, 200:220].any()
    rows, columns = np.nonzero(where)
    assert rows.min() >= 156 and rows.max() <= 164
    assert columns.min() >= 206 and columns.max() <= 214


@pytest.mark.parametrize(
    "box",
    [
        FaceBox(0, 0, 100, 100),
        FaceBox(-40, -30, 100, 100),
        FaceBox(580, 430, 100, 100),
        FaceBox(0, 0, 640, 480),
        FaceBox(-5000, 200, 10, 10),
        FaceBox(639, 479, 1, 1),
    ],
)
def test_labels_of_boxes_at_the_edge_are_inside_the_picture(box: FaceBox) -> None:
    image = blank(480, 640)
    result = annotate(image, [face_at(box)])
    assert result.shape == image.shape
    # A complete label: at least one line of its background.
    rows = (result == color_rgb(EMOTION_COLORS["happy"])).all(axis=2).sum(axis=1)
    assert rows.max() >= 50


def test_fractional_boxes_are_rounded_to_whole_pixels() -> None:
    image = blank(480, 640)
    result = annotate(image, [face_at(FaceBox(200.4, 149.6, 160.3, 159.7))])
    np.testing.assert_array_equal(result, annotate(image, [face_at(FaceBox(200, 150, 160, 160))]))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 400), (400, 1), (20, 30)])
def test_tiny_pictures(height: int, width: int) -> None:
    image = blank(height, width)
    assert annotate(image, [face_at(FaceBox(0, 0, width, height))]).shape == image.shape


def test_sizes_grow_with_the_picture() -> None:
    def label_rows(scale: int) -> int:
        image = blank(360 * scale, 480 * scale)
        box = FaceBox(200 * scale, 150 * scale, 150 * scale, 150 * scale)
        where = changed(image, annotate(image, [face_at(box)]))
        return int(where[: 150 * scale].any(axis=1).sum())

    small, large = label_rows(1), label_rows(12)
    assert small >= 12
    assert 0.8 * 12 * small < large < 1.2 * 12 * small


def test_in_a_crowd_no_label_covers_another_face() -> None:
    image = blank(800, 1000)
    boxes = [FaceBox(40 + 120 * (i % 8), 60 + 150 * (i // 8), 40, 52) for i in range(32)]
    result = annotate(image, [face_at(box) for box in boxes])
    where = changed(image, result)
    for box in boxes:
        x, y, width, height = box.rounded()
        inner = where[y + 6 : y + height - 6, x + 6 : x + width - 6]
        assert not inner.any()
