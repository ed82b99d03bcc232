"""Import of Keras models: formats, label orders, input ranges and sizes, and refused files."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_core.bundle import Bundle, list_bundles
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.exchange.importing import ImportRequest, import_model, name_from_file
from fer_core.exchange.onnx_export import load_keras_model
from fer_core.predictor import load_predictor
from fer_core.settings import Settings

pytestmark = pytest.mark.usefixtures("no_child_process")

ALPHABETICAL = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
KNOWN = ImportRequest(labels=EMOTIONS)


def answers(bundle: Bundle, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    return load_predictor(bundle).probabilities(crops)


def left_behind(settings: Settings) -> list[str]:
    root = settings.models_root
    return [path.name for path in root.iterdir()] if root.is_dir() else []


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".json"])
def test_each_format_becomes_a_bundle_with_equal_predictions(
    sample: Any, suffix: str, settings: Settings, crops: NDArray[np.uint8]
) -> None:
    path = sample.folder / "json" / "tiny.json" if suffix == ".json" else sample.file(suffix)
    bundle = import_model(path, settings, KNOWN)
    assert [one.name for one in list_bundles(settings)] == ["tiny"]
    assert sorted(file.name for file in bundle.folder.iterdir()) == [
        "README.md",
        "bundle.json",
        "model.keras",
        "model.onnx",
    ]
    np.testing.assert_allclose(answers(bundle, crops), sample.expected(crops), atol=1e-5)
    record = bundle.record
    assert (record.recipe, record.input_shape) == (None, (48, 48, 1))
    assert (record.input_scale, record.input_offset) == (pytest.approx(1 / 255), 0)
    assert record.parameters == sample.model.count_params()
    assert record.source is not None
    assert record.source.file == path.name
    assert record.source.changes == ()
    assert load_keras_model(bundle).count_params() == record.parameters
    card = (bundle.folder / "README.md").read_text()
    assert path.name in card
    assert "Not evaluated yet" in card
    assert "Recipe" not in card


def test_a_network_of_keras_2_is_imported_from_json_and_weights(
    legacy: tuple[Path, NDArray, NDArray], settings: Settings, crops: NDArray[np.uint8]
) -> None:
    path, kernel, bias = legacy
    bundle = import_model(path, settings, KNOWN)
    logits = (crops.reshape(len(crops), -1) / 255) @ kernel + bias
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(answers(bundle, crops), expected, atol=1e-5)
    assert bundle.record.source is not None
    assert bundle.record.source.weights_file == "fer.h5"


def test_weights_can_be_named(
    sample: Any, settings: Settings, tmp_path: Path, crops: NDArray[np.uint8]
) -> None:
    shutil.copy(sample.folder / "json" / "tiny.json", tmp_path / "net.json")
    shutil.copy(sample.folder / "json" / "tiny.weights.h5", tmp_path / "epoch-7.bin.h5")
    with pytest.raises(InputError, match=r"weights of .*net\.json are missing: no net\.we"):
        import_model(tmp_path / "net.json", settings, KNOWN)
    request = ImportRequest(labels=EMOTIONS, weights=tmp_path / "epoch-7.bin.h5")
    bundle = import_model(tmp_path / "net.json", settings, request)
    np.testing.assert_allclose(answers(bundle, crops), sample.expected(crops), atol=1e-5)


def test_labels_in_another_order_are_reordered(
    sample: Any, settings: Settings, crops: NDArray[np.uint8]
) -> None:
    bundle = import_model(sample.file(".keras"), settings, ImportRequest(labels=ALPHABETICAL))
    expected = sample.expected(crops)[:, [ALPHABETICAL.index(label) for label in EMOTIONS]]
    np.testing.assert_allclose(answers(bundle, crops), expected, atol=1e-5)
    assert bundle.record.labels == ALPHABETICAL


def test_missing_labels_are_requested(sample: Any, settings: Settings) -> None:
    with pytest.raises(
        InputError,
        match=r"tiny.keras does not define the labels of its outputs; .*--labels "
        r"angry,disgust,fear,happy,sad,surprise,neutral .*happy,neutral,sad,surprise \(alpha",
    ):
        import_model(sample.file(".keras"), settings)
    assert left_behind(settings) == []


def test_logits_get_a_softmax(build: Callable, settings: Settings, tmp_path: Path) -> None:
    model = build(softmax=False)
    model.save(tmp_path / "logits.keras")
    bundle = import_model(tmp_path / "logits.keras", settings, KNOWN)
    assert bundle.record.source is not None
    assert "softmax was added" in bundle.record.source.changes[0]
    crops = np.random.default_rng(0).integers(0, 256, (3, 48, 48)).astype(np.uint8)
    logits = np.asarray(model(crops[..., None].astype(np.float32) / 255, training=False))
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(answers(bundle, crops), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("scale", "factor", "offset"),
    [("unit", 1 / 255, 0), ("bytes", 1, 0), ("signed", 2 / 255, -1)],
)
def test_pixel_intensities_are_scaled_as_requested(
    *, sample: Any, settings: Settings, scale: Any, factor: float, offset: float, crops: NDArray
) -> None:
    request = ImportRequest(labels=EMOTIONS, scale=scale)
    bundle = import_model(sample.file(".h5"), settings, request)
    pixels = crops[..., None].astype(np.float32) * np.float32(factor) + np.float32(offset)
    expected = np.asarray(sample.model(pixels, training=False))
    np.testing.assert_allclose(answers(bundle, crops), expected, atol=1e-5)
    assert bundle.record.source is not None
    assert bundle.record.source.assumptions == ()


def test_a_network_that_scales_its_input_gets_bytes(
    build: Callable, settings: Settings, tmp_path: Path, crops: NDArray[np.uint8]
) -> None:
    from keras import layers

    first = [layers.RandomFlip("horizontal"), layers.Rescaling(1 / 127.5, offset=-1)]
    model = build(first=lambda tensor: first[1](first[0](tensor)))
    model.save(tmp_path / "scales.keras")
    bundle = import_model(tmp_path / "scales.keras", settings, KNOWN)
    assert bundle.record.input_scale == 1
    assert bundle.record.source is not None
    assert "0 to 255" in bundle.record.source.assumptions[0]
    assert "augmentation layers were removed" in bundle.record.source.changes[0]
    expected = np.asarray(model(crops[..., None].astype(np.float32), training=False))
    np.testing.assert_allclose(answers(bundle, crops), expected, atol=1e-5)


def test_a_larger_color_network_gets_the_face_enlarged_in_three_channels(
    build: Callable, settings: Settings, tmp_path: Path
) -> None:
    model = build(64, 3)
    model.save(tmp_path / "colour.keras")
    bundle = import_model(tmp_path / "colour.keras", settings, KNOWN)
    grey = np.array([0, 100, 255], np.uint8)
    flat = np.broadcast_to(grey[:, None, None], (3, 48, 48)).copy()
    pixels = np.broadcast_to(grey[:, None, None, None] / np.float32(255), (3, 64, 64, 3))
    expected = np.asarray(model(pixels.astype(np.float32), training=False))
    np.testing.assert_allclose(answers(bundle, flat), expected, atol=1e-5)
    card = (bundle.folder / "README.md").read_text()
    assert "64x64x3" in card
    assert "repeated for all three channels" in card


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ({"classes": 8}, "returns 8 values for each image, and there are 7 labels"),
        ({"classes": 21}, r"returns \[n, 21\]; import a network .* of 2 to 20 classes"),
        ({"classes": 1}, r"returns \[n, 1\]; import a network .* of 2 to 20 classes"),
        ({"channels": 2}, r"takes \[n, 48, 48, 2\]; import a network for images of 16 to 512"),
        ({"size": 600}, r"takes \[n, 600, 600, 1\]"),
    ],
)
def test_another_kind_of_network_is_refused(
    build: Callable, settings: Settings, tmp_path: Path, shape: dict[str, int], words: str
) -> None:
    build(**shape).save(tmp_path / "other.keras")
    with pytest.raises(InputError, match=words):
        import_model(tmp_path / "other.keras", settings, KNOWN)
    assert left_behind(settings) == []


def test_weights_of_another_network_are_refused(
    sample: Any, build: Callable, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "net.json").write_text(build(channels=3).to_json())
    shutil.copy(sample.folder / "json" / "tiny.weights.h5", tmp_path / "net.weights.h5")
    with pytest.raises(InputError, match=r"weights of .*net\.json do not fit its architecture"):
        import_model(tmp_path / "net.json", settings, KNOWN)


def test_a_taken_name_is_refused_first(sample: Any, settings: Settings, bundle: Bundle) -> None:
    with pytest.raises(InputError, match="already a model 'small'"):
        import_model(sample.file(".h5"), settings, ImportRequest(name="small", labels=EMOTIONS))
    assert left_behind(settings) == ["small"]


@pytest.mark.parametrize(
    ("file", "name"),
    [("My model (1).h5", "My-model-1"), ("fer.keras", "fer"), ("__.h5", "imported")],
)
def test_a_model_is_named_after_its_file(file: str, name: str) -> None:
    assert name_from_file(Path(file)) == name


def _gelu(tensor: Any) -> Any:
    from keras import layers

    return layers.Conv2D(6, 3, groups=3, activation="gelu")(layers.Rescaling(1 / 255)(tensor))


def _normalized(tensor: Any) -> Any:
    from keras import layers

    mean, variance = [110.0, 120.0, 130.0], [4000.0, 4100.0, 4200.0]
    return layers.Normalization(mean=mean, variance=variance)(tensor)


def _caffe(tensor: Any) -> Any:
    import keras

    return keras.applications.vgg16.preprocess_input(tensor)


@pytest.mark.parametrize("first", [_gelu, _normalized, _caffe])
def test_constants_and_operations_that_onnx_lacks_are_served(
    first: Any, build: Callable, settings: Settings, tmp_path: Path
) -> None:
    model = build(32, 3, first=first)
    model.save(tmp_path / "net.keras")
    bundle = import_model(tmp_path / "net.keras", settings, KNOWN)
    assert (bundle.record.input_scale, bundle.record.input_offset) == (1, 0)
    images = np.random.default_rng(3).integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)
    expected = np.asarray(model(images.astype(np.float32), training=False))
    np.testing.assert_allclose(answers(bundle, images), expected, atol=1e-5)


def test_a_layer_that_cannot_be_converted_is_named(
    build: Callable, settings: Settings, tmp_path: Path
) -> None:
    from keras import layers

    def first(tensor: Any) -> Any:
        return layers.Rescaling(1.0)(layers.Discretization([9.0, 99.0], name="steps")(tensor))

    build(first=first).save(tmp_path / "net.keras")
    with pytest.raises(InputError, match=r"because of its layer 'steps' \(Discretization\)"):
        import_model(tmp_path / "net.keras", settings, KNOWN)
    assert left_behind(settings) == []


def test_mean_and_standard_deviation_become_the_first_layer(
    build: Callable, settings: Settings, tmp_path: Path
) -> None:
    model = build(32, 3)
    model.save(tmp_path / "net.keras")
    mean, std = (120.0, 110.0, 100.0), (60.0, 61.0, 62.0)
    request = ImportRequest(labels=EMOTIONS, mean=mean, std=std)
    bundle = import_model(tmp_path / "net.keras", settings, request)
    images = np.random.default_rng(3).integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)
    pixels = ((images - np.array(mean)) / np.array(std)).astype(np.float32)
    expected = np.asarray(model(pixels, training=False))
    np.testing.assert_allclose(answers(bundle, images), expected, atol=1e-5)
    assert bundle.record.source is not None
    assert "the given mean and standard deviation" in bundle.record.source.changes[-1]


def test_a_model_is_replaced_on_request(sample: Any, settings: Settings, bundle: Bundle) -> None:
    before = bundle.served_network.read_bytes()
    with pytest.raises(InputError, match=r"'small'; choose another name, or .* --replace"):
        import_model(sample.file(".onnx"), settings, ImportRequest("small", labels=EMOTIONS))
    wrong = ImportRequest("small", replace=True)
    with pytest.raises(InputError, match="does not define the labels"):
        import_model(sample.file(".onnx"), settings, wrong)
    assert bundle.served_network.read_bytes() == before
    request = ImportRequest("small", labels=EMOTIONS, replace=True)
    replaced = import_model(sample.file(".onnx"), settings, request)
    assert (replaced.name, replaced.folder) == ("small", bundle.folder)
    assert (replaced.folder / "README.md").read_text(encoding="utf-8").startswith("# small\n")
    assert replaced.served_network.read_bytes() != before
    assert left_behind(settings) == ["small"]
