"""Box, square and crop against numbers worked out by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_core.vision.boxes import BoxGeometry, FaceBox, FaceSquare
from fer_core.vision.crop import crop_face, whole_picture_crop
from fer_core.vision.haar import HAAR_GEOMETRY
from fer_core.vision.working_size import shrink_to
from fer_core.vision.yunet import YUNET_GEOMETRY


def grey_rgb(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(grey[:, :, None], 3, axis=2)


def noise(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width), np.uint8)


@pytest.mark.parametrize(("width", "height", "score"), [(0, 5, None), (5, -1, None), (5, 5, 1.1)])
def test_impossible_boxes_are_refused(width: int, height: int, score: float | None) -> None:
    with pytest.raises(ValueError, match="Received"):
        FaceBox(0, 0, width, height, score)


def test_a_square_without_a_side_is_refused() -> None:
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
    geometry = BoxGeometry(side=1.5, right=0.1, down=-0.25)
    square = geometry.square(FaceBox(100, 200, 40, 90))
    assert square.center_x == pytest.approx(124)  # 100 + 20 + 4
    assert square.center_y == pytest.approx(222.5)  # 200 + 45 - 22.5
    assert square.side == pytest.approx(90)  # 1.5 * sqrt(40 * 90)


def test_yunets_square_is_wider_than_its_upright_box() -> None:
    square = YUNET_GEOMETRY.square(FaceBox(0, 0, 78, 100))
    assert 95 < square.side < 101


def test_a_48_pixel_square_is_cut_out_unchanged() -> None:
    grey = noise(100, 120)
    crop = crop_face(grey_rgb(grey), FaceSquare(30 + 24, 20 + 24, 48))
    assert crop.dtype == np.uint8
    np.testing.assert_array_equal(crop, grey[20:68, 30:78])


def test_a_48_pixel_picture_comes_out_pixel_for_pixel() -> None:
    grey = noise(48, 48)
    np.testing.assert_array_equal(whole_picture_crop(grey_rgb(grey)), grey)


def test_of_an_oblong_picture_the_middle() -> None:
    grey = noise(48, 68)
    np.testing.assert_array_equal(whole_picture_crop(grey_rgb(grey)), grey[:, 10:58])


def test_shrinking_averages() -> None:
    # Columns of 0 and 200: sampling points would give 0 or 200, the mean is 100.
    grey = np.zeros((96, 96), np.uint8)
    grey[:, 1::2] = 200
    assert (whole_picture_crop(grey_rgb(grey)) == 100).all()


def test_enlarging_is_smooth() -> None:
    grey = np.zeros((24, 24), np.uint8)
    grey[:, 12:] = 200
    crop = whole_picture_crop(grey_rgb(grey))
    assert crop[:, :23].max() == 0
    assert (crop[:, 25:] == 200).all()
    assert 0 < crop[0, 23] < crop[0, 24] < 200


def test_colours_weigh_as_in_bt_601() -> None:
    for color, grey in (((255, 0, 0), 76), ((0, 255, 0), 150), ((0, 0, 255), 29)):
        image = np.full((50, 50, 3), color, np.uint8)
        assert (crop_face(image, FaceSquare(25, 25, 40)) == grey).all()


def test_beyond_the_edge_the_edge_is_repeated() -> None:
    grey = noise(48, 48)
    crop = crop_face(grey_rgb(grey), FaceSquare(24 - 10, 24 - 6, 48))
    np.testing.assert_array_equal(crop, np.pad(grey, ((6, 0), (10, 0)), "edge")[:48, :48])
    crop = crop_face(grey_rgb(grey), FaceSquare(24 + 10, 24 + 6, 48))
    np.testing.assert_array_equal(crop, np.pad(grey, ((0, 6), (0, 10)), "edge")[6:, 10:])


@pytest.mark.parametrize("square", [FaceSquare(-500, 900, 48), FaceSquare(5, 5, 0.2)])
def test_squares_outside_or_without_a_pixel_still_give_a_crop(square: FaceSquare) -> None:
    assert crop_face(grey_rgb(noise(10, 10)), square).shape == (48, 48)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 300), (300, 1)])
def test_whole_crop_of_tiny_and_elongated_pictures(height: int, width: int) -> None:
    image = np.full((height, width, 3), 90, np.uint8)
    assert (whole_picture_crop(image) == 90).all()


def test_shrinking_to_a_working_size() -> None:
    image = grey_rgb(noise(200, 400))
    same, factor_x, factor_y = shrink_to(image, 80_000)
    assert same is image and (factor_x, factor_y) == (1.0, 1.0)
    small, factor_x, factor_y = shrink_to(image, 20_000)
    assert small.shape == (100, 200, 3)
    assert (factor_x, factor_y) == (2.0, 2.0)
    strip, factor_x, factor_y = shrink_to(np.zeros((1, 100_000, 3), np.uint8), 500_000)
    assert strip.shape == (1, 4096, 3)
    assert (factor_x, factor_y) == (100_000 / 4096, 1.0)
