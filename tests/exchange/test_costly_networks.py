"""Networks whose cost cannot be seen in their file: tried in a child process with limits."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from fer_core import child
from fer_core.child import ChildError, Limits, run_child
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.exchange import onnx_trial
from fer_core.exchange.importing import ImportRequest, import_model
from fer_core.settings import Settings

KNOWN = ImportRequest(labels=EMOTIONS, scale="unit")
MEMORY = 3 * 1024**3


def with_tail(model: onnx.ModelProto, nodes: list[onnx.NodeProto], scalar: str) -> onnx.ModelProto:
    """Add a scalar, which is zero, to the logits of a model."""
    (position,) = [i for i, node in enumerate(model.graph.node) if node.op_type == "MatMul"]
    model.graph.node[position].output[0] = "plain_logits"
    for node in reversed([*nodes, helper.make_node("Add", ["plain_logits", scalar], ["logits"])]):
        model.graph.node.insert(position + 1, node)
    return model


def constants(model: onnx.ModelProto, **values: np.ndarray) -> None:
    model.graph.initializer.extend(numpy_helper.from_array(v, name) for name, v in values.items())


def growing_network(model: onnx.ModelProto, factor: float) -> onnx.ModelProto:
    """A network with a tensor of ``factor`` values per unit of intensity of the brightest pixel."""
    constants(
        model,
        factor=np.array([factor], np.float32),
        one=np.array([1], np.int64),
        zero=np.float32(0),
        axes=np.array([0, 1, 2, 3], np.int64),
    )
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["brightest"], axes=[0, 1, 2, 3], keepdims=0),
        helper.make_node("Mul", ["brightest", "factor"], ["count"]),
        helper.make_node("Cast", ["count"], ["size"], to=onnx.TensorProto.INT64),
        helper.make_node("ConstantOfShape", ["size"], ["giant"]),
        helper.make_node("ReduceMean", ["giant"], ["mean"], axes=[0], keepdims=0),
    ]
    return with_tail(model, nodes, "mean")


def slow_network(model: onnx.ModelProto, size: int) -> onnx.ModelProto:
    """A network with 40 products of square matrices that depend on the image."""
    constants(model, shape=np.array([size, size], np.int64), zero=np.float32(0))
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["brightest"], axes=[0, 1, 2, 3], keepdims=0),
        helper.make_node("Mul", ["brightest", "zero"], ["nothing"]),
        helper.make_node("Expand", ["nothing", "shape"], ["square0"]),
    ]
    for number in range(40):
        squares = [f"square{number}", f"square{number}"]
        nodes.append(helper.make_node("MatMul", squares, [f"square{number + 1}"]))
    nodes.append(helper.make_node("ReduceMean", ["square40"], ["mean"], axes=[0, 1], keepdims=0))
    return with_tail(model, nodes, "mean")


def test_a_tensor_whose_size_depends_on_the_image_is_bounded(
    onnx_model: Callable, settings: Settings, tmp_path: Path
) -> None:
    onnx.save(growing_network(onnx_model(), 1e3), tmp_path / "small.onnx")
    import_model(tmp_path / "small.onnx", settings, KNOWN)
    onnx.save(growing_network(onnx_model(), 1e9), tmp_path / "giant.onnx")
    with pytest.raises(InputError, match=r"giant\.onnx needs more than the allowed 3 GB of memory"):
        import_model(tmp_path / "giant.onnx", settings, KNOWN)
    assert not (settings.models_root / "giant").exists()


def test_very_slow_networks_are_refused(
    onnx_model: Callable, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx.save(slow_network(onnx_model(), 10), tmp_path / "fast.onnx")
    import_model(tmp_path / "fast.onnx", settings, KNOWN)
    monkeypatch.setattr(onnx_trial, "LIMITS", Limits(MEMORY, cpu_seconds=1, seconds=60))
    onnx.save(slow_network(onnx_model(), 7900), tmp_path / "slow.onnx")
    with pytest.raises(InputError, match=r"slow\.onnx needs more than 1 s to classify a few faces"):
        import_model(tmp_path / "slow.onnx", settings, KNOWN)
    assert not (settings.models_root / "slow").exists()


def test_an_imported_bundle_is_also_checked(
    onnx_model: Callable,
    settings: Settings,
    tmp_path: Path,
    write_bundle_folder: Callable[..., Path],
) -> None:
    folder = write_bundle_folder(tmp_path / "guest")
    network = onnx_model(shape=("n", 48, 48, 1))
    onnx.save(growing_network(network, 1e9), folder / "model.onnx")
    with pytest.raises(InputError, match=r"model\.onnx needs more than the allowed 3 GB of memory"):
        import_model(folder, settings)
    assert not (settings.models_root / "guest").exists()


def test_a_child_over_its_time_limit_is_stopped(tmp_path: Path) -> None:
    network = tmp_path / "never"
    os.mkfifo(network)  # reading waits for a writer
    with pytest.raises(ChildError, match="time: 1 s"):
        run_child(
            "fer_core.exchange.onnx_trial",
            ["prepare", str(network), str(tmp_path / "served"), "null"],
            Limits(MEMORY, cpu_seconds=60, seconds=1),
        )


def test_a_crash_of_a_child_is_distinguished_from_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Limits(MEMORY, cpu_seconds=60, seconds=60)
    with pytest.raises(ChildError, match=r"error: .*No module named"):
        run_child("fer_core.no_such_module", [], limits)
    monkeypatch.setattr(child, "PROJECT_ROOT", Path(__file__).parent)
    with pytest.raises(ChildError, match="crash: signal 6"):
        run_child("aborting_child", [], limits)
