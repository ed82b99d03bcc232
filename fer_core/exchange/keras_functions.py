"""TensorFlow functions that Keras 2 records as layers, and the Keras 3 operations for them.

Keras 2 records ``x / 255`` between two layers as a layer that names the function ``math.truediv``.
Only the functions in ``FUNCTIONS`` are accepted: all of them are arithmetic on tensors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Operation:
    """The operation of Keras 3 that replaces a TensorFlow function.

    Attributes:
        name: The class of the operation.
        module: The module of the class in ``keras.src.ops``.
        tensor_arguments: Names of the function's arguments that may be tensors, except the first
            argument.
        settings: Pairs of names: an argument of the function that is not a tensor, and the setting
            of the class that replaces this argument.
        ignored_arguments: Names of arguments of the function that have no effect.
    """

    name: str
    module: str = "numpy"
    tensor_arguments: tuple[str, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    ignored_arguments: tuple[str, ...] = ()

    def convert(
        self, layer: dict[str, Any], args: tuple[Any, ...], options: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Replace a layer of Keras 2 by the operation.

        Args:
            layer: The layer, which is changed in place.
            args: The positional arguments of one call of the layer.
            options: The keyword arguments of this call.

        Returns:
            The positional and the keyword arguments for the same call of the operation.

        Raises:
            ValueError: An argument is not known.
        """
        options = {key: value for key, value in options.items() if value is not None}
        config: dict[str, Any] = {"name": layer["name"]}
        values = [_keras3_argument(argument) for argument in args]
        for key in self.tensor_arguments:
            if key in options:
                values.append(_keras3_argument(options.pop(key)))
        for key, setting in self.settings:
            if key in options:
                config[setting] = options.pop(key)
        for key in ("name", *self.ignored_arguments):
            options.pop(key, None)
        if options:
            raise ValueError(f"unknown arguments: {sorted(options)}")
        layer.update(
            {
                "module": f"keras.src.ops.{self.module}",
                "class_name": self.name,
                "config": config,
                "registered_name": self.name,
            }
        )
        return tuple(values), {}


def _keras3_argument(value: Any) -> Any:
    """Return an argument in the format of Keras 3, in which a list of numbers is an array."""
    if isinstance(value, list) and value and all(not isinstance(item, dict) for item in value):
        return {"class_name": "__numpy__", "config": {"value": value, "dtype": "float32"}}
    return value


@dataclass(frozen=True)
class _Slice(Operation):
    """An index such as ``[..., ::-1]``."""

    def convert(
        self, layer: dict[str, Any], args: tuple[Any, ...], options: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """See ``Operation.convert``."""
        index = []
        for item in options.pop("slice_spec"):
            if isinstance(item, dict) and "start" in item:
                index.append({"class_name": "__slice__", "config": item})
            elif isinstance(item, dict):
                index.append({"class_name": "__ellipsis__", "config": {}})
            else:
                index.append(item)
        converted, _ = super().convert(layer, args, options)
        return (*converted, index), {}


_REDUCTION_SETTINGS = (("axis", "axis"), ("keepdims", "keepdims"))


def _unary(name: str, module: str = "numpy") -> Operation:
    return Operation(name, module)


def _binary(name: str) -> Operation:
    return Operation(name, tensor_arguments=("y",))


#: The operations for the accepted TensorFlow functions, by the name of the function.
FUNCTIONS: dict[str, Operation] = {
    "math.truediv": _binary("TrueDivide"),
    "math.divide": _binary("Divide"),
    "math.multiply": _binary("Multiply"),
    "math.add": _binary("Add"),
    "__operators__.add": _binary("Add"),
    "math.subtract": _binary("Subtract"),
    "math.pow": _binary("Power"),
    "math.maximum": _binary("Maximum"),
    "math.minimum": _binary("Minimum"),
    "math.negative": _unary("Negative"),
    "math.square": _unary("Square"),
    "math.sqrt": _unary("Sqrt"),
    "math.rsqrt": _unary("Rsqrt", "math"),
    "math.exp": _unary("Exp"),
    "math.log": _unary("Log"),
    "math.abs": _unary("Absolute"),
    "math.tanh": _unary("Tanh"),
    "math.sigmoid": _unary("Sigmoid", "nn"),
    "nn.relu": _unary("Relu", "nn"),
    "nn.relu6": _unary("Relu6", "nn"),
    "nn.sigmoid": _unary("Sigmoid", "nn"),
    "nn.tanh": _unary("Tanh"),
    "nn.silu": _unary("Silu", "nn"),
    "nn.swish": _unary("Silu", "nn"),
    "nn.elu": _unary("Elu", "nn"),
    "nn.selu": _unary("Selu", "nn"),
    "nn.softplus": _unary("Softplus", "nn"),
    "identity": _unary("Copy"),
    "nn.softmax": Operation("Softmax", "nn", settings=(("axis", "axis"),)),
    "nn.leaky_relu": Operation("LeakyRelu", "nn", settings=(("alpha", "negative_slope"),)),
    "nn.gelu": Operation("Gelu", "nn", settings=(("approximate", "approximate"),)),
    "nn.bias_add": Operation("Add", tensor_arguments=("bias",), ignored_arguments=("data_format",)),
    "cast": Operation("Cast", "core", settings=(("dtype", "dtype"),)),
    "clip_by_value": Operation(
        "Clip", settings=(("clip_value_min", "x_min"), ("clip_value_max", "x_max"))
    ),
    "math.reduce_mean": Operation("Mean", settings=_REDUCTION_SETTINGS),
    "math.reduce_sum": Operation("Sum", settings=_REDUCTION_SETTINGS),
    "math.reduce_max": Operation("Max", settings=_REDUCTION_SETTINGS),
    "math.reduce_min": Operation("Min", settings=_REDUCTION_SETTINGS),
    "math.reduce_std": Operation("Std", settings=_REDUCTION_SETTINGS),
    "reshape": Operation("Reshape", settings=(("shape", "newshape"),)),
    "expand_dims": Operation("ExpandDims", settings=(("axis", "axis"),)),
    "squeeze": Operation("Squeeze", settings=(("axis", "axis"),)),
    "transpose": Operation("Transpose", settings=(("perm", "axes"),)),
    "compat.v1.transpose": Operation("Transpose", settings=(("perm", "axes"),)),
    "concat": Operation("Concatenate", settings=(("axis", "axis"),)),
    "reverse": Operation("Flip", settings=(("axis", "axis"),)),
    "__operators__.getitem": _Slice("GetItem"),
}
