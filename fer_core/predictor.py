"""Predict the probabilities of the classes for face crops.

All predictions go through the class ``Predictor``. It scales the pixel intensities, runs the
network, may average the outputs for a crop and its mirror image, puts the outputs in the order of
the classes and calibrates the probabilities. The network runs on ONNX Runtime; TensorFlow is not
imported.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_core.bundle import Bundle, BundleRecord
from fer_core.calibration import Calibration, Emphasis
from fer_core.errors import InputError, first_line
from fer_core.onnx_session import open_session
from fer_core.recipes.architectures import INPUT_SHAPE

#: Maps float32 ``[n, height, width, channels]`` from ``network_input`` to float32
#: ``[n, classes]`` in the label order of the network.
Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]

#: Images per batch: large enough to use all cores, small enough for their shared cache.
_BATCH_SIZE = 64
#: Maximum number of input values in one batch. Batches for networks with large inputs have fewer
#: images, because the output of a layer takes many times the memory of the input.
_MAX_BATCH_VALUES = 64 * 96 * 96 * 3


def network_input(crops: NDArray[np.uint8], record: BundleRecord) -> NDArray[np.float32]:
    """Convert face crops to the input of a network: size, channels and value range.

    Args:
        crops: Gray, uint8 ``[n, height, width]``, resized if the network takes another size; or
            RGB, uint8 ``[n, height, width, 3]`` in the input size of the network.
        record: Describes the input of the network.

    Returns:
        float32 ``[n, height, width, channels]``. If the network takes color images, a gray crop is
        repeated for every channel.
    """
    height, width, channels = record.input_shape
    is_gray = crops.ndim == 3
    if is_gray and crops.shape[1:] != (height, width):
        resized = np.empty((len(crops), height, width), dtype=np.uint8)
        for row, crop in enumerate(crops):
            resized[row] = cv2.resize(crop, (width, height), interpolation=cv2.INTER_LINEAR)
        crops = resized
    pixels = crops.astype(np.float32) * np.float32(record.input_scale)
    if record.input_offset:
        pixels += np.float32(record.input_offset)
    if is_gray:
        pixels = pixels[..., np.newaxis]
        if channels > 1:
            pixels = np.repeat(pixels, channels, axis=-1)
    return pixels


class Predictor:
    """Predicts the probabilities of the classes for face crops."""

    def __init__(
        self,
        record: BundleRecord,
        network: Network,
        temperature: float = 1.0,
        *,
        calibration: Calibration | None = None,
        emphasis: Emphasis = "default",
    ) -> None:
        """Wrap a network.

        Args:
            record: Describes the input and output of the network.
            network: Runs the network on one batch.
            temperature: Softens (above 1) or sharpens (below 1) the probabilities.
            calibration: Logit adjustment and temperature together. If it is given, the argument
                ``temperature`` is not used.
            emphasis: The emphasis on rare classes.
        """
        self._output_indices = record.output_indices
        self._classes = record.classes
        self._record = record
        self._network = network
        self.calibration = calibration or Calibration(temperature)
        self.emphasis = emphasis

    @property
    def temperature(self) -> float:
        """The temperature in use."""
        return self.calibration.temperature

    @property
    def minimum_confidence(self) -> float:
        """The confidence from which a prediction is shown as certain, 0 to 1."""
        return self.calibration.minimum_confidence

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the probabilities."""
        return self._classes

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the network's input."""
        return self._record.input_shape

    def probabilities(
        self, crops: NDArray[np.uint8], *, calibrated: bool = True
    ) -> NDArray[np.float32]:
        """Predict the classes of faces.

        Args:
            crops: Gray, uint8 ``[n, 48, 48]`` or ``[n, height, width]`` with the sizes of
                ``input_shape``, or RGB, uint8 ``[n, height, width, 3]`` for a network with three
                channels.
            calibrated: True to apply logit adjustment and temperature scaling.

        Returns:
            float32 ``[n, classes]`` in the order of ``classes``, rows summing to 1.

        Raises:
            ValueError: ``crops`` has another shape or type.
            InputError: The network returns values that are not probabilities.
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
        result = np.empty((len(crops), len(self._classes)), dtype=np.float32)
        batch_size = min(_BATCH_SIZE, max(1, _MAX_BATCH_VALUES // (height * width * channels)))
        for start in range(0, len(crops), batch_size):
            batch = crops[start : start + batch_size]
            result[start : start + len(batch)] = self._predict(batch)
        return self.calibration.calibrated(result, self.emphasis) if calibrated else result

    def _predict(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        pixels = network_input(crops, self._record)
        if self._record.flip_averaging:
            outputs = self._network(np.concatenate([pixels, pixels[:, :, ::-1]]))
            output = (outputs[: len(crops)] + outputs[len(crops) :]) / np.float32(2)
        else:
            output = self._network(pixels)
        # Comparisons with NaN are False, so NaN fails both checks.
        if not ((output >= 0).all() and (np.abs(output.sum(axis=1) - 1) < 0.01).all()):
            raise InputError(
                "The model returns values that are not probabilities; choose another model, or "
                "train or import this one again."
            )
        return output[:, self._output_indices]


def load_predictor(
    bundle: Bundle, *, threads: int | None = None, emphasis: Emphasis = "default"
) -> Predictor:
    """Open the served network of a bundle.

    Args:
        bundle: The model.
        threads: Threads for one prediction; by default one per core, the default of ONNX Runtime.
        emphasis: The emphasis on rare classes.

    Raises:
        InputError: ``model.onnx`` is missing or damaged, or its shapes differ from the record.
    """
    network = open_onnx_network(
        bundle.served_network,
        bundle.name,
        threads=threads,
        input_shape=bundle.record.input_shape,
        class_count=len(bundle.record.labels),
    )
    return Predictor(bundle.record, network, calibration=bundle.calibration, emphasis=emphasis)


def check_network_file(path: Path, name: str) -> None:
    """Check that the served network of a bundle exists.

    Raises:
        InputError: The network has not been exported; the message says how to export it.
    """
    if not path.is_file():
        raise InputError(
            f"The bundle {name!r} has no {path.name}; create it with "
            f"'python -m fer_core models export {name}', or choose another model."
        )


def open_onnx_network(
    path: Path,
    name: str,
    *,
    threads: int | None = None,
    input_shape: tuple[int, int, int] = INPUT_SHAPE,
    class_count: int | None = None,
) -> Network:
    """Open an ONNX file as a ``Network``.

    Args:
        path: The file.
        name: Name of the bundle, for messages.
        threads: See ``load_predictor``.
        input_shape: Expected height, width and channels.
        class_count: Expected number of outputs; None for any number.

    Raises:
        InputError: The file is missing or damaged, or its input or output has another shape.
    """
    check_network_file(path, name)
    try:
        session = open_session(path, threads=threads)
        (model_input,) = session.get_inputs()
        (model_output,) = session.get_outputs()
    except Exception as error:
        # ONNX Runtime raises many exception types, all because of an unusable file.
        raise InputError(
            f"The bundle {name!r} is damaged: {path} cannot be opened ({first_line(error)}); "
            "restore the file or choose another model."
        ) from error
    if not (_fits(model_input.shape, input_shape) and _fits(model_output.shape, (class_count,))):
        expected = "classes" if class_count is None else str(class_count)
        raise InputError(
            f"The network {path} has input {model_input.shape} and output {model_output.shape}; "
            f"expected: [n, {', '.join(map(str, input_shape))}] and [n, {expected}]."
        )
    input_name, output_names = model_input.name, [model_output.name]

    def run(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(session.run(output_names, {input_name: pixels})[0], dtype=np.float32)

    def run_one_by_one(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.concatenate([run(pixels[row : row + 1]) for row in range(len(pixels))])

    # Many imported networks were exported with a fixed batch size of 1.
    return run_one_by_one if model_input.shape[0] == 1 else run


def _fits(shape: list[int | str | None], expected: tuple[int | None, ...]) -> bool:
    """Return True if an ONNX shape is a batch dimension followed by the expected sizes.

    The batch dimension should be 1 or dynamic. A dynamic size matches every expected size; an
    expected size of None matches every size.
    """
    return (
        len(shape) == len(expected) + 1
        and (shape[0] == 1 or not isinstance(shape[0], int))
        and all(
            expected_size is None or size == expected_size or not isinstance(size, int)
            for size, expected_size in zip(shape[1:], expected, strict=True)
        )
    )
