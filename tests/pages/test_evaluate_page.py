"""The evaluate page in empty, damaged and valid states."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from streamlit.testing.v1 import AppTest

from fer_core.bundle import load_bundle, write_predictions
from fer_core.dataset.curation import Curation, CurationEntry, apply_curation, entries_for
from fer_core.dataset.curation_file import CurationFile
from fer_core.dataset.duplicates import content_keys
from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.dataset.ferplus import VOTE_COLUMNS
from fer_core.dataset.store import delete_dataset, import_dataset, load_dataset
from fer_core.dataset.votes import votes_findings
from fer_core.emotions import EMOTIONS, emotion_from_name
from fer_core.evaluation.evaluate import evaluate_stored_predictions
from fer_core.image_hashes import IMAGE_HASHES_FILE, ImageHashes, write_image_hashes
from fer_core.metrics import accuracy
from fer_core.predictor import load_predictor
from fer_core.settings import PROJECT_ROOT, Settings
from fer_studio.ui.datasets import dataset_votes, open_dataset
from fer_studio.ui.evaluate import report_tab
from fer_studio.ui.evaluate.annotator_votes import against_votes, vote_counts
from fer_studio.ui.evaluate.evaluations import EvaluationRequest, LoadedEvaluation

PAGE = "pages/evaluate.py"
OpenApp = Callable[..., AppTest]
OWN = ".own"
SECTIONS = {
    "Summary": ":material/speed: Summary",
    "Per class": ":material/bar_chart: Per class",
    "Confusion matrix": ":material/grid_on: Confusion matrix",
    "Mistakes": ":material/sentiment_stressed: Mistakes",
    "Calibration": ":material/balance: Calibration",
    "Robustness": ":material/blur_on: Robustness",
    "Compare": ":material/compare_arrows: Compare",
    "Report": ":material/description: Report",
}


def texts(elements: Sequence[Any]) -> list[str]:
    return [element.value for element in elements]


def plain(elements: Sequence[Any]) -> str:
    """The visible text, without Markdown escapes."""
    return " ".join(texts(elements)).replace("\\", "")


def assert_valid(app: AppTest) -> None:
    assert not app.exception, texts(app.exception)
    assert texts(app.title) == ["Evaluate"]
    assert "banned in the European Union" in plain(app.markdown)


def metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def open_section(app: AppTest, name: str) -> AppTest:
    app.session_state["evaluate_section"] = SECTIONS[name]
    app.run()
    assert_valid(app)
    return app


def press(app: AppTest, label: str) -> AppTest:
    (button,) = [button for button in app.button if button.label == label]
    button.click().run()
    return app


def evaluate(app: AppTest) -> AppTest:
    """Press the button and rerun until the background job is finished."""
    (button,) = [button for button in app.button if button.label.startswith("Evaluate on")]
    button.click().run()
    return wait_for(app, lambda: not any(button.label == "Stop" for button in app.button))


def wait_for(app: AppTest, is_done: Callable[[], bool]) -> AppTest:
    deadline = time.monotonic() + 180
    while not is_done():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.1)
        app.run()
    assert_valid(app)
    return app


def choose_data(app: AppTest, name: str) -> AppTest:
    app.selectbox(key="evaluated_data").set_value(name).run()
    assert_valid(app)
    return app


@pytest.fixture
def open_app() -> OpenApp:
    """``open_app()`` opens the page through the navigation in a new session."""

    def call() -> AppTest:
        app = AppTest.from_file(str(PROJECT_ROOT / "app.py"), default_timeout=180)
        return app.switch_page(PAGE).run()

    return call


@pytest.fixture(scope="session")
def own_labels() -> NDArray[np.int8]:
    return np.array([number % 7 for number in range(210)], dtype=np.int8)


@pytest.fixture(scope="session")
def own_probabilities(own_labels: NDArray[np.int8]) -> NDArray[np.float32]:
    """Correct for about 60 % of the images, overconfident."""
    logits = np.random.default_rng(1).normal(0, 2, (len(own_labels), 7))
    logits[np.arange(len(own_labels)), own_labels] += 3
    exponentials = np.exp(logits)
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True), np.float32)


@pytest.fixture
def studio(
    home: Settings, own_labels: NDArray[np.int8], own_probabilities: NDArray[np.float32]
) -> Settings:
    """Two models; "small" contains its validation predictions."""
    write_predictions(home.models_root / "small", own_labels, own_probabilities)
    return home


@pytest.fixture
def import_faces(
    studio: Settings, write_files: Callable[..., Path], png: Callable[..., bytes]
) -> Callable[[FaceSet, str], None]:
    """``import_faces(faces, "tiny")`` imports a folder of images as a dataset."""

    def call(faces: FaceSet, name: str) -> None:
        folder = write_files(
            {
                f"{SPLITS[split]}/{EMOTIONS[label]}/{number}.png": png(image)
                for number, (image, label, split) in enumerate(
                    zip(faces.images, faces.labels, faces.splits, strict=True)
                )
            },
            name,
        )
        import_dataset(folder, studio, name=name)

    return call


@pytest.fixture
def with_data(
    studio: Settings, import_faces: Callable[[FaceSet, str], None], tiny_faces: FaceSet
) -> Settings:
    """Also with the dataset "tiny": 21 validation and 14 test images."""
    import_faces(tiny_faces, "tiny")
    return studio


def test_the_page_opens_with_the_stored_predictions(
    studio: Settings,
    open_app: OpenApp,
    own_labels: NDArray[np.int8],
    own_probabilities: NDArray[np.float32],
) -> None:
    app = open_app()
    assert_valid(app)
    assert not app.error
    share = accuracy(own_labels, own_probabilities)
    assert share is not None
    assert metrics(app)["Accuracy"] == f"{100 * share:.1f} %"
    assert "210 images" in plain(app.markdown)
    # A bundle does not record which of them appear in train.
    assert "Leak-free accuracy" not in metrics(app)
    assert "selected on these validation images" in plain(app.markdown)


@pytest.mark.parametrize("name", list(SECTIONS))
def test_every_section_opens_without_a_dataset(
    studio: Settings, open_app: OpenApp, name: str
) -> None:
    write_predictions(
        studio.models_root / "other", np.zeros(3, np.int8), np.full((3, 7), 1 / 7, np.float32)
    )
    app = open_section(open_app(), name)
    if name in ("Confusion matrix", "Mistakes", "Robustness"):
        assert "choose a dataset" in plain(app.info)


def test_the_tab_of_an_address_is_opened_after_the_evaluation(with_data: Settings) -> None:
    app = AppTest.from_file(str(PROJECT_ROOT / "app.py"), default_timeout=180)
    for name, value in {"dataset": "tiny", "split": "validation", "tab": "per-class"}.items():
        app.query_params[name] = value
    app.switch_page(PAGE).run()
    assert_valid(app)

    def written() -> dict[str, str]:
        *_, data = [
            json.loads(one.proto.json)
            for one in app.get("bidi_component")
            if one.proto.component_name == "fer_studio_address"
        ]
        return dict(parse_qsl(data["query"]))

    assert written()["tab"] == "per-class"
    evaluate(app)
    assert app.session_state["evaluate_section"] == SECTIONS["Per class"]
    # After that, the user's choice counts.
    open_section(app, "Summary")
    choose_data(app, OWN)
    assert app.session_state["evaluate_section"] == SECTIONS["Summary"]
    assert "tab" not in written()


def test_closed_tabs_are_not_computed(
    studio: Settings, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fer_core.evaluation import calibration_analysis

    monkeypatch.setattr(calibration_analysis, "calibration_error_estimates", None)
    assert_valid(open_app())


def test_the_table_per_emotion_equals_scikit_learn(
    studio: Settings,
    open_app: OpenApp,
    own_labels: NDArray[np.int8],
    own_probabilities: NDArray[np.float32],
) -> None:
    from sklearn.metrics import precision_recall_fscore_support

    app = open_section(open_app(), "Per class")
    table = app.dataframe[0].value
    expected = precision_recall_fscore_support(own_labels, own_probabilities.argmax(axis=1))
    for column, values in zip(("Precision", "Recall", "F1", "Images"), expected, strict=True):
        np.testing.assert_allclose(table[column].to_numpy(float), values)
    assert table["Class"].tolist() == list(EMOTIONS)
    for view in ("Curves", "Threshold"):
        app.session_state["per_emotion_view"] = view
        app.run()
        assert_valid(app)
        assert app.get("plotly_chart")


def test_the_threshold_moves_precision_and_recall(
    studio: Settings,
    open_app: OpenApp,
    own_labels: NDArray[np.int8],
    own_probabilities: NDArray[np.float32],
) -> None:
    app = open_app()
    app.session_state["per_emotion_view"] = "Threshold"
    open_section(app, "Per class")
    app.selectbox(key="threshold_emotion").set_value("fear").run()
    app.slider(key="threshold_fear").set_value(30).run()
    assert_valid(app)
    predicted = own_probabilities[:, 2] >= 0.3
    is_fear = own_labels == 2
    shown = metrics(app)
    assert shown["Precision"] == f"{(predicted & is_fear).sum() / predicted.sum():.3f}"
    assert shown["Recall"] == f"{(predicted & is_fear).sum() / is_fear.sum():.3f}"


@pytest.mark.parametrize(
    ("dataset", "split", "expected"),
    [
        (None, "validation", "its own validation images"),
        ("tiny", "test", "the test images of tiny"),
        ("tiny", "all", "all images of tiny"),
    ],
)
def test_the_evaluated_images_are_named(
    studio: Settings, dataset: str | None, split: str, expected: str
) -> None:
    bundle = load_bundle(studio.models_root / "small")
    result = replace(evaluate_stored_predictions(bundle), dataset_name=dataset, split=split)
    assert LoadedEvaluation("", bundle, result, None, studio).data_title == expected


def test_an_evaluation_runs_in_the_background_and_is_saved(
    with_data: Settings, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = choose_data(open_app(), "tiny")
    assert not app.metric
    assert "has not been evaluated on the 21 validation images of tiny yet" in plain(app.markdown)
    evaluate(app)
    assert metrics(app)["Leak-free accuracy"] == metrics(app)["Accuracy"]
    # A later session on a new server reads it from disk.
    import streamlit as st

    from fer_core.predictor import Predictor

    st.cache_resource.clear()
    monkeypatch.setattr(Predictor, "probabilities", None)
    later = choose_data(open_app(), "tiny")
    assert metrics(later) == metrics(app)


def test_the_page_agrees_with_the_predictor(
    with_data: Settings, open_app: OpenApp, tiny_faces: FaceSet
) -> None:
    app = evaluate(choose_data(open_app(), "tiny"))
    predictor = load_predictor(load_bundle(with_data.models_root / "small"))
    validation = tiny_faces.subset(tiny_faces.rows("validation"))
    predicted = predictor.probabilities(validation.images).argmax(axis=1)
    share = (predicted == validation.labels).mean()
    assert metrics(app)["Accuracy"] == f"{100 * share:.1f} %"


def matrix(app: AppTest) -> dict[str, Any]:
    """What the page sends to the confusion matrix."""
    (data,) = [
        json.loads(one.proto.json)
        for one in app.get("bidi_component")
        if one.proto.component_name == "fer_studio_confusion_matrix"
    ]
    return dict(data)


def test_a_cell_shows_its_faces_by_falling_confidence(
    with_data: Settings, open_app: OpenApp
) -> None:
    app = open_section(evaluate(choose_data(open_app(), "tiny")), "Confusion matrix")
    counts = np.array([[int(count) for count in line] for line in matrix(app)["texts"]])
    assert counts.sum() == 21
    row, column = np.unravel_index(int(counts.argmax()), counts.shape)
    app.session_state["cell_true"] = EMOTIONS[int(row)]
    app.session_state["cell_predicted"] = EMOTIONS[int(column)]
    app.run()
    assert_valid(app)
    faces = [button.label for button in app.button if "%" in button.label]
    assert len(faces) == counts[row, column] == len(app.image[0].captions)
    shares = [int(label.split(",")[1].strip().rstrip("%").strip()) for label in faces]
    assert shares == sorted(shares, reverse=True)


def test_a_cell_chosen_by_name_is_selected_in_the_matrix(
    with_data: Settings, open_app: OpenApp
) -> None:
    app = open_section(evaluate(choose_data(open_app(), "tiny")), "Confusion matrix")
    app.selectbox(key="cell_true").set_value("fear").run()
    app.selectbox(key="cell_predicted").set_value("fear").run()
    assert_valid(app)
    assert matrix(app)["selected"] == [2, 2]


@pytest.mark.parametrize("scale", ["Share of true", "Share of predicted"])
def test_shares_of_an_empty_row_or_column_are_undefined(
    with_data: Settings, open_app: OpenApp, scale: str
) -> None:
    app = evaluate(choose_data(open_app(), "tiny"))
    app.session_state["confusion_scale"] = scale
    open_section(app, "Confusion matrix")
    shares = np.array(matrix(app)["shares"], float)  # None is NaN
    totals = np.nansum(shares, axis=1 if scale.endswith("true") else 0)
    assert all(total == pytest.approx(1) or total == 0 for total in totals)


def test_mistakes_are_filtered_and_one_can_be_opened(
    with_data: Settings, open_app: OpenApp
) -> None:
    app = open_section(evaluate(choose_data(open_app(), "tiny")), "Mistakes")
    faces = [button for button in app.button if "→" in button.label]
    assert faces
    true = faces[0].label.split(" ")[0]
    faces[0].click().run()
    assert_valid(app)
    assert not app.error
    (line,) = [text for text in texts(app.markdown) if text.startswith("Label:")]
    assert f"Label: **{true}**. Prediction: **" in line
    assert "confidence" in line
    assert any(box.label == "Heat map for" for box in app.selectbox)
    bars = [chart for chart in app.get("plotly_chart") if '"bar"' in chart.proto.spec]
    assert len(bars) == 1
    app.run()
    app.selectbox(key="mistakes_true").set_value(true).run()
    assert_valid(app)
    labels = [button.label for button in app.button if "→" in button.label]
    assert labels
    assert {label.split(" ")[0] for label in labels} == {true}
    app.slider(key="mistakes_confidence").set_value((0, 0)).run()
    assert "matches these filters" in plain(app.info)


def test_the_heat_map_can_be_shown_for_another_emotion(
    with_data: Settings, open_app: OpenApp
) -> None:
    app = open_section(evaluate(choose_data(open_app(), "tiny")), "Mistakes")
    next(button for button in app.button if "→" in button.label).click().run()
    (box,) = [box for box in app.selectbox if box.label == "Heat map for"]
    assert len(box.options) == 7
    assert sum("(predicted)" in option for option in box.options) == 1
    assert any("→" in button.label for button in app.button)
    assert len(app.image) == 3  # the gallery, the face and its heat map


def test_mistakes_can_be_filtered_by_finding(
    studio: Settings,
    open_app: OpenApp,
    import_faces: Callable[[FaceSet, str], None],
    tiny_faces: FaceSet,
) -> None:
    # Every validation image also appears in train, with the next label.
    rows = tiny_faces.rows("validation")
    both = FaceSet(
        images=np.concatenate([tiny_faces.images[rows]] * 2),
        labels=np.concatenate([tiny_faces.labels[rows], (tiny_faces.labels[rows] + 1) % 7]),
        splits=np.repeat(np.array([1, 0], np.int8), len(rows)),
        names=tuple(str(number) for number in range(2 * len(rows))),
    )
    import_faces(both, "leaky")
    keys = content_keys(tiny_faces.images[rows])
    write_image_hashes(studio.models_root / "small" / IMAGE_HASHES_FILE, ImageHashes(keys, keys))
    app = evaluate(choose_data(open_app(), "leaky"))
    assert metrics(app)["Leak-free accuracy"] == "undefined"
    assert "Its validation images" in plain(app.markdown)
    assert "Includes copies of training images" in plain(app.markdown)
    assert "21 images are copies or near-duplicates of training images" in plain(app.markdown)
    open_section(app, "Mistakes")
    options = app.selectbox(key="mistakes_finding").options
    assert "Also appears in train" in options
    assert "Conflicting labels" in options
    count = sum("→" in button.label for button in app.button)
    app.selectbox(key="mistakes_finding").set_value("Also appears in train").run()
    assert_valid(app)
    assert sum("→" in button.label for button in app.button) == count


def test_the_temperature_is_saved_after_a_confirmation(studio: Settings, open_app: OpenApp) -> None:
    app = open_section(open_app(), "Calibration")
    calibration = studio.models_root / "small" / "calibration.json"
    press(app, "Save the temperature to the model…")
    assert_valid(app)
    assert not calibration.exists()
    press(app, "Save")
    assert_valid(app)
    temperature = json.loads(calibration.read_text())["temperature"]
    assert temperature != 1
    assert f"of small is now {temperature:.3f}" in plain(app.success)
    # The page shows the new temperature at once.
    table = app.dataframe[0].value.set_index("Probabilities")
    assert table.loc["Calibrated", "Temperature"] == pytest.approx(temperature)


def test_a_temperature_is_not_fitted_to_other_splits(
    with_data: Settings, open_app: OpenApp
) -> None:
    app = choose_data(open_app(), "tiny")
    app.selectbox(key="evaluated_split").set_value("train").run()
    open_section(evaluate(app), "Calibration")
    assert "fitted on validation images" in plain(app.markdown)
    assert not any("Save the temperature" in button.label for button in app.button)


def test_a_minimum_confidence_rejects_predictions(
    studio: Settings, open_app: OpenApp, own_probabilities: NDArray[np.float32]
) -> None:
    app = open_section(open_app(), "Calibration")
    app.slider(key="minimum_confidence_percent").set_value(80).run()
    assert_valid(app)
    share = (own_probabilities.max(axis=1) >= 0.8).mean()
    assert metrics(app)["Accepted predictions"] == f"{100 * share:.1f} %"
    app.slider(key="minimum_confidence_percent").set_value(100).run()
    assert metrics(app)["Accuracy when accepted"] == "undefined"


def test_test_images_are_marked_before_and_after(with_data: Settings, open_app: OpenApp) -> None:
    app = choose_data(open_app(), "tiny")
    app.selectbox(key="evaluated_split").set_value("test").run()
    assert "on them once" in plain(app.markdown)
    evaluate(app)
    assert "Test images" in plain(app.markdown)
    assert "These are test images." in plain(app.markdown)


def test_robustness_is_measured_on_request(with_data: Settings, open_app: OpenApp) -> None:
    app = open_section(evaluate(choose_data(open_app(), "tiny")), "Robustness")
    before = len(app.get("plotly_chart"))
    press(app, "Measure robustness")
    wait_for(app, lambda: len(app.get("plotly_chart")) == before + 8)
    assert "21 of the images" in plain(app.caption)


def test_two_models_are_compared_on_the_same_images(
    with_data: Settings, open_app: OpenApp, linear_network: Callable[..., onnx.ModelProto]
) -> None:
    # The other model always predicts another emotion: its outputs are rotated by one.
    network = linear_network()
    kernel = onnx.numpy_helper.to_array(network.graph.initializer[1])
    network.graph.initializer[1].CopyFrom(
        onnx.numpy_helper.from_array(np.roll(kernel, 1, axis=1).copy(), "kernel")
    )
    onnx.save(network, with_data.models_root / "other" / "model.onnx")
    app = open_section(evaluate(choose_data(open_app(), "tiny")), "Compare")
    press(app, "Evaluate other on the same 21 images")
    wait_for(app, lambda: "McNemar's test gives" in plain(app.info))
    shown = {name: int(metrics(app)[name]) for name in ("Both correct", "Only first correct")}
    assert "other" in plain(app.info)
    assert shown["Both correct"] == 0  # they never agree
    total = sum(
        int(metrics(app)[name])
        for name in ("Both correct", "Only first correct", "Only second correct", "Both wrong")
    )
    assert total == 21
    # The report of this evaluation includes it.
    key, comparison = app.session_state["last_comparison"]
    assert key and comparison.second_name == "other"
    if shown["Only first correct"]:
        assert len([button for button in app.button if "→" in button.label]) > 0


def test_with_one_model_nothing_can_be_compared(studio: Settings, open_app: OpenApp) -> None:
    (studio.models_root / "other" / "bundle.json").unlink()
    app = open_section(open_app(), "Compare")
    assert "only one model" in plain(app.info)


def test_models_with_predictions_for_other_images_are_not_compared(
    studio: Settings, open_app: OpenApp
) -> None:
    write_predictions(
        studio.models_root / "other", np.zeros(3, np.int8), np.full((3, 7), 1 / 7, np.float32)
    )
    app = open_section(open_app(), "Compare")
    assert "not evaluated on the same images" in plain(app.error)


def test_the_report_and_its_tables_can_be_downloaded_and_the_card_written(
    studio: Settings, open_app: OpenApp
) -> None:
    app = open_section(open_app(), "Report")
    assert [button.label for button in app.download_button] == [
        "Report",
        "Tables as LaTeX",
        "References as BibTeX",
        "Predictions as CSV",
        "Metrics per class as CSV",
        "Complete evaluation as JSON",
    ]
    assert not app.toggle  # there are no images to include
    (studio.models_root / "small" / "README.md").write_text("# small\n\nAdded manually.\n")
    press(app, "Write the model card")
    assert_valid(app)
    card = (studio.models_root / "small" / "README.md").read_text(encoding="utf-8")
    assert card.startswith("# small\n\nAdded manually.\n")
    assert "210" in card
    assert "Written to models/small/README.md" in plain(app.success)


def test_a_split_that_lacks_emotions_shows_them_as_undefined(
    studio: Settings,
    open_app: OpenApp,
    import_faces: Callable[[FaceSet, str], None],
    draw_faces: Callable[..., FaceSet],
) -> None:
    splits = ["train", "validation", "validation", "validation"]
    import_faces(draw_faces([0, 0, 3, 3], splits=splits), "poor")
    app = evaluate(choose_data(open_app(), "poor"))
    assert "These images do not include" in plain(app.markdown)
    open_section(app, "Per class")
    recalls = app.dataframe[0].value["Recall"]
    assert recalls.isna().tolist() == [False, True, True, False, True, True, True]
    for name in SECTIONS:
        open_section(app, name)
        assert not app.error or name == "Compare"


def test_a_class_without_images_is_named_as_it_is_written() -> None:
    def show_curves() -> None:
        import numpy as np

        from fer_core.evaluation.per_class import evaluate_classes
        from fer_studio.ui.evaluate.per_class_tab import _show_curves

        counts = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 0]])
        probabilities = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]], np.float32)
        labels = np.array([0, 1], np.int8)
        _show_curves(evaluate_classes(labels, probabilities, counts, ("calm", "glad", "*sad*")))

    app = AppTest.from_function(show_curves, default_timeout=180).run()
    assert not app.exception
    assert any("Without a ROC curve: \\*sad\\*." in text for text in texts(app.caption))


def test_a_single_image_has_metrics_without_intervals(
    studio: Settings,
    open_app: OpenApp,
    import_faces: Callable[[FaceSet, str], None],
    draw_faces: Callable[..., FaceSet],
) -> None:
    import_faces(draw_faces([0, 3], splits=["train", "validation"]), "lone")
    app = evaluate(choose_data(open_app(), "lone"))
    assert metrics(app)["Accuracy"] in ("0.0 %", "100.0 %")
    assert {metric.delta for metric in app.metric} == {""}
    assert "single image" in plain(app.markdown)
    for name in SECTIONS:
        open_section(app, name)


def test_a_split_without_images_is_one_error(
    studio: Settings,
    open_app: OpenApp,
    import_faces: Callable[[FaceSet, str], None],
    draw_faces: Callable[..., FaceSet],
) -> None:
    import_faces(draw_faces([0, 3, 4], splits=["train", "validation", "validation"]), "two-splits")
    app = choose_data(open_app(), "two-splits")
    faces = app.selectbox(key="evaluated_split").options
    if "test (0 images)" not in faces:
        pytest.skip("the import has cut a test split")
    app.selectbox(key="evaluated_split").set_value("test").run()
    assert_valid(app)
    assert texts(app.error) == ["The dataset has no test images; choose another split."]
    assert not app.metric


def test_without_any_model_the_page_says_how_to_get_one(
    empty_home: Settings, open_app: OpenApp
) -> None:
    app = open_app()
    assert_valid(app)
    assert "There is no model yet" in plain(app.error)
    assert not app.metric


def test_a_model_without_predictions_says_what_to_do(home: Settings, open_app: OpenApp) -> None:
    app = open_app()
    assert_valid(app)
    assert "contains no validation predictions" in plain(app.error)
    assert "choose a dataset" in plain(app.error)


@pytest.mark.parametrize("content", [b"", b"torn", b"PK\x03\x04" + bytes(50)])
def test_damaged_predictions_are_one_error(
    studio: Settings, open_app: OpenApp, content: bytes
) -> None:
    (studio.models_root / "small" / "predictions.npz").write_bytes(content)
    app = open_app()
    assert_valid(app)
    assert len(app.error) == 1
    assert "predictions.npz" in plain(app.error)


def test_a_model_with_invalid_labels_is_named_and_left_out(
    studio: Settings, open_app: OpenApp
) -> None:
    path = studio.models_root / "other" / "bundle.json"
    path.write_text(path.read_text().replace('"angry"', '"Disgust"'))
    app = open_app()
    assert_valid(app)
    assert app.selectbox(key="model").options == ["Model: small (62.5 %)"]
    assert "One model cannot be used" in [box.label for box in app.expander]
    assert "labels" in plain(app.markdown)


def test_a_damaged_network_is_one_error_and_stored_predictions_work(
    with_data: Settings, open_app: OpenApp
) -> None:
    (with_data.models_root / "small" / "model.onnx").write_bytes(b"torn")
    app = open_app()
    assert "Accuracy" in metrics(app)
    evaluate(choose_data(app, "tiny"))
    assert "is damaged" in plain(app.error)
    assert not app.metric


def test_a_model_that_returns_nan_is_one_error(
    with_data: Settings, open_app: OpenApp, linear_network: Callable[..., onnx.ModelProto]
) -> None:
    network = linear_network()
    kernel = onnx.numpy_helper.to_array(network.graph.initializer[1]).copy()
    kernel[:] = np.nan
    network.graph.initializer[1].CopyFrom(onnx.numpy_helper.from_array(kernel, "kernel"))
    onnx.save(network, with_data.models_root / "small" / "model.onnx")
    app = evaluate(choose_data(open_app(), "tiny"))
    assert "not probabilities" in plain(app.error)
    assert [button.label for button in app.button] == ["Try again"]
    # The network is repaired meanwhile.
    onnx.save(linear_network(), with_data.models_root / "small" / "model.onnx")
    app.run()
    evaluate(app)
    assert "Accuracy" in metrics(app)


def test_a_selected_dataset_that_is_removed_is_a_warning(
    with_data: Settings, open_app: OpenApp
) -> None:
    app = evaluate(choose_data(open_app(), "tiny"))
    (with_data.data_root / "tiny" / "dataset.json").unlink()
    app.run()
    assert_valid(app)
    assert "The dataset tiny is not available" in plain(app.warning)
    assert app.selectbox(key="evaluated_data").value == OWN


def test_a_changed_dataset_is_not_shown_with_old_metrics(
    with_data: Settings,
    open_app: OpenApp,
    import_faces: Callable[[FaceSet, str], None],
    draw_faces: Callable[..., FaceSet],
) -> None:
    import shutil

    app = evaluate(choose_data(open_app(), "tiny"))
    shutil.rmtree(with_data.data_root / "tiny")
    shutil.rmtree(with_data.data_root.parent / "tiny")
    splits = ["train"] * 7 + ["validation"] * 7
    import_faces(draw_faces([*range(7)] * 2, seed=5, splits=splits), "tiny")
    app.run()
    assert_valid(app)
    assert not app.metric
    assert "7 validation images" in plain(app.markdown)


def test_a_damaged_dataset_is_one_error(with_data: Settings, open_app: OpenApp) -> None:
    (with_data.data_root / "tiny" / "faces.npz").write_bytes(b"torn")
    app = choose_data(open_app(), "tiny")
    assert "is damaged" in plain(app.error)
    assert len(app.error) == 1


def test_two_sessions_share_one_evaluation_and_both_can_stop_it(
    with_data: Settings, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fer_studio.ui.evaluate import evaluations

    calls, has_started, proceed = [], threading.Event(), threading.Event()
    original = evaluations.evaluate_split

    def slow(*arguments: Any, report: Any = None, **options: Any) -> Any:
        calls.append(1)
        has_started.set()
        assert proceed.wait(180)
        if report is not None:
            report(1, 2)
        return original(*arguments, report=report, **options)

    monkeypatch.setattr(evaluations, "evaluate_split", slow)
    first, second = (choose_data(open_app(), "tiny") for _ in range(2))
    for app in (first, second):
        (button,) = [one for one in app.button if one.label.startswith("Evaluate on")]
        button.click().run()
        assert_valid(app)
        assert "Stop" in [one.label for one in app.button]
    assert has_started.wait(180)  # in another thread
    assert calls == [1]
    press(second, "Stop")
    proceed.set()
    wait_for(first, lambda: any(one.label.startswith("Evaluate on") for one in first.button))
    assert not first.error
    evaluate(first)
    assert "Accuracy" in metrics(first)


def test_the_demo_set_is_available_at_once(
    studio: Settings, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch, tiny_faces: FaceSet
) -> None:
    from fer_core.dataset import store

    monkeypatch.setattr(store, "load_demo_set", lambda: tiny_faces)
    app = choose_data(open_app(), "demo")
    evaluate(app)
    assert "Demo: not real faces" in plain(app.markdown)


def open_mistake(app: AppTest) -> tuple[AppTest, str, str]:
    """Open the first mistake; return the app, its label and its prediction."""
    open_section(app, "Mistakes")
    face = next(button for button in app.button if "→" in button.label)
    true, rest = face.label.split(" → ")
    face.click().run()
    assert_valid(app)
    return app, true, rest.split(",")[0]


def decide(app: AppTest, label: str) -> AppTest:
    press(app, label)
    assert_valid(app)
    return app


def decisions(settings: Settings) -> tuple[CurationEntry, ...]:
    return CurationFile(settings.data_root / "tiny").read().entries


def test_an_image_is_relabeled_kept_and_dropped_and_each_can_be_undone(
    with_data: Settings, open_app: OpenApp
) -> None:
    app, true, predicted = open_mistake(evaluate(choose_data(open_app(), "tiny")))
    assert "No decision about this image yet." in plain(app.caption)
    (box,) = [box for box in app.selectbox if box.label == "Correct label"]
    assert box.value == predicted
    assert "Relabeling validation images in this way makes the metrics" in plain(app.warning)
    assert true not in box.options and len(box.options) == 6
    decide(app, "Relabel")
    (entry,) = decisions(with_data)
    assert (entry.action, entry.label, entry.source) == ("relabel", predicted, "evaluate page")
    assert entry.reason.startswith(f"small predicts {predicted} with ")
    # AppTest reruns the whole page instead of the dialog's fragment: open it again.
    app, _, _ = open_mistake(app)
    assert f"relabeled as {predicted}" in plain(app.markdown)
    decide(app, "Drop")
    assert [(one.action, one.label) for one in decisions(with_data)] == [("drop", None)]
    app, _, _ = open_mistake(app)
    (reason,) = [field for field in app.text_input if field.label == "Reason"]
    reason.set_value("looked at twice")
    decide(app, "Keep")
    (entry,) = decisions(with_data)
    assert (entry.action, entry.reason) == ("keep", "looked at twice")
    for action in ("drop", "relabel"):
        app, _, _ = open_mistake(app)
        app.button(key="decision_undo").click().run()
        assert_valid(app)
        assert [one.action for one in decisions(with_data)] == [action]
    app, _, _ = open_mistake(app)
    decide(app, "Remove decision")
    assert decisions(with_data) == ()


def test_a_decision_on_a_deleted_dataset_is_one_error(
    with_data: Settings, open_app: OpenApp
) -> None:
    app, _, _ = open_mistake(evaluate(choose_data(open_app(), "tiny")))
    delete_dataset("tiny", with_data)
    press(app, "Drop")
    assert_valid(app)
    assert "The dataset tiny is not available" in plain(app.warning)
    # Shown when the dialog is drawn again.
    assert "There is no dataset 'tiny'" in app.session_state["curation_error"]
    assert not (with_data.data_root / "tiny").exists()


def test_stored_predictions_have_no_decisions(studio: Settings, open_app: OpenApp) -> None:
    app = open_section(open_app(), "Mistakes")
    assert not any(toggle.label == "Select several" for toggle in app.toggle)
    assert not any(toggle.label == "Apply my data-cleaning decisions" for toggle in app.toggle)


def test_several_mistakes_are_relabeled_at_once(with_data: Settings, open_app: OpenApp) -> None:
    app = open_section(evaluate(choose_data(open_app(), "tiny")), "Mistakes")
    count = sum("→" in button.label for button in app.button)
    app.toggle(key="mistakes_several").set_value(True).run()
    boxes = [box for box in app.checkbox if "→" in box.label]
    assert len(boxes) == count
    predicted = {box.label.split(" → ")[1].split(",")[0] for box in boxes}
    press(app, "Select page")
    assert "Relabeling validation images in this way makes the metrics" in plain(app.warning)
    press(app, f"Relabel {count}")
    assert_valid(app)
    entries = decisions(with_data)
    assert len(entries) == count
    assert {entry.label for entry in entries} == predicted
    assert {entry.source for entry in entries} == {"evaluate page"}
    # Another bulk action does not replace the new labels.
    press(app, "Select page")
    press(app, f"Drop {count}")
    assert "does not replace their labels" in plain(app.error)
    assert decisions(with_data) == entries
    (undo,) = [button for button in app.button if button.label.startswith("Undo")]
    undo.click().run()
    assert decisions(with_data) == ()


def test_the_curation_is_applied_on_request(
    with_data: Settings, open_app: OpenApp, tiny_faces: FaceSet
) -> None:
    app = evaluate(choose_data(open_app(), "tiny"))
    before = metrics(app)
    assert app.toggle(key="evaluated_curated").disabled
    dataset = load_dataset("tiny", with_data)
    predictor = load_predictor(load_bundle(with_data.models_root / "small"))
    rows = dataset.rows("validation")
    predicted = predictor.probabilities(dataset.images[rows]).argmax(axis=1)
    wrong = rows[predicted != dataset.labels[rows]]
    assert len(wrong) >= 2
    correct_label = EMOTIONS[int(predicted[rows == wrong[1]][0])]
    file = CurationFile(with_data.data_root / "tiny")
    file.change(
        [
            *entries_for(dataset, wrong[:1], "drop", reason="none", source="test"),
            *entries_for(
                dataset, wrong[1:2], "relabel", label=correct_label, reason="it is", source="test"
            ),
        ]
    )
    app.run()
    # Decisions change no metric unless they are applied.
    assert metrics(app) == before
    app.toggle(key="evaluated_curated").set_value(True).run()
    assert "the 20 validation images of tiny (curated) yet" in plain(app.markdown)
    evaluate(app)
    correct = int((predicted == dataset.labels[rows]).sum())
    assert metrics(app)["Accuracy"] == f"{100 * (correct + 1) / 20:.1f} %"
    assert "validation images of tiny (curated): 20 images" in plain(app.markdown)
    (warning,) = [text for text in texts(app.markdown) if "curation is applied" in text]
    assert "1 is left out and 1 has a new label" in warning
    # Saved: a new server shows both evaluations at once.
    import streamlit as st

    st.cache_resource.clear()
    app.run()
    assert metrics(app)["Accuracy"] == f"{100 * (correct + 1) / 20:.1f} %"
    for name in SECTIONS:
        open_section(app, name)
        assert not app.error or name == "Compare"
    open_section(app, "Summary")
    app.toggle(key="evaluated_curated").set_value(False).run()
    assert metrics(app) == before


def test_rows_of_a_curated_image_are_those_of_the_import(
    with_data: Settings, open_app: OpenApp
) -> None:
    dataset = load_dataset("tiny", with_data)
    file = CurationFile(with_data.data_root / "tiny")
    # Dropping earlier images shifts the rows of the validation images.
    file.change(
        entries_for(dataset, dataset.rows("train")[:5], "drop", reason="none", source="test")
    )
    app = choose_data(open_app(), "tiny")
    app.toggle(key="evaluated_curated").set_value(True).run()
    app, _, _ = open_mistake(evaluate(app))
    (origin,) = [text for text in texts(app.caption) if " · row " in text]
    row = int(origin.split(" · row ")[1].split(" ")[0])
    decide(app, "Drop")
    assert decisions(with_data)[-1].name == dataset.names[row]
    assert dataset.splits[row] == SPLITS.index("validation")


def test_a_dataset_is_opened_once_for_both_pages(
    with_data: Settings, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fer_studio.ui import datasets

    opened = []

    def counted(name: str, settings: Settings) -> FaceSet:
        opened.append(name)
        return load_dataset(name, settings)

    monkeypatch.setattr(datasets, "load_dataset", counted)
    choose_data(open_app(), "tiny")
    app = AppTest.from_file(str(PROJECT_ROOT / "app.py"), default_timeout=180)
    app.switch_page("pages/dataset.py").run()
    assert app.selectbox(key="dataset").value == "tiny"
    assert not app.exception
    assert opened == ["tiny"]


def test_metrics_are_shown_with_a_damaged_curation(with_data: Settings, open_app: OpenApp) -> None:
    (with_data.data_root / "tiny" / "curation.csv").write_text("no,such,columns\n1,2,3\n")
    app = evaluate(choose_data(open_app(), "tiny"))
    assert "is not a curation file" in plain(app.error)
    assert "Accuracy" in metrics(app)
    open_section(app, "Mistakes")
    assert any("→" in button.label for button in app.button)


@pytest.fixture
def with_votes(with_data: Settings) -> Settings:
    """Ten unanimous annotators, except on the first three validation images."""
    faces = load_dataset("tiny", with_data)
    counts = np.zeros((len(faces), len(VOTE_COLUMNS)), np.uint8)
    columns = {emotion_from_name(name): index for index, name in enumerate(VOTE_COLUMNS)}
    for row, label in enumerate(faces.labels):
        counts[row, columns[EMOTIONS[label]]] = 10
    disputed, outvoted, faceless = faces.rows("validation")[:3]
    counts[disputed] = [2, 2, 2, 2, 2, 0, 0, 0, 0, 0]
    other = EMOTIONS[(faces.labels[outvoted] + 1) % 7]
    counts[outvoted] = 0
    counts[outvoted, columns[other]] = 9
    counts[faceless] = 0
    counts[faceless, VOTE_COLUMNS.index("not_face")] = 8
    np.savez(
        with_data.data_root / "tiny" / "votes.npz",
        counts=counts,
        source=np.array("votes.csv"),
        note=np.array("All were found."),
        fingerprint=np.array(faces.fingerprint),
    )
    return with_data


def test_mistakes_can_be_filtered_by_votes(with_votes: Settings, open_app: OpenApp) -> None:
    from fer_studio.ui.evaluate.image_findings import findings_of

    app = evaluate(choose_data(open_app(), "tiny"))
    bundle = load_bundle(with_votes.models_root / "small")
    dataset = open_dataset("tiny", with_votes)
    evaluation = EvaluationRequest(bundle, dataset, "validation", with_votes).finished_evaluation()
    assert evaluation is not None
    masks = findings_of(evaluation)
    votes = dataset_votes(dataset)
    assert votes is not None
    disputed, outvoted, not_face = (
        votes_findings(dataset.faces, votes)[kind].title
        for kind in ("disputed", "outvoted", "not_face_votes")
    )
    for number, title in enumerate((disputed, outvoted, not_face)):
        assert np.flatnonzero(masks[title]).tolist() == [number]
    # The same images after curation.
    dropped = entries_for(
        dataset.faces, [0, int(dataset.faces.rows("validation")[0])], "drop", reason="", source=""
    )
    curated = apply_curation(dataset.faces, Curation(dropped))
    request = EvaluationRequest(bundle, dataset, "validation", with_votes, curated)
    result = request._evaluate(None)
    masks = findings_of(LoadedEvaluation("", bundle, result, request, with_votes))
    assert disputed not in masks
    assert np.flatnonzero(masks[outvoted]).tolist() == [0]
    app, _, _ = open_mistake(app)
    assert "FER+ annotators" in plain(app.markdown)


def _truth(app: AppTest) -> Any:
    return next(group for group in app.button_group if group.label == "Compare with")


def test_every_tab_can_compare_with_the_annotator_votes(
    with_votes: Settings, open_app: OpenApp
) -> None:
    app = evaluate(choose_data(open_app(), "tiny"))
    assert "on the validation images of tiny: 21 images" in plain(app.markdown).replace("**", "")
    assert "Compared with the annotators" not in texts(app.header)
    app = _truth(app).set_value("Annotator votes").run()
    assert "Compared with the annotators" in texts(app.header)
    assert "validation images of tiny (votes): 19 images" in plain(app.markdown)
    shown = {metric.label: metric.value for metric in app.metric}
    # All annotators agree wherever there is a winner.
    assert shown["Annotator agreement"] == "100.0 %"
    assert shown["Accuracy"] == shown["Model agreement"] == shown["Accuracy on clear images"]
    # One tie and one image that is not a face are left out.
    assert "Left out: 1 image with tied votes; 1 on which an answer such as unknown" in plain(
        app.caption
    )
    app = open_section(app, "Per class")
    assert app.dataframe[0].value["Images"].sum() == 19
    app = open_section(app, "Calibration")
    assert 'To fit a temperature, select "Against labels" above.' in plain(app.markdown)
    app = open_section(app, "Robustness")
    assert app.dataframe[0].value["Images"].sum() == 4 * 19
    assert not app.exception
    # Without votes there is no choice, and the labels are used.
    (with_votes.data_root / "tiny" / "votes.npz").unlink()
    app.run()
    assert all(group.label != "Compare with" for group in app.button_group)
    assert not app.exception


def test_an_address_cannot_combine_votes_with_the_curation(
    with_votes: Settings, open_app: OpenApp
) -> None:
    dataset = load_dataset("tiny", with_votes)
    CurationFile(with_votes.data_root / "tiny").change(
        entries_for(dataset, dataset.rows("train")[:1], "drop", reason="none", source="test")
    )
    app = choose_data(open_app(), "tiny")
    evaluate(app.toggle(key="evaluated_curated").set_value(True).run())
    app = AppTest.from_file(str(PROJECT_ROOT / "app.py"), default_timeout=180).switch_page(PAGE)
    app.query_params.update({"dataset": "tiny", "cleaned": "yes", "truth": "annotator votes"})
    app.run()
    assert_valid(app)
    assert "annotator votes is not available" in plain(app.warning)
    assert app.toggle(key="evaluated_curated").value
    assert _truth(app).value == "Labels"
    assert "Compared with the annotators" not in texts(app.header)


def test_the_report_against_votes_contains_the_annotators(
    with_votes: Settings, open_app: OpenApp
) -> None:
    bundle = load_bundle(with_votes.models_root / "small")
    dataset = open_dataset("tiny", with_votes)
    request = EvaluationRequest(bundle, dataset, "validation", with_votes)
    evaluation = LoadedEvaluation("", bundle, request._evaluate(None), request, with_votes)
    counts = vote_counts(evaluation)
    assert counts is not None
    voted = against_votes(evaluation, counts)
    assert "Agreement of the model with the same plurality" in report_tab._html(
        voted, None, includes_faces=False
    )
    assert report_tab._document(voted)["votes"]["ties"] == 1
    assert "votes" not in report_tab._document(evaluation)


def test_accuracy_by_agreement_of_the_annotators(with_votes: Settings, open_app: OpenApp) -> None:
    app = open_section(evaluate(choose_data(open_app(), "tiny")), "Robustness")
    table = app.dataframe[0].value
    part = table[table["Measure"] == "Agreement of FER+ annotators"]
    assert part["Images"].tolist() == [1, 20]
    assert part["From"].tolist() == pytest.approx([20, 100])


def test_images_are_shown_with_damaged_votes(with_votes: Settings, open_app: OpenApp) -> None:
    (with_votes.data_root / "tiny" / "votes.npz").write_bytes(b"torn")
    app = open_section(evaluate(choose_data(open_app(), "tiny")), "Mistakes")
    assert "votes.npz are damaged" in plain(app.warning)
    assert any("→" in button.label for button in app.button)


def test_a_link_opens_its_model(
    studio: Settings, address_of: Callable[[AppTest], dict[str, str]]
) -> None:
    write_predictions(
        studio.models_root / "other", np.zeros(3, np.int8), np.full((3, 7), 1 / 7, np.float32)
    )
    app = AppTest.from_file(str(PROJECT_ROOT / "app.py"), default_timeout=180).switch_page(PAGE)
    app.query_params["model"] = "other"
    app.run()
    assert_valid(app)
    assert app.selectbox(key="model").value == "other"
    # Another selection is kept and updates the address.
    app.selectbox(key="model").set_value("small").run()
    assert app.selectbox(key="model").value == "small"
    assert address_of(app)["model"] == "small"
    # The same link again, from another page.
    for name in ("small", "other", "other"):
        app.switch_page("pages/dataset.py").run()
        app.switch_page(PAGE)
        app.query_params["model"] = name
        app.run()
        assert_valid(app)
        assert app.selectbox(key="model").value == name


def test_a_link_to_a_missing_model_is_a_warning(studio: Settings, open_app: OpenApp) -> None:
    app = AppTest.from_file(str(PROJECT_ROOT / "app.py"), default_timeout=180).switch_page(PAGE)
    app.query_params["model"] = "gone"
    app.run()
    assert_valid(app)
    assert "The model gone is not available; the page shows small" in plain(app.warning)
    assert app.selectbox(key="model").value == "small"


def test_the_page_imports_no_training_library(studio: Settings, tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from streamlit.testing.v1 import AppTest\n"
        f"sections = {list(SECTIONS.values())!r}\n"
        "app = AppTest.from_file('app.py', default_timeout=180)\n"
        "app.switch_page('pages/evaluate.py').run()\n"
        "for name in sections:\n"
        "    app.session_state['evaluate_section'] = name\n"
        "    app.run()\n"
        "    assert not app.exception, [one.value for one in app.exception]\n"
        "assert app.download_button\n"
        "print(sorted({'tensorflow', 'keras', 'torch', 'jax'} & set(sys.modules)))\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert process.returncode == 0, process.stderr
    assert process.stdout.strip() == "[]"
