"""A bundle as files for elsewhere: each format comes back as the model that it was."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_core.bundle import RECORD_FILE, Bundle, load_bundle, write_calibration
from fer_core.calibration import Calibration
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.exchange import exporting
from fer_core.exchange.exporting import ExportFormat, export_model
from fer_core.exchange.importing import ImportRequest, import_model
from fer_core.files import write_json
from fer_core.predictor import load_predictor
from fer_core.settings import Settings

pytestmark = pytest.mark.usefixtures("no_child_process")

ALPHABETICAL = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")


@pytest.fixture
def model(sample: Any, settings: Settings) -> Bundle:
    """A calibrated model with its own label order and input range."""
    request = ImportRequest(name="mine", labels=ALPHABETICAL, scale="signed")
    bundle = import_model(sample.file(".keras"), settings, request)
    prior = (0.1, 0.02, 0.03, 0.3, 0.15, 0.1, 0.3)
    write_calibration(bundle.folder, Calibration(1.5, prior, 0.25), "validation")
    return load_bundle(bundle.folder)


@pytest.mark.parametrize(
    ("form", "names"),
    [
        ("onnx", ["mine.onnx", "mine.meta.json"]),
        ("keras", ["mine.keras", "mine.meta.json"]),
        ("json", ["mine.json", "mine.meta.json", "mine.weights.h5"]),
    ],
)
def test_an_exported_model_is_imported_unchanged(
    *,
    model: Bundle,
    form: ExportFormat,
    names: list[str],
    settings: Settings,
    tmp_path: Path,
    crops: NDArray[np.uint8],
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    exported = export_model(model, form, out)
    assert [file.name for file in exported.files] == names
    assert sorted(file.name for file in out.iterdir()) == sorted(names)
    assert exported.difference <= 1e-5
    # The labels, the range and the temperature come from the metadata file next to the model.
    again = import_model(exported.files[0], settings, ImportRequest(name="again"))
    np.testing.assert_allclose(
        load_predictor(again).probabilities(crops),
        load_predictor(model).probabilities(crops),
        atol=1e-5,
    )
    assert again.record.labels == ALPHABETICAL
    assert again.calibration == model.calibration
    assert "Temperature 1.500, imported" in (again.folder / "README.md").read_text()


def test_the_prior_of_a_class_keeps_its_class_if_the_order_changes(
    model: Bundle, settings: Settings, tmp_path: Path, crops: NDArray[np.uint8]
) -> None:
    """A model trained here keeps the names of its dataset; an imported one has the emotions."""
    names = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
    record = replace(model.record, labels=names, recipe="three-conv-cnn-adam")
    write_json(model.folder / RECORD_FILE, record.to_json())
    prior = (0.1, 0.02, 0.03, 0.3, 0.15, 0.1, 0.3)
    write_calibration(model.folder, Calibration(1.5, prior, 0.25, classes=names), "validation")
    trained = load_bundle(model.folder)
    assert trained.record.classes == names
    exported = export_model(trained, "onnx", tmp_path)
    again = import_model(exported.files[0], settings, ImportRequest(name="again"))
    assert again.record.classes == EMOTIONS
    assert again.calibration.class_prior == (0.1, 0.02, 0.03, 0.3, 0.1, 0.3, 0.15)
    np.testing.assert_allclose(
        load_predictor(again).probabilities(crops),
        load_predictor(trained).probabilities(crops)[:, [0, 1, 2, 3, 5, 6, 4]],
        atol=1e-5,
    )


def test_litert_computes_the_same_for_any_number_of_pictures(
    model: Bundle, tmp_path: Path, crops: NDArray[np.uint8]
) -> None:
    exported = export_model(model, "litert", tmp_path / "phone.tflite")
    assert [file.name for file in exported.files] == ["phone.tflite", "phone.meta.json"]
    assert exported.difference <= 1e-4
    metadata = json.loads(exported.files[1].read_text())
    pixels = crops[..., None] * np.float32(metadata["input_scale"]) + np.float32(
        metadata["input_offset"]
    )
    run = exporting.open_litert_network(exported.files[0])
    order = [metadata["labels"].index(label) for label in EMOTIONS]
    served = load_predictor(model)
    for count in (1, 6):
        rows = run(pixels[:count])[:, order]
        expected = served.probabilities(crops[:count], calibrated=False)
        np.testing.assert_allclose(rows, expected, atol=1e-4)


def test_the_output_is_the_current_folder_unless_named(
    model: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert export_model(model, "onnx").files[0] == tmp_path / "mine.onnx"
    with pytest.raises(InputError, match=r"mine\.onnx already exists"):
        export_model(model, "onnx")
    with pytest.raises(InputError, match=r"should end in \.tflite for the format litert"):
        export_model(model, "litert", tmp_path / "mine.bin")


def test_a_model_imported_from_onnx_is_exported_as_onnx_only(
    sample: Any, settings: Settings, tmp_path: Path
) -> None:
    request = ImportRequest(labels=ALPHABETICAL)
    bundle = import_model(sample.file(".onnx"), settings, request)
    out = tmp_path / "out"
    out.mkdir()
    for form in ("keras", "json", "litert"):
        with pytest.raises(InputError, match=r"'tiny' has no Keras model, so .* as onnx only"):
            export_model(bundle, form, out)
    assert list(out.iterdir()) == []
    assert len(export_model(bundle, "onnx", out).files) == 2


def test_formats_in_one_folder_share_their_metadata(model: Bundle, tmp_path: Path) -> None:
    export_model(model, "onnx", tmp_path / "a.onnx")
    export_model(model, "keras", tmp_path / "a.keras")
    write_calibration(model.folder, 2.0, "validation")
    with pytest.raises(InputError, match=r"a\.meta\.json already exists"):
        export_model(load_bundle(model.folder), "json", tmp_path / "a.json")
    assert not (tmp_path / "a.json").exists()


def test_an_export_with_other_results_is_not_written(
    model: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*_: object) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
        return lambda pixels: np.full((len(pixels), 7), 1 / 7, np.float32)

    monkeypatch.setattr(exporting, "keras_network", wrong)
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(InputError, match=r"json export of 'mine' differs .* not written"):
        export_model(model, "json", out)
    assert list(out.iterdir()) == []


def test_a_missing_served_network_is_exported_first(model: Bundle, tmp_path: Path) -> None:
    model.served_network.unlink()
    assert export_model(model, "onnx", tmp_path / "mine.onnx").files[0].is_file()
    assert model.served_network.is_file()
