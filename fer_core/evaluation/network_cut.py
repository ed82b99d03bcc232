"""Split a served network into two parts after its last convolution.

The body computes feature maps from pixels, and the head computes the scores before softmax from the
feature maps. With these two parts, Grad-CAM needs no library that computes gradients.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fer_core.onnx_session import open_session

if TYPE_CHECKING:
    import onnx

#: Orders of the axes that transpose a feature map from channels first to channels last, and back.
_TO_CHANNELS_LAST, _TO_CHANNELS_FIRST = [0, 2, 3, 1], [0, 3, 1, 2]
#: Operations that do not change values, only their shape or type.
_VALUE_PRESERVING = ("Identity", "Cast", "Squeeze", "Unsqueeze", "Flatten", "Reshape")
#: Maximum number of values in one batch of the head, to limit the memory.
_MAX_BATCH_VALUES = 4_000_000


class NoFeatureMapError(Exception):
    """The network cannot be split after a convolution."""


@dataclass(frozen=True)
class NetworkCut:
    """Body and head of a network.

    Attributes:
        body: Maps float32 pixels ``[n, height, width, channels]`` to feature maps, float32
            ``[n, maps, rows, columns]``.
        head: Maps feature maps to scores, float32 ``[n, classes]`` in the label order of the
            network. The scores are the input of the final softmax. If the head does not compute
            this input, they are the logarithms of the probabilities.
        tensor_name: Name of the tensor between body and head.
    """

    body: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    head: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    tensor_name: str


def cut_network(model: onnx.ModelProto, sample: NDArray[np.float32]) -> NetworkCut:
    """Split a network after its last convolution and the activation that follows it.

    The network is split at a tensor through which all paths from input to output pass. Therefore a
    network with branches is split after the branches join.

    Args:
        model: The served network, with one input and one output.
        sample: One input image, float32 ``[1, height, width, channels]``. The network is run with
            this image to determine the sizes of the tensors, and whether the head supports batches.

    Raises:
        NoFeatureMapError: The network has no convolution or cannot be split after it, or one of the
            two parts cannot be run.
    """
    nodes = _nodes_to_output(model)
    weight_names = {tensor.name for tensor in model.graph.initializer}
    (input_name,) = (value.name for value in model.graph.input if value.name not in weight_names)
    output_name = model.graph.output[0].name
    bottlenecks = _bottlenecks(nodes, input_name)
    convolution_outputs = [node.output[0] for node in nodes if node.op_type == "Conv"]
    if not convolution_outputs:
        raise NoFeatureMapError("it has no convolution")
    tensor_names = list(dict.fromkeys([*convolution_outputs, *bottlenecks]))
    values = dict(
        zip(
            tensor_names,
            _run(_subnetwork(model, nodes, input_name, tensor_names), input_name, sample),
            strict=True,
        )
    )
    spatial_outputs = [name for name in convolution_outputs if _is_spatial(values[name])]
    if not spatial_outputs:
        raise NoFeatureMapError("its convolutions do not keep spatial positions")
    last_convolution_index = max(_producer_index(nodes, name) for name in spatial_outputs)
    candidates = [
        name for name in bottlenecks if _producer_index(nodes, name) >= last_convolution_index
    ]
    tensor_name, is_channels_last = _last_feature_map(nodes, candidates, values)
    scores_name, is_logarithm_needed = _scores_before_softmax(nodes, output_name, tensor_name)
    head_start = _producer_index(nodes, tensor_name) + 1
    body = _session(_subnetwork(model, nodes[:head_start], input_name, [tensor_name]))
    head = _session(_subnetwork(model, nodes[head_start:], tensor_name, [scores_name]))
    one_by_one = not _supports_batches(head, tensor_name, values[tensor_name])

    def run_body(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        # One image at a time, because the network may have a fixed batch size of 1.
        maps = _run_in_chunks(body, input_name, pixels, one_by_one=True)
        return np.ascontiguousarray(maps.transpose(0, 3, 1, 2)) if is_channels_last else maps

    def run_head(maps: NDArray[np.float32]) -> NDArray[np.float32]:
        if is_channels_last:
            maps = np.ascontiguousarray(maps.transpose(0, 2, 3, 1))
        scores = _run_in_chunks(head, tensor_name, maps, one_by_one=one_by_one)
        scores = scores.reshape(len(maps), -1)
        return np.log(np.maximum(scores, 1e-12)) if is_logarithm_needed else scores

    return NetworkCut(run_body, run_head, tensor_name)


def _nodes_to_output(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """Return the nodes that the output depends on, in execution order."""
    needed = {model.graph.output[0].name}
    nodes = []
    for node in reversed(model.graph.node):
        if needed.intersection(node.output):
            nodes.append(node)
            needed.update(name for name in node.input if name)
    return nodes[::-1]


def _bottlenecks(nodes: list[onnx.NodeProto], input_name: str) -> list[str]:
    """Return the tensors that all paths from input to output pass through, in execution order.

    After such a tensor is computed, no earlier tensor that depends on the input is used.
    """
    last_use: dict[str, int] = {}
    for number, node in enumerate(nodes):
        for name in node.input:
            last_use[name] = number
    dependent = {input_name}
    still_used = {input_name}  # computed, and read by a later node
    bottlenecks = []
    for number, node in enumerate(nodes):
        if not dependent.intersection(node.input):
            continue  # a constant
        used = [name for name in node.output if name and last_use.get(name, -1) > number]
        dependent.update(used)
        still_used = {name for name in still_used if last_use.get(name, -1) > number}
        still_used.update(used)
        if len(still_used) == 1 and used:
            bottlenecks.append(used[0])
    return bottlenecks


def _producer_index(nodes: list[onnx.NodeProto], tensor_name: str) -> int:
    """Return the index of the node that computes a tensor."""
    return next(number for number, node in enumerate(nodes) if tensor_name in node.output)


def _is_spatial(value: NDArray[np.float32]) -> bool:
    return value.ndim == 4 and value.shape[2] > 1 and value.shape[3] > 1


def _last_feature_map(
    nodes: list[onnx.NodeProto], bottlenecks: list[str], values: dict[str, NDArray[np.float32]]
) -> tuple[str, bool]:
    """Return the last bottleneck that is a feature map, and whether its channels come last.

    The output of a node that keeps the size (normalization, activation) is a feature map, too. The
    search ends at a node that changes the size, such as pooling.

    Raises:
        NoFeatureMapError: None of the bottlenecks is a feature map.
    """
    feature_map: str | None = None
    is_channels_last = False
    shape: tuple[int, ...] = ()
    for name in bottlenecks:
        node = nodes[_producer_index(nodes, name)]
        is_transposed = is_channels_last
        if node.op_type == "Transpose":
            order = list(node.attribute[0].ints) if node.attribute else []
            if order not in (_TO_CHANNELS_LAST, _TO_CHANNELS_FIRST):
                break
            is_transposed = order == _TO_CHANNELS_LAST
        value = values[name]
        if value.ndim != 4:
            break
        channels_first = value.transpose(0, 3, 1, 2) if is_transposed else value
        has_new_size = feature_map is not None and channels_first.shape != shape
        if not _is_spatial(channels_first) or has_new_size:
            break
        feature_map, is_channels_last, shape = name, is_transposed, channels_first.shape
    if feature_map is None:
        raise NoFeatureMapError("no single feature map follows its last convolution")
    return feature_map, is_channels_last


def _scores_before_softmax(
    nodes: list[onnx.NodeProto], output_name: str, tensor_name: str
) -> tuple[str, bool]:
    """Return the name of the tensor of scores, and whether its logarithm has to be taken.

    The scores are the input of the final softmax, if this input is computed after ``tensor_name``.
    Otherwise they are the logarithms of the output of the network, which are probabilities.
    """
    producers = {name: node for node in nodes for name in node.output}
    name = output_name
    while name in producers and name != tensor_name:
        node = producers[name]
        if node.op_type == "Softmax":
            if node.input[0] == tensor_name:
                break
            return node.input[0], False
        if node.op_type not in _VALUE_PRESERVING:
            break
        name = node.input[0]
    return output_name, True


def _subnetwork(
    model: onnx.ModelProto, nodes: list[onnx.NodeProto], input_name: str, output_names: list[str]
) -> onnx.ModelProto:
    """Return a network of the given nodes, with ``input_name`` as its only input.

    Raises:
        NoFeatureMapError: The nodes have another input that is not a constant.
    """
    import onnx
    from onnx import helper

    input_names = {name for node in nodes for name in node.input}
    computed = {name for node in nodes for name in node.output}
    weights = [tensor for tensor in model.graph.initializer if tensor.name in input_names]
    constants = [
        node
        for node in model.graph.node
        if node.op_type == "Constant"
        and node.output[0] in input_names
        and node.output[0] not in computed
    ]
    # The empty name marks an optional input that is not used.
    available = computed | {tensor.name for tensor in weights} | {input_name, ""}
    available.update(node.output[0] for node in constants)
    if input_names - available:
        raise NoFeatureMapError(
            "the layers after its last convolution also depend on earlier layers"
        )

    def tensor_info(name: str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)

    graph = helper.make_graph(
        [*constants, *nodes],
        "subnetwork",
        [tensor_info(input_name)],
        [tensor_info(name) for name in output_names],
        weights,
    )
    subnetwork = helper.make_model(graph, opset_imports=list(model.opset_import))
    subnetwork.ir_version = model.ir_version
    return subnetwork


def _session(model: onnx.ModelProto) -> Any:
    try:
        return open_session(model.SerializeToString())
    except Exception as error:
        # ONNX Runtime raises many exception types, for example for a network in float16.
        raise NoFeatureMapError("its parts cannot be run") from error


def _run(
    model: onnx.ModelProto, input_name: str, sample: NDArray[np.float32]
) -> list[NDArray[np.float32]]:
    return [np.asarray(value) for value in _session(model).run(None, {input_name: sample})]


def _supports_batches(session: Any, input_name: str, value: NDArray[np.float32]) -> bool:
    """Return True if a batch of two gives the same result as a single image.

    A network with a fixed batch size of 1 does not support batches.
    """
    try:
        single = np.asarray(session.run(None, {input_name: value})[0])
        pair = np.asarray(session.run(None, {input_name: np.concatenate([value, value])})[0])
    except Exception:
        # ONNX Runtime raises many exception types for a wrong size.
        return False
    return pair.shape[0] == 2 * single.shape[0] and np.allclose(
        pair, np.concatenate([single, single]), 1e-4
    )


def _run_in_chunks(
    session: Any, input_name: str, values: NDArray[np.float32], *, one_by_one: bool
) -> NDArray[np.float32]:
    chunk_size = 1 if one_by_one else max(1, _MAX_BATCH_VALUES // max(1, values[0].size))
    results = [
        np.asarray(session.run(None, {input_name: values[start : start + chunk_size]})[0])
        for start in range(0, len(values), chunk_size)
    ]
    return np.concatenate(results)
