"""Files that would run code, follow links or exhaust memory are refused before they are used."""

import base64
import json
import marshal
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.exchange import safety
from fer_core.exchange.importing import ImportRequest, import_model
from fer_core.exchange.keras_files import open_keras_parts
from fer_core.settings import Settings

KNOWN = ImportRequest(labels=EMOTIONS)


@pytest.fixture
def refused(settings: Settings) -> Callable[[Path, str], str]:
    """``refused(path, words)``: the import is refused with one sentence and leaves no files."""

    def check(path: Path, words: str) -> str:
        with pytest.raises(InputError, match=words) as caught:
            import_model(path, settings, KNOWN)
        text = str(caught.value)
        assert "\n" not in text
        assert text.count("; ") <= 2
        root = settings.models_root
        assert not root.is_dir() or list(root.iterdir()) == []
        return text

    return check


def lambda_that_writes(marker: Path) -> dict[str, Any]:
    """A Lambda layer as Keras records it, whose code leaves a mark where it runs."""
    code = compile(f"open({str(marker)!r}, 'w')", "<evil>", "eval")
    packed = base64.b64encode(marshal.dumps(code)).decode()
    return {
        "module": "keras.layers",
        "class_name": "Lambda",
        "config": {
            "name": "evil",
            "function": {
                "class_name": "__lambda__",
                "config": {"code": packed, "defaults": None, "closure": None},
            },
        },
        "registered_name": None,
    }


def with_layer(architecture: str, layer: dict[str, Any]) -> str:
    config = json.loads(architecture)
    config["config"]["layers"].append(layer)
    return json.dumps(config)


