"""What spoils pictures in life, done to faces on purpose and in steps.

The kinds and the idea of measuring at several strengths are those of Hendrycks and Dietterich,
"Benchmarking neural network robustness to common corruptions and perturbations", ICLR 2019; the
strengths are our own, chosen for 48x48 pixels.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_core.errors import InputError

#: One picture uint8 ``[48, 48]``, a strength, and where chance comes from, to the spoiled picture.
Spoiling = Callable[[NDArray[np.uint8], float, np.random.Generator], NDArray[np.uint8]]


@dataclass(frozen=True)
class Corruption:
    """A way to spoil a face.

    Attributes:
        name: By which it is asked for.
        title: What people call it.
        unit: Of its strengths.
        untouched: The strength at which nothing happens.
        strengths: Those measured, from mild to severe.
        spoil: Does it to one picture.
    """

    name: str
    title: str
    unit: str
    untouched: float
    strengths: tuple[float, ...]
    spoil: Spoiling


def corrupted(
    images: NDArray[np.uint8], name: str, strength: float, *, seed: int = 0
) -> NDArray[np.uint8]:
    """Spoil pictures; the same seed spoils the same picture at the same place in the same way.

    Args:
        images: uint8 ``[n, 48, 48]``.
        name: Of one of ``CORRUPTIONS``.
        strength: In its unit.
        seed: Of what is left to chance.

    Returns:
        uint8 ``[n, 48, 48]``, new.

    Raises:
        InputError: There is no such corruption.
    """
    corruption = find_corruption(name)
    generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
    result = np.empty_like(images)
    for row, image in enumerate(images):
        result[row] = corruption.spoil(image, strength, generator)
    return result


def find_corruption(name: str) -> Corruption:
    """The corruption of this name.

    Raises:
        InputError: There is none.
    """
    for corruption in CORRUPTIONS:
        if corruption.name == name:
            return corruption
    known = ", ".join(corruption.name for corruption in CORRUPTIONS)
    raise InputError(f"There is no corruption {name!r}; choose one of {known}.")


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
    """The picture moved; what comes in from outside repeats its edge."""
    moved = cv2.warpAffine(
        image, matrix, image.shape[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(moved, np.uint8)


CORRUPTIONS: tuple[Corruption, ...] = (
    Corruption("blur", "Blur", "pixels, width of the Gaussian", 0, (0.5, 1, 1.5, 2, 3), _blur),
    Corruption("noise", "Noise", "grey values, standard deviation", 0, (5, 10, 20, 30, 45), _noise),
    Corruption("darkness", "Darkness", "% of the light taken", 0, (20, 40, 60, 80, 90), _darken),
    Corruption("jpeg", "JPEG compression", "quality", 100, (50, 30, 20, 10, 5), _compress),
    Corruption("rotation", "Rotation", "degrees, to either side", 0, (5, 10, 20, 30, 45), _rotate),
    Corruption("shift", "Shift", "pixels, in any direction", 0, (1, 2, 4, 6, 8), _shift),
    Corruption("scale", "Face too small", "% of its size", 100, (90, 80, 70, 60, 50), _shrink),
    Corruption(
        "occlusion", "Occlusion", "pixels, side of a grey square", 0, (8, 12, 16, 20, 24), _occlude
    ),
)
