"""Mean faces, histograms and distances, against values worked out by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_core.dataset.appearance import (
    distance_from_class_mean,
    gray_histogram,
    mean_face,
    mean_faces,
    stretch_contrast,
)
from fer_core.emotions import EMOTIONS


def plain(*grays: int) -> NDArray[np.uint8]:
    """Faces of one gray each."""
    return np.stack([np.full((48, 48), gray, np.uint8) for gray in grays])


def slope(*, is_falling: bool = False) -> NDArray[np.uint8]:
    row = np.arange(48, dtype=np.uint8)
    return np.tile(row[::-1] if is_falling else row, (48, 1))


def test_the_mean_is_taken_pixel_by_pixel() -> None:
    images = plain(10, 20, 200)
    images[0, 5, 7] = 250
    mean = mean_face(images[:2])
    assert mean.shape == (48, 48)
    assert mean[0, 0] == 15
    assert mean[5, 7] == 135


def test_many_images_do_not_overflow() -> None:
    assert mean_face(plain(*[255] * 1000))[0, 0] == 255


def test_the_mean_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one face"):
        mean_face(plain(1)[:0])


def test_mean_faces_are_in_the_order_of_the_classes_without_absent_ones() -> None:
    means = mean_faces(plain(10, 50, 30), np.array([6, 0, 6], np.int8), EMOTIONS)
    assert list(means) == ["angry", "neutral"]
    assert means["neutral"][0, 0] == 20


def test_a_picture_uses_the_whole_range() -> None:
    picture = stretch_contrast(np.linspace(100, 120, 48 * 48).reshape(48, 48))
    assert picture.dtype == np.uint8
    assert (picture.min(), picture.max()) == (0, 255)
    assert np.all(stretch_contrast(np.full((48, 48), 99.6)) == 100)


def test_a_histogram_counts_every_pixel() -> None:
    histogram = gray_histogram(plain(0, 255, 255, 7))
    assert histogram.shape == (256,)
    assert histogram[[0, 7, 255]].tolist() == [0.25, 0.25, 0.5]
    assert histogram.sum() == 1
    assert gray_histogram(plain(1)[:0]).sum() == 0


def test_a_histogram_of_more_than_one_chunk() -> None:
    histogram = gray_histogram(plain(*[3] * 3000, *[9] * 1000))
    assert histogram[3] == pytest.approx(0.75)


def test_distance_is_one_minus_the_correlation_with_the_class_mean() -> None:
    # Class 0: two rising slopes and a falling one, whose mean is a third of a rising one.
    images = np.stack([slope(), slope(), slope(is_falling=True), slope(is_falling=True)])
    labels = np.array([0, 0, 0, 2], np.int8)
    distances = distance_from_class_mean(images, labels)
    assert distances.dtype == np.float32
    assert distances == pytest.approx([0, 0, 2, 0], abs=1e-5)


def test_brightness_and_contrast_do_not_count() -> None:
    images = np.stack([slope(), slope() + 100, (slope() * 2).astype(np.uint8)])
    assert distance_from_class_mean(images, np.zeros(3, np.int8)) == pytest.approx(
        [0] * 3, abs=1e-5
    )


def test_a_blank_face_is_neither_like_nor_unlike() -> None:
    images = np.stack([slope(), slope(), plain(90)[0]])
    distances = distance_from_class_mean(images, np.zeros(3, np.int8))
    assert distances[2] == pytest.approx(1)
