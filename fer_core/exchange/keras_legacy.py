"""Convert an architecture of Keras 1 or 2 to the format of Keras 3.

Keras 3 can read many older architectures, but not all. It fails for nested models, for arithmetic
outside of layers and for keys that it no longer knows, and it computes some layers differently.
This module rewrites the complete architecture, so that the result does not depend on how Keras 3
reads older architectures.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

from fer_core.errors import InputError
from fer_core.exchange.keras_config import (
    LEGACY_OPERATIONS,
    MODEL_CLASSES,
    dictionaries,
    name_set,
)
from fer_core.exchange.keras_functions import FUNCTIONS

#: Keys of Keras 1 and 2 that Keras 3 rejects and that have no effect on inference.
_IGNORED_KEYS = name_set(
    """
    activity_regularizer batch_input_shape beta_constraint build_config dynamic force_generator
    fused gamma_constraint implementation init input_dim input_dtype input_length kernel_constraint
    kernel_initializer kernel_regularizer key_shape noise_shape optional query_shape rng_type seed
    softmax_robust_masking sparse trainable value_shape virtual_batch_size
    """
)
#: Keys of Keras 1 and 2 that Keras 3 rejects, and the values with which they have no effect.
_HARMLESS_VALUES: dict[str, tuple[object, ...]] = {
    "groups": (1, None),
    "ragged": (False, None),
    "renorm": (False, None),
    "renorm_clipping": (None,),
    "renorm_momentum": (0.99, None),
    "time_major": (False, None),
    "zero_output_for_mask": (False, None),
    "mode": (0, None),
}
#: Keys that every layer accepts through its base class.
_COMMON_KEYS = frozenset(("name", "trainable", "dtype"))

#: If an argument of a call is a constant, Keras 2 writes this text where it otherwise writes the
#: name of the layer that computes the argument.
_CONSTANT = "_CONSTANT_VALUE"


def is_legacy(config: dict[str, Any], version: str | None) -> bool:
    """Return True if Keras 1 or 2 wrote an architecture.

    Args:
        config: The architecture.
        version: The version of Keras that its file records; None if it records none.
    """
    version = version or config.get("keras_version")
    if isinstance(version, str) and re.match(r"\d+\.", version):
        return int(version.split(".")[0]) < 3
    # Keras 3 records the module of every object.
    return "module" not in config


def convert_legacy_config(config: dict[str, Any], path: Path) -> None:
    """Convert an architecture of Keras 1 or 2 in place.

    Args:
        config: A checked architecture, in which each model has a list of layers.
        path: Path of the model's file, for messages.

    Raises:
        InputError: The architecture uses an option that Keras 3 does not have.
    """
    for node in dictionaries(config, path):
        if node.get("class_name") in MODEL_CLASSES:
            _convert_model(node, path)
        elif isinstance(node.get("config"), dict) and _is_layer(node):
            _convert_layer(node, path)


def _convert_model(node: dict[str, Any], path: Path) -> None:
    """Convert the names of a model's layers and, in a functional model, their connections."""
    config = node["config"]
    node.pop("build_config", None)
    for layer in config["layers"]:
        layer.pop("build_config", None)
        if (
            layer.get("class_name") not in MODEL_CLASSES
            and layer.get("class_name") not in LEGACY_OPERATIONS
        ):
            layer["module"] = "keras.layers"
            layer["registered_name"] = None
        if isinstance(layer.get("config"), dict):
            # Keras 3 does not accept a slash in a name, because the slash is its separator.
            for named_object in (layer, layer["config"]):
                if isinstance(named_object.get("name"), str):
                    named_object["name"] = plain_layer_name(named_object["name"])
    # A sequential model has no list of outputs.
    if "output_layers" in config:
        _Graph(config, path).convert()
    for key in ("batch_input_shape", "build_input_shape"):
        config.pop(key, None)


def plain_layer_name(name: str) -> str:
    """Return the name that a layer of Keras 2 gets in Keras 3, which does not allow a slash."""
    return name.replace("/", "_")


