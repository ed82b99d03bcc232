"""The pixel intensities that a network expects, read from the first operations of its graph.

Most networks are trained on intensities of 0 to 1, -1 to 1 or 0 to 255, and the file of a model
does not record this range. Some networks first scale their input, and these operations show the
range: a network that first divides by 255 expects 0 to 255. A network that starts with a layer,
such as a convolution, is assumed to expect 0 to 1. If a network starts with other operations, the
user must give the range.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fer_core.exchange.keras_config import name_set
from fer_core.exchange.labels import SCALES, Scale, scale_needed

if TYPE_CHECKING:
    import onnx

#: Operations that move pixels or change their type, but not their values. Some of them (Slice,
#: Gather) may reverse the channels.
_VALUE_PRESERVING = name_set(
    "Cast Flatten Gather Identity Pad Reshape Resize Slice Squeeze Transpose Unsqueeze"
)
#: Layers that networks begin with.
_LAYERS = name_set(
    """
    AveragePool BatchNormalization Conv Einsum GRU Gemm GlobalAveragePool GlobalMaxPool
    GroupNormalization InstanceNormalization LSTM LayerNormalization MatMul MaxPool RNN
    """
)
#: Maximum number of operations that are followed, starting at the input.
_MAX_STEPS = 40

#: Lowest and highest intensity of each range.
_RANGES: dict[Scale, tuple[float, float]] = {
    "unit": (0.0, 1.0),
    "bytes": (0.0, 255.0),
    "signed": (-1.0, 1.0),
}
#: Usual limits of the spread after the scaling. The spread is half the difference between the
#: highest and the lowest intensity.
_LEAST_SPREAD, _LARGEST_SPREAD = 0.4, 8.0
#: Usual maximum distance between 0 and the mean of the highest and the lowest intensity after the
#: scaling, relative to the spread.
_LARGEST_SHIFT = 1.2
#: Usual limits of a mean that is subtracted without further scaling, for intensities of 0 to 255.
_LEAST_MEAN, _LARGEST_MEAN = 20.0, 220.0


@dataclass(frozen=True)
class InputOperations:
    """The scaling that a network applies to its input before its first layer.

    Attributes:
        factor: The number by which the intensities are multiplied, float64 ``[]``, or
            ``[channels]`` for one number per channel.
        offset: The number that is then added, in the same form as ``factor``.
        changes_intensities: True if the operations change the intensities at all.
        next_operation: The first operation that is not understood as scaling, or a description if
            there is not exactly one such operation.
    """

    factor: NDArray[np.float64]
    offset: NDArray[np.float64]
    changes_intensities: bool
    next_operation: str

    @property
    def expected_scale(self) -> Scale | None:
        """The range of intensities that fits the operations.

        None if the operations do not change the intensities, or if no range or several ranges fit.
        """
        if not self.changes_intensities:
            return None
        fitting: list[Scale] = [
            scale for scale in _RANGES if _fits(scale, self.factor, self.offset)
        ]
        return fitting[0] if len(fitting) == 1 else None

    @property
    def description(self) -> str:
        """A description of the operations for messages."""
        if not self.changes_intensities:
            return f"its first operation is {self.next_operation}"
        factor, offset = (
            ", ".join(f"{value:.4g}" for value in np.atleast_1d(values))
            for values in (self.factor, self.offset)
        )
        return (
            f"it multiplies them by {factor} and adds {offset}, which does not fit exactly one "
            "usual range"
        )


@dataclass(frozen=True)
class InferredScale:
    """The range of intensities that a network expects.

    Attributes:
        scale: The range.
        reason: Why this range is assumed, as the end of a sentence.
    """

    scale: Scale
    reason: str


def scale_from_operations(model: onnx.ModelProto, path: Path) -> InferredScale:
    """Return the range of intensities that fits the first operations of a network.

    Args:
        model: A network with one input.
        path: Path of the network's file, for messages.

    Raises:
        InputError: The first operations do not show the range.
    """
    operations = input_operations(model)
    if not operations.changes_intensities and operations.next_operation in _LAYERS:
        return InferredScale(
            "unit",
            "as most networks do: compare the scalings on a dataset (--check-on), and import the "
            "model again with another range (--scale) if that is more accurate",
        )
    scale = operations.expected_scale
    if scale is None:
        raise scale_needed(path, operations.description)
    return InferredScale(scale, "because its first operation scales them")


def input_operations(model: onnx.ModelProto) -> InputOperations:
    """Follow the input of a network through the operations that scale it.

    Args:
        model: A network with one input.
    """
    graph = model.graph
    constants = _constants(graph)
    # Older files list the weights (initializers) among the inputs.
    weight_names = {tensor.name for tensor in graph.initializer}
    name = next(value.name for value in graph.input if value.name not in weight_names)
    factor, offset = np.ones(()), np.zeros(())
    changes_intensities = False
    operation = "nothing"
    for _ in range(_MAX_STEPS):
        consumers = [node for node in _consumers(graph, name) if node.op_type != "Shape"]
        joined = _joined_channels(graph, consumers)
        if joined is not None:
            name = joined
            continue
        if len(consumers) != 1:
            kinds = {consumer.op_type for consumer in consumers}
            # If the input goes to several layers, each of them is a valid first operation.
            operation = min(kinds) if kinds and kinds <= _LAYERS else "one of several on its input"
            break
        node = consumers[0]
        operation = node.op_type
        if operation in _VALUE_PRESERVING and node.input[0] == name:
            name = node.output[0]
            continue
        step = _affine_step(node, name, constants)
        if step is None:
            break
        step_factor, step_offset = step
        try:
            factor, offset = factor * step_factor, offset * step_factor + step_offset
        except ValueError:  # the constants have different numbers of channels
            break
        is_identity = np.all(step_factor == 1) and np.all(step_offset == 0)
        changes_intensities = changes_intensities or not is_identity
        name = node.output[0]
    return InputOperations(factor, offset, changes_intensities, operation)


def _consumers(graph: onnx.GraphProto, name: str) -> list[onnx.NodeProto]:
    return [node for node in graph.node if name in node.input]


def _joined_channels(graph: onnx.GraphProto, consumers: list[onnx.NodeProto]) -> str | None:
    """Return the tensor that joins the channels again, if each consumer selects one of them.

    ``preprocess_input`` of Keras reverses the channels in this way. The result is None if the
    consumers do something else.
    """
    joined_tensors = set()
    for consumer in consumers:
        node = consumer
        while node.op_type in _VALUE_PRESERVING:
            following = _consumers(graph, node.output[0])
            if len(following) != 1:
                return None
            node = following[0]
        if node is consumer or node.op_type != "Concat":
            return None
        joined_tensors.add(node.output[0])
    return joined_tensors.pop() if len(consumers) > 1 and len(joined_tensors) == 1 else None


def _constants(graph: onnx.GraphProto) -> dict[str, NDArray[np.float64]]:
    """Return the constants that have one to three values (at most one per channel), by name."""
    from onnx import numpy_helper

    tensors = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            tensors[node.output[0]] = node.attribute[0].t
    return {
        name: np.asarray(numpy_helper.to_array(tensor), np.float64).reshape(-1)
        for name, tensor in tensors.items()
        if 1 <= int(np.prod(tensor.dims)) <= 3
    }


def _affine_step(
    node: onnx.NodeProto, name: str, constants: dict[str, NDArray[np.float64]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return factor and offset of one operation; None if it is not a scaling by known constants."""
    if node.op_type == "BatchNormalization" and node.input[0] == name:
        return _normalization_step(node, constants)
    if node.op_type not in ("Add", "Sub", "Mul", "Div") or len(node.input) != 2:
        return None
    is_first = node.input[0] == name
    constant = constants.get(node.input[1] if is_first else node.input[0])
    if constant is None or not np.isfinite(constant).all():
        return None
    one, zero = np.ones(()), np.zeros(())
    if node.op_type == "Div":
        return (1 / constant, zero) if is_first and constant.all() else None
    steps = {
        "Add": (one, constant),
        "Sub": (one, -constant) if is_first else (-one, constant),
        "Mul": (constant, zero),
    }
    return steps[node.op_type]


