"""A served network, cut in two behind its last convolution.

The body turns pixels into a feature map, the head turns the feature map into the seven scores
before softmax: what Grad-CAM needs, without a library that knows gradients.
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

#: Transposes of a feature map from channels first to last, and back.
_TO_CHANNELS_LAST, _TO_CHANNELS_FIRST = [0, 2, 3, 1], [0, 3, 1, 2]
#: Operations that change nothing about what a value says.
_PASSING = ("Identity", "Cast", "Squeeze", "Unsqueeze", "Flatten", "Reshape")
#: Values that go through the head at once: bounds the memory.
_VALUES_AT_ONCE = 4_000_000


class NoFeatureMapError(Exception):
    """The network has no convolution behind which it could be cut."""


@dataclass(frozen=True)
class NetworkCut:
    """Body and head of a network.

    Attributes:
        body: float32 pixels ``[n, height, width, channels]`` to feature maps, float32
            ``[n, maps, rows, columns]``.
        head: Such feature maps to scores, float32 ``[n, 7]`` in the network's own label order:
            what goes into softmax, or the logarithm of the probabilities where there is none.
        tensor: The name of the feature map in the network.
    """

    body: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    head: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    tensor: str


def cut_network(model: onnx.ModelProto, sample: NDArray[np.float32]) -> NetworkCut:
    """Cut a network behind its last convolution and the activation that follows it.

    The cut is where everything passes through one tensor, so that a network with side branches is
    cut behind the point where they meet again.

    Args:
        model: One input, one output, as it is served.
        sample: One picture as it goes in, float32 ``[1, height, width, channels]``: sizes that a
            network does not state show when it runs.

    Raises:
        NoFeatureMapError: There is no such place.
    """
    nodes = _nodes_to_output(model)
    initial = {tensor.name for tensor in model.graph.initializer}
    (taken,) = (value.name for value in model.graph.input if value.name not in initial)
    given = model.graph.output[0].name
    passages = _passages(nodes, taken)
    convolved = [node.output[0] for node in nodes if node.op_type == "Conv"]
    if not convolved:
        raise NoFeatureMapError("it has no convolution")
    seen = list(dict.fromkeys([*convolved, *passages]))
    values = dict(zip(seen, _run(_part(model, nodes, taken, seen), taken, sample), strict=True))
    spatial = [name for name in convolved if _is_spatial(values[name])]
    if not spatial:
        raise NoFeatureMapError("its convolutions keep no place in the picture")
    last = max(_position(nodes, name) for name in spatial)
    behind = [name for name in passages if _position(nodes, name) >= last]
    tensor, is_channels_last = _farthest_alike(nodes, behind, values)
    scores, is_logarithm_needed = _scores_before_softmax(nodes, given, tensor)
    start = _position(nodes, tensor) + 1
    body = _session(_part(model, nodes[:start], taken, [tensor]))
    head = _session(_part(model, nodes[start:], tensor, [scores]))
    one_by_one = not _takes_several(head, tensor, values[tensor])

    def run_body(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        maps = _in_parts(body, taken, pixels, one_by_one=True)
        return np.ascontiguousarray(maps.transpose(0, 3, 1, 2)) if is_channels_last else maps

    def run_head(maps: NDArray[np.float32]) -> NDArray[np.float32]:
        if is_channels_last:
            maps = np.ascontiguousarray(maps.transpose(0, 2, 3, 1))
        given_scores = _in_parts(head, tensor, maps, one_by_one=one_by_one)
        given_scores = given_scores.reshape(len(maps), -1)
        return np.log(np.maximum(given_scores, 1e-12)) if is_logarithm_needed else given_scores

    return NetworkCut(run_body, run_head, tensor)


def _nodes_to_output(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """The nodes that the output depends on, in the order in which they run."""
    wanted = {model.graph.output[0].name}
    kept = []
    for node in reversed(model.graph.node):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(name for name in node.input if name)
    return kept[::-1]


def _passages(nodes: list[onnx.NodeProto], taken: str) -> list[str]:
    """The tensors through which everything on the way from input to output passes, in order.

    After such a tensor is made no earlier one that depends on the input is asked for again.
    """
    last_use: dict[str, int] = {}
    for number, node in enumerate(nodes):
        for name in node.input:
            last_use[name] = number
    dependent = {taken}
    waiting = {taken}
    passages = []
    for number, node in enumerate(nodes):
        if not dependent.intersection(node.input):
            continue  # a constant
        used = [name for name in node.output if name and last_use.get(name, -1) > number]
        dependent.update(used)
        waiting = {name for name in waiting if last_use.get(name, -1) > number}
        waiting.update(used)
        if len(waiting) == 1 and used:
            passages.append(used[0])
    return passages


def _position(nodes: list[onnx.NodeProto], tensor: str) -> int:
    return next(number for number, node in enumerate(nodes) if tensor in node.output)


def _is_spatial(value: NDArray[np.float32]) -> bool:
    return value.ndim == 4 and value.shape[2] > 1 and value.shape[3] > 1


def _farthest_alike(
    nodes: list[onnx.NodeProto], passages: list[str], values: dict[str, NDArray[np.float32]]
) -> tuple[str, bool]:
    """The last of the passages that still holds the feature map, and whether channels come last.

    From the first passage on everything counts that keeps its size: normalization, activation. A
    pooling ends it.
    """
    found: str | None = None
    is_channels_last = False
    shape: tuple[int, ...] = ()
    for name in passages:
        node = nodes[_position(nodes, name)]
        turned = is_channels_last
        if node.op_type == "Transpose":
            order = list(node.attribute[0].ints) if node.attribute else []
            if order not in (_TO_CHANNELS_LAST, _TO_CHANNELS_FIRST):
                break
            turned = order == _TO_CHANNELS_LAST
        value = values[name]
        if value.ndim != 4:
            break
        first = value.transpose(0, 3, 1, 2) if turned else value
        if not _is_spatial(first) or (found is not None and first.shape != shape):
            break
        found, is_channels_last, shape = name, turned, first.shape
    if found is None:
        raise NoFeatureMapError("behind its last convolution it does not pass through one map")
    return found, is_channels_last


def _scores_before_softmax(
    nodes: list[onnx.NodeProto], given: str, tensor: str
) -> tuple[str, bool]:
    """What goes into the softmax at the end, and whether to take logarithms for want of one."""
    maker = {name: node for node in nodes for name in node.output}
    name = given
    while name in maker and name != tensor:
        node = maker[name]
        if node.op_type == "Softmax":
            if node.input[0] == tensor:
                break
            return node.input[0], False
        if node.op_type not in _PASSING:
            break
        name = node.input[0]
    return given, True


def _part(
    model: onnx.ModelProto, nodes: list[onnx.NodeProto], taken: str, given: list[str]
) -> onnx.ModelProto:
    """A network of some of the nodes; what they need besides ``taken`` must be constant."""
    import onnx
    from onnx import helper

    used = {name for node in nodes for name in node.input}
    made = {name for node in nodes for name in node.output}
    initial = [tensor for tensor in model.graph.initializer if tensor.name in used]
    constants = [
        node
        for node in model.graph.node
        if node.op_type == "Constant" and node.output[0] in used and node.output[0] not in made
    ]
    known = made | {tensor.name for tensor in initial} | {taken, ""}
    known.update(node.output[0] for node in constants)
    if used - known:
        raise NoFeatureMapError(
            "what follows its last convolution also depends on what precedes it"
        )

    def value(name: str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)

    graph = helper.make_graph(
        [*constants, *nodes], "part", [value(taken)], [value(name) for name in given], initial
    )
    part = helper.make_model(graph, opset_imports=list(model.opset_import))
    part.ir_version = model.ir_version
    return part


def _session(model: onnx.ModelProto) -> Any:
    try:
        return open_session(model.SerializeToString())
    except Exception as error:
        # ONNX Runtime raises many types of its own; a network of another precision, say.
        raise NoFeatureMapError("it does not run in parts") from error


def _run(
    model: onnx.ModelProto, taken: str, sample: NDArray[np.float32]
) -> list[NDArray[np.float32]]:
    return [np.asarray(value) for value in _session(model).run(None, {taken: sample})]


def _takes_several(session: Any, taken: str, value: NDArray[np.float32]) -> bool:
    """Whether two values at once give what one gives: inside a network a size may be fixed."""
    try:
        one = np.asarray(session.run(None, {taken: value})[0])
        two = np.asarray(session.run(None, {taken: np.concatenate([value, value])})[0])
    except Exception:
        # ONNX Runtime raises many types of its own for a size that does not fit.
        return False
    return two.shape[0] == 2 * one.shape[0] and np.allclose(two, np.concatenate([one, one]), 1e-4)


def _in_parts(
    session: Any, taken: str, values: NDArray[np.float32], *, one_by_one: bool
) -> NDArray[np.float32]:
    at_once = 1 if one_by_one else max(1, _VALUES_AT_ONCE // max(1, values[0].size))
    parts = [
        np.asarray(session.run(None, {taken: values[start : start + at_once]})[0])
        for start in range(0, len(values), at_once)
    ]
    return np.concatenate(parts)
