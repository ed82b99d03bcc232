"""Convert a Keras model to ONNX with ``tf2onnx``.

Keras's own export also uses ``tf2onnx``, but has two errors, which this module corrects:

- Tensors that a layer computed when it was built, such as the mean of a ``Normalization`` layer,
  become additional inputs of the network. Here they become constants.
- A few operations that ONNX does not have are written anyway. Here they are replaced in the
  TensorFlow graph. If this is not possible, an error names the layer that uses the operation.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fer_core.errors import InputError, root_cause

if TYPE_CHECKING:
    import keras
    import onnx


def convert_to_onnx(model: keras.Model, path: Path, name: str) -> None:
    """Write a Keras model as ONNX, with a variable batch size.

    Args:
        model: The model, on the TensorFlow backend.
        path: The file to write.
        name: The name of the model, for messages.

    Raises:
        InputError: A layer cannot be converted; the message names the layer, if it is known.
    """
    import onnx

    try:
        graph, input_names, output_names = _frozen_graph(model)
        with _quiet("tf2onnx"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network = _convert_graph(graph, input_names, output_names)
    except Exception as error:
        # tf2onnx and TensorFlow raise many types of errors for unsupported layers.
        layer = _named_layer(model, str(error))
        raise InputError(
            f"The Keras model of {name!r} cannot be converted to ONNX"
            f"{f' because of its {layer}' if layer else ''} ({root_cause(error)}); use other "
            "layers, or export the network as ONNX with the program that created it."
        ) from error
    for node in network.graph.node:
        if not onnx.defs.has(node.op_type, node.domain):
            layer = _named_layer(model, node.name)
            raise InputError(
                f"The Keras model of {name!r} cannot be converted to ONNX because of "
                f"{f'its {layer}' if layer else 'one of its layers'}: ONNX has no operation "
                f"{node.op_type!r}; use other layers, or export the network as ONNX with the "
                "program that created it."
            )
    onnx.save(network, path)


def _frozen_graph(model: keras.Model) -> tuple[Any, list[str], list[str]]:
    """Return the graph for inference and the names of its inputs and outputs.

    All weights in the graph are constants.
    """
    import tensorflow
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    signature = tensorflow.TensorSpec((None, *model.input_shape[1:]), tensorflow.float32, "pixels")
    function = tensorflow.function(
        lambda pixels: model(pixels, training=False), input_signature=[signature], autograph=False
    ).get_concrete_function()
    # Tensors that the layers computed when they were built, by the name of their placeholder.
    # Weights are captured as resources and become constants below.
    captured = {
        internal.op.name: external
        for external, internal in function.graph.captures
        if external.dtype != tensorflow.resource
    }
    frozen = convert_variables_to_constants_v2(
        function, lower_control_flow=False, aggressive_inlining=True
    )
    graph = frozen.graph.as_graph_def(add_shapes=True)
    _allow_inlining(graph)
    _make_constants(graph, captured)
    _replace_erfc(graph)
    input_names = [tensor.name for tensor in frozen.inputs if tensor.op.name not in captured]
    return graph, input_names, [tensor.name for tensor in frozen.outputs]


def _allow_inlining(graph: Any) -> None:
    """Let the optimizer inline functions that Keras compiles, such as grouped convolutions."""
    for node in (
        *graph.node,
        *(node for function in graph.library.function for node in function.node_def),
    ):
        for key in ("_XlaMustCompile", "_noinline"):
            node.attr.pop(key, None)
    for function in graph.library.function:
        for key in ("_XlaMustCompile", "_noinline"):
            function.attr.pop(key, None)


def _make_constants(graph: Any, values: dict[str, Any]) -> None:
    """Replace the placeholders of captured tensors by constants.

    Args:
        graph: The graph, which is changed in place.
        values: The captured tensors, by the name of their placeholder.
    """
    import tensorflow

    for node in graph.node:
        if node.op == "Placeholder" and node.name in values:
            value = tensorflow.make_tensor_proto(np.asarray(values[node.name]))
            dtype = tensorflow.as_dtype(value.dtype).as_datatype_enum
            node.op = "Const"
            node.attr.clear()
            node.attr["value"].tensor.CopyFrom(value)
            node.attr["dtype"].type = dtype


def _replace_erfc(graph: Any) -> None:
    """Replace the complementary error function, which ONNX lacks, by 1 - erf."""
    import tensorflow

    one = np.ones((), np.float32)
    for node in [node for node in graph.node if node.op == "Erfc"]:
        erf = graph.node.add(op="Erf", name=f"{node.name}/erf", input=list(node.input))
        constant = graph.node.add(op="Const", name=f"{node.name}/one")
        constant.attr["value"].tensor.CopyFrom(tensorflow.make_tensor_proto(one))
        constant.attr["dtype"].type = tensorflow.float32.as_datatype_enum
        erf.attr["T"].CopyFrom(node.attr["T"])
        node.op = "Sub"
        del node.input[:]
        node.input.extend([constant.name, erf.name])


def _convert_graph(graph: Any, input_names: list[str], output_names: list[str]) -> onnx.ModelProto:
    """Optimize a TensorFlow graph and convert it to ONNX."""
    from keras.src.export.tf2onnx_lib import patch_tf2onnx

    patch_tf2onnx()  # adapts tf2onnx to NumPy 2
    import tensorflow
    import tf2onnx
    from tf2onnx.constants import OPSET_TO_IR_VERSION
    from tf2onnx.tf_loader import tf_optimize

    # tf2onnx optimizes the graph as TensorFlow 1 does, which needs a graph and a session.
    with (
        tensorflow.Graph().as_default() as session_graph,
        tensorflow.compat.v1.Session(graph=session_graph),
    ):
        tensorflow.import_graph_def(graph, name="")
        graph = tf_optimize(input_names, output_names, graph)
    network, _ = tf2onnx.convert._convert_common(
        graph,
        name="network",
        opset=max(OPSET_TO_IR_VERSION),
        input_names=input_names,
        output_names=output_names,
        tensors_to_rename={input_names[0]: "pixels", output_names[0]: "probabilities"},
    )
    return network


def _named_layer(model: keras.Model, text: str) -> str | None:
    """Describe the layer that a text names.

    Args:
        model: The model.
        text: A message, or the name of an operation.

    Returns:
        The name and the class of the layer, such as "layer 'gru' (GRU)"; None if ``text`` names no
        layer.
    """
    layers = {layer.name: layer for layer in model._flatten_layers(include_self=False)}
    matches = [name for name in layers if f"/{name}/" in text or f"/{name}_" in text]
    if not matches:
        return None
    name = max(matches, key=len)
    return f"layer {name!r} ({layers[name].__class__.__name__})"


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Silence the log of a library. Its errors are still raised."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
