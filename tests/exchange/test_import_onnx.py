"""Import of ONNX networks: other layouts are converted, unsupported networks are refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from fer_core.bundle import Bundle
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.exchange.importing import ImportRequest, import_model
from fer_core.predictor import load_predictor
from fer_core.settings import Settings

KNOWN = ImportRequest(labels=EMOTIONS)

in_this_process = pytest.mark.usefixtures("no_child_process")


def answers(bundle: Bundle, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    return load_predictor(bundle).probabilities(crops)


def expected(model: onnx.ModelProto, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    kernel = numpy_helper.to_array(model.graph.initializer[1])
    logits = crops.reshape(len(crops), -1).astype(np.float32) / 255 @ kernel
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def changes(bundle: Bundle) -> str:
    assert bundle.record.source is not None
    return "; ".join(bundle.record.source.changes)


def test_a_network_exported_by_keras_is_served_unchanged(
    sample: Any, settings: Settings, crops: NDArray[np.uint8]
) -> None:
    bundle = import_model(sample.file(".onnx"), settings, KNOWN)
    np.testing.assert_allclose(answers(bundle, crops), sample.expected(crops), atol=1e-5)
    assert changes(bundle) == ""
    assert not (bundle.folder / "model.keras").exists()
    assert "ONNX network `tiny.onnx`" in (bundle.folder / "README.md").read_text()


@in_this_process
@pytest.mark.parametrize("batch", ["n", 1])
@pytest.mark.parametrize("softmax", [True, False])
def test_channels_first_one_by_one_and_logits_are_served(
    *,
    onnx_model: Callable,
    settings: Settings,
    tmp_path: Path,
    crops: NDArray[np.uint8],
    batch: Any,
    softmax: bool,
) -> None:
    model = onnx_model(shape=(batch, 1, 48, 48), softmax=softmax)
    onnx.save(model, tmp_path / "net.onnx")
    bundle = import_model(tmp_path / "net.onnx", settings, KNOWN)
    np.testing.assert_allclose(answers(bundle, crops), expected(model, crops), atol=1e-5)
    assert "transposition was added" in changes(bundle)
    assert ("softmax was added" in changes(bundle)) is not softmax
    assert ("one image at a time" in changes(bundle)) is (batch == 1)
    assert bundle.record.parameters == 48 * 48 * 7


@in_this_process
def test_a_network_with_a_fixed_inner_batch_size_is_run_one_by_one(
    onnx_model: Callable, settings: Settings, tmp_path: Path, crops: NDArray[np.uint8]
) -> None:
    model = onnx_model(flat_rows=1)
    onnx.save(model, tmp_path / "net.onnx")
    bundle = import_model(tmp_path / "net.onnx", settings, KNOWN)
    np.testing.assert_allclose(answers(bundle, crops), expected(model, crops), atol=1e-5)
    assert "one image at a time" in changes(bundle)


@in_this_process
@pytest.mark.parametrize(
    ("operation", "value", "scale"),
    [("Mul", 1 / 255, 1), ("Div", 255, 1), ("Sub", 127.5, 1), ("Mul", 2, 1 / 255)],
)
def test_a_network_that_scales_its_input_gets_bytes(
    *,
    onnx_model: Callable,
    settings: Settings,
    tmp_path: Path,
    operation: str,
    value: float,
    scale: float,
) -> None:
    model = onnx_model()
    model.graph.node.insert(0, helper.make_node(operation, ["x", "value"], ["scaled"]))
    model.graph.node[1].input[0] = "scaled"
    model.graph.initializer.append(numpy_helper.from_array(np.float32(value), "value"))
    onnx.save(model, tmp_path / "net.onnx")
    bundle = import_model(tmp_path / "net.onnx", settings, KNOWN)
    assert bundle.record.input_scale == pytest.approx(scale)


@in_this_process
@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ({"shape": (4, 1, 48, 48)}, r"takes \[4, 1, 48, 48\]; import a network for images"),
        ({"shape": ("n", 5, 48, 48)}, r"takes \[n, 5, 48, 48\]"),
        ({"shape": ("n", 48, 48)}, r"takes \[n, 48, 48\]"),
        ({"classes": 5}, "returns 5 values for each image, and there are 7 labels"),
        ({"classes": 30}, r"returns \[n, 30\]; import a network .* of 2 to 20 classes"),
    ],
)
def test_another_kind_of_network_is_refused(
    onnx_model: Callable, settings: Settings, tmp_path: Path, shape: dict[str, Any], words: str
) -> None:
    onnx.save(onnx_model(**shape), tmp_path / "net.onnx")
    with pytest.raises(InputError, match=words):
        import_model(tmp_path / "net.onnx", settings, KNOWN)
    assert list(settings.models_root.iterdir()) == []


@in_this_process
def test_custom_operations_are_refused(
    onnx_model: Callable, settings: Settings, tmp_path: Path
) -> None:
    onnx.save(onnx_model(domain="com.evil"), tmp_path / "net.onnx")
    with pytest.raises(InputError, match=r"uses the operation 'MatMul' of the domain 'com.evil'"):
        import_model(tmp_path / "net.onnx", settings, KNOWN)


def with_external_weights(model: onnx.ModelProto, path: Path, location: str = "net.data") -> Path:
    """Write a network with its weights in another file, as PyTorch exports it by default."""
    onnx.save(model, path, save_as_external_data=True, location=location, size_threshold=0)
    return path


@in_this_process
def test_weights_in_another_file_become_part_of_the_network(
    onnx_model: Callable, settings: Settings, tmp_path: Path, crops: NDArray[np.uint8]
) -> None:
    model = onnx_model()
    values = expected(model, crops)
    with_external_weights(model, tmp_path / "net.onnx")
    bundle = import_model(tmp_path / "net.onnx", settings, KNOWN)
    (tmp_path / "net.data").unlink()
    np.testing.assert_allclose(answers(bundle, crops), values, atol=1e-5)
    assert sorted(file.name for file in bundle.folder.iterdir()) == [
        "README.md",
        "bundle.json",
        "model.onnx",
    ]


@in_this_process
def test_missing_cut_or_distant_weights_are_refused(
    onnx_model: Callable, settings: Settings, tmp_path: Path
) -> None:
    path = with_external_weights(onnx_model(), tmp_path / "net.onnx")
    whole = (tmp_path / "net.data").read_bytes()
    (tmp_path / "net.data").write_bytes(whole[:1000])
    with pytest.raises(InputError, match=r"net\.onnx (cannot be read|is damaged)"):
        import_model(path, settings, KNOWN)
    (tmp_path / "net.data").unlink()
    with pytest.raises(InputError, match=r"'net\.data', which is not in its folder.*_data=False"):
        import_model(path, settings, KNOWN)
    (tmp_path / "real.data").write_bytes(whole)
    (tmp_path / "net.data").symlink_to(tmp_path / "real.data")
    with pytest.raises(InputError, match=r"another file .* which is not read"):
        import_model(path, settings, KNOWN)
    distant = onnx.load(path, load_external_data=False)
    for tensor in distant.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "../secret.data"
    path.write_bytes(distant.SerializeToString())
    with pytest.raises(InputError, match=r"another file .* which is not read"):
        import_model(path, settings, KNOWN)
    assert not settings.models_root.is_dir() or list(settings.models_root.iterdir()) == []


@in_this_process
def test_functions_in_a_network_are_dissolved(
    onnx_model: Callable, settings: Settings, tmp_path: Path, crops: NDArray[np.uint8]
) -> None:
    model = onnx_model()
    values = expected(model, crops)
    node = next(node for node in model.graph.node if node.op_type == "Softmax")
    node.op_type, node.domain = "Probabilities", "pkg.mine"
    del node.attribute[:]
    opset = helper.make_opsetid("", 17)
    model.functions.append(
        helper.make_function(
            "pkg.mine",
            "Probabilities",
            ["a"],
            ["b"],
            [helper.make_node("Softmax", ["a"], ["b"], axis=1)],
            [opset],
        )
    )
    model.opset_import.append(helper.make_opsetid("pkg.mine", 1))
    onnx.save(model, tmp_path / "net.onnx")
    bundle = import_model(tmp_path / "net.onnx", settings, KNOWN)
    np.testing.assert_allclose(answers(bundle, crops), values, atol=1e-5)


def check_size(
    model: onnx.ModelProto, settings: Settings, path: Path, shape: tuple[Any, ...]
) -> None:
    """A network of this input is imported and classifies a face."""
    onnx.save(model, path)
    bundle = import_model(path, settings, KNOWN)
    height, width, channels = bundle.record.input_shape
    assert {height, width, channels} == set(shape[1:])
    crop = np.full((1, 48, 48), 99, np.uint8)
    assert answers(bundle, crop).sum() == pytest.approx(1, abs=1e-4)
    source = bundle.record.source
    assert source is not None
    assert any("stretched" in one for one in source.assumptions) is (height != width)


@in_this_process
@pytest.mark.parametrize("shape", [("n", 1, 16, 16), ("n", 3, 64, 48), ("n", 40, 56, 3)])
def test_small_squares_and_rectangles_are_served(
    onnx_model: Callable, settings: Settings, tmp_path: Path, shape: tuple[Any, ...]
) -> None:
    check_size(onnx_model(shape=shape), settings, tmp_path / "net.onnx", shape)


def test_the_largest_images_are_served_within_the_limits_of_the_child_process(
    onnx_model: Callable, settings: Settings, tmp_path: Path
) -> None:
    shape = (1, 3, 512, 512)
    check_size(onnx_model(shape=shape), settings, tmp_path / "net.onnx", shape)


@in_this_process
def test_mean_and_standard_deviation_of_each_channel_become_part_of_the_network(
    onnx_model: Callable, settings: Settings, tmp_path: Path
) -> None:
    model = onnx_model(shape=("n", 3, 48, 48))
    onnx.save(model, tmp_path / "net.onnx")
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    request = ImportRequest(labels=EMOTIONS, mean=mean, std=std)
    bundle = import_model(tmp_path / "net.onnx", settings, request)
    assert (bundle.record.input_scale, bundle.record.input_offset) == (1.0, 0.0)
    images = np.random.default_rng(2).integers(0, 256, (2, 48, 48, 3)).astype(np.uint8)
    pixels = (images / 255 - np.array(mean)) / np.array(std)
    kernel = numpy_helper.to_array(model.graph.initializer[1])
    logits = pixels.transpose(0, 3, 1, 2).reshape(2, -1) @ kernel
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(
        answers(bundle, images), powers / powers.sum(axis=1, keepdims=True), atol=1e-5
    )
    onnx.save(onnx_model(), tmp_path / "gray.onnx")
    with pytest.raises(InputError, match=r"gray\.onnx takes images with one channel"):
        import_model(tmp_path / "gray.onnx", settings, request)


@in_this_process
def test_a_loop_is_refused(onnx_model: Callable, settings: Settings, tmp_path: Path) -> None:
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["still"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("still", TensorProto.BOOL, [])],
    )
    model = onnx_model()
    model.graph.node.append(helper.make_node("Loop", ["", ""], [], body=body))
    onnx.save(model, tmp_path / "net.onnx")
    with pytest.raises(InputError, match="contains a Loop, which may never end"):
        import_model(tmp_path / "net.onnx", settings, KNOWN)


@in_this_process
def test_a_tensor_too_large_to_serve_is_refused(
    onnx_model: Callable, settings: Settings, tmp_path: Path
) -> None:
    model = onnx_model()
    size = numpy_helper.from_array(np.array([100_000, 100_000], np.int64), "size")
    model.graph.initializer.append(size)
    model.graph.node.append(helper.make_node("ConstantOfShape", ["size"], ["giant"]))
    onnx.save(model, tmp_path / "net.onnx")
    with pytest.raises(InputError, match=r"computes tensors of 10,000,000,000 values"):
        import_model(tmp_path / "net.onnx", settings, KNOWN)


def test_weights_cannot_be_given_for_onnx(sample: Any, settings: Settings) -> None:
    request = ImportRequest(labels=EMOTIONS, weights=sample.file(".h5"))
    with pytest.raises(InputError, match="omit --weights"):
        import_model(sample.file(".onnx"), settings, request)
