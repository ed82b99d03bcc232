"""Convert a checked Keras architecture of any version to one that Keras 3 can build and serve.

The layers and connections that are specific to Keras 1 and 2 are converted by ``keras_legacy``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fer_core.errors import InputError
from fer_core.exchange.keras_config import AUGMENTATION, MODEL_CLASSES, dictionaries
from fer_core.exchange.keras_legacy import convert_legacy_config

_RECURRENT_LAYERS = frozenset(
    ("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "GRU", "LSTM", "RNN", "SimpleRNN")
)


def modern_config(
    config: dict[str, Any], path: Path, *, legacy: bool
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Convert a checked architecture of any version to one that Keras 3 can build and serve.

    A sequential model of Keras 1 or 2 may be a plain list of layers without modules, and its first
    layer may contain the input shape. Such a model gets modules and an input layer. In every model,
    all arithmetic becomes float32, and the batch size becomes variable. Augmentation layers become
    identity layers. Recurrent layers are unrolled, because a network with loops cannot be served.

    Args:
        config: The architecture; it is changed.
        path: Path of the model's file, for messages.
        legacy: True if Keras 1 or 2 wrote the file.

    Returns:
        The architecture, and descriptions of changes for the model card. Only the removal of
        augmentation layers is described there.

    Raises:
        InputError: ``config`` does not have the structure of a Keras architecture, or has an option
            that Keras 3 lacks.
    """
    changes: tuple[str, ...] = ()
    for node in dictionaries(config, path):
        if node.get("class_name") in AUGMENTATION and isinstance(node.get("config"), dict):
            changes = ("its augmentation layers were removed: they are active in training only",)
            _make_identity(node)
        if node.get("class_name") in MODEL_CLASSES:
            _modernize_model(node, path)
        elif "class_name" in node and isinstance(node.get("config"), dict):
            _modernize_layer(node)
        # ``training`` is an argument of a call. If it were kept, an export would pass it to all
        # later layers.
        if isinstance(node.get("training"), bool):
            del node["training"]
        for key in ("batch_shape", "batch_input_shape"):
            shape = node.get(key)
            if isinstance(shape, list) and shape:
                node[key] = [None, *shape[1:]]
        dtype = node.get("dtype")
        if isinstance(dtype, dict) or (isinstance(dtype, str) and "float" in dtype):
            node["dtype"] = "float32"
    if legacy:
        convert_legacy_config(config, path)
    return config, changes


def _make_identity(layer: dict[str, Any]) -> None:
    """Replace a layer by an identity layer with the same name."""
    layer["class_name"] = "Activation"
    if layer.get("registered_name") is not None:
        layer["registered_name"] = None
    layer["module"] = "keras.layers"
    layer.pop("build_config", None)
    kept_settings = {
        key: layer["config"][key]
        for key in ("name", "batch_input_shape", "batch_shape")
        if key in layer["config"]
    }
    layer["config"] = kept_settings | {"activation": "linear"}


def _modernize_layer(node: dict[str, Any]) -> None:
    """Unroll a recurrent layer; remove the option ``ragged`` of an input layer."""
    settings = node["config"]
    if node["class_name"] in _RECURRENT_LAYERS:
        settings["unroll"] = True
    if node["class_name"] == "InputLayer":
        # Keras 3 lacks this option, and images are never ragged tensors.
        settings.pop("ragged", None)


def _modernize_model(node: dict[str, Any], path: Path) -> None:
    """Give a model the structure of Keras 3: a name, a module and a list of layers.

    In a sequential model, the list begins with an input layer.
    """
    config = node.get("config")
    if isinstance(config, list):
        config = {"name": "sequential", "layers": config}
    layers = config.get("layers") if isinstance(config, dict) else None
    if not isinstance(layers, list) or not all(isinstance(layer, dict) for layer in layers):
        raise InputError(
            f"{path} is damaged: a model in its architecture has no list of layers; save it again "
            "with Keras."
        )
    is_sequential = node["class_name"] == "Sequential"
    node["config"] = config
    node["class_name"] = "Sequential" if is_sequential else "Model"
    node["module"] = "keras"
    node["registered_name"] = None
    if is_sequential and layers:
        _separate_input(layers)


def _separate_input(layers: list[dict[str, Any]]) -> None:
    """Add an input layer to an old sequential model, whose first layer contains the input shape."""
    first_settings = layers[0].get("config")
    if not isinstance(first_settings, dict) or layers[0].get("class_name") == "InputLayer":
        return
    shape = first_settings.pop("batch_input_shape", None)
    if isinstance(shape, list):
        layers.insert(
            0,
            {
                "class_name": "InputLayer",
                "config": {"batch_shape": [None, *shape[1:]], "name": "pixels"},
                "module": "keras.layers",
                "registered_name": None,
            },
        )
