"""Predict whether a square shows a face, with a small network that was trained for this project."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_core.onnx_session import open_session
from fer_core.vision.crop import resize_square

if TYPE_CHECKING:
    import onnxruntime

#: File of the network, which benchmarks/face_check_training.py trains on FER2013.
WEIGHTS_PATH = Path(__file__).with_name("face_check.onnx")

#: Width and height of the network's input in pixels.
INPUT_SIDE = 32

#: Minimum divisor in gray levels; it prevents a division by 0 for a uniform square, whose standard
#: deviation is 0.
_MIN_DEVIATION = 4.0


def standardized(squares: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Normalize each square's brightness and contrast.

    Args:
        squares: Gray, uint8 ``[n, side, side]``.

    Returns:
        float32 of the same shape. Each square has the mean 0 and the standard deviation 1; the
        deviation of a nearly uniform square is lower.
    """
    values = squares.astype(np.float32)
    values -= values.mean(axis=(1, 2), keepdims=True)
    deviation = values.std(axis=(1, 2), keepdims=True)
    return np.asarray(values / np.maximum(deviation, _MIN_DEVIATION), np.float32)


class FaceCheck:
    """Predicts whether a square shows one upright face.

    The network was trained on squares as OpenCV's frontal-face cascade returns them.

    Threads may share an instance. The network is loaded at the first prediction.
    """

    def probabilities(self, squares: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the probability of a face for each square, computed in one batch.

        Args:
            squares: Gray, uint8 ``[n, 32, 32]``.

        Returns:
            float32 ``[n]``, 0 to 1.

        Raises:
            RuntimeError: The network's file is missing.
        """
        if len(squares) == 0:
            return np.zeros(0, np.float32)
        (output,) = self._session.run(None, {"squares": standardized(squares)[:, None]})
        return np.asarray(output, np.float32)[:, 0]

    @cached_property
    def _session(self) -> "onnxruntime.InferenceSession":
        # This is not an InputError, because a part of the program is missing.
        if not WEIGHTS_PATH.is_file():
            raise RuntimeError(
                f"The installation is incomplete: {WEIGHTS_PATH.name} is missing in "
                f"{WEIGHTS_PATH.parent}; install FER Studio again."
            )
        # A batch takes a few milliseconds; more threads would only compete for the cores.
        return open_session(WEIGHTS_PATH, threads=1)


def cut_squares(
    gray: NDArray[np.uint8], squares: list[tuple[float, float, float]]
) -> NDArray[np.uint8]:
    """Crop squares of a picture and resize them to the network's input size.

    Args:
        gray: uint8 ``[height, width]``.
        squares: Left edge, upper edge and side of each square, in pixels. Where a square extends
            beyond the picture, the nearest pixels of the edge are repeated.

    Returns:
        uint8 ``[n, 32, 32]``.
    """
    resized = np.zeros((len(squares), INPUT_SIDE, INPUT_SIDE), np.uint8)
    for index, (x, y, side) in enumerate(squares):
        side_pixels = max(2, round(side))
        region = cv2.getRectSubPix(
            gray, (side_pixels, side_pixels), (x + (side - 1) / 2, y + (side - 1) / 2)
        )
        resized[index] = resize_square(np.asarray(region, np.uint8), INPUT_SIDE, INPUT_SIDE)
    return resized
