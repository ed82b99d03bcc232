"""Image corruptions of several strengths, to measure robustness.

The kinds of corruption and the measurement at several strengths follow Hendrycks and Dietterich,
"Benchmarking neural network robustness to common corruptions and perturbations", ICLR 2019. The
strengths were chosen for 48x48 pixels.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_core.errors import InputError

#: Maps an image uint8 ``[48, 48]``, a strength and a random generator to the corrupted image.
CorruptionFunction = Callable[[NDArray[np.uint8], float, np.random.Generator], NDArray[np.uint8]]


@dataclass(frozen=True)
class Corruption:
    """One kind of image corruption.

    Attributes:
        name: Identifier of the corruption.
        title: Name of the corruption for display.
        unit: Unit of the strengths.
        neutral_strength: The strength that stands for the unchanged image in results. ``apply`` is
            not called with this strength.
        strengths: The measured strengths, from mild to severe.
        apply: Corrupts one image.
    """

    name: str
    title: str
    unit: str
    neutral_strength: float
    strengths: tuple[float, ...]
    apply: CorruptionFunction


def corrupted(
    images: NDArray[np.uint8], name: str, strength: float, *, seed: int = 0
) -> NDArray[np.uint8]:
    """Return corrupted images. The result is deterministic for a given seed.

    Args:
        images: uint8 ``[n, 48, 48]``.
        name: Name of one of ``CORRUPTIONS``.
        strength: Strength in the unit of the corruption.
        seed: Seed of the random corruptions.

    Returns:
        A new array, uint8 ``[n, 48, 48]``.

    Raises:
        InputError: The corruption is unknown.
    """
    corruption = find_corruption(name)
    generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
    result = np.empty_like(images)
    for row, image in enumerate(images):
        result[row] = corruption.apply(image, strength, generator)
    return result


def find_corruption(name: str) -> Corruption:
    """Return the corruption with this name.

    Raises:
        InputError: The corruption is unknown.
    """
    for corruption in CORRUPTIONS:
        if corruption.name == name:
            return corruption
    known = ", ".join(corruption.name for corruption in CORRUPTIONS)
    raise InputError(f"Unknown corruption {name!r}; choose one of {known}.")


def _blur(
    image: NDArray[np.uint8], strength: float, generator: np.random.Generator
) -> NDArray[np.uint8]:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), strength), np.uint8)


def _noise(
    image: NDArray[np.uint8], strength: float, generator: np.random.Generator
) -> NDArray[np.uint8]:
    noisy = image + generator.normal(0, strength, image.shape)
    return np.asarray(np.clip(np.rint(noisy), 0, 255), np.uint8)


def _darken(
    image: NDArray[np.uint8], strength: float, generator: np.random.Generator
) -> NDArray[np.uint8]:
    return np.asarray(np.rint(image * (1 - strength / 100)), np.uint8)


def _compress(
    image: NDArray[np.uint8], strength: float, generator: np.random.Generator
) -> NDArray[np.uint8]:
    _, content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(strength)])
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_GRAYSCALE), np.uint8)


def _rotate(
    image: NDArray[np.uint8], strength: float, generator: np.random.Generator
) -> NDArray[np.uint8]:
    side = len(image)
    angle = strength if generator.random() < 0.5 else -strength
    middle = ((side - 1) / 2, (side - 1) / 2)
    return _warped(image, cv2.getRotationMatrix2D(middle, angle, 1))


def _shift(
    image: NDArray[np.uint8], strength: float, generator: np.random.Generator
) -> NDArray[np.uint8]:
    angle = generator.uniform(0, 2 * np.pi)
    across, down = strength * np.cos(angle), strength * np.sin(angle)
    return _warped(image, np.array([[1, 0, across], [0, 1, down]]))


def _shrink(
    image: NDArray[np.uint8], strength: float, generator: np.random.Generator
) -> NDArray[np.uint8]:
    side = len(image)
    middle = ((side - 1) / 2, (side - 1) / 2)
    return _warped(image, cv2.getRotationMatrix2D(middle, 0, strength / 100))


def _occlude(
    image: NDArray[np.uint8], strength: float, generator: np.random.Generator
) -> NDArray[np.uint8]:
    side = int(strength)
    top, left = generator.integers(0, len(image) - side + 1, 2)
    covered = image.copy()
    covered[top : top + side, left : left + side] = round(float(image.mean()))
    return covered


def _warped(image: NDArray[np.uint8], matrix: cv2.typing.MatLike) -> NDArray[np.uint8]:
    """Apply an affine transform. The edge of the image is repeated outside the image."""
    warped = cv2.warpAffine(
        image, matrix, image.shape[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(warped, np.uint8)


CORRUPTIONS: tuple[Corruption, ...] = (
    Corruption(
        "blur", "Blur", "pixels, standard deviation of the Gaussian", 0, (0.5, 1, 1.5, 2, 3), _blur
    ),
    Corruption("noise", "Noise", "gray values, standard deviation", 0, (5, 10, 20, 30, 45), _noise),
    Corruption("darkness", "Darkness", "% less light", 0, (20, 40, 60, 80, 90), _darken),
    Corruption("jpeg", "JPEG compression", "quality", 100, (50, 30, 20, 10, 5), _compress),
    Corruption(
        "rotation", "Rotation", "degrees, in either direction", 0, (5, 10, 20, 30, 45), _rotate
    ),
    Corruption("shift", "Shift", "pixels, in a random direction", 0, (1, 2, 4, 6, 8), _shift),
    Corruption(
        "scale", "Face too small", "% of the original size", 100, (90, 80, 70, 60, 50), _shrink
    ),
    Corruption(
        "occlusion", "Occlusion", "pixels, side of a gray square", 0, (8, 12, 16, 20, 24), _occlude
    ),
)
