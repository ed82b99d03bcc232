"""Grad-CAM compared with maps computed by hand and with gradients of Keras."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from fer_core.bundle import Bundle, find_bundle, load_bundle
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.evaluation.explanation import Explainer, overlay
from fer_core.settings import PROJECT_ROOT, Settings

MAPS, SIDE = 5, 6  # feature maps of the small networks, and their rows and columns


class SmallNetwork:
    """A convolution of 8x8 squares, ReLU, and one of several heads; all weights are known."""

    def __init__(self, head: str, *, channels_last: bool = False, batch: int | str = "n") -> None:
        generator = np.random.default_rng(4)
        self.kernel = generator.normal(size=(MAPS, 1, 8, 8)).astype(np.float32) / 8
        self.weights = generator.normal(size=(MAPS, 7)).astype(np.float32)
        self.first = generator.normal(size=(MAPS * SIDE * SIDE, 9)).astype(np.float32) / 10
        self.second = generator.normal(size=(9, 7)).astype(np.float32)
        self.head, self.channels_last, self.batch = head, channels_last, batch

    def model(self) -> onnx.ModelProto:
        node = helper.make_node
        nodes = [
            node("Transpose", ["pixels"], ["picture"], perm=[0, 3, 1, 2]),
            node("Conv", ["picture", "kernel"], ["convolved"], strides=[8, 8]),
        ]
        last, axes = "convolved", [2, 3]
        if self.channels_last:
            nodes.append(node("Transpose", [last], ["turned"], perm=[0, 2, 3, 1]))
            last, axes = "turned", [1, 2]
        nodes.append(node("Relu", [last], ["maps"]))
        if self.head == "dense":
            nodes += [
                node("Reshape", ["maps", "shape"], ["flat"]),
                node("MatMul", ["flat", "first"], ["hidden"]),
                node("Relu", ["hidden"], ["active"]),
                node("MatMul", ["active", "second"], ["logits"]),
            ]
        elif self.head == "branches":
            # Squeeze and excitation: the map is weighted by what a side branch makes of it.
            nodes += [
                node("GlobalAveragePool", ["maps"], ["squeezed"]),
                node("Sigmoid", ["squeezed"], ["gates"]),
                node("Mul", ["maps", "gates"], ["gated"]),
                node("ReduceMean", ["gated"], ["means"], axes=axes, keepdims=0),
                node("MatMul", ["means", "weights"], ["logits"]),
            ]
        else:
            nodes += [
                node("ReduceMean", ["maps"], ["means"], axes=axes, keepdims=0),
                node("MatMul", ["means", "weights"], ["logits"]),
            ]
        nodes.append(node("Softmax", ["logits"], ["probabilities"]))
        constants = {
            "kernel": self.kernel,
            "weights": self.weights,
            "first": self.first,
            "second": self.second,
            "shape": np.array([-1, MAPS * SIDE * SIDE], np.int64),
        }
        used = {name for one in nodes for name in one.input}
        graph = helper.make_graph(
            nodes,
            "small",
            [
                helper.make_tensor_value_info(
                    "pixels", onnx.TensorProto.FLOAT, [self.batch, 48, 48, 1]
                )
            ],
            [
                helper.make_tensor_value_info(
                    "probabilities", onnx.TensorProto.FLOAT, [self.batch, 7]
                )
            ],
            [
                numpy_helper.from_array(value, name)
                for name, value in constants.items()
                if name in used
            ],
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)

    def maps(self, crop: NDArray[np.uint8]) -> NDArray[np.float64]:
        picture = crop.astype(np.float32) / 255
        squares = picture.reshape(SIDE, 8, SIDE, 8).transpose(0, 2, 1, 3)
        return np.maximum(np.einsum("rcij,kij->krc", squares, self.kernel[:, 0]), 0)

    def grad_cam(self, crop: NDArray[np.uint8], position: int) -> NDArray[np.float64]:
        """Grad-CAM of Selvaraju et al. with the gradient computed by hand."""
        maps = self.maps(crop)
        means = maps.mean(axis=(1, 2))
        if self.head == "dense":
            hidden = maps.reshape(-1) @ self.first
            slope = self.first @ ((hidden > 0) * self.second[:, position])
            weights = slope.reshape(MAPS, SIDE, SIDE).mean(axis=(1, 2))
        elif self.head == "branches":
            # Behind the gates: the score is the mean of the gated map, times its weight.
            maps = maps * (1 / (1 + np.exp(-means)))[:, None, None]
            weights = self.weights[:, position] / SIDE**2
        else:
            weights = self.weights[:, position] / SIDE**2
        return np.maximum(np.tensordot(weights, maps, axes=1), 0)


def enlarged(heat: NDArray[Any]) -> NDArray[np.float32]:
    sized = cv2.resize(heat.astype(np.float32), (48, 48), interpolation=cv2.INTER_LINEAR)
    return sized / sized.max() if sized.max() > 0 else sized


@pytest.fixture
def crop() -> NDArray[np.uint8]:
    return np.random.default_rng(8).integers(0, 256, (48, 48), dtype=np.uint8)


@pytest.fixture
def bundle_of(tmp_path: Path, write_bundle_folder: Callable[..., Path]) -> Callable[..., Bundle]:
    def make(model: onnx.ModelProto, **changes: Any) -> Bundle:
        folder = write_bundle_folder(tmp_path / "small", **changes)
        onnx.checker.check_model(model)
        onnx.save(model, folder / "model.onnx")
        return load_bundle(folder)

    return make


@pytest.mark.parametrize("batch", ["n", 1])
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("emotion", range(0, 7, 3))
def test_grad_cam_of_a_mean_is_the_weighted_sum_of_the_maps(
    bundle_of: Callable, crop: NDArray[np.uint8], *, emotion: int, channels_last: bool, batch: Any
) -> None:
    network = SmallNetwork("mean", channels_last=channels_last, batch=batch)
    explainer = Explainer(bundle_of(network.model()))
    found = explainer.explain(crop, emotion)
    assert (explainer.method, found.method, found.class_index) == ("grad-cam", "grad-cam", emotion)
    np.testing.assert_allclose(found.heat, enlarged(network.grad_cam(crop, emotion)), atol=1e-3)
    assert found.heat.dtype == np.float32 and found.heat.max() == 1 and found.heat.min() >= 0


@pytest.mark.parametrize("head", ["dense", "branches"])
def test_other_heads(bundle_of: Callable, crop: NDArray[np.uint8], head: str) -> None:
    network = SmallNetwork(head)
    explainer = Explainer(bundle_of(network.model()))
    for emotion in range(7):
        expected = network.grad_cam(crop, emotion)
        if expected.any():
            heat = explainer.explain(crop, emotion).heat
            np.testing.assert_allclose(heat, enlarged(expected), atol=5e-3)


@pytest.mark.parametrize("rows", [1, 2])
def test_a_network_with_a_fixed_batch_size_is_run_image_by_image(
    bundle_of: Callable, crop: NDArray[np.uint8], rows: int
) -> None:
    network = SmallNetwork("dense")
    model = network.model()
    shape = next(one for one in model.graph.initializer if one.name == "shape")
    shape.CopyFrom(numpy_helper.from_array(np.array([1, -1], np.int64), "shape"))
    heat = Explainer(bundle_of(model)).explain(crop, 3 * rows).heat
    expected = enlarged(network.grad_cam(crop, 3 * rows))
    np.testing.assert_allclose(heat, expected, atol=5e-3)


def test_a_network_without_a_single_feature_map_uses_occlusion(
    bundle_of: Callable, crop: NDArray[np.uint8]
) -> None:
    model = SmallNetwork("mean").model()
    nodes = list(model.graph.node)
    # The picture itself also reaches the end, past the convolution.
    extra = [
        helper.make_node("ReduceMean", ["pixels"], ["light"], axes=[1, 2], keepdims=0),
        helper.make_node("Add", ["logits", "light"], ["both"]),
    ]
    softmax = nodes[-1]
    softmax.input[0] = "both"
    del model.graph.node[:]
    model.graph.node.extend([*nodes[:-1], *extra, softmax])
    explainer = Explainer(bundle_of(model))
    assert explainer.method == "occlusion"
    found = explainer.explain(crop, 3)
    assert (
        "does not support Grad-CAM" in found.note and 0 <= found.heat.min() <= found.heat.max() <= 1
    )


def test_the_label_order_of_the_network_is_used(
    bundle_of: Callable, crop: NDArray[np.uint8]
) -> None:
    network = SmallNetwork("mean")
    labels = EMOTIONS[::-1]
    explainer = Explainer(bundle_of(network.model(), labels=labels))
    heat = explainer.explain(crop, EMOTIONS.index("happy")).heat
    expected = network.grad_cam(crop, labels.index("happy"))
    np.testing.assert_allclose(heat, enlarged(expected), atol=1e-3)


def test_flip_averaging_includes_the_mirror_image(
    bundle_of: Callable, crop: NDArray[np.uint8]
) -> None:
    network = SmallNetwork("mean")
    explainer = Explainer(bundle_of(network.model(), flip_averaging=True))
    both = network.grad_cam(crop, 3) + network.grad_cam(crop[:, ::-1], 3)[:, ::-1]
    np.testing.assert_allclose(explainer.explain(crop, 3).heat, enlarged(both), atol=1e-3)
    mirrored = explainer.explain(np.ascontiguousarray(crop[:, ::-1]), 3).heat
    np.testing.assert_allclose(mirrored, explainer.explain(crop, 3).heat[:, ::-1], atol=1e-3)


def test_without_support_the_map_is_empty(bundle_of: Callable) -> None:
    explainer = Explainer(bundle_of(SmallNetwork("mean").model()))
    found = explainer.explain(np.zeros((48, 48), np.uint8), 2)
    assert not found.heat.any()
    assert found.note == "No region of this face supports this class."


def test_a_network_without_a_convolution_uses_occlusion(
    bundle_of: Callable, linear_network: Callable, crop: NDArray[np.uint8]
) -> None:
    explainer = Explainer(bundle_of(linear_network()))
    assert explainer.method == "occlusion"
    # The network sees the mean of each half; the last emotion is fed by both, the more by light.
    face = np.full((48, 48), 10, np.uint8)
    face[12:24, 30:42] = 250
    found = explainer.explain(face, 6)
    assert "no convolution" in found.note
    row, column = np.unravel_index(found.heat.argmax(), (48, 48))
    assert 12 <= row < 24 and 30 <= column < 42
    assert found.heat.max() == 1 and found.heat[0, 0] < 0.5


def test_the_shipped_model_agrees_with_keras_gradients(crop: NDArray[np.uint8]) -> None:
    tensorflow = pytest.importorskip("tensorflow")
    import keras

    settings = Settings(PROJECT_ROOT / "data", PROJECT_ROOT / "runs", PROJECT_ROOT / "models")
    bundle = find_bundle(None, settings)
    model = keras.models.load_model(bundle.folder / "model.keras", compile=False)
    explainer = Explainer(bundle)
    assert explainer.method == "grad-cam"
    last = [layer for layer in model.layers if len(layer.output.shape) == 4][-1]
    logits = next(layer for layer in model.layers if layer.name.startswith("logits"))
    inner = keras.Model(model.inputs, [last.output, logits.output])

    def grad_cam(face: NDArray[np.uint8], emotion: int) -> NDArray[np.float32]:
        pixels = face[None, ..., None].astype(np.float32) / 255
        with tensorflow.GradientTape() as tape:
            maps, scores = inner(pixels, training=False)
            slope = tape.gradient(scores[:, emotion], maps)
        weights = slope.numpy()[0].mean(axis=(0, 1))
        return np.maximum(maps.numpy()[0] @ weights, 0)

    smooth = cv2.GaussianBlur(crop, (0, 0), 5)
    supported = 0
    for emotion in range(7):
        both = grad_cam(smooth, emotion) + grad_cam(smooth[:, ::-1], emotion)[:, ::-1]
        heat = explainer.explain(smooth, emotion).heat
        np.testing.assert_allclose(heat, enlarged(both), atol=5e-3)
        supported += bool(heat.any())
    assert supported >= 3


def test_invalid_input_is_an_error(
    bundle_of: Callable, linear_network: Callable, crop: NDArray[np.uint8]
) -> None:
    bundle = bundle_of(linear_network())
    explainer = Explainer(bundle)
    with pytest.raises(ValueError, match="crop should be"):
        explainer.explain(crop[:40], 0)
    with pytest.raises(ValueError, match="class_index should be 0 to 6"):
        explainer.explain(crop, 7)
    bundle.served_network.write_bytes(b"nothing")
    with pytest.raises(InputError, match="damaged"):
        Explainer(bundle)


def test_the_overlay_colors_only_where_the_map_is_high(crop: NDArray[np.uint8]) -> None:
    heat = np.zeros((48, 48), np.float32)
    plain = overlay(crop, heat, size=96)
    assert plain.shape == (96, 96, 3) and plain.dtype == np.uint8
    np.testing.assert_array_equal(plain[..., 0], plain[..., 1])
    heat[10:20, 10:20] = 1
    colored = overlay(crop, heat, size=96)
    np.testing.assert_array_equal(colored[60:, 60:], plain[60:, 60:])
    # Inferno's top is a light yellow: less blue than red.
    assert (colored[26:34, 26:34, 0] > colored[26:34, 26:34, 2]).all()
