"""Augmentation of images with known results."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_core.recipes import TrainingConfig
from fer_core.training.augmentation import augment

EVERYTHING: dict[str, Any] = {
    "flip": True,
    "rotation_degrees": 20,
    "shift_share": 0.1,
    "zoom_share": 0.2,
    "brightness_share": 0.3,
    "contrast_share": 0.5,
    "blur_probability": 0.5,
    "noise_share": 0.1,
    "erasing_probability": 0.5,
}


class KnownDraws:
    """Replaces a random generator: every draw between -1 and 1 is the next of these numbers."""

    def __init__(self, *draws: float, mirrored: bool = False) -> None:
        self._draws = iter(draws)
        self._mirrored = mirrored

    def random(self, size: int) -> NDArray[np.float64]:
        return np.full(size, 0.0 if self._mirrored else 0.99)

    def uniform(self, low: float, high: float, size: int | tuple[int, ...]) -> NDArray[np.float64]:
        assert (low, high) == (-1, 1)
        return np.fromiter(self._draws, float, count=int(np.prod(size))).reshape(size)


def moved(
    image: NDArray[np.uint8],
    *,
    angle: float = 0,
    zoom: float = 0,
    shift: tuple[float, float] = (0, 0),
    mirrored: bool = False,
    **strengths: float,
) -> NDArray[np.int_]:
    """Augment one image with known draws; return intensities 0 to 255."""
    draws: Any = KnownDraws(angle, zoom, *shift, mirrored=mirrored)
    config = TrainingConfig(**{"flip": True, **strengths})
    result = augment(image[np.newaxis], config, draws)[0] * 255
    return np.asarray(np.rint(result), dtype=int)


@pytest.fixture
def images() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (64, 48, 48)).astype(np.uint8)


@pytest.fixture
def spot() -> NDArray[np.uint8]:
    """Black with one bright square 10 rows above and 10 columns right of the center."""
    picture = np.zeros((48, 48), np.uint8)
    picture[12:16, 32:36] = 255
    return picture


def middle(picture: NDArray[np.int_]) -> tuple[float, float]:
    """Row and column of the centroid of the brightness, relative to the image's center."""
    rows, columns = np.indices(picture.shape) - 23.5
    return (
        float((rows * picture).sum() / picture.sum()),
        float((columns * picture).sum() / picture.sum()),
    )


def test_without_augmentation_images_are_unchanged(images: NDArray[np.uint8]) -> None:
    result = augment(images, TrainingConfig(), np.random.default_rng(0))
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, images / np.float32(255))


def test_flipping_mirrors_about_half_of_the_images_and_nothing_else(
    images: NDArray[np.uint8],
) -> None:
    result = augment(images, TrainingConfig(flip=True), np.random.default_rng(0))
    as_they_were = images / np.float32(255)
    same = (result == as_they_were).all(axis=(1, 2))
    mirrored = (result == as_they_were[:, :, ::-1]).all(axis=(1, 2))
    assert (same ^ mirrored).all()
    assert 20 <= mirrored.sum() <= 44