def rewritten(source: Path, target: Path, changes: dict[str, bytes]) -> Path:
    """A copy of an archive with members changed or added."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            if name not in changes:
                new.writestr(name, old.read(name))
        for name, content in changes.items():
            new.writestr(name, content)
    return target


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".json"])
def test_a_lambda_is_refused_and_does_not_run(
    sample: Any, refused: Callable, tmp_path: Path, suffix: str
) -> None:
    marker = tmp_path / "executed"
    evil = lambda_that_writes(marker)
    path = tmp_path / f"evil{suffix}"
    text = with_layer(sample.model.to_json(), evil)
    if suffix == ".keras":
        rewritten(sample.file(".keras"), path, {"config.json": text.encode()})
    elif suffix == ".h5":
        path.write_bytes(sample.file(".h5").read_bytes())
        with h5py.File(path, "a") as file:
            file.attrs["model_config"] = text
    else:
        path.write_text(text)
        path.with_suffix(".weights.h5").write_bytes(
            (sample.folder / "json" / "tiny.weights.h5").read_bytes()
        )
    refused(path, "contains a Lambda layer, which is program code")
    assert not marker.exists()


def test_the_lambda_of_the_test_above_would_run_without_the_check(tmp_path: Path) -> None:
    layer = lambda_that_writes(tmp_path / "executed")
    code = marshal.loads(base64.b64decode(layer["config"]["function"]["config"]["code"]))
    eval(code)
    assert (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ({"class_name": "Lambda", "config": {"function": ["4wE=", None, None]}}, "Lambda layer"),
        (
            {"class_name": "TFOpLambda", "config": {"function": "os.system"}},
            "calls the TensorFlow function 'os.system'",
        ),
        ({"class_name": "SlicingOpLambda", "config": {}}, "calls the TensorFlow function 'None'"),
        (
            {"class_name": "__tensor__", "config": {"value": ["x"], "dtype": "float32"}},
            "a constant that is not a number",
        ),
        (
            {"class_name": "__numpy__", "config": {"value": [1.0], "dtype": "object"}},
            "a constant of the type 'object'",
        ),
        ({"class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"}}, "'StringLookup'"),
        ({"class_name": "Map", "module": "keras.src.ops.core", "config": {}}, "uses 'Map'"),
        ({"class_name": "TFSMLayer", "config": {"filepath": "/tmp"}}, "uses 'TFSMLayer'"),
        ({"class_name": "TorchModuleWrapper", "config": {}}, "uses 'TorchModuleWrapper'"),
        ({"class_name": "MyLayer", "registered_name": "mine>MyLayer", "config": {}}, "'MyLayer'"),
        (
            {"class_name": "Dense", "registered_name": "mine>Dense", "config": {}},
            "the registered object 'mine>Dense'",
        ),
        ({"class_name": "Dense", "module": "os", "config": {}}, "from the module 'os'"),
        ({"class_name": "Dense", "module": "keras.utils", "config": {}}, "'keras.utils'"),
        ({"class_name": "Dense", "module": 7, "config": {}}, "from the module '7'"),
        (
            {"class_name": "function", "module": "builtins", "config": "eval"},
            "the function 'eval'",
        ),
        ({"class_name": ["Dense"], "config": {}}, "uses"),
        (
            {"spec_name": "__tensor__", "config": {"value": ["x"], "dtype": "float32"}},
            "a constant that is not a number",
        ),
        ({"class_name": "__typespec__", "spec_name": "x", "config": []}, "'__typespec__'"),
    ],
)
def test_unknown_operations_are_refused(
    sample: Any, refused: Callable, tmp_path: Path, layer: dict[str, Any], words: str
) -> None:
    inside = {"class_name": "Dense", "config": {"name": "d", "units": 7, "kernel": [layer]}}
    for number, evil in enumerate((layer, inside)):
        text = with_layer(sample.model.to_json(), evil)
        path = tmp_path / f"evil{number}.keras"
        rewritten(sample.file(".keras"), path, {"config.json": text.encode()})
        refused(path, words)


def test_a_custom_loss_is_ignored(sample: Any, tmp_path: Path) -> None:
    config = json.loads(sample.model.to_json())
    config["compile_config"] = {"loss": {"class_name": "MyLoss", "module": "mine"}}
    path = rewritten(
        sample.file(".keras"), tmp_path / "m.keras", {"config.json": json.dumps(config).encode()}
    )
    with open_keras_parts(path) as parts:
        assert "compile_config" not in parts.config


class Evil:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self.marker), "w"))


@pytest.mark.parametrize("name", ["m.pkl", "m.pt", "m.h5", "m.keras", "m.onnx", "m.json"])
def test_a_pickle_is_refused_under_any_name(refused: Callable, tmp_path: Path, name: str) -> None:
    marker = tmp_path / "executed"
    (tmp_path / name).write_bytes(pickle.dumps(Evil(marker)))
    refused(tmp_path / name, r"pickle or PyTorch file.*export the network as ONNX")
    assert not marker.exists()


def test_pytorchs_archive_is_refused_under_keras_name(refused: Callable, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(1))
    refused(tmp_path / "m.keras", "pickle or PyTorch file")


def test_a_saved_model_is_refused(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"x")
    with pytest.raises(InputError, match=r"SavedModel, which can contain code; export .* \.keras"):
        import_model(tmp_path, settings)


def hdf5_with(path: Path, what: str) -> None:
    secret = path.with_name("secret.h5")
    with h5py.File(secret, "w") as file:
        file["numbers"] = np.ones(8)
    with h5py.File(path, "a") as file:
        group = file.require_group("model_weights")
        if what == "external link":
            group["evil"] = h5py.ExternalLink(str(secret), "numbers")
        elif what == "soft link":
            group["evil"] = h5py.SoftLink("/model_weights")
        elif what == "hard link to itself":
            group["evil"] = group
        elif what == "external storage":
            group.create_dataset("evil", (8,), "f8", external=[(str(secret), 0, 64)])
        elif what == "virtual dataset":
            layout = h5py.VirtualLayout((8,), "f8")
            layout[:] = h5py.VirtualSource(str(secret), "numbers", (8,))
            group.create_virtual_dataset("evil", layout)
        elif what == "text of any length":
            group.create_dataset("evil", (2,), h5py.string_dtype())
        elif what == "giant":
            group.create_dataset("evil", (10**6, 10**6), "f4", chunks=(1000, 1000))
        elif what == "foreign filter":
            group.create_dataset("evil", (100,), "f4", chunks=(10,), compression="lzf")


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("external link", "links 'evil' to another place or file"),
        ("soft link", "links 'evil' to another place or file"),
        ("hard link to itself", "contains 'evil' twice"),
        ("external storage", "stores .* in another file, which is not read"),
        ("virtual dataset", "stores .* in another file, which is not read"),
        ("text of any length", "of the type object instead of numbers"),
        ("giant", "contains more than 500 MB of numbers"),
        ("foreign filter", "with a method other than gzip"),
    ],
)
@pytest.mark.parametrize("suffix", [".h5", ".keras", ".json"])
def test_hdf5_that_reaches_outside_is_refused(
    *, sample: Any, refused: Callable, tmp_path: Path, what: str, words: str, suffix: str
) -> None:
    path = tmp_path / f"evil{suffix}"
    if suffix == ".h5":
        path.write_bytes(sample.file(".h5").read_bytes())
        hdf5_with(path, what)
    else:
        weights = tmp_path / "evil.weights.h5"
        weights.write_bytes((sample.folder / "json" / "tiny.weights.h5").read_bytes())
        hdf5_with(weights, what)
        if suffix == ".json":
            path.write_text(sample.model.to_json())
        else:
            rewritten(sample.file(".keras"), path, {"model.weights.h5": weights.read_bytes()})
    assert "/tmp/fer-studio" not in refused(path, words)


@pytest.mark.parametrize("name", ["../out.txt", "/etc/out", "assets/..\\..\\out"])
def test_an_archive_that_points_outside_is_refused(
    sample: Any, refused: Callable, tmp_path: Path, name: str
) -> None:
    path = rewritten(sample.file(".keras"), tmp_path / "m.keras", {name: b"x"})
    refused(path, "a path outside of the archive")


def test_an_archive_that_unpacks_to_too_much_is_refused(
    sample: Any, refused: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fer_core.exchange.keras_files.MAX_BYTES", 2**20)
    path = tmp_path / "bomb.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", sample.model.to_json())
        archive.writestr("model.weights.h5", bytes(2**21))
    assert path.stat().st_size < 2**20
    refused(path, "unpacks to more than 1 MB")


def test_a_file_that_is_too_large_is_refused_unread(
    sample: Any, refused: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(safety, "MAX_BYTES", 1000)
    for suffix in (".keras", ".h5", ".onnx"):
        refused(sample.file(suffix), r"has \d+ MB, more than the 0 MB that can be imported")


@pytest.mark.parametrize(
    ("layer", "changes"),
    [("Dense", {"units": 10**9}), ("Conv2D", {"filters": 10**6}), ("Conv2D", {"filters": 300_000})],
)
def test_a_giant_network_is_refused_before_it_is_built(
    sample: Any, refused: Callable, tmp_path: Path, layer: str, changes: dict[str, int]
) -> None:
    config = json.loads(sample.model.to_json())
    for entry in config["config"]["layers"]:
        entry.pop("build_config", None)
        if entry["class_name"] == layer:
            entry["config"].update(changes)
    path = rewritten(
        sample.file(".keras"), tmp_path / "m.keras", {"config.json": json.dumps(config).encode()}
    )
    refused(path, "describes a network of .* weights .* at most")


def test_a_deeply_nested_architecture_is_refused(refused: Callable, tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text('{"class_name":' * 100_000)
    (tmp_path / "m.h5").write_bytes(b"x")
    refused(tmp_path / "m.json", "its architecture is not valid JSON")


def test_a_bundle_with_code_in_it_is_refused(
    sample: Any, settings: Settings, tmp_path: Path, write_bundle_folder: Callable
) -> None:
    folder = write_bundle_folder(tmp_path / "guest")
    text = with_layer(sample.model.to_json(), lambda_that_writes(tmp_path / "executed"))
    rewritten(sample.file(".keras"), folder / "model.keras", {"config.json": text.encode()})
    with pytest.raises(InputError, match="contains a Lambda layer"):
        import_model(folder, settings)
    assert not (settings.models_root / "guest").exists()
    assert not (tmp_path / "executed").exists()
