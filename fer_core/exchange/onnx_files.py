"""Check ONNX files, and convert them to the form that is served.

A served network maps ``[n, height, width, channels]`` to probabilities ``[n, classes]``. If the
input of a network has channels first, a Transpose is added in front of the network. If a network
returns logits, a Softmax is added after the network. Weights in a separate file become part of the
network.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fer_core.classes import MAX_CLASSES, MIN_CLASSES
from fer_core.errors import InputError, first_line
from fer_core.exchange.input_scaling import Scaling
from fer_core.exchange.safety import MAX_BYTES, check_file
from fer_core.recipes.architectures import INPUT_SHAPE

if TYPE_CHECKING:
    import onnx

#: Operations that are rejected, because the file determines the number of their iterations, which
#: may be infinite.
_LOOPS = ("Loop", "Scan")
#: Maximum number of values of a tensor between two operations, for one image (256 MB).
_MAX_TENSOR_VALUES = 64_000_000
#: Minimum and maximum height and width of the input images, in pixels.
_SMALLEST_SIDE, _LARGEST_SIDE = 16, 512


@dataclass(frozen=True)
class OnnxNetwork:
    """A checked ONNX network.

    Attributes:
        path: Path of the network's file.
        model: The content of the file.
        input_shape: Height, width and channels of the input.
        channels_first: True if the input is ``[n, channels, height, width]``.
        one_by_one: True if the network processes one image at a time.
        parameters: Number of weights.
        output_count: Number of values for each image; None if the file does not define it.
    """

    path: Path
    model: onnx.ModelProto
    input_shape: tuple[int, int, int]
    channels_first: bool
    one_by_one: bool
    parameters: int
    output_count: int | None


def check_onnx_file(path: Path, *, allow_external_data: bool = False) -> onnx.ModelProto:
    """Read an ONNX file and check that it is valid, complete and contains standard operations only.

    Args:
        path: The file.
        allow_external_data: True to also read weights from another file in the same folder; False
            to reject a network that has such a file.

    Returns:
        The network, with all of its weights.

    Raises:
        InputError: The file is invalid, incomplete or too large, or contains loops or operations
            that are not standard.
    """
    import onnx

    check_file(path)
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:
        # Protobuf raises its own exception types.
        raise InputError(
            f"{path} is damaged: it cannot be read as ONNX ({first_line(error)[:200]}); export or "
            "copy it again."
        ) from error
    _read_external_data(model, path, allowed=allow_external_data)
    model = _without_functions(model, path)
    for node in _nodes(model.graph):
        if node.domain not in ("", "ai.onnx"):
            raise InputError(
                f"{path} uses the operation {node.op_type!r} of the domain {node.domain!r}, "
                "which is not a standard ONNX operation; export the network with standard "
                "operations."
            )
        if node.op_type in _LOOPS:
            raise InputError(
                f"{path} contains a {node.op_type}, which may never end; export the network "
                "without loops."
            )
    try:
        onnx.checker.check_model(model)
        shaped = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except Exception as error:
        raise InputError(
            f"{path} is damaged: it is not a valid ONNX network ({first_line(error)[:200]}); "
            "export it again."
        ) from error
    for value in shaped.graph.value_info:
        sizes = [size for size in _shape(value) if isinstance(size, int)]
        if math.prod(sizes) > _MAX_TENSOR_VALUES:
            raise InputError(
                f"{path} computes tensors of {math.prod(sizes):,} values, more than the "
                f"{_MAX_TENSOR_VALUES:,} that can be served; import a smaller network."
            )
    return model


def _read_external_data(model: onnx.ModelProto, path: Path, *, allowed: bool) -> None:
    """Read the weights that a network stores in another file of its folder."""
    import onnx

    tensors = [
        tensor
        for tensor in _tensors(model.graph)
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data
    ]
    if not tensors:
        return
    locations = [{entry.key: entry.value for entry in tensor.external_data} for tensor in tensors]
    size = path.stat().st_size
    for name in dict.fromkeys(location.get("location", "") for location in locations):
        file = path.parent / name
        # Only a plain file name is allowed, because a path could name any file of this machine.
        is_plain = bool(name) and name == Path(name).name and not file.is_symlink()
        if not allowed or not is_plain:
            raise InputError(
                f"{path} stores its weights in another file ({name[:80]!r}), which is not read; "
                "export the network with everything in one file, for example with "
                "torch.onnx.export(…, external_data=False)."
            )
        if not file.is_file():
            raise InputError(
                f"{path} stores its weights in {name!r}, which is not in its folder; put both "
                "files into one folder, or export the network in one file, for example with "
                "torch.onnx.export(…, external_data=False)."
            )
        size += file.stat().st_size
    if size > MAX_BYTES:
        raise InputError(
            f"{path} and its weights have {size / 2**20:,.0f} MB, more than the "
            f"{MAX_BYTES / 2**20:,.0f} MB that can be imported; import a smaller network."
        )
    try:
        for tensor in tensors:
            onnx.external_data_helper.load_external_data_for_tensor(tensor, str(path.parent))
            tensor.data_location = onnx.TensorProto.DEFAULT
            del tensor.external_data[:]
    except Exception as error:
        # The network states where each weight begins in the file; these positions can be invalid.
        raise InputError(
            f"The weights of {path} cannot be read from {locations[0].get('location')!r} "
            f"({first_line(error)}); export or copy both files again."
        ) from error


def _without_functions(model: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    """Return a network in which functions (named groups of operations) are inlined."""
    import onnx
    import onnx.inliner

    if not model.functions:
        return model
    try:
        return onnx.inliner.inline_local_functions(model)
    except Exception as error:
        raise InputError(
            f"{path} contains functions that cannot be inlined ({first_line(error)}); export the "
            "network with standard operations."
        ) from error


def read_onnx_network(path: Path) -> OnnxNetwork:
    """Read an ONNX network and determine the layout of its input.

    Raises:
        InputError: The network is unsafe or damaged, or does not classify images into 2 to 20
            classes.
    """
    import onnx

    model = check_onnx_file(path, allow_external_data=True)
    inputs = _inputs(model.graph)
    outputs = list(model.graph.output)
    if len(inputs) != 1 or len(outputs) != 1:
        raise InputError(
            f"{path} has {len(inputs)} inputs and {len(outputs)} outputs; import a network with "
            "one image as input and one value for each class as output."
        )
    if inputs[0].type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
        raise InputError(
            f"{path} does not take float32 images; export the network with a float32 input."
        )
    input_sizes, output_sizes = _shape(inputs[0]), _shape(outputs[0])
    if len(output_sizes) != 2 or not _is_class_count(output_sizes[1]):
        raise InputError(wrong_output_message(path, output_sizes))
    if len(input_sizes) != 4 or (input_sizes[0] is not None and input_sizes[0] != 1):
        raise InputError(wrong_input_message(path, input_sizes))
    channels_first = input_sizes[3] not in (1, 3) and input_sizes[1] in (1, 3)
    height, width, channels = (
        (input_sizes[2], input_sizes[3], input_sizes[1])
        if channels_first
        else (input_sizes[1], input_sizes[2], input_sizes[3])
    )
    # A variable height or width becomes 48. A variable number of channels is not served.
    shape = (height or INPUT_SHAPE[0], width or INPUT_SHAPE[1], channels or 0)
    if not is_served_shape(shape):
        raise InputError(wrong_input_message(path, input_sizes))
    return OnnxNetwork(
        path,
        model,
        shape,
        channels_first,
        output_count=output_sizes[1],
        one_by_one=input_sizes[0] == 1,
        parameters=sum(
            math.prod(tensor.dims)
            for tensor in model.graph.initializer
            if tensor.data_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
        ),
    )


def load_trusted(path: Path) -> onnx.ModelProto:
    """Read a network that this program wrote, without the checks of ``check_onnx_file``."""
    import onnx

    return onnx.load(path)


def _inputs(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    """Return the inputs that are not weights. Older files list the weights among the inputs."""
    weight_names = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in weight_names]


def _is_class_count(size: object) -> bool:
    """Return True if a size can be the number of classes; None means a variable size."""
    return size is None or (isinstance(size, int) and MIN_CLASSES <= size <= MAX_CLASSES)


def is_served_shape(shape: tuple[int, int, int]) -> bool:
    """Return True if networks with this height, width and number of channels can be served."""
    height, width, channels = shape
    sides = (height, width)
    return all(_SMALLEST_SIDE <= side <= _LARGEST_SIDE for side in sides) and channels in (1, 3)


def wrong_input_message(path: Path, shape: object) -> str:
    """Return the message about an unsupported input shape."""
    return (
        f"{path} takes {_shape_text(shape)}; import a network for images of {_SMALLEST_SIDE} to "
        f"{_LARGEST_SIDE} pixels a side (faces are resized), gray or RGB, such as 48x48x1, with a "
        "batch size of 1 or a variable batch size."
    )


def wrong_output_message(path: Path, shape: object) -> str:
    """Return the message about an unsupported output shape."""
    return (
        f"{path} returns {_shape_text(shape)}; import a network that returns one value for each of "
        f"{MIN_CLASSES} to {MAX_CLASSES} classes per image."
    )


def _shape_text(shape: object) -> str:
    return str(shape).replace("None", "n")


def write_served(
    network: OnnxNetwork,
    path: Path,
    *,
    softmax: bool = False,
    one_by_one: bool = False,
    scaling: Scaling | None = None,
) -> None:
    """Write a network in the form that is served.

    Args:
        network: The network.
        path: Where to write.
        softmax: True to add a softmax.
        one_by_one: True for a batch size of 1, even if the network declares a variable batch size.
        scaling: The scaling to add, for intensities of 0 to 255; None to add none.
    """
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.ModelProto()
    model.CopyFrom(network.model)
    graph = model.graph
    (input_value,) = _inputs(graph)
    output_value = graph.output[0]
    batch: int | str = 1 if network.one_by_one or one_by_one else "n"
    # Operations in front of the network, each with the names of its constants and its options. The
    # pixels are scaled first, then the channels are moved.
    steps: list[tuple[str, list[str], dict[str, Any]]] = []
    if scaling is not None:
        for key, values in (("factor", scaling.factor), ("offset", scaling.offset)):
            tensor = numpy_helper.from_array(np.asarray(values, np.float32), f"fer_{key}")
            graph.initializer.append(tensor)
        steps += [("Mul", ["fer_factor"], {}), ("Add", ["fer_offset"], {})]
    if network.channels_first:
        steps.append(("Transpose", [], {"perm": [0, 3, 1, 2]}))
    # The input of the first step, then the outputs of all steps; the last is the network's input.
    tensor_names = [f"fer_pixels_{number}" for number in range(len(steps))] + [input_value.name]
    # The nodes are created in reverse order, because each one is inserted at the beginning.
    for number, (operation, constants, options) in reversed(list(enumerate(steps))):
        node = helper.make_node(
            operation, [tensor_names[number], *constants], [tensor_names[number + 1]], **options
        )
        graph.node.insert(0, node)
    name_in = tensor_names[0]
    name_out = output_value.name
    if softmax:
        name_out = "fer_probabilities"
        graph.node.append(helper.make_node("Softmax", [output_value.name], [name_out], axis=1))
    value_in = helper.make_tensor_value_info(
        name_in, onnx.TensorProto.FLOAT, (batch, *network.input_shape)
    )
    value_out = helper.make_tensor_value_info(
        name_out, onnx.TensorProto.FLOAT, [batch, network.output_count or "classes"]
    )
    # The recorded shapes of tensors (value_info) may contain a batch size other than ``batch``.
    del graph.input[:], graph.output[:], graph.value_info[:]
    graph.input.append(value_in)
    graph.output.append(value_out)
    onnx.save(model, path)


def _shape(value: onnx.ValueInfoProto) -> list[int | None]:
    """Return the sizes of a tensor; None for a variable size."""
    return [
        size.dim_value if size.HasField("dim_value") else None
        for size in value.type.tensor_type.shape.dim
    ]


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Yield all nodes of a graph and of its subgraphs."""
    for each_graph in _graphs(graph):
        yield from each_graph.node


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """Yield a graph and its subgraphs, which are attributes of nodes such as ``If``."""
    pending: list[Any] = [graph]
    while pending:
        current = pending.pop()
        yield current
        for node in current.node:
            for attribute in node.attribute:
                pending.extend([attribute.g] if attribute.HasField("g") else attribute.graphs)


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Yield all tensors of a graph and of its subgraphs."""
    for each_graph in _graphs(graph):
        yield from each_graph.initializer
        for sparse in each_graph.sparse_initializer:
            yield sparse.values
            yield sparse.indices
        for node in each_graph.node:
            for attribute in node.attribute:
                if attribute.HasField("t"):
                    yield attribute.t
                yield from attribute.tensors
                sparse_tensors = list(attribute.sparse_tensors)
                if attribute.HasField("sparse_tensor"):
                    sparse_tensors.append(attribute.sparse_tensor)
                for sparse in sparse_tensors:
                    yield sparse.values
                    yield sparse.indices
