"""The section Models of the train page: the list of models, and the import of further ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from streamlit.testing.v1 import AppTest

from fer_core.bundle import BundleRecord, default_bundle_name, find_bundle
from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.store import _save
from fer_core.settings import PROJECT_ROOT, Settings
from fer_studio.ui.jobs import job_service
from fer_studio.ui.train.model_import import MODEL_IMPORT, SCALING_CHECK

FERPLUS = "neutral, happiness, surprise, sadness, anger, disgust, fear, contempt"
LABELS = "model_labels"


@pytest.fixture
def open_models() -> Callable[..., AppTest]:
    """``open_models(model_labels="a, b")``: the section, with this in the session."""

    def call(**session: Any) -> AppTest:
        app = AppTest.from_file(str(PROJECT_ROOT / "app.py"), default_timeout=180)
        app.session_state["view"] = "Models"
        # Before the first run: AppTest cannot enter a new option into a select box.
        for key, value in session.items():
            app.session_state[key] = value
        app.switch_page("pages/train.py").run()
        assert not app.exception, [element.value for element in app.exception]
        return app

    return call


def upload(app: AppTest, *files: tuple[str, bytes]) -> AppTest:
    app.file_uploader[0].set_value(
        [(name, content, "application/octet-stream") for name, content in files]
    )
    return app


def press_import(app: AppTest) -> AppTest:
    app.button(key="model_import").click().run()
    for kind in (MODEL_IMPORT, SCALING_CHECK):
        for job in job_service().unfinished(kind):
            assert job.wait(180)
    app.run()
    assert not app.exception, [element.value for element in app.exception]
    return app


def words(app: AppTest) -> str:
    parts = [*app.markdown, *app.caption, *app.error, *app.info, *app.success]
    return " ".join(part.value for part in parts).replace("\\", "")


def errors(app: AppTest) -> list[str]:
    return [error.value.replace("\\", "") for error in app.error]


def test_models_are_listed_and_one_becomes_the_default(
    home: Settings, open_models: Callable[..., AppTest]
) -> None:
    app = open_models()
    table = app.dataframe[0].value
    assert list(table["Model"]) == ["other", "small ★"]
    assert list(table["Classes"]) == ["seven emotions"] * 2
    assert "Click the left end of a row" in words(app)
    app.session_state["imported_model"] = "other"
    app.run()
    assert "7 classes: angry, disgust" in words(app) and "48x48 pixels, gray" in words(app)
    app.button(key="use_model_as_default").click().run()
    assert default_bundle_name(home) == "other"


def test_without_models_the_form_is_shown(
    empty_home: Settings, open_models: Callable[..., AppTest]
) -> None:
    app = open_models()
    assert "There are no models yet. Train one, or import one below." in words(app)
    assert not app.error and app.button(key="model_import")


def test_a_network_with_eight_classes_is_imported_with_its_labels(
    home: Settings, open_models: Callable[..., AppTest], linear_network: Callable[..., Any]
) -> None:
    app = upload(open_models(), ("FER plus.onnx", linear_network(8).SerializeToString()))
    app.run()
    app.session_state[LABELS] = FERPLUS
    app.selectbox(key="model_scale").set_value("unit")
    press_import(app)
    assert "FER-plus was imported; all pages offer it now" in words(app).replace("*", "")
    record = find_bundle("FER-plus", home).record
    assert record.labels == tuple(FERPLUS.split(", "))
    # The new model is selected in the list, and the form is empty for the next one.
    assert "FER-plus" in words(app) and "8 classes: angry" in words(app)
    assert app.session_state[LABELS] is None
    assert sorted(path.name for path in home.models_root.iterdir()) == [
        *("FER-plus", "default", "other", "small")
    ]


def test_notes_define_the_labels(
    home: Settings, open_models: Callable[..., AppTest], linear_network: Callable[..., Any]
) -> None:
    notes = {"model": "mine", "labels": ["a", "b", "c"], "input_shape": [48, 48, 1]}
    content = json.dumps(notes | {"input_scale": 0.5}).encode()
    app = open_models()
    upload(app, ("m.onnx", linear_network(3).SerializeToString()), ("m.meta.json", content))
    press_import(app)
    record: BundleRecord = find_bundle("m", home).record
    assert (record.labels, record.input_scale) == (("a", "b", "c"), 0.5)


@pytest.mark.parametrize(
    "case",
    [
        ("m.onnx", None, {}, "m.onnx does not contain the names of its outputs; choose or enter"),
        ("m.onnx", "a", {}, "there should be 2 to 20 classes. Received: 1"),
        ("m.onnx", "a, A, b", {}, "differ only in case"),
        (
            "m.onnx",
            "a, b",
            {"model_scale": "unit"},
            "m.onnx returns 3 values for each image, and there are 2 labels (a, b); enter one",
        ),
        ("m.onnx", "a, b, c", {"model_mean": "x"}, "The mean should be one number, or three"),
        ("m.onnx", "a, b, c", {"model_std": "0"}, "The standard deviation should be one number"),
        ("m.onnx", "a, b, c", {"model_name": "../x"}, "'../x' cannot be the name of a model"),
        ("m.onnx", "a, b, c", {"model_name": "small"}, "There is already a model 'small'; enter"),
        (
            "m.onnx",
            "a, b, c",
            {},
            "m.onnx does not show which pixel intensities it was trained on (it multiplies",
        ),
        ("m.pt", "a, b, c", {}, "m.pt may be a pickle or PyTorch file"),
        ("m.h5", "a, b, c", {}, "m.h5 is damaged: it is neither a .keras archive nor"),
    ],
)
def test_invalid_input_gives_one_sentence_and_imports_nothing(
    home: Settings,
    open_models: Callable[..., AppTest],
    linear_network: Callable[..., onnx.ModelProto],
    case: tuple[str, str | None, dict[str, str], str],
) -> None:
    name, labels, fields, sentence = case
    network = linear_network(3)
    if "scale" not in str(fields):
        # Its first operation scales the pixels as no usual range does.
        network.graph.initializer.append(
            onnx.numpy_helper.from_array(np.array([1000], np.float32), "factor")
        )
        network.graph.node.insert(0, onnx.helper.make_node("Mul", ["pixels", "factor"], ["scaled"]))
        network.graph.node[1].input[0] = "scaled"
    app = open_models(**{LABELS: labels}, **fields)
    press_import(upload(app, (name, network.SerializeToString())))
    (error,) = errors(app)
    assert sentence in error
    assert str(home.models_root) not in error and error.endswith(".")
    assert sorted(path.name for path in home.models_root.iterdir()) == ["default", "other", "small"]


def test_a_missing_file_and_two_networks_are_reported(
    home: Settings, open_models: Callable[..., AppTest]
) -> None:
    app = press_import(open_models())
    assert errors(app) == ["No file was chosen; drop a .keras, .h5 or .onnx file above."]
    app = press_import(upload(open_models(), ("a.onnx", b"1"), ("b.keras", b"2")))
    assert "One model is imported at a time" in errors(app)[0]
    app = press_import(upload(open_models(), *((f"{n}.onnx", b"1") for n in range(4))))
    assert "at most 3 files" in errors(app)[0]


def test_a_model_is_replaced_on_request(
    home: Settings, open_models: Callable[..., AppTest], linear_network: Callable[..., Any]
) -> None:
    app = open_models(model_labels="a, b, c", model_scale="unit", model_replace=True)
    press_import(upload(app, ("small.onnx", linear_network(3).SerializeToString())))
    assert not app.error
    assert find_bundle("small", home).record.labels == ("a", "b", "c")


def test_scalings_are_compared_on_a_dataset_and_the_best_one_is_used(
    home: Settings,
    tiny_faces: FaceSet,
    open_models: Callable[..., AppTest],
    linear_network: Callable[..., Any],
) -> None:
    folder = home.data_root / "faces"
    folder.mkdir(parents=True)
    _save(tiny_faces, folder, {"source": "drawn"})
    app = upload(open_models(), ("m.onnx", linear_network(7).SerializeToString())).run()
    app.session_state[LABELS] = "angry, disgust, fear, happy, sad, surprise, neutral"
    app.selectbox(key="model_check_data").set_value("faces")
    app.button(key="model_check").click().run()
    for job in job_service().unfinished(SCALING_CHECK):
        assert job.wait(180)
    app.run()
    table = app.dataframe[-1].value
    assert list(table["Accuracy"]) == sorted(table["Accuracy"], reverse=True)
    assert set(table["Pixel intensities"]) == {"0 to 1", "-1 to 1", "0 to 255"}
    best = table.iloc[0]
    app.button(key="model_use_candidate").click().run()
    assert app.selectbox(key="model_scale").value in ("unit", "signed", "bytes")
    assert app.text_input(key="model_mean").value == best["Mean"]
    assert sorted(path.name for path in home.models_root.iterdir()) == ["default", "other", "small"]
