"""The architecture in a Keras file: checked by name, then converted to the current format.

Keras builds every class and function that a config names. This module accepts only layers,
initializers and similar objects that are known to be pure arithmetic. Everything else is rejected
before Keras sees it, so that a file cannot choose code to run. The list is closed on purpose: what
a later version of Keras adds is rejected until it has been reviewed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fer_core.errors import InputError

_MAX_CONFIG_BYTES = 16 * 1024 * 1024
_MAX_CONFIG_NODES = 500_000

_MODELS = ("Sequential", "Functional", "Model")


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LAYERS = _names(
    """
    Activation ActivityRegularization Add AlphaDropout Average AveragePooling1D AveragePooling2D
    BatchNormalization CenterCrop Concatenate Conv1D Conv2D Conv2DTranspose Cropping2D Dense
    DepthwiseConv2D Dot Dropout ELU Flatten GaussianDropout GaussianNoise GlobalAveragePooling1D
    GlobalAveragePooling2D GlobalMaxPooling1D GlobalMaxPooling2D GroupNormalization InputLayer
    LayerNormalization LeakyReLU MaxPooling1D MaxPooling2D Maximum Minimum MultiHeadAttention
    Multiply Normalization PReLU Permute RMSNormalization RandomBrightness RandomContrast
    RandomFlip RandomRotation RandomTranslation RandomZoom ReLU RepeatVector Rescaling
    Reshape Resizing SeparableConv2D Softmax SpatialDropout1D SpatialDropout2D
    SpectralNormalization Subtract UnitNormalization UpSampling2D ZeroPadding2D
    """
)

#: The names that Keras 3 records for arithmetic on tensors without a layer, such as ``a + b``.
_OPERATIONS = _names(
    """
    Absolute Divide Exp ExpandDims Mean Negative Power Relu Relu6 Sigmoid Silu Sqrt Square Squeeze
    Sum Tanh Transpose TrueDivide
    """
)

_OTHER_CLASSES = _names(
    """
    Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity LecunNormal LecunUniform Ones
    Orthogonal OrthogonalInitializer RandomNormal RandomUniform TruncatedNormal VarianceScaling
    Zeros L1 L2 L1L2 OrthogonalRegularizer MaxNorm MinMaxNorm NonNeg UnitNorm
    DTypePolicy Policy __keras_tensor__
    """
)

#: Activations. Other functions that Keras finds by name are not part of a network's arithmetic.
_FUNCTIONS = _names(
    """
    celu elu exponential gelu glu hard_sigmoid hard_silu hard_swish leaky_relu linear log_sigmoid
    log_softmax mish relu relu6 selu sigmoid silu softmax softplus softsign swish tanh
    """
)

_CLASSES = _LAYERS | _OPERATIONS | _OTHER_CLASSES | frozenset(_MODELS)

_MODULE = re.compile(
    r"keras(\.(layers|initializers|regularizers|constraints|activations|models|dtype_policies"
    r"|src\.(layers|models|ops|initializers|regularizers|constraints|activations|engine"
    r"|dtype_policies)(\.[A-Za-z0-9_]+)*))?"
)


def read_config(text: bytes | str, path: Path) -> dict[str, Any]:
    """Parse an architecture and check that it contains only allowed objects.

    Args:
        text: The JSON document.
        path: The file that contains it, for messages.

    Returns:
        The architecture, without the configuration of the training.

    Raises:
        InputError: It is not an architecture, or names anything but known layers of Keras.
    """
    if len(text) > _MAX_CONFIG_BYTES:
        raise InputError(f"The architecture in {path} is too large; save the model with Keras.")
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path} is damaged: its architecture is not valid JSON; save it again with Keras."
        ) from error
    if not isinstance(config, dict) or config.get("class_name") not in _MODELS:
        named = config.get("class_name") if isinstance(config, dict) else None
        raise InputError(
            f"{path} describes {f'a {named!r}' if named else 'no network'} instead of a Sequential "
            "or functional Keras model; write it with the model's to_json()."
        )
    # The training is not needed, and its losses and metrics are often custom code.
    config.pop("compile_config", None)
    check_config(config, path)
    return config


def check_config(config: Any, path: Path) -> None:
    """Reject an architecture that could run code.

    Raises:
        InputError: It names an object that is not on the list.
    """
    for node in _dictionaries(config, path):
        for key in ("class_name", "spec_name"):
            if key in node:
                _check_object(node, node[key], path)
        module = node.get("module")
        if module is not None and not (
            module == "builtins" or (isinstance(module, str) and _MODULE.fullmatch(module))
        ):
            raise _not_allowed(f"something from the module {str(module)[:80]!r}", path)


def _check_object(node: dict[str, Any], name: object, path: Path) -> None:
    if name in ("Lambda", "__lambda__", "TFOpLambda", "SlicingOpLambda"):
        raise InputError(
            f"{path} contains a Lambda layer, which is program code that would run here; replace "
            "it with layers of Keras, or export the network as ONNX."
        )
    if name == "function":
        if not isinstance(node.get("config"), str) or node["config"] not in _FUNCTIONS:
            raise _not_allowed(f"the function {str(node.get('config'))[:80]!r}", path)
        allowed = (None, node["config"])
    elif isinstance(name, str) and name in _CLASSES:
        allowed = (None, name)
    else:
        raise _not_allowed(f"{str(name)[:80]!r}", path)
    if node.get("registered_name") not in allowed:
        raise _not_allowed(f"the registered object {str(node['registered_name'])[:80]!r}", path)


def _not_allowed(name: str, path: Path) -> InputError:
    return InputError(
        f"{path} uses {name}, which is not one of the Keras layers that can be imported without "
        "running code from the file; export the network as ONNX and import that."
    )


def _dictionaries(config: Any, path: Path) -> Iterator[dict[str, Any]]:
    """All JSON objects in a document. No recursion: the file determines the depth."""
    pending = [config]
    seen = 0
    while pending:
        node = pending.pop()
        seen += 1
        if seen > _MAX_CONFIG_NODES:
            raise InputError(f"The architecture in {path} is too large; save the model with Keras.")
        if isinstance(node, dict):
            yield node
            pending.extend(node.values())
        elif isinstance(node, list):
            pending.extend(node)


#: Layers that are active in training only. Some exporters leave them enabled.
_AUGMENTATION = _names(
    """
    AlphaDropout GaussianDropout GaussianNoise RandomBrightness RandomContrast RandomFlip
    RandomRotation RandomTranslation RandomZoom
    """
)


def modern_config(config: dict[str, Any], path: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Convert a checked architecture to the format of Keras 3.

    Keras 1 and 2 wrote a plain list of layers, no modules, and the input shape on the first layer.
    All arithmetic becomes float32, which is also the type of the stored weights, and the batch size
    becomes variable. Augmentation layers become identity layers.

    Returns:
        The architecture, and a description of each change.

    Raises:
        InputError: It does not have the structure of a Keras architecture.
    """
    changes: tuple[str, ...] = ()
    for node in _dictionaries(config, path):
        if node.get("class_name") in _AUGMENTATION and isinstance(node.get("config"), dict):
            changes = ("its augmentation layers were removed: they are active in training only",)
            _make_identity(node)
        if node.get("class_name") in _MODELS:
            _modernize_model(node, path)
        elif "class_name" in node:
            _modernize_layer(node)
        # A layer called with training=True would pass that to all later layers when exported.
        if isinstance(node.get("training"), bool):
            del node["training"]
        for key in ("batch_shape", "batch_input_shape"):
            shape = node.get(key)
            if isinstance(shape, list) and shape:
                node[key] = [None, *shape[1:]]
        dtype = node.get("dtype")
        if isinstance(dtype, dict) or (isinstance(dtype, str) and "float" in dtype):
            node["dtype"] = "float32"
    return config, changes


