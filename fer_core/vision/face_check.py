"""Face or not: a small network of our own, asked about the squares that a cascade proposes."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_core.onnx_session import open_session

if TYPE_CHECKING:
    import onnxruntime

#: Trained by benchmarks/face_check_training.py on FER2013's training pictures.
WEIGHTS_PATH = Path(__file__).with_name("face_check.onnx")

#: Width and height of the network's input in pixels.
INPUT_SIDE = 32

#: Keeps an even square, whose deviation is 0, from being divided by it (grey values of 0 to 255).
_LEAST_DEVIATION = 4.0


def standardized(squares: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Take each square's brightness and contrast away.

    Args:
        squares: Grey, uint8 ``[n, side, side]``.

    Returns:
        float32 of the same shape, each square with mean 0 and deviation 1.
    """
    values = squares.astype(np.float32)
    values -= values.mean(axis=(1, 2), keepdims=True)
    deviation = values.std(axis=(1, 2), keepdims=True)
    return np.asarray(values / np.maximum(deviation, _LEAST_DEVIATION), np.float32)


class FaceCheck:
    """Tells how probably a square shows one upright face, cut as the frontal cascade cuts it.

    May be shared by threads. The network is loaded at the first question.
    """

    def probabilities(self, squares: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Judge squares in one batch.

        Args:
            squares: Grey, uint8 ``[n, 32, 32]``.

        Returns:
            float32 ``[n]``, 0 to 1.

        Raises:
            RuntimeError: The network's file is missing.
        """
        if len(squares) == 0:
            return np.zeros(0, np.float32)
        (answer,) = self._session.run(None, {"squares": standardized(squares)[:, None]})
        return np.asarray(answer, np.float32)[:, 0]

    @cached_property
    def _session(self) -> "onnxruntime.InferenceSession":
        # Not the person's input: a part of the program is missing.
        if not WEIGHTS_PATH.is_file():
            raise RuntimeError(
                f"The installation is incomplete: {WEIGHTS_PATH.name} is missing in "
                f"{WEIGHTS_PATH.parent}; install FER Studio again."
            )
        # A batch takes a few milliseconds: more threads would only fight for the cores.
        return open_session(WEIGHTS_PATH, threads=1)


def cut_squares(
    grey: NDArray[np.uint8], squares: list[tuple[float, float, float]]
) -> NDArray[np.uint8]:
    """Cut squares out of a picture, at the network's size.

    Args:
        grey: uint8 ``[height, width]``.
        squares: Left edge, upper edge and side in pixels; they may reach over the picture's edge,
            where the edge is repeated.

    Returns:
        uint8 ``[n, 32, 32]``.
    """
    cut = np.zeros((len(squares), INPUT_SIDE, INPUT_SIDE), np.uint8)
    for index, (x, y, side) in enumerate(squares):
        whole = max(2, round(side))
        part = cv2.getRectSubPix(grey, (whole, whole), (x + (side - 1) / 2, y + (side - 1) / 2))
        way = cv2.INTER_AREA if whole > INPUT_SIDE else cv2.INTER_LINEAR
        cut[index] = cv2.resize(part, (INPUT_SIDE, INPUT_SIDE), interpolation=way)
    return cut