def test_results_depend_only_on_the_generator(images: NDArray[np.uint8]) -> None:
    config = TrainingConfig(**EVERYTHING)
    before = images.copy()
    first, again, other = (
        augment(images, config, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    np.testing.assert_array_equal(images, before)  # the dataset itself is not changed


def test_values_stay_in_range_for_strong_changes(images: NDArray[np.uint8]) -> None:
    strong = TrainingConfig(
        **EVERYTHING
        | {"brightness_share": 1, "contrast_share": 1, "noise_share": 1, "rotation_degrees": 180}
        | {"shift_share": 0.5, "zoom_share": 0.99, "erasing_probability": 1}
    )
    result = augment(images, strong, np.random.default_rng(0))
    assert np.isfinite(result).all()
    assert result.min() >= 0
    assert result.max() <= 1


@pytest.mark.parametrize("strength", EVERYTHING)
def test_each_augmentation_changes_images(images: NDArray[np.uint8], strength: str) -> None:
    config = TrainingConfig(**{strength: EVERYTHING[strength]})
    result = augment(images, config, np.random.default_rng(0))
    assert (result != images / np.float32(255)).any()


def test_a_shift_moves_by_its_share_to_the_right_and_down(spot: NDArray[np.uint8]) -> None:
    result = moved(spot, shift=(1, -0.5), shift_share=0.125)  # 6 columns right, 3 rows up
    np.testing.assert_array_equal(result[9:13, 38:42], 255)
    assert result.sum() == spot.sum(dtype=int)


def test_what_a_shift_uncovers_repeats_the_edge() -> None:
    picture = np.tile(np.arange(48, dtype=np.uint8) * 5, (48, 1))
    result = moved(picture, shift=(1, 0), shift_share=0.125)
    np.testing.assert_array_equal(result[:, 6:], picture[:, :-6])
    np.testing.assert_array_equal(result[:, :6], 0)


def test_a_quarter_turn_is_about_the_centre(images: NDArray[np.uint8]) -> None:
    result = moved(images[0], angle=0.5, rotation_degrees=180)
    np.testing.assert_allclose(result, np.rot90(images[0], -1), atol=2)


def test_a_turn_keeps_the_distance_from_the_centre(spot: NDArray[np.uint8]) -> None:
    row, column = middle(moved(spot, angle=1, rotation_degrees=30))
    assert np.hypot(row, column) == pytest.approx(np.hypot(10, 10), abs=0.3)
    # 45 degrees above the horizontal, turned by 30 clockwise.
    assert np.degrees(np.arctan2(-row, column)) == pytest.approx(15, abs=1)


def test_a_zoom_enlarges_about_the_centre(spot: NDArray[np.uint8]) -> None:
    larger = moved(spot, zoom=1, zoom_share=0.5)
    assert middle(larger) == pytest.approx((-14.5, 15), abs=1.5)  # some of it leaves the picture
    smaller = moved(spot, zoom=-1, zoom_share=0.5)
    assert middle(smaller) == pytest.approx((-4.75, 5), abs=0.6)
    assert smaller.sum() == pytest.approx(spot.sum(dtype=int) / 4, rel=0.2)


def test_mirroring_in_the_same_step_keeps_to_the_centre(images: NDArray[np.uint8]) -> None:
    result = moved(images[0], mirrored=True, rotation_degrees=10)
    np.testing.assert_allclose(result, images[0][:, ::-1], atol=2)


def test_brightness_moves_all_pixels_of_an_image_alike() -> None:
    grey = np.full((32, 48, 48), 128, np.uint8)
    grey[:, 0, 0] = 100
    result = augment(grey, TrainingConfig(brightness_share=0.2), np.random.default_rng(0))
    change = result - grey / np.float32(255)
    np.testing.assert_allclose(change, np.tile(change[:, :1, :1], (1, 48, 48)), atol=1e-6)
    assert np.abs(change).max() <= 0.2 + 1e-6
    assert change.min() < -0.1 < 0.1 < change.max()


def test_contrast_keeps_the_mean() -> None:
    picture = np.full((16, 48, 48), 100, np.uint8)
    picture[:, :, 24:] = 150
    result = augment(picture, TrainingConfig(contrast_share=0.5), np.random.default_rng(0))
    np.testing.assert_allclose(result.mean(axis=(1, 2)), 125 / 255, atol=1e-5)
    spans = (result[:, 0, 47] - result[:, 0, 0]) / (50 / 255)
    assert spans.min() >= 0.5 - 1e-4
    assert spans.max() <= 1.5 + 1e-4
    assert spans.std() > 0.1


def test_blur_flattens_the_chosen_share_of_images(images: NDArray[np.uint8]) -> None:
    result = augment(images, TrainingConfig(blur_probability=0.5), np.random.default_rng(0))
    changed = (result != images / np.float32(255)).any(axis=(1, 2))
    assert 20 <= changed.sum() <= 44
    assert (result[changed].std(axis=(1, 2)) < images[changed].std(axis=(1, 2)) / 255).all()


def test_noise_stays_under_its_deviation() -> None:
    grey = np.full((200, 48, 48), 128, np.uint8)
    result = augment(grey, TrainingConfig(noise_share=0.1), np.random.default_rng(0))
    deviations = result.std(axis=(1, 2))
    assert deviations.max() < 0.105
    assert deviations.mean() == pytest.approx(0.05, abs=0.01)
    assert result.mean() == pytest.approx(128 / 255, abs=0.001)


def test_erasing_covers_one_rectangle_of_the_stated_size_with_one_grey() -> None:
    images = np.indices((48, 48)).sum(axis=0).astype(np.uint8) % 2 * 255
    batch = np.tile(images, (3000, 1, 1))
    result = augment(batch, TrainingConfig(erasing_probability=1), np.random.default_rng(0))
    covered = result != batch / np.float32(255)
    for picture, mask in zip(result, covered, strict=True):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        area = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert len(np.unique(area)) == 1
        # Sides are cut to whole pixels.
        assert 0.01 * 48 * 48 < area.size <= 0.2 * 48 * 48 + 1
        assert 0.2 < len(rows) / len(columns) < 5
    assert covered.any(axis=0).mean() > 0.99  # it falls everywhere, up to all four edges


def test_no_images_are_allowed() -> None:
    empty = np.empty((0, 48, 48), np.uint8)
    assert augment(empty, TrainingConfig(), np.random.default_rng(0)).shape == (0, 48, 48)
