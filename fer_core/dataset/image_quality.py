"""Brightness, contrast and sharpness of images, and the images that show nothing."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.duplicates import BLANK_DEVIATION
from fer_core.progress import ProgressReport

#: Intensities count as equal if each differs from one common intensity by at most this value.
_INTENSITY_TOLERANCE = 4

#: An image is nearly blank if at least this share of its pixels has the same intensity. The value
#: was chosen by inspecting FER2013: placeholders of deleted photos have higher shares, but line
#: drawings and dark faces have lower shares.
NEARLY_BLANK_SHARE = 0.75

#: Number of images between two reports of the progress.
_REPORT_INTERVAL = 2048


@dataclass(frozen=True)
class ImageQuality:
    """Quality measures of each image.

    Attributes:
        brightness: Mean pixel intensity, float32 ``[n]``, 0 to 255.
        contrast: Standard deviation of the pixel intensities, float32 ``[n]``, 0 to 127.5.
        sharpness: Variance of the Laplacian, float32 ``[n]``, from 0: the focus measure of Pech-
            Pacheco et al., "Diatom autofocusing in brightfield microscopy", 2000.
        uniform_share: The largest share of pixels whose intensities are within 4 of one value,
            float32 ``[n]``, 0 to 1.
    """

    brightness: NDArray[np.float32]
    contrast: NDArray[np.float32]
    sharpness: NDArray[np.float32]
    uniform_share: NDArray[np.float32]

    def blank_rows(self) -> NDArray[np.intp]:
        """Return the rows of images that show nothing, as ``audit_duplicates`` finds them."""
        return np.flatnonzero(self.contrast < BLANK_DEVIATION)

    def nearly_blank_rows(self) -> NDArray[np.intp]:
        """Return the rows of nearly blank images; blank images are not among them."""
        is_blank = self.contrast < BLANK_DEVIATION
        return np.flatnonzero((self.uniform_share >= NEARLY_BLANK_SHARE) & ~is_blank)


def image_quality(images: NDArray[np.uint8], report: ProgressReport | None = None) -> ImageQuality:
    """Measure images; 32,000 take about a second.

    Args:
        images: uint8 ``[n, 48, 48]``.
        report: Called with the number of measured images and of all images.
    """
    measures = np.zeros((4, len(images)), np.float32)
    window = np.ones(2 * _INTENSITY_TOLERANCE + 1)
    for row, image in enumerate(images):
        histogram = np.bincount(image.ravel(), minlength=256)
        measures[:, row] = (
            image.mean(),
            image.std(),
            cv2.Laplacian(image, cv2.CV_32F).var(),
            np.convolve(histogram, window).max() / image.size,
        )
        if report is not None and (row + 1) % _REPORT_INTERVAL == 0:
            report(row + 1, len(images))
    return ImageQuality(*measures)
