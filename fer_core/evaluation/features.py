"""Feature vectors of faces: the input of the last layer of a model.

The input of the last layer with weights is added to the outputs of the served network, so that ONNX
Runtime returns it together with the probabilities. No training library is needed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fer_core.bundle import Bundle
from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.finding_cache import Arrays, cached_arrays
from fer_core.errors import InputError, first_line
from fer_core.onnx_session import open_session
from fer_core.predictor import check_network_file, network_input
from fer_core.progress import ProgressReport

if TYPE_CHECKING:
    import onnx

#: Maximum length of a feature vector. Longer vectors are projected to this length, so that the
#: vectors of 32,000 images take about 64 MB.
MAX_FEATURES = 512

_BATCH_SIZE = 64
#: Version of the computation; a part of the cache key.
_VERSION = "1"

#: Types of nodes that may be a layer with weights.
_WEIGHTED_TYPES = {"Gemm", "MatMul", "Conv"}


@dataclass(frozen=True)
class FaceFeatures:
    """Features of all images of a dataset.

    Attributes:
        values: Feature vectors, float32 ``[n, d]``. Similar faces have vectors with a small
            distance.
        probabilities: Predicted probabilities, float32 ``[n, classes]`` in the order of the
            bundle's classes, before calibration and without flip averaging.
        tensor_name: Name of the tensor in the network that contains the features.
        content_key: Cache key, which changes with the network and with the data.
    """

    values: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    tensor_name: str
    content_key: str


def bundle_features(
    bundle: Bundle,
    face_set: FaceSet,
    *,
    folder: Path | None = None,
    report: ProgressReport | None = None,
) -> FaceFeatures:
    """Compute the features of all images of a dataset.

    If the last layer has more than ``MAX_FEATURES`` inputs, its input vector is projected to this
    length with fixed random weights. This approximately preserves distances (Johnson and
    Lindenstrauss, 1984).

    Args:
        bundle: The model.
        face_set: The data.
        folder: ``data/<name>``, where the result is cached; None for data read from a path.
        report: Called with the number of processed images and their total.

    Raises:
        InputError: The bundle has no served network, the network is damaged, or its last layer
            cannot be determined.
    """
    network = bundle.served_network
    check_network_file(network, bundle.name)
    digest = hashlib.sha256(network.read_bytes())
    record = bundle.record
    digest.update(
        repr((record.labels, record.input_shape, record.input_scale, record.input_offset)).encode()
    )
    key = f"{_VERSION}-{digest.hexdigest()[:24]}-{face_set.fingerprint[:24]}"
    arrays = cached_arrays(folder, "features", key, lambda: _compute(bundle, face_set, report))
    return FaceFeatures(arrays["values"], arrays["probabilities"], str(arrays["layer"]), key)


def _compute(bundle: Bundle, face_set: FaceSet, report: ProgressReport | None) -> Arrays:
    """Return the attributes of ``FaceFeatures`` as arrays; *layer* is the name of the tensor."""
    import onnx

    path = bundle.served_network
    try:
        model = onnx.load(path)
        features_name, axes = _last_layer_input(model)
        probabilities_name = model.graph.output[0].name
        if features_name not in {output.name for output in model.graph.output}:
            model.graph.output.append(onnx.ValueInfoProto(name=features_name))
        session = open_session(model.SerializeToString())
        (model_input,) = session.get_inputs()
    except InputError as error:
        raise InputError(f"The model {bundle.name!r} cannot be used here: {error}") from error
    except Exception as error:
        # ONNX and ONNX Runtime raise many exception types. Each of them means that the file is
        # unusable.
        raise InputError(
            f"The bundle {bundle.name!r} is damaged: {path} cannot be opened "
            f"({first_line(error)}); restore the file or choose another model."
        ) from error
    output_indices = bundle.record.output_indices
    # Many imported networks were exported with a fixed batch size of 1.
    batch_size = 1 if model_input.shape[0] == 1 else _BATCH_SIZE
    count = len(face_set)
    probabilities = np.zeros((count, len(output_indices)), np.float32)
    # The first batch determines the number of features.
    values = np.zeros((count, 0), np.float32)
    projection: NDArray[np.float32] | None = None
    for start in range(0, count, batch_size):
        crops = face_set.images[start : start + batch_size]
        pixels = network_input(crops, bundle.record)
        output, features = session.run(
            [probabilities_name, features_name], {model_input.name: pixels}
        )
        features = np.asarray(features, np.float32)
        if axes and features.ndim > 2:
            features = features.mean(axis=axes)
        features = features.reshape(len(crops), -1)
        if start == 0:
            feature_count = features.shape[1]
            if feature_count > MAX_FEATURES:
                projection = np.random.default_rng(0).standard_normal(
                    (feature_count, MAX_FEATURES), np.float32
                ) / np.float32(np.sqrt(MAX_FEATURES))
            values = np.zeros((count, min(feature_count, MAX_FEATURES)), np.float32)
        values[start : start + len(crops)] = (
            features if projection is None else features @ projection
        )
        probabilities[start : start + len(crops)] = output[:, output_indices]
        if report is not None:
            report(start + len(crops), count)
    return {"values": values, "probabilities": probabilities, "layer": np.array(features_name)}


def _last_layer_input(model: onnx.ModelProto) -> tuple[str, tuple[int, ...]]:
    """Return the input of the last layer with weights, and the axes to average this input over.

    The search starts at the output and goes back through the first non-constant input of each node,
    past softmax, bias, reshaping and pooling.

    Raises:
        InputError: The network has no such layer.
    """
    graph = model.graph
    producers = {name: node for node in graph.node for name in node.output}
    constants = {tensor.name for tensor in graph.initializer}
    constants |= {name for node in graph.node if node.op_type == "Constant" for name in node.output}
    # The output of a node with only constant inputs is constant, too, such as the transpose of a
    # weight.
    for node in graph.node:
        if node.input and all(name in constants for name in node.input if name):
            constants |= set(node.output)
    name = graph.output[0].name
    for _ in range(len(graph.node)):
        node = producers.get(name)
        if node is None:
            break
        all_inputs = [name for name in node.input if name]
        inputs = [name for name in all_inputs if name not in constants]
        if not inputs:
            break
        if node.op_type in _WEIGHTED_TYPES and len(inputs) < len(all_inputs):
            if producers.get(inputs[0]) is None:
                break  # the input of this layer is the image
            # In ONNX convolutions the channels precede height and width.
            return inputs[0], (2, 3) if node.op_type == "Conv" else ()
        name = inputs[0]
    raise InputError(
        "the last layer with weights of its network cannot be determined; choose another model, "
        "such as a model trained with FER Studio."
    )
