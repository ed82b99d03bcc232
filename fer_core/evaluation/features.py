"""What a model sees in each face: the values that its last layer decides on.

The served network is read as a graph, the input of its last layer with weights is made one more
output, and ONNX Runtime gives it together with the probabilities: no training library is needed.
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
from fer_core.emotions import EMOTIONS, positions_in_emotion_order
from fer_core.errors import InputError, first_line
from fer_core.onnx_session import open_session
from fer_core.predictor import check_network_file, network_input
from fer_core.progress import ProgressReport

if TYPE_CHECKING:
    import onnx

#: Wider features are projected to so many values: 64 MB for 32,000 images.
MAX_FEATURES = 512

_BATCH_SIZE = 64
_VERSION = "1"

#: Nodes that hand values on as they are or normalise them: behind them lies the last layer.
_WEIGHTED = {"Gemm", "MatMul", "Conv"}


@dataclass(frozen=True)
class FaceFeatures:
    """What a model sees in a dataset's images.

    Attributes:
        values: float32 ``[n, d]``: similar faces lie close together.
        probabilities: float32 ``[n, 7]`` in the order of ``EMOTIONS``, before temperature and
            without flip averaging.
        layer: The tensor in the network that they were read from.
        content_key: Changes with the network and with the data: a key for caches.
    """

    values: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    layer: str
    content_key: str


def bundle_features(
    bundle: Bundle,
    face_set: FaceSet,
    *,
    folder: Path | None = None,
    report: ProgressReport | None = None,
) -> FaceFeatures:
    """Run a bundle's network over all images of a dataset.

    Where the last layer takes more than ``MAX_FEATURES`` values, they are projected to that many
    with fixed random weights, which keeps distances nearly as they are (Johnson and Lindenstrauss,
    1984).

    Args:
        bundle: The model.
        face_set: The data.
        folder: ``data/<name>``, where the result is kept; None for data read from a path.
        report: Takes the images done and their number.

    Raises:
        InputError: The bundle has no network that can be served, or one without a last layer that
            could be found.
    """
    network = bundle.served_network
    check_network_file(network, bundle.name)
    digest = hashlib.sha256(network.read_bytes())
    record = bundle.record
    digest.update(
        repr((record.labels, record.input_shape, record.input_scale, record.input_offset)).encode()
    )
    key = f"{_VERSION}-{digest.hexdigest()[:24]}-{face_set.fingerprint[:24]}"
    arrays = cached_arrays(folder, "features", key, lambda: _run(bundle, face_set, report))
    return FaceFeatures(arrays["values"], arrays["probabilities"], str(arrays["layer"]), key)


def _run(bundle: Bundle, face_set: FaceSet, report: ProgressReport | None) -> Arrays:
    import onnx

    path = bundle.served_network
    try:
        model = onnx.load(path)
        layer, axes = _last_layer_input(model)
        probabilities_name = model.graph.output[0].name
        if layer not in {output.name for output in model.graph.output}:
            model.graph.output.append(onnx.ValueInfoProto(name=layer))
        session = open_session(model.SerializeToString())
        (taken,) = session.get_inputs()
    except InputError as error:
        raise InputError(f"The model {bundle.name!r} cannot be used here: {error}") from error
    except Exception as error:
        # ONNX and its runtime raise many types of their own, all for a file they cannot use.
        raise InputError(
            f"The bundle {bundle.name!r} is damaged: {path} cannot be opened "
            f"({first_line(error)}); restore the file or choose another model."
        ) from error
    positions = positions_in_emotion_order(bundle.record.labels)
    assert positions is not None  # the record has checked its labels
    # Many an imported network was exported for one picture at a time.
    batch = 1 if taken.shape[0] == 1 else _BATCH_SIZE
    count = len(face_set)
    probabilities = np.zeros((count, len(EMOTIONS)), np.float32)
    values = np.zeros((count, 0), np.float32)
    projection: NDArray[np.float32] | None = None
    for start in range(0, count, batch):
        crops = face_set.images[start : start + batch]
        pixels = network_input(crops, bundle.record)
        given, found = session.run([probabilities_name, layer], {taken.name: pixels})
        found = np.asarray(found, np.float32)
        if axes and found.ndim > 2:
            found = found.mean(axis=axes)
        found = found.reshape(len(crops), -1)
        if not start:
            width = found.shape[1]
            if width > MAX_FEATURES:
                projection = np.random.default_rng(0).standard_normal(
                    (width, MAX_FEATURES), np.float32
                ) / np.float32(np.sqrt(MAX_FEATURES))
            values = np.zeros((count, min(width, MAX_FEATURES)), np.float32)
        values[start : start + len(crops)] = found if projection is None else found @ projection
        probabilities[start : start + len(crops)] = given[:, positions]
        if report is not None:
            report(start + len(crops), count)
    return {"values": values, "probabilities": probabilities, "layer": np.array(layer)}


def _last_layer_input(model: onnx.ModelProto) -> tuple[str, tuple[int, ...]]:
    """The tensor that the last layer with weights takes, and the axes to take its mean over.

    From the output backwards along the first input that is no constant: softmax, bias, reshaping
    and pooling are passed over.

    Raises:
        InputError: There is no such layer.
    """
    graph = model.graph
    makers = {name: node for node in graph.node for name in node.output}
    constants = {tensor.name for tensor in graph.initializer}
    constants |= {name for node in graph.node if node.op_type == "Constant" for name in node.output}
    # A weight may go through a cast or a transposition before it is used.
    for node in graph.node:
        if node.input and all(name in constants for name in node.input if name):
            constants |= set(node.output)
    name = graph.output[0].name
    for _ in range(len(graph.node)):
        node = makers.get(name)
        if node is None:
            break
        taken = [one for one in node.input if one and one not in constants]
        if not taken:
            break
        if node.op_type in _WEIGHTED and len(taken) < len([one for one in node.input if one]):
            if makers.get(taken[0]) is None:
                break  # the picture itself is what it takes
            # ONNX's convolutions have the channels before height and width.
            return taken[0], (2, 3) if node.op_type == "Conv" else ()
        name = taken[0]
    raise InputError(
        "its network has no last layer with weights whose input could be read; choose another "
        "model, such as one that was trained here."
    )
