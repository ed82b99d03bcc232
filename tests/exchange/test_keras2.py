"""Keras 2: every layer that Keras 3 has too, written by ``tf_keras`` and compared with it.

``tools/write_keras2_samples.py`` wrote the files. A branch of the network ``layers`` contains one
layer, and its output is a part of the network's output.
"""

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.exchange.importing import ImportRequest, import_model
from fer_core.exchange.keras_files import build_keras_model, open_keras_parts
from fer_core.exchange.keras_weights import load_legacy_weights
from fer_core.onnx_session import open_session
from fer_core.settings import Settings
from tools.write_keras2_samples import BRANCHES, STORED_VALUES, stored_columns

FOLDER = Path(__file__).parent / "keras2"
#: Names of the classes that both versions have and that no image network can contain.
WITHOUT_A_NETWORK = {
    # base classes
    *("InputSpec", "Layer", "Wrapper"),
    # program code
    "Lambda",
    # for texts, or reading a vocabulary from a file
    *("HashedCrossing", "Hashing", "IntegerLookup", "StringLookup", "TextVectorization"),
    # in every network
    "InputLayer",
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files, unpacked."""
    folder = tmp_path_factory.mktemp("keras2")
    for path in FOLDER.iterdir():
        if path.suffix == ".gz":
            (folder / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
        else:
            shutil.copy(path, folder)
    return folder


@pytest.fixture(scope="module")
def outputs(files: Path) -> dict[str, NDArray[np.float32]]:
    """For both formats, the differences of the stored outputs."""
    stored = np.load(files / "layers.npz")
    columns = stored_columns(json.loads(str(stored["sizes"])))
    differences = {}
    with open_keras_parts(files / "layers.keras") as parts:
        model = build_keras_model(parts)
        layers = [layer["name"] for layer in parts.config["config"]["layers"]]
    for suffix in (".keras", ".h5"):
        if suffix == ".h5":
            # The architecture is the same; building it again would take as long as all else.
            with open_keras_parts(files / "layers.h5") as parts:
                assert [one["name"] for one in parts.config["config"]["layers"]] == layers
                for weight in model.weights:
                    weight.assign(np.zeros(weight.shape, weight.dtype))
                load_legacy_weights(model, parts.weights, parts.config)
        output = np.asarray(model(stored["images"], training=False))[:, columns]
        differences[suffix] = np.abs(output - stored["expected"])
    return differences


def _slices() -> dict[str, slice]:
    sizes: dict[str, int] = json.loads(str(np.load(FOLDER / "layers.npz")["sizes"]))
    slices, first = {}, 0
    for name, size in sizes.items():
        last = first + min(size, STORED_VALUES)
        slices[name] = slice(first, last)
        first = last
    return slices


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("branch", BRANCHES)
def test_a_layer_of_keras_2_computes_the_same(
    outputs: dict[str, NDArray[np.float32]], branch: str, suffix: str
) -> None:
    assert outputs[suffix][:, _slices()[branch]].max() <= 1e-5


def test_the_table_contains_every_layer_that_both_versions_have() -> None:
    tested = {name.split("-")[0] for name in BRANCHES}
    listed = set(json.loads((FOLDER / "layers.json").read_text()))
    assert len(listed) > 100
    assert listed - tested == WITHOUT_A_NETWORK


@pytest.mark.usefixtures("no_child_process")
@pytest.mark.parametrize("name", ["nested.h5", "nested.keras", "sequential.h5", "sequential.keras"])
def test_nested_models_are_served_with_equal_results(
    files: Path, settings: Settings, name: str
) -> None:
    bundle = import_model(files / name, settings, ImportRequest(labels=EMOTIONS))
    stored = np.load((files / name).with_suffix(".npz"))
    session = open_session(bundle.served_network)
    (only_input,) = session.get_inputs()
    pixels = stored["images"].astype(np.float32)
    output = session.run(None, {only_input.name: pixels})[0]
    np.testing.assert_allclose(output, stored["expected"], atol=1e-5)
    # The images make a difference, of many times the tolerance.
    assert output.std(axis=0).max() > 1e-3
    # Both scale intensities of 0 to 255 by operations.
    assert (bundle.record.input_scale, bundle.record.input_offset) == (1.0, 0.0)


def edited(source: Path, target: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A copy of an HDF5 model with another architecture."""
    import h5py

    shutil.copy(source, target)
    with h5py.File(target, "a") as file:
        config = json.loads(file.attrs["model_config"])
        change(config)
        file.attrs["model_config"] = json.dumps(config)
    return target


def _layer(config: dict[str, Any], class_name: str) -> dict[str, Any]:
    pending: list[Any] = [config]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            if node.get("class_name") == class_name:
                return node
            pending.extend(node.values())
        elif isinstance(node, list):
            pending.extend(node)
    raise KeyError(class_name)


def _unknown_option(config: dict[str, Any]) -> None:
    _layer(config, "Dense")["config"]["quantization"] = "int4"


def _impossible_shape(config: dict[str, Any]) -> None:
    _layer(config, "Reshape")["config"]["target_shape"] = [5, 11]


def _renamed_layer(config: dict[str, Any]) -> None:
    for layer in config["config"]["layers"]:
        if layer["class_name"] == "Sequential":
            layer["config"]["name"] = layer["name"] = "other"
    config["config"]["output_layers"] = [["other", 1, 0]]


def _missing_connection(config: dict[str, Any]) -> None:
    config["config"]["layers"][-1]["inbound_nodes"] = [[["nowhere", 0, 0, {}]]]


@pytest.mark.usefixtures("no_child_process")
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_unknown_option, r"option quantization=int4 of the layer 'dense' \(Dense\)"),
        (_impossible_shape, r"cannot be built \(.*[Rr]eshape"),
        (_renamed_layer, r"do not fit its architecture \(the layer 'head' of the weights"),
        (_missing_connection, "is damaged: the connections of its layers"),
    ],
)
def test_the_message_names_the_cause(
    files: Path, settings: Settings, tmp_path: Path, change: Any, words: str
) -> None:
    path = edited(files / "nested.h5", tmp_path / "changed.h5", change)
    with pytest.raises(InputError, match=words):
        import_model(path, settings, ImportRequest(labels=EMOTIONS))
