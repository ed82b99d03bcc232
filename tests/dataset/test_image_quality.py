"""Brightness, contrast and sharpness against values computed by hand."""

import numpy as np
import pytest

from fer_core.dataset.image_quality import image_quality


def test_figures_of_known_images() -> None:
    even = np.full((48, 48), 77, np.uint8)
    halves = np.zeros((48, 48), np.uint8)
    halves[:, 24:] = 200
    corner = np.full((48, 48), 250, np.uint8)
    corner[:12, :12] = 0  # one pixel in sixteen
    quality = image_quality(np.stack([even, halves, corner]))
    np.testing.assert_allclose(quality.brightness, [77, 100, 250 * 15 / 16], rtol=1e-5)
    np.testing.assert_allclose(quality.contrast[:2], [0, 100], atol=1e-4)
    # The Laplacian is 200 in one column of 48 and -200 in the next.
    np.testing.assert_allclose(quality.sharpness[:2], [0, 2 / 48 * 200**2], rtol=1e-4)
    np.testing.assert_allclose(quality.uniform_share, [1, 0.5, 15 / 16], rtol=1e-6)
    assert quality.blank_rows().tolist() == [0]
    assert quality.nearly_blank_rows().tolist() == [2]


def test_close_gray_values_count_as_one() -> None:
    image = np.full((1, 48, 48), 100, np.uint8)
    image[0, :24] = 108  # 104 has both within 4
    assert image_quality(image).uniform_share[0] == pytest.approx(1)
    image[0, :24] = 109
    assert image_quality(image).uniform_share[0] == pytest.approx(0.5)


def test_no_images_have_no_figures() -> None:
    assert len(image_quality(np.zeros((0, 48, 48), np.uint8)).brightness) == 0
