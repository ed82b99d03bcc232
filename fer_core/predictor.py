"""``Predictor``: 48x48 crops in, probabilities out. Everyone who needs a prediction asks it.

It owns the scaling of grey values, the runtime, flip averaging, the order of labels and the
temperature. The served network runs under ONNX Runtime: TensorFlow is not imported.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_core.bundle import Bundle, BundleRecord
from fer_core.emotions import EMOTIONS, positions_in_emotion_order
from fer_core.errors import InputError, first_line
from fer_core.metrics import apply_temperature
from fer_core.networks import INPUT_SHAPE
from fer_core.onnx_session import open_session

#: float32 ``[n, height, width, channels]`` as ``network_input`` makes it, to float32 ``[n, 7]`` in
#: the network's own label order.
Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]

#: Large enough to keep the cores busy, small enough for the caches that they share.
_BATCH_SIZE = 64


def network_input(crops: NDArray[np.uint8], record: BundleRecord) -> NDArray[np.float32]:
    """Turn face crops into what a network takes: its size, its channels, its range of values.

    Args:
        crops: Gray, uint8 ``[n, height, width]``, resized if the network takes another size; or
            RGB, uint8 ``[n, height, width, 3]`` in the size that the network takes.
        record: How the network is to be fed.

    Returns:
        float32 ``[n, height, width, channels]``; for a network with color input, every channel of
        a gray crop is that crop.
    """
    height, width, channels = record.input_shape
    is_gray = crops.ndim == 3
    if is_gray and crops.shape[1:] != (height, width):
        sized = np.empty((len(crops), height, width), dtype=np.uint8)
        for row, crop in enumerate(crops):
            sized[row] = cv2.resize(crop, (width, height), interpolation=cv2.INTER_LINEAR)
        crops = sized
    pixels = crops.astype(np.float32) * np.float32(record.input_scale)
    if record.input_offset:
        pixels += np.float32(record.input_offset)
    if is_gray:
        pixels = pixels[..., np.newaxis]
        if channels > 1:
            pixels = np.repeat(pixels, channels, axis=-1)
    return pixels


class Predictor:
    """Turns face crops into the probabilities of the seven emotions."""

    def __init__(self, record: BundleRecord, network: Network, temperature: float = 1.0) -> None:
        """Wrap a network.

        Args:
            record: How the network is to be fed.
            network: Runs it on one batch.
            temperature: Softens (above 1) or sharpens (below 1) what it says.
        """
        positions = positions_in_emotion_order(record.labels)
        assert positions is not None  # the record has checked its labels
        self._positions = positions
        self._record = record
        self._network = network
        self.temperature = temperature

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the probabilities."""
        return EMOTIONS

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the network's input."""
        return self._record.input_shape

    def probabilities(
        self, crops: NDArray[np.uint8], *, calibrated: bool = True
    ) -> NDArray[np.float32]:
        """Predict the emotions of faces.

        Args:
            crops: Gray, uint8 ``[n, 48, 48]`` or ``[n, height, width]`` with the sizes of
                ``input_shape``, or RGB, uint8 ``[n, height, width, 3]`` for a network with three
                channels.
            calibrated: Whether the temperature is applied.

        Returns:
            float32 ``[n, 7]`` in the order of ``EMOTIONS``, rows summing to 1.

        Raises:
            ValueError: Shape or type of ``crops`` is another.
            InputError: The network gives values that are no probabilities.
        """
        height, width, channels = self.input_shape
        accepted: list[tuple[int, ...]] = [INPUT_SHAPE[:2], (height, width)]
        if channels == 3:
            accepted.append((height, width, channels))
        if crops.shape[1:] not in accepted or crops.dtype != np.uint8:
            shapes = " or ".join(
                f"[n, {', '.join(map(str, sizes))}]" for sizes in dict.fromkeys(accepted)
            )
            raise ValueError(
                f"crops should be uint8 {shapes}. Received: {crops.dtype} {list(crops.shape)}"
            )
        result = np.empty((len(crops), len(EMOTIONS)), dtype=np.float32)
        for start in range(0, len(crops), _BATCH_SIZE):
            part = crops[start : start + _BATCH_SIZE]
            result[start : start + len(part)] = self._predict(part)
        return apply_temperature(result, self.temperature) if calibrated else result

    def _predict(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        pixels = network_input(crops, self._record)
        if self._record.flip_averaging:
            both = self._network(np.concatenate([pixels, pixels[:, :, ::-1]]))
            output = (both[: len(crops)] + both[len(crops) :]) / np.float32(2)
        else:
            output = self._network(pixels)
        # Written so that what is no number fails too.
        if not ((output >= 0).all() and (np.abs(output.sum(axis=1) - 1) < 0.01).all()):
            raise InputError(
                "The model gives values that are no probabilities; choose another one, and train "
                "or import this one again."
            )
        return output[:, self._positions]


def load_predictor(bundle: Bundle, *, threads: int | None = None) -> Predictor:
    """Open a bundle's served network.

    Args:
        bundle: What to serve.
        threads: Processor threads for one prediction; by default ONNX Runtime's own choice, one
            per core.

    Raises:
        InputError: ``model.onnx`` is missing, damaged or of another shape than the record says.
    """
    network = open_onnx_network(
        bundle.served_network, bundle.name, threads=threads, input_shape=bundle.record.input_shape
    )
    return Predictor(bundle.record, network, bundle.temperature)


def check_network_file(path: Path, name: str) -> None:
    """Make sure that a bundle's served network has been exported.

    Raises:
        InputError: It has not; the sentence says how to.
    """
    if not path.is_file():
        raise InputError(
            f"The bundle {name!r} has no {path.name}; make it with "
            f"'python -m fer_core models export {name}', or choose another model."
        )


def open_onnx_network(
    path: Path,
    name: str,
    *,
    threads: int | None = None,
    input_shape: tuple[int, int, int] = INPUT_SHAPE,
) -> Network:
    """Open an ONNX file as a ``Network``.

    Args:
        path: The file.
        name: The bundle's name, for messages.
        threads: As for ``load_predictor``.
        input_shape: Height, width and channels that it should take.

    Raises:
        InputError: The file is missing, damaged, or takes or gives another shape.
    """
    check_network_file(path, name)
    try:
        session = open_session(path, threads=threads)
        (taken,) = session.get_inputs()
        (given,) = session.get_outputs()
    except Exception as error:
        # ONNX Runtime raises many types of its own, all for a file that it cannot use.
        raise InputError(
            f"The bundle {name!r} is damaged: {path} cannot be opened ({first_line(error)}); "
            "restore the file or choose another model."
        ) from error
    if not (_fits(taken.shape, input_shape) and _fits(given.shape, (len(EMOTIONS),))):
        raise InputError(
            f"The network {path} takes {taken.shape} and gives {given.shape}; "
            f"expected are [n, {', '.join(map(str, input_shape))}] and [n, {len(EMOTIONS)}]."
        )
    input_name, output_names = taken.name, [given.name]

    def run(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(session.run(output_names, {input_name: pixels})[0], dtype=np.float32)

    def run_one_by_one(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.concatenate([run(pixels[i : i + 1]) for i in range(len(pixels))])

    # Many an imported network was exported for one picture at a time.
    return run_one_by_one if taken.shape[0] == 1 else run


def _fits(shape: list[int | str | None], expected: tuple[int, ...]) -> bool:
    """Whether an ONNX shape is one or any number of rows of ``expected``.

    An open size is not wrong.
    """
    return (
        len(shape) == len(expected) + 1
        and (shape[0] == 1 or not isinstance(shape[0], int))
        and all(
            size == wanted or not isinstance(size, int)
            for size, wanted in zip(shape[1:], expected, strict=True)
        )
    )
