"""Boxes, squares and crops against hand-computed values."""

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_core.vision.boxes import BoxGeometry, FaceBox, FaceSquare
from fer_core.vision.crop import crop_face, crop_whole_picture
from fer_core.vision.haar import HAAR_GEOMETRY
from fer_core.vision.working_size import shrink_to
from fer_core.vision.yunet import YUNET_GEOMETRY


def gray_rgb(gray: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(gray[:, :, None], 3, axis=2)


def noise(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width), np.uint8)


@pytest.mark.parametrize(
    ("width", "height"), [(0, 5), (5, -1), (float("nan"), 5), (5, float("nan"))]
)
def test_boxes_without_area_raise(width: float, height: float) -> None:
    with pytest.raises(ValueError, match="Received"):
        FaceBox(0, 0, width, height)


def test_iou_by_hand() -> None:
    box = FaceBox(0, 0, 10, 10)
    assert box.iou(box) == 1.0
    # 50 in common of 150 in total.
    assert box.iou(FaceBox(5, 0, 10, 10)) == pytest.approx(50 / 150)
    assert box.iou(FaceBox(20, 20, 5, 5)) == 0.0


def test_moved_scales_about_the_center() -> None:
    assert FaceBox(10, 20, 40, 60).moved(5, -5, 2.0) == FaceBox(-5, -15, 80, 120)


def test_scaled_multiplies_all_numbers() -> None:
    assert FaceBox(10, 20, 40, 60).scaled(0.5, 2) == FaceBox(5, 40, 20, 120)


def test_interpolated_by_hand() -> None:
    half = FaceBox(0, 0, 10, 10).interpolated(FaceBox(10, 20, 30, 50), 0.5)
    assert half == FaceBox(5, 10, 20, 30)


def test_rounded_returns_whole_pixels_and_at_least_one() -> None:
    assert FaceBox(-3, 4, 50, 60).rounded() == (-3, 4, 50, 60)
    assert FaceBox(0.4, 0.6, 0.2, 0.2).rounded() == (0, 1, 1, 1)
    assert all(isinstance(number, int) for number in FaceBox(1.5, 2.5, 3.2, 4.8).rounded())


def test_a_square_without_a_side_raises() -> None:
    with pytest.raises(ValueError, match="side"):
        FaceSquare(1, 1, 0)


def test_intersection_and_same_face() -> None:
    box = FaceBox(0, 0, 10, 10)
    assert box.intersection(FaceBox(5, 6, 10, 10)) == 20
    assert box.intersection(FaceBox(10, 0, 10, 10)) == 0
    assert box.is_same_face(FaceBox(2, 2, 4, 4))
    assert not box.is_same_face(FaceBox(5, 0, 10, 10))


def test_the_cascade_box_is_the_square() -> None:
    assert HAAR_GEOMETRY.square(FaceBox(10, 20, 30, 30)) == FaceSquare(25.0, 35.0, 30.0)


def test_a_box_is_mapped_by_its_detectors_geometry() -> None:
    geometry = BoxGeometry(relative_side=1.5, offset_x=0.1, offset_y=-0.25)
    square = geometry.square(FaceBox(100, 200, 40, 90))
    assert square.center_x == pytest.approx(124)  # 100 + 20 + 4
    assert square.center_y == pytest.approx(222.5)  # 200 + 45 - 22.5
    assert square.side == pytest.approx(90)  # 1.5 * sqrt(40 * 90)


def test_yunets_square_is_wider_than_its_upright_box() -> None:
    square = YUNET_GEOMETRY.square(FaceBox(0, 0, 78, 100))
    assert 95 < square.side < 101


def test_a_48_pixel_square_is_cropped_unchanged() -> None:
    gray = noise(100, 120)
    crop = crop_face(gray_rgb(gray), FaceSquare(30 + 24, 20 + 24, 48))
    assert crop.dtype == np.uint8
    np.testing.assert_array_equal(crop, gray[20:68, 30:78])


def test_a_48_pixel_picture_is_not_resampled() -> None:
    gray = noise(48, 48)
    np.testing.assert_array_equal(crop_whole_picture(gray_rgb(gray)), gray)


