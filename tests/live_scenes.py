"""Synthetic moving pictures, with a detector and a predictor for them."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_core.emotions import EMOTIONS
from fer_core.vision.boxes import BoxGeometry, FaceBox
from fer_core.vision.face import Face

SQUARE = BoxGeometry(relative_side=1.0, offset_x=0.0, offset_y=0.0)


class ImmediateExecutor(Executor):
    """Runs each call in ``submit``, so that tests are deterministic."""

    def submit(self, call: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(call(*args, **options))
        except Exception as error:
            future.set_exception(error)
        return future


class ManualExecutor(Executor):
    """Keeps submitted calls until ``run_all``."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, call: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.waiting.append((future, lambda: call(*args, **options)))
        return future

    def run_all(self) -> None:
        for future, call in self.waiting:
            future.set_result(call())
        self.waiting.clear()


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class SquareDetector:
    """Detects the textured squares of ``scene``, whose green value identifies them."""

    name = "squares"
    geometry = SQUARE

    def __init__(self) -> None:
        self.calls = 0
        self.error: Exception | None = None

    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        self.calls += 1
        if self.error is not None:
            raise self.error
        found = []
        for number in np.unique(image[..., 1]):
            if number >= 200:
                rows, columns = np.nonzero(image[..., 1] == number)
                x, y = int(columns.min()), int(rows.min())
                width, height = int(columns.max()) - x + 1, int(rows.max()) - y + 1
                found.append(Face(FaceBox(x, y, width, height), 0.9))
        return found


class FixedPredictor:
    """Returns the same probabilities for every face."""

    classes: tuple[str, ...] = EMOTIONS
    input_shape = (48, 48, 1)
    minimum_confidence = 0.0

    def __init__(self, *probabilities: float) -> None:
        self.row = np.array(probabilities or (0.1, 0.0, 0.0, 0.8, 0.0, 0.0, 0.1), np.float32)
        self.error: Exception | None = None
        self.crops: list[NDArray[np.uint8]] = []

    def probabilities(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        if self.error is not None:
            raise self.error
        self.crops = list(crops)
        return np.tile(self.row, (len(crops), 1))


def scene(
    *places: tuple[int, int], side: int = 80, size: tuple[int, int] = (480, 640)
) -> NDArray[np.uint8]:
    """Return gray noise with textured squares at (x, y), which optical flow can follow."""
    generator = np.random.default_rng(0)
    image = np.empty((*size, 3), np.uint8)
    image[..., 0] = image[..., 2] = generator.integers(90, 110, size)
    image[..., 1] = 100
    blocks = generator.integers(0, 255, (side // 8, side // 8), dtype=np.uint8)
    texture = np.kron(blocks, np.ones((8, 8), np.uint8))
    for number, (x, y) in enumerate(places):
        part = image[max(y, 0) : y + side, max(x, 0) : x + side]
        part[..., 0] = part[..., 2] = texture[: part.shape[0], : part.shape[1]]
        part[..., 1] = 200 + number
    return image
