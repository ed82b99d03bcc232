"""Augmentation of training images with NumPy and OpenCV, independent of the Keras backend."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.face_set import FACE_SIZE
from fer_core.recipes import TrainingConfig

#: The coordinate of the image center on both axes, in pixels.
_CENTER = (FACE_SIZE - 1) / 2


def augment(
    images: NDArray[np.uint8], config: TrainingConfig, generator: np.random.Generator
) -> NDArray[np.float32]:
    """Augment each image at random, with the strengths in the configuration.

    Empty areas at an edge are filled by repeating the edge pixels, as the analyzer's crop does at
    the edge of a photo.

    Args:
        images: uint8 ``[n, 48, 48]``.
        config: The strengths; if all augmentations are off, the images do not change.
        generator: The random generator.

    Returns:
        float32 ``[n, 48, 48]`` in [0, 1].
    """
    transformed = _transform_geometry(images, config, generator)
    result = transformed.astype(np.float32) / np.float32(255)
    _change_light(result, config, generator)
    _blur(result, config, generator)
    if config.noise_share:
        noise_levels = generator.uniform(0, config.noise_share, size=(len(result), 1, 1))
        noise = generator.standard_normal(result.shape, dtype=np.float32)
        result += noise * noise_levels.astype(np.float32)
    np.clip(result, 0, 1, out=result)
    _erase(result, config, generator)
    return result


def _transform_geometry(
    images: NDArray[np.uint8], config: TrainingConfig, generator: np.random.Generator
) -> NDArray[np.uint8]:
    """Mirror, rotate, scale and shift in one resampling."""
    count = len(images)
    mirrored = generator.random(count) < (0.5 if config.flip else 0.0)
    angles = np.radians(generator.uniform(-1, 1, count) * config.rotation_degrees)
    zooms = 1 + generator.uniform(-1, 1, count) * config.zoom_share
    shifts = generator.uniform(-1, 1, (count, 2)) * config.shift_share * FACE_SIZE
    if not (config.rotation_degrees or config.zoom_share or config.shift_share):
        # A mirror image needs no resampling.
        result = images.copy()
        result[mirrored] = result[mirrored, :, ::-1]
        return result
    result = np.empty_like(images)
    for index in range(count):
        cosine = np.cos(angles[index]) * zooms[index]
        sine = np.sin(angles[index]) * zooms[index]
        matrix = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0]])
        if mirrored[index]:
            matrix[:, 0] *= -1
        # Rotate and scale around the center of the image, then shift.
        matrix[:, 2] = _CENTER - matrix[:, :2] @ (_CENTER, _CENTER) + shifts[index]
        cv2.warpAffine(
            images[index],
            matrix,
            (FACE_SIZE, FACE_SIZE),
            dst=result[index],
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
    return result


def _change_light(
    images: NDArray[np.float32], config: TrainingConfig, generator: np.random.Generator
) -> None:
    """Change contrast and brightness of each image, in place."""
    if not (config.brightness_share or config.contrast_share):
        return
    shape = (len(images), 1, 1)
    contrast = 1 + generator.uniform(-1, 1, shape) * config.contrast_share
    brightness = generator.uniform(-1, 1, shape) * config.brightness_share
    means = images.mean(axis=(1, 2), keepdims=True)
    images[:] = (images - means) * contrast + means + brightness


def _blur(
    images: NDArray[np.float32], config: TrainingConfig, generator: np.random.Generator
) -> None:
    """Blur some of the images, in place; the Gaussian filter has a sigma of 0.4 to 1.5 pixels."""
    if not config.blur_probability:
        return
    chosen = generator.random(len(images)) < config.blur_probability
    sigmas = generator.uniform(0.4, 1.5, len(images))
    for index in np.flatnonzero(chosen):
        # With a kernel size of (0, 0), OpenCV computes the size from sigma.
        images[index] = cv2.GaussianBlur(images[index], (0, 0), float(sigmas[index]))


def _erase(
    images: NDArray[np.float32], config: TrainingConfig, generator: np.random.Generator
) -> None:
    """Cover a rectangle in some of the images with one intensity, in place.

    After Zhong et al., "Random erasing data augmentation", AAAI 2020. The rectangle covers 2 to
    20 % of the image; the ratio of its height to its width is 0.3 to 3.3.
    """
    if not config.erasing_probability:
        return
    count = len(images)
    chosen = generator.random(count) < config.erasing_probability
    areas = generator.uniform(0.02, 0.2, count) * FACE_SIZE * FACE_SIZE
    ratios = np.exp(generator.uniform(np.log(0.3), np.log(3.3), count))
    # Top left corners, as shares of the range in which the rectangle fits.
    corner_shares = generator.random((count, 2))
    intensities = generator.random(count)
    heights = np.clip(np.sqrt(areas * ratios), 1, FACE_SIZE - 1).astype(int)
    widths = np.clip(np.sqrt(areas / ratios), 1, FACE_SIZE - 1).astype(int)
    for index in np.flatnonzero(chosen):
        height, width = heights[index], widths[index]
        top = int(corner_shares[index, 0] * (FACE_SIZE - height + 1))
        left = int(corner_shares[index, 1] * (FACE_SIZE - width + 1))
        images[index, top : top + height, left : left + width] = intensities[index]