def test_the_center_of_an_oblong_picture_is_used() -> None:
    gray = noise(48, 68)
    np.testing.assert_array_equal(crop_whole_picture(gray_rgb(gray)), gray[:, 10:58])


def test_shrinking_averages() -> None:
    # Columns of 0 and 200: sampling would give 0 or 200, averaging gives 100.
    gray = np.zeros((96, 96), np.uint8)
    gray[:, 1::2] = 200
    assert (crop_whole_picture(gray_rgb(gray)) == 100).all()


def test_enlarging_is_smooth() -> None:
    gray = np.zeros((24, 24), np.uint8)
    gray[:, 12:] = 200
    crop = crop_whole_picture(gray_rgb(gray))
    assert crop[:, :23].max() == 0
    assert (crop[:, 25:] == 200).all()
    assert 0 < crop[0, 23] < crop[0, 24] < 200


def test_colors_are_weighted_as_in_bt_601() -> None:
    for color, gray in (((255, 0, 0), 76), ((0, 255, 0), 150), ((0, 0, 255), 29)):
        image = np.full((50, 50, 3), color, np.uint8)
        assert (crop_face(image, FaceSquare(25, 25, 40)) == gray).all()


def test_beyond_the_edge_the_edge_is_repeated() -> None:
    gray = noise(48, 48)
    crop = crop_face(gray_rgb(gray), FaceSquare(24 - 10, 24 - 6, 48))
    np.testing.assert_array_equal(crop, np.pad(gray, ((6, 0), (10, 0)), "edge")[:48, :48])
    crop = crop_face(gray_rgb(gray), FaceSquare(24 + 10, 24 + 6, 48))
    np.testing.assert_array_equal(crop, np.pad(gray, ((0, 6), (0, 10)), "edge")[6:, 10:])


def test_a_larger_gray_input_is_cropped_from_the_original_pixels() -> None:
    gray = noise(300, 300)
    crop = crop_face(gray_rgb(gray), FaceSquare(150, 150, 96), (96, 96, 1))
    np.testing.assert_array_equal(crop, gray[102:198, 102:198])


def test_an_rgb_input_keeps_the_colors() -> None:
    image = np.random.default_rng(1).integers(0, 256, (300, 300, 3), np.uint8)
    crop = crop_face(image, FaceSquare(150, 150, 224), (224, 224, 3))
    np.testing.assert_array_equal(crop, image[38:262, 38:262])


def test_the_crop_has_the_requested_height_and_width() -> None:
    image = gray_rgb(noise(100, 100))
    assert crop_face(image, FaceSquare(50, 50, 80), (40, 60, 1)).shape == (40, 60)
    assert crop_face(image, FaceSquare(50, 50, 80), (40, 60, 3)).shape == (40, 60, 3)


def test_other_numbers_of_channels_raise() -> None:
    with pytest.raises(ValueError, match="channels should be 1 or 3"):
        crop_face(gray_rgb(noise(10, 10)), FaceSquare(5, 5, 5), (48, 48, 2))


@pytest.mark.parametrize("square", [FaceSquare(-500, 900, 48), FaceSquare(5, 5, 0.2)])
def test_squares_outside_or_without_a_pixel_still_give_a_crop(square: FaceSquare) -> None:
    assert crop_face(gray_rgb(noise(10, 10)), square).shape == (48, 48)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 300), (300, 1)])
def test_whole_crop_of_tiny_and_elongated_pictures(height: int, width: int) -> None:
    image = np.full((height, width, 3), 90, np.uint8)
    assert (crop_whole_picture(image) == 90).all()


def test_shrinking_to_a_working_size() -> None:
    image = gray_rgb(noise(200, 400))
    same, factor_x, factor_y = shrink_to(image, 80_000)
    assert same is image and (factor_x, factor_y) == (1.0, 1.0)
    small, factor_x, factor_y = shrink_to(image, 20_000)
    assert small.shape == (100, 200, 3)
    assert (factor_x, factor_y) == (2.0, 2.0)
    strip, factor_x, factor_y = shrink_to(np.zeros((1, 100_000, 3), np.uint8), 500_000)
    assert strip.shape == (1, 4096, 3)
    assert (factor_x, factor_y) == (100_000 / 4096, 1.0)