class _Graph:
    """Converts the connections between the layers of one functional model."""

    def __init__(self, config: dict[str, Any], path: Path) -> None:
        self._config = config
        self._path = path
        self._layers: dict[str, dict[str, Any]] = {}
        for layer in config["layers"]:
            name = layer.get("name")
            if not isinstance(name, str) or not isinstance(layer.get("inbound_nodes"), list):
                raise self._damaged()
            self._layers[name] = layer
        # For each nested model: the number of a call in Keras 2 minus its number in Keras 3.
        self._offsets: dict[str, int] = {}

    def convert(self) -> None:
        """Rewrite all connections."""
        try:
            self._find_offsets()
            for layer in self._layers.values():
                is_operation = layer.get("class_name") in LEGACY_OPERATIONS
                calls = [
                    self._convert_call(call, is_operation=is_operation)
                    for call in layer["inbound_nodes"]
                ]
                if is_operation:
                    operation = FUNCTIONS[layer["config"]["function"]]
                    calls = [operation.convert(layer, *call) for call in calls]
                layer["inbound_nodes"] = [
                    {"args": list(args), "kwargs": options} for args, options in calls
                ]
            for key in ("input_layers", "output_layers"):
                self._config[key] = self._convert_ends(self._config[key])
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise self._damaged() from error

    def _find_offsets(self) -> None:
        """Find, for each nested model, the number of a call in Keras 2 minus that in Keras 3.

        Keras 2 counted the construction of the model as a call too, but ``inbound_nodes`` contains
        only the other calls. If a reference has a higher number than the last of these calls,
        the excess is the offset.
        """
        highest_numbers: dict[str, int] = {}
        for name, call_number, _ in self._references():
            highest_numbers[name] = max(call_number, highest_numbers.get(name, 0))
        for name, layer in self._layers.items():
            if layer.get("class_name") in MODEL_CLASSES:
                call_count = len(layer["inbound_nodes"])
                self._offsets[name] = max(0, highest_numbers.get(name, 0) - max(call_count - 1, 0))

    def _references(self) -> list[tuple[str, int, int]]:
        """Return each reference to a tensor: a layer's name, a call number, an output number."""
        references: list[tuple[str, int, int]] = []
        pending: list[Any] = [layer["inbound_nodes"] for layer in self._layers.values()]
        pending.append(self._config["output_layers"])
        while pending:
            item = pending.pop()
            if isinstance(item, dict):
                pending.extend(item.values())
            elif self._is_reference(item):
                references.append((plain_layer_name(item[0]), item[1], item[2]))
                pending.extend(item[3:])
            elif isinstance(item, list):
                pending.extend(item)
        return references

    def _is_reference(self, item: object) -> bool:
        """Return True if an item refers to a tensor.

        Such an item is a list of the name of a layer, a call number, an output number and possibly
        the keyword arguments of the call.
        """
        return (
            isinstance(item, list)
            and len(item) in (3, 4)
            and isinstance(item[0], str)
            and plain_layer_name(item[0]) in self._layers
            and isinstance(item[1], int)
            and isinstance(item[2], int)
        )

    def _convert_call(
        self, call: list[Any], *, is_operation: bool
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the positional and the keyword arguments of one call of a layer."""
        if isinstance(call, dict):
            # The call already has the format of Keras 3.
            return tuple(call["args"]), call["kwargs"]
        # The call of a TensorFlow function is one entry instead of a list of entries.
        entries = [call] if is_operation or not isinstance(call[0], list) else call
        options: dict[str, Any] = {}
        tensors = []
        for entry in entries:
            if len(entry) > 3:
                options |= entry[3]
            tensors.append(entry[2] if entry[0] == _CONSTANT else self._convert_tensor(entry))
        options = {key: self._convert_argument(value) for key, value in options.items()}
        return (tensors[0] if len(tensors) == 1 else tensors,), options

    def _convert_argument(self, value: Any) -> Any:
        """Return a keyword argument with all references to tensors converted."""
        if self._is_reference(value):
            return self._convert_tensor(value)
        if isinstance(value, list):
            return [self._convert_argument(item) for item in value]
        return value

    def _convert_tensor(self, entry: list[Any]) -> dict[str, Any]:
        """Return a reference to a tensor in the format of Keras 3."""
        name = plain_layer_name(entry[0])
        if name not in self._layers:
            raise KeyError(name)
        call_number = entry[1] - self._offsets.get(name, 0)
        return {
            "class_name": "__keras_tensor__",
            # The shape may be empty, because Keras takes it from the layer.
            "config": {
                "shape": [],
                "dtype": "float32",
                "keras_history": [name, call_number, entry[2]],
            },
        }

    def _convert_ends(self, ends: Any) -> list[Any]:
        """Return references to the model's inputs or outputs with the call numbers of Keras 3."""
        entries = [ends] if self._is_reference(ends) else list(ends)
        converted = []
        for entry in entries:
            name = plain_layer_name(entry[0])
            call_number = entry[1] - self._offsets.get(name, 0)
            # In these references, unlike in those between layers, Keras 3 counts the construction
            # of a nested functional model as a call.
            if self._layers[name].get("class_name") in ("Functional", "Model"):
                call_number += 1
            converted.append([name, call_number, entry[2]])
        return converted[0] if len(converted) == 1 else converted

    def _damaged(self) -> InputError:
        return InputError(
            f"{self._path} is damaged: the connections of its layers are not valid; save "
            "the model again with Keras."
        )


def _is_layer(node: dict[str, Any]) -> bool:
    """Return True if a node describes a layer of Keras."""
    import keras

    name = node.get("class_name")
    return (
        isinstance(name, str)
        # An operation such as "Add" has the name of a layer.
        and not str(node.get("module")).startswith("keras.src.ops")
        # There is an initializer with the same class name as the layer "Identity", but it has no
        # name.
        and "name" in node["config"]
        and (name == "ThresholdedReLU" or inspect.isclass(getattr(keras.layers, name, None)))
    )


def _convert_layer(node: dict[str, Any], path: Path) -> None:
    """Remove the options that Keras 3 rejects, and adapt those that it interprets differently."""
    import keras

    settings, name = node["config"], node["class_name"]
    node["module"] = "keras.layers"
    node["registered_name"] = None
    node.pop("build_config", None)
    if name == "ThresholdedReLU":
        node["class_name"] = name = "ReLU"
        settings["threshold"] = settings.pop("theta", 1.0)
    if name == "RandomCrop":
        # In Keras 2 this layer resizes images at inference. In Keras 3 it does not.
        node["class_name"] = name = "Resizing"
        settings["crop_to_aspect_ratio"] = True
    if name == "Activation" and _function_name(settings.get("activation")) == "hard_sigmoid":
        _make_old_hard_sigmoid(node)
        return
    if name == "LeakyReLU" and "alpha" in settings:
        settings["negative_slope"] = settings.pop("alpha")
    if name == "InputLayer" and "batch_input_shape" in settings:
        settings["batch_shape"] = settings.pop("batch_input_shape")
    if name == "GRU":
        # Without this option, Keras 3 assumes the newer variant, which older versions did not have.
        settings.setdefault("reset_after", False)
    for key in ("gamma", "beta"):
        settings.pop(f"{key}_regularizer_weight", None)
    for key, value in list(settings.items()):
        # Keras 2 wraps an array in an object.
        if isinstance(value, dict) and value.get("type") == "ndarray":
            settings[key] = value.get("value")
    # Keras 2 writes a single axis as a list.
    axis = settings.get("axis")
    if isinstance(axis, list) and len(axis) == 1 and name != "Normalization":
        settings["axis"] = axis[0]
    accepted = _accepted_keys(getattr(keras.layers, name))
    for key in [key for key in settings if key not in accepted]:
        is_harmless = key in _IGNORED_KEYS or settings[key] in _HARMLESS_VALUES.get(key, ())
        if not is_harmless:
            raise InputError(
                f"{path} uses the option {key}={str(settings[key])[:80]} of the layer "
                f"{settings.get('name', name)!r} ({name}), which Keras 3 does not have; save the "
                "model without it, or export it as ONNX."
            )
        del settings[key]


def _function_name(function: object) -> object:
    """Return the name of an activation, which may be wrapped in an object."""
    return function.get("config") if isinstance(function, dict) else function


def _make_old_hard_sigmoid(node: dict[str, Any]) -> None:
    """Replace a hard sigmoid by layers that compute it as Keras 2 does: clip(0.2 x + 0.5, 0, 1).

    In Keras 3, the slope of a hard sigmoid is 1 / 6 instead of 0.2.
    """
    slope = {"name": f"{node['config']['name']}_slope", "scale": 0.2, "offset": 0.5}
    limits = {"name": f"{node['config']['name']}_limits", "max_value": 1.0}
    node["class_name"] = "Sequential"
    node["module"] = "keras"
    node["config"] = {
        "name": node["config"]["name"],
        "layers": [
            {
                "module": "keras.layers",
                "class_name": class_name,
                "config": config,
                "registered_name": None,
            }
            for class_name, config in (("Rescaling", slope), ("ReLU", limits))
        ],
    }


def _accepted_keys(layer: type) -> frozenset[str]:
    """Return the options that a layer class accepts, including the options of its base classes."""
    keys: set[str] = set()
    for cls in layer.__mro__:
        if cls.__name__ == "Layer":
            return frozenset(keys | _COMMON_KEYS)
        constructor = inspect.getattr_static(cls, "__init__")
        parameters = inspect.signature(constructor).parameters.values()
        named = [item.name for item in parameters if item.kind is not item.VAR_KEYWORD]
        keys |= set(named)
        # A constructor without **kwargs passes no further options to the base classes.
        if len(named) == len(parameters):
            break
    return frozenset(keys - {"self"})
