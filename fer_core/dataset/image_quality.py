"""How bright, how rich in contrast and how sharp each image is, and which show nothing."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.duplicates import BLANK_DEVIATION
from fer_core.progress import ProgressReport

#: Grey values that count as one grey: those up to so far from it.
_GREY_MARGIN = 4

#: From this share of its pixels in one grey an image is nearly blank: a few letters, a sign.
#: Chosen by eye on FER2013, where signs stand for photos that were deleted: its line drawings and
#: its faces in the dark lie below.
NEARLY_BLANK_SHARE = 0.75


@dataclass(frozen=True)
class ImageQuality:
    """Figures of each image.

    Attributes:
        brightness: Mean grey, float32 ``[n]``, 0 to 255.
        contrast: Standard deviation of the grey values, float32 ``[n]``, 0 to 127.5.
        sharpness: Variance of the Laplacian, float32 ``[n]``, from 0: the focus measure of Pech-
            Pacheco et al., "Diatom autofocusing in brightfield microscopy", 2000.
        even_share: The largest share of the pixels that have one grey, within 4, float32 ``[n]``,
            0 to 1.
    """

    brightness: NDArray[np.float32]
    contrast: NDArray[np.float32]
    sharpness: NDArray[np.float32]
    even_share: NDArray[np.float32]

    def blank_rows(self) -> NDArray[np.intp]:
        """Images of one grey, as ``audit_duplicates`` counts them."""
        return np.flatnonzero(self.contrast < BLANK_DEVIATION)

    def nearly_blank_rows(self) -> NDArray[np.intp]:
        """Images of little more than one grey, the blank ones left out."""
        is_blank = self.contrast < BLANK_DEVIATION
        return np.flatnonzero((self.even_share >= NEARLY_BLANK_SHARE) & ~is_blank)


def image_quality(images: NDArray[np.uint8], report: ProgressReport | None = None) -> ImageQuality:
    """Measure images, about a second for 32,000.

    Args:
        images: uint8 ``[n, 48, 48]``.
        report: Takes the images done and their number.
    """
    figures = np.zeros((4, len(images)), np.float32)
    window = np.ones(2 * _GREY_MARGIN + 1)
    for row, image in enumerate(images):
        values = np.bincount(image.ravel(), minlength=256)
        figures[:, row] = (
            image.mean(),
            image.std(),
            cv2.Laplacian(image, cv2.CV_32F).var(),
            np.convolve(values, window).max() / image.size,
        )
        if report is not None and (row + 1) % 2048 == 0:
            report(row + 1, len(images))
    return ImageQuality(*figures)
