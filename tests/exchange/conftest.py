"""Tiny networks in every format, made once."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from fer_core.child import Limits
from fer_core.exchange import hdf5_copy, onnx_trial
from fer_core.keras_backend import prepare_backend

prepare_backend()

ALPHABETICAL = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")


@pytest.fixture(scope="session")
def crops() -> NDArray[np.uint8]:
    return np.random.default_rng(5).integers(0, 256, (6, 48, 48)).astype(np.uint8)


def _build(
    size: int = 48, channels: int = 1, *, classes: int = 7, softmax: bool = True, first: Any = None
) -> Any:
    import keras
    from keras import layers

    keras.utils.set_random_seed(7)
    inputs = keras.Input((size, size, channels))
    tensor = first(inputs) if first is not None else inputs
    tensor = layers.Conv2D(4, 5, strides=4, activation="relu")(tensor)
    tensor = layers.BatchNormalization()(tensor)
    tensor = layers.Flatten()(tensor)
    tensor = layers.Dense(classes, kernel_initializer="random_normal")(tensor)
    return keras.Model(inputs, layers.Softmax()(tensor) if softmax else tensor)


@pytest.fixture(scope="session")
def build() -> Callable[..., Any]:
    """``build(size=48, channels=1, classes=7, softmax=True, first=layer)``: a tiny Keras model."""
    return _build


@dataclass(frozen=True)
class Sample:
    """A tiny network's files and what it answers for grey values in 0 to 1."""

    model: Any
    folder: Path

    def file(self, suffix: str) -> Path:
        return self.folder / f"tiny{suffix}"

    def expected(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray(self.model(crops[..., None].astype(np.float32) / 255, training=False))


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """``sample.file(".keras")``, ``.h5``, ``.json`` (weights next to it) and ``.onnx``."""
    folder = tmp_path_factory.mktemp("sample")
    model = _build()
    (folder / "json").mkdir()
    model.save(folder / "tiny.keras")
    model.save(folder / "tiny.h5")
    model(np.zeros((1, 48, 48, 1), np.float32))  # Keras exports only a model that has been called
    (folder / "json" / "tiny.json").write_text(model.to_json())
    model.save_weights(folder / "json" / "tiny.weights.h5")
    model.export(folder / "tiny.onnx", format="onnx", verbose=False)
    return Sample(model, folder)


def _legacy(folder: Path) -> tuple[Path, NDArray[np.float32], NDArray[np.float32]]:
    """What Keras 2.2 wrote: a list of layers without modules, and weights by layer name."""
    import h5py

    generator = np.random.default_rng(3)
    kernel = generator.normal(size=(48 * 48, 7)).astype(np.float32) / 10
    bias = generator.normal(size=7).astype(np.float32)
    zeros = {"class_name": "Zeros", "config": {}}
    config = {
        "class_name": "Sequential",
        "config": [
            {
                "class_name": "Flatten",
                "config": {
                    "name": "flatten_1",
                    "trainable": True,
                    "batch_input_shape": [None, 48, 48, 1],
                    "dtype": "float32",
                    "data_format": "channels_last",
                },
            },
            {
                "class_name": "Dense",
                "config": {
                    "name": "dense_1",
                    "trainable": True,
                    "units": 7,
                    "activation": "softmax",
                    "use_bias": True,
                    "kernel_initializer": {
                        "class_name": "VarianceScaling",
                        "config": {"scale": 1.0, "mode": "fan_avg", "distribution": "uniform"},
                    },
                    "bias_initializer": zeros,
                    "kernel_regularizer": {"class_name": "L1L2", "config": {"l1": 0.0, "l2": 0.01}},
                    "bias_regularizer": None,
                    "activity_regularizer": None,
                    "kernel_constraint": None,
                    "bias_constraint": None,
                },
            },
        ],
        "keras_version": "2.2.4",
        "backend": "tensorflow",
    }
    folder.mkdir(exist_ok=True)
    (folder / "fer.json").write_text(json.dumps(config))
    with h5py.File(folder / "fer.h5", "w") as file:
        file.attrs["layer_names"] = [b"flatten_1", b"dense_1"]
        file.attrs["backend"] = b"tensorflow"
        file.attrs["keras_version"] = b"2.2.4"
        file.create_group("flatten_1").attrs["weight_names"] = np.array([], "S1")
        group = file.create_group("dense_1")
        group.attrs["weight_names"] = [b"dense_1/kernel:0", b"dense_1/bias:0"]
        group["dense_1/kernel:0"] = kernel
        group["dense_1/bias:0"] = bias
    return folder / "fer.json", kernel, bias


@pytest.fixture
def legacy(tmp_path: Path) -> tuple[Path, NDArray[np.float32], NDArray[np.float32]]:
    """An architecture of Keras 2.2 with its weights file, and the weights."""
    return _legacy(tmp_path / "legacy")


def _onnx_model(
    *,
    shape: tuple[Any, ...] = ("n", 1, 48, 48),
    softmax: bool = True,
    classes: int = 7,
    flat_rows: int = -1,
    domain: str = "",
) -> onnx.ModelProto:
    """Flatten, multiply, softmax, as PyTorch would export it: channels first."""
    pixels = int(np.prod([size for size in shape[1:] if isinstance(size, int)]))
    kernel = np.random.default_rng(4).normal(size=(pixels, classes)).astype(np.float32) / 10
    nodes = [
        helper.make_node("Reshape", ["x", "flat_shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "kernel"], ["logits"], domain=domain),
    ]
    if softmax:
        nodes.append(helper.make_node("Softmax", ["logits"], ["y"], axis=1))
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [
            helper.make_tensor_value_info(
                "y" if softmax else "logits", TensorProto.FLOAT, [shape[0], classes]
            )
        ],
        [
            numpy_helper.from_array(np.array([flat_rows, pixels], np.int64), "flat_shape"),
            numpy_helper.from_array(kernel, "kernel"),
        ],
    )
    opsets = [helper.make_opsetid("", 17)]
    if domain:
        opsets.append(helper.make_opsetid(domain, 1))
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


@pytest.fixture(scope="session")
def onnx_model() -> Callable[..., onnx.ModelProto]:
    """``onnx_model(shape=("n", 1, 48, 48), softmax=True)``: a tiny network, channels first."""
    return _onnx_model


@pytest.fixture
def no_child_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copy HDF5 files and try ONNX networks in this process; starting another one takes a second.

    The tests of commands and of unsafe, damaged and costly files use the child processes.
    """
    for module in (hdf5_copy, onnx_trial):

        def run_here(
            name: str, arguments: list[str], limits: Limits, module: ModuleType = module
        ) -> str:
            return str(module._run_in_child(arguments))

        monkeypatch.setattr(module, "run_child", run_here)
