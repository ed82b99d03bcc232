"""``BatchingPredictor``: one call of the network classifies the faces of concurrent requests."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fer_core.predictor import Predictor


@dataclass
class _PendingCall:
    """The crops of one call of ``probabilities``, and the future that will contain its result."""

    crops: NDArray[np.uint8]
    result: Future[NDArray[np.float32]] = field(default_factory=Future)


class BatchingPredictor:
    """Runs a predictor in one thread and combines the calls of other threads.

    While the network runs, further calls wait. When the network becomes free, the waiting calls
    form the next batch. The batch starts at once, even if it is small.
    """

    def __init__(
        self,
        predictor: Predictor,
        *,
        max_faces: int = 64,
        on_batch: Callable[[int], object] | None = None,
    ) -> None:
        """Start the thread.

        Args:
            predictor: The model.
            max_faces: No further call is added to a batch with at least this many faces.
            on_batch: Called with the number of faces of each batch.
        """
        self._predictor = predictor
        self._max_faces = max_faces
        self._on_batch = on_batch
        self._calls: queue.SimpleQueue[_PendingCall | None] = queue.SimpleQueue()
        self._is_closed = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="network", daemon=True)
        self._thread.start()

    @property
    def minimum_confidence(self) -> float:
        """The confidence from which a prediction is shown as certain, 0 to 1."""
        return self._predictor.minimum_confidence

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the probabilities."""
        return self._predictor.classes

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the network's input."""
        return self._predictor.input_shape

    def probabilities(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Classify crops, possibly together with the crops of other threads.

        Args:
            crops: See ``Predictor.probabilities``.

        Returns:
            float32 ``[n, classes]``, each row with sum 1.

        Raises:
            RuntimeError: The predictor is closed.
        """
        call = _PendingCall(crops)
        with self._lock:
            if self._is_closed:
                raise RuntimeError("the predictor is closed")
            self._calls.put(call)
        return call.result.result()

    def close(self) -> None:
        """Finish the waiting calls and end the thread."""
        with self._lock:
            self._is_closed = True
            self._calls.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            batch, is_last = self._next_batch()
            # Only crops with the same size and number of channels can be stacked. dict.fromkeys
            # returns each of these shapes once.
            for shape in dict.fromkeys(call.crops.shape[1:] for call in batch):
                self._predict([call for call in batch if call.crops.shape[1:] == shape])
            if is_last:
                return

    def _next_batch(self) -> tuple[list[_PendingCall], bool]:
        """Wait for a call; return the calls of a batch, and True if it is the last batch."""
        batch: list[_PendingCall] = []
        try:
            while not batch or sum(len(call.crops) for call in batch) < self._max_faces:
                call = self._calls.get(block=not batch)
                if call is None:
                    return batch, True
                batch.append(call)
        except queue.Empty:
            pass  # no further call is waiting
        return batch, False

    def _predict(self, batch: list[_PendingCall]) -> None:
        """Classify all crops of a batch at once, and set the result of each call in the batch."""
        try:
            rows = self._predictor.probabilities(np.concatenate([call.crops for call in batch]))
        except Exception as error:
            for call in batch:
                call.result.set_exception(error)
            return
        if self._on_batch is not None:
            self._on_batch(len(rows))
        start = 0
        for call in batch:
            call.result.set_result(rows[start : start + len(call.crops)])
            start += len(call.crops)
