"""Create test images for networks, run networks, and compare the outputs of two networks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fer_core.classes import MAX_CLASSES, MIN_CLASSES
from fer_core.errors import InputError, first_line
from fer_core.predictor import Network
from fer_core.recipes.architectures import INPUT_SHAPE

#: Maximum deviation of the sum of probabilities from 1.
_SUM_TOLERANCE = 1e-3


def probe_crops(count: int = 8) -> NDArray[np.uint8]:
    """Return images of noise that are the same at each call, uint8 ``[count, 48, 48]``.

    Every second image consists of squares of 6x6 equal pixels.
    """
    generator = np.random.default_rng(0)
    height, width, _ = INPUT_SHAPE
    crops = generator.integers(0, 256, (count, height, width)).astype(np.uint8)
    coarse = generator.integers(0, 256, (count, height // 6, width // 6)).astype(np.uint8)
    crops[::2] = np.kron(coarse, np.ones((6, 6), dtype=np.uint8))[::2]
    return crops


def extreme_crops() -> NDArray[np.uint8]:
    """Return a black and a white image, uint8 ``[2, 48, 48]``."""
    height, width, _ = INPUT_SHAPE
    return np.stack([np.full((height, width), value, dtype=np.uint8) for value in (0, 255)])


def run_network(network: Network, pixels: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    """Run a network that may fail in any way.

    Args:
        network: The network.
        pixels: Input of the network, float32 ``[n, height, width, channels]``.
        name: Name of the network in messages.

    Returns:
        The output of the network, float32 ``[n, classes]``.

    Raises:
        InputError: The network fails, or does not return one finite number per image and class.
    """
    try:
        output = network(pixels)
    except Exception as error:
        # Each runtime raises its own exception types.
        raise InputError(
            f"{name} cannot be run on images of {pixels.shape[1:]} ({first_line(error)[:200]}); "
            "export it again."
        ) from error
    is_table = output.ndim == 2 and len(output) == len(pixels)
    if not (
        is_table and MIN_CLASSES <= output.shape[1] <= MAX_CLASSES and np.isfinite(output).all()
    ):
        raise InputError(
            f"{name} does not return {MIN_CLASSES} to {MAX_CLASSES} finite numbers for each image; "
            "export a trained classifier."
        )
    return output


def are_probabilities(rows: NDArray[np.float32]) -> bool:
    """Return True if every row is a probability distribution; logits are not and need a softmax."""
    return bool((rows >= 0).all() and (np.abs(rows.sum(axis=1) - 1) < _SUM_TOLERANCE).all())


def check_equal(
    output: NDArray[np.float32], expected: NDArray[np.float32], name: str, tolerance: float
) -> float:
    """Check that the outputs of two networks are equal, and return the largest difference.

    Raises:
        InputError: The outputs differ by more than ``tolerance``.
    """
    difference = float(np.abs(output - expected).max())
    if not difference <= tolerance:
        raise InputError(
            f"{name} differs from the original by {difference:.2g}, more than {tolerance:g}; it "
            "was not written."
        )
    return difference
