"""Brightness, contrast and sharpness of each image, and images that show nothing."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.duplicates import BLANK_DEVIATION
from fer_core.progress import ProgressReport

#: Intensities that differ by at most this much count as equal.
_GRAY_MARGIN = 4

#: An image is nearly blank if at least this share of its pixels has one intensity, for example a
#: placeholder or a few letters. Chosen by inspecting FER2013, which contains placeholders of
#: deleted photos; its line drawings and dark faces are below this value.
NEARLY_BLANK_SHARE = 0.75


@dataclass(frozen=True)
class ImageQuality:
    """Quality measures of each image.

    Attributes:
        brightness: Mean pixel intensity, float32 ``[n]``, 0 to 255.
        contrast: Standard deviation of the pixel intensities, float32 ``[n]``, 0 to 127.5.
        sharpness: Variance of the Laplacian, float32 ``[n]``, from 0: the focus measure of Pech-
            Pacheco et al., "Diatom autofocusing in brightfield microscopy", 2000.
        uniform_share: The largest share of pixels with the same intensity, within 4, float32
            ``[n]``, 0 to 1.
    """

    brightness: NDArray[np.float32]
    contrast: NDArray[np.float32]
    sharpness: NDArray[np.float32]
    uniform_share: NDArray[np.float32]

    def blank_rows(self) -> NDArray[np.intp]:
        """Return images with a single intensity, as ``audit_duplicates`` counts them."""
        return np.flatnonzero(self.contrast < BLANK_DEVIATION)

    def nearly_blank_rows(self) -> NDArray[np.intp]:
        """Return nearly blank images, without the blank ones."""
        is_blank = self.contrast < BLANK_DEVIATION
        return np.flatnonzero((self.uniform_share >= NEARLY_BLANK_SHARE) & ~is_blank)


def image_quality(images: NDArray[np.uint8], report: ProgressReport | None = None) -> ImageQuality:
    """Measure images; 32,000 take about a second.

    Args:
        images: uint8 ``[n, 48, 48]``.
        report: Called with the number of images done and of all images.
    """
    measures = np.zeros((4, len(images)), np.float32)
    window = np.ones(2 * _GRAY_MARGIN + 1)
    for row, image in enumerate(images):
        values = np.bincount(image.ravel(), minlength=256)
        measures[:, row] = (
            image.mean(),
            image.std(),
            cv2.Laplacian(image, cv2.CV_32F).var(),
            np.convolve(values, window).max() / image.size,
        )
        if report is not None and (row + 1) % 2048 == 0:
            report(row + 1, len(images))
    return ImageQuality(*measures)