def _make_identity(layer: dict[str, Any]) -> None:
    """Replace a layer by an identity layer with the same name."""
    layer["class_name"] = "Activation"
    kept = {
        key: layer["config"][key]
        for key in ("name", "batch_input_shape", "batch_shape")
        if key in layer["config"]
    }
    layer["config"] = kept | {"activation": "linear"}


#: Keys of Keras 2 that Keras 3 rejects, although they have no effect; they are removed.
_DROPPED = {
    "DepthwiseConv2D": ("groups",),
    "Conv2DTranspose": ("groups",),
    "SeparableConv2D": ("groups", "kernel_initializer", "kernel_regularizer", "kernel_constraint"),
}


def _modernize_layer(node: dict[str, Any]) -> None:
    inner = node.get("config")
    if not isinstance(inner, dict):
        return
    for key in _DROPPED.get(str(node.get("class_name")), ()):
        inner.pop(key, None)
    axis = inner.get("axis")
    if isinstance(axis, list) and len(axis) == 1:
        inner["axis"] = axis[0]


def _modernize_model(node: dict[str, Any], path: Path) -> None:
    inner = node.get("config")
    if isinstance(inner, list):
        inner = {"name": "sequential", "layers": inner}
    layers = inner.get("layers") if isinstance(inner, dict) else None
    if not isinstance(layers, list) or not all(isinstance(layer, dict) for layer in layers):
        raise InputError(
            f"{path} is damaged: a model in its architecture has no list of layers; save it again "
            "with Keras."
        )
    is_sequential = node["class_name"] == "Sequential"
    node["config"] = inner
    node["class_name"] = "Sequential" if is_sequential else "Model"
    node["module"] = "keras"
    node["registered_name"] = None
    if is_sequential and layers:
        _separate_input(layers)


def _separate_input(layers: list[dict[str, Any]]) -> None:
    """Add the input layer to an old sequential model, where the first layer implies it."""
    first = layers[0].get("config")
    if not isinstance(first, dict) or layers[0].get("class_name") == "InputLayer":
        return
    shape = first.pop("batch_input_shape", None)
    if isinstance(shape, list):
        layers.insert(
            0,
            {
                "class_name": "InputLayer",
                "config": {"batch_shape": shape, "name": "pixels"},
                "module": "keras.layers",
                "registered_name": None,
            },
        )


def expects_bytes(config: dict[str, Any]) -> bool:
    """Return True if the first operation of a converted network scales intensities of 0 to 255."""
    layers = list(config["config"]["layers"])
    while layers:
        layer = layers.pop(0)
        name, inner = layer.get("class_name"), layer.get("config")
        if name in _MODELS and isinstance(inner, dict):
            layers[:0] = inner["layers"]
        elif name == "Rescaling" and isinstance(inner, dict):
            scale = inner.get("scale")
            return isinstance(scale, (int, float)) and abs(scale) < 0.05
        elif name != "InputLayer" and not _is_identity(layer):
            return False
    return False


def _is_identity(layer: dict[str, Any]) -> bool:
    inner = layer.get("config")
    return (
        isinstance(inner, dict)
        and inner.get("activation") == "linear"
        and (layer.get("class_name") == "Activation")
    )