def _normalization_step(
    node: onnx.NodeProto, constants: dict[str, NDArray[np.float64]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return factor and offset of a batch normalization.

    Return None if they are unknown, or if the batch normalization is not trained.

    The scale and the bias of the batch normalization are ignored, because only the mean and the
    variance show the range of the intensities.
    """
    parameters = [constants.get(name) for name in node.input[1:5]]
    if len(parameters) != 4 or any(parameter is None for parameter in parameters):
        return None
    _, _, mean, variance = (np.asarray(parameter) for parameter in parameters)
    if np.all(mean == 0) and np.all(variance == 1):  # not trained
        return None
    deviation = np.sqrt(variance + 1e-3)  # Keras's default for epsilon is 1e-3
    return 1 / deviation, -mean / deviation


def _fits(scale: Scale, factor: NDArray[np.float64], offset: NDArray[np.float64]) -> bool:
    """Return True if the scaling maps a range to intensities that networks usually use."""
    low, high = _RANGES[scale]
    ends = np.stack(np.broadcast_arrays(factor * low + offset, factor * high + offset))
    # Intensities of 0 to 255 are usual if a later layer subtracts their mean.
    usual_ranges = [(0.0, 1.0), (0.0, 255.0)] + ([] if scale == "signed" else [(-1.0, 1.0)])
    if any(
        np.allclose(ends.T, target, atol=0.02 * (target[1] - target[0])) for target in usual_ranges
    ):
        return True
    # Intensities of -1 to 1 are usually not standardized by a mean or standard deviation.
    if scale == "signed":
        return False
    if np.allclose(factor * high, 255):
        # The factor leads to intensities of 0 to 255, from which a mean is then subtracted.
        return bool(np.all((-offset >= _LEAST_MEAN) & (-offset <= _LARGEST_MEAN)))
    spread = np.abs(ends[1] - ends[0]) / 2
    center = (ends[0] + ends[1]) / 2
    return bool(
        np.all((spread >= _LEAST_SPREAD) & (spread <= _LARGEST_SPREAD))
        and np.all(np.abs(center) <= _LARGEST_SHIFT * spread)
    )


@dataclass(frozen=True)
class Scaling:
    """How intensities of 0 to 255 become the input of a network.

    Attributes:
        factor: The number by which the intensities are multiplied: one number, or one per channel.
        offset: The number that is then added, in the same form as ``factor``.
    """

    factor: tuple[float, ...]
    offset: tuple[float, ...]

    @classmethod
    def of(
        cls,
        scale: Scale,
        mean: tuple[float, ...] | None = None,
        std: tuple[float, ...] | None = None,
    ) -> Scaling:
        """Return the scaling to a range, with a mean and a standard deviation.

        Args:
            scale: The range.
            mean: The mean to subtract, in units of the range; None for no subtraction.
            std: The standard deviation to divide by after the subtraction, in units of the range;
                None for no division.
        """
        factor, offset = SCALES[scale]
        means, deviations = np.asarray(mean or (0.0,)), np.asarray(std or (1.0,))
        factors, offsets = np.broadcast_arrays(factor / deviations, (offset - means) / deviations)
        return cls(tuple(map(float, factors)), tuple(map(float, offsets)))

    @property
    def is_uniform(self) -> bool:
        """True if all channels are scaled in the same way."""
        return len(set(self.factor)) == 1 and len(set(self.offset)) == 1

    def apply(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scale intensities of 0 to 255, float32 ``[n, height, width, channels]``."""
        factor = np.asarray(self.factor, np.float32)
        return np.asarray(pixels * factor + np.asarray(self.offset, np.float32), np.float32)
