"""The range of pixel intensities, from the first operations of a network."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from fer_core.errors import InputError
from fer_core.exchange.input_scaling import Scaling, scale_from_operations

#: Operations on the pixels, each with its constant (None for none), and the range they are for.
#: ``-`` in front of an operation means that the constant comes first.
KNOWN: dict[str, tuple[list[tuple[str, Any]], str]] = {
    "x / 255": ([("Div", 255)], "bytes"),
    "x * (1 / 255)": ([("Mul", 1 / 255)], "bytes"),
    "(1 / 255) * x": ([("-Mul", 1 / 255)], "bytes"),
    "x / 127.5 - 1": ([("Div", 127.5), ("Sub", 1)], "bytes"),
    "(x - 127.5) / 128": ([("Sub", 127.5), ("Div", 128)], "bytes"),
    "x / 255 - 0.5": ([("Div", 255), ("Sub", 0.5)], "bytes"),
    "1 - x / 255": ([("Div", 255), ("-Sub", 1)], "bytes"),
    "torch's preprocess_input": (
        [("Div", 255), ("Sub", [0.485, 0.456, 0.406]), ("Div", [0.229, 0.224, 0.225])],
        "bytes",
    ),
    "caffe's preprocess_input": (
        [("Transpose", None), ("Add", [-103.939, -116.779, -123.68])],
        "bytes",
    ),
    "mean subtraction": ([("Sub", 129.5)], "bytes"),
    "normalization of 0 to 255": ([("Sub", 128), ("Div", 63.2)], "bytes"),
    "normalization of 0 to 1": ([("Sub", 0.5), ("Div", 0.25)], "unit"),
    "ImageNet's mean of 0 to 1": (
        [("Sub", [0.485, 0.456, 0.406]), ("Div", [0.229, 0.224, 0.225])],
        "unit",
    ),
    "x * 2 - 1": ([("Mul", 2), ("Sub", 1)], "unit"),
    "x * 255 - mean": ([("Mul", 255), ("Sub", [123.68, 116.78, 103.94])], "unit"),
    "x * 255": ([("Mul", 255)], "unit"),
    "x / 2 + 0.5": ([("Mul", 0.5), ("Add", 0.5)], "signed"),
    "(x + 1) * 127.5": ([("Add", 1), ("Mul", 127.5)], "signed"),
    "only a layer": ([], "unit"),
    "nothing but zero": ([("Add", 0), ("Mul", 1)], "unit"),
}

#: Operations that do not show a range.
UNKNOWN: dict[str, list[tuple[str, Any]]] = {
    "a square root": [("Sqrt", None)],
    "a division by 10": [("Div", 10)],
    "half": [("Mul", 0.5)],
    "a logarithm after a division": [("Div", 10), ("Log", None)],
    "a division by zero": [("Div", 0)],
    "clipping": [("Clip", None)],
    "an inverse": [("-Div", 255)],
}


def network(operations: list[tuple[str, Any]]) -> onnx.ModelProto:
    """The operations, then a convolution."""
    nodes, constants, name = [], [], "x"
    for number, (operation, value) in enumerate(operations):
        names = [name]
        if value is not None:
            constant = f"c{number}"
            constants.append(numpy_helper.from_array(np.asarray(value, np.float32), constant))
            names = [constant, name] if operation.startswith("-") else [name, constant]
        name = f"t{number}"
        nodes.append(helper.make_node(operation.removeprefix("-"), names, [name]))
    kernel = numpy_helper.from_array(np.zeros((1, 3, 1, 1), np.float32), "kernel")
    nodes.append(helper.make_node("Conv", [name, "kernel"], ["y"]))
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 48, 48])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [kernel, *constants],
    )
    return helper.make_model(graph)


@pytest.mark.parametrize("case", KNOWN)
def test_a_known_scaling_is_recognized(case: str) -> None:
    operations, scale = KNOWN[case]
    assert scale_from_operations(network(operations), Path("net")).scale == scale


@pytest.mark.parametrize("case", UNKNOWN)
def test_for_unknown_operations_the_user_is_asked(case: str) -> None:
    with pytest.raises(InputError, match=r"net does not show .*--scale unit .*--check-on DATA"):
        scale_from_operations(network(UNKNOWN[case]), Path("net"))


def test_a_trained_normalization_of_the_pixels_shows_their_range() -> None:
    ranges = (([120] * 3, [4000] * 3), ([0.5] * 3, [0.06] * 3), ([0] * 3, [1] * 3))
    for (mean, variance), expected in zip(ranges, ("bytes", "unit", "unit"), strict=True):
        model = network([])
        for name, values in (("m", mean), ("v", variance), ("s", [1] * 3), ("b", [0] * 3)):
            model.graph.initializer.append(
                numpy_helper.from_array(np.asarray(values, np.float32), name)
            )
        node = helper.make_node("BatchNormalization", ["x", "s", "b", "m", "v"], ["normal"])
        model.graph.node.insert(0, node)
        model.graph.node[1].input[0] = "normal"
        found = scale_from_operations(model, Path("net"))
        assert found.scale == expected
        assert ("as most networks do" in found.reason) is (mean == [0] * 3)


def test_channels_that_are_picked_and_joined_are_followed() -> None:
    model = network([("Sub", [103.9, 116.8, 123.7])])
    nodes = model.graph.node
    nodes[0].input[0] = "joined"
    for channel in range(3):
        index = numpy_helper.from_array(np.array([channel], np.int64), f"index{channel}")
        model.graph.initializer.append(index)
        picked = helper.make_node("Gather", ["x", f"index{channel}"], [f"p{channel}"], axis=1)
        nodes.insert(0, picked)
    nodes.insert(3, helper.make_node("Concat", ["p2", "p1", "p0"], ["joined"], axis=1))
    assert scale_from_operations(model, Path("net")).scale == "bytes"
    nodes.append(helper.make_node("Sqrt", ["p1"], ["other"]))
    with pytest.raises(InputError, match="one of several"):
        scale_from_operations(model, Path("net"))


@pytest.mark.parametrize(
    ("scale", "mean", "std", "expected"),
    [
        ("unit", None, None, [0, 0.5, 1]),
        ("signed", None, None, [-1, 0, 1]),
        ("bytes", (127.5,), (127.5,), [-1, 0, 1]),
        ("unit", (0.5,), (0.25,), [-2, 0, 2]),
        ("unit", (0.5,), None, [-0.5, 0, 0.5]),
    ],
)
def test_mean_and_standard_deviation_are_in_units_of_the_range(
    scale: Any, mean: Any, std: Any, expected: list[float]
) -> None:
    pixels = np.array([0, 127.5, 255], np.float32).reshape(3, 1, 1, 1)
    scaled = Scaling.of(scale, mean, std).apply(pixels).reshape(-1)
    np.testing.assert_allclose(scaled, expected, atol=1e-6)
