"""The evaluate page in its empty, broken and valid states."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from streamlit.testing.v1 import AppTest

from fer_core.bundle import load_bundle, write_predictions
from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.dataset.store import import_dataset
from fer_core.emotions import EMOTIONS
from fer_core.metrics import accuracy
from fer_core.predictor import load_predictor
from fer_core.settings import PROJECT_ROOT, Settings

PAGE = "pages/evaluate.py"
OpenApp = Callable[..., AppTest]
OWN = ".own"
SECTIONS = {
    "Headline": ":material/speed: Headline",
    "Per emotion": ":material/bar_chart: Per emotion",
    "Confusion": ":material/grid_on: Confusion",
    "Mistakes": ":material/sentiment_stressed: Mistakes",
    "Calibration": ":material/balance: Calibration",
    "Conditions": ":material/blur_on: Conditions",
    "Compare": ":material/compare_arrows: Compare",
    "Report": ":material/description: Report",
}


def texts(elements: Sequence[Any]) -> list[str]:
    return [element.value for element in elements]


def plain(elements: Sequence[Any]) -> str:
    """What people read, without the signs that keep names from being Markdown."""
    return " ".join(texts(elements)).replace("\\", "")


def assert_sound(app: AppTest) -> None:
    assert not app.exception, texts(app.exception)
    assert texts(app.title) == ["Evaluate"]
    assert "banned in the European Union" in plain(app.caption)


def metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def open_section(app: AppTest, name: str) -> AppTest:
    app.session_state["evaluate_section"] = SECTIONS[name]
    app.run()
    assert_sound(app)
    return app


def press(app: AppTest, label: str) -> AppTest:
    (button,) = [button for button in app.button if button.label == label]
    button.click().run()
    return app


def evaluate(app: AppTest) -> AppTest:
    """Press the button, and look again until the work in the background is done."""
    (button,) = [button for button in app.button if button.label.startswith("Evaluate on")]
    button.click().run()
    return wait_for(app, lambda: not any(button.label == "Stop" for button in app.button))


def wait_for(app: AppTest, is_done: Callable[[], bool]) -> AppTest:
    deadline = time.monotonic() + 60
    while not is_done():
        assert time.monotonic() < deadline, "nothing came of it"
        time.sleep(0.1)
        app.run()
    assert_sound(app)
    return app


def choose_data(app: AppTest, name: str) -> AppTest:
    app.selectbox(key="evaluated_data").set_value(name).run()
    assert_sound(app)
    return app


@pytest.fixture
def open_app() -> OpenApp:
    """``open_app()``: the page as a visitor first sees it, who came through the navigation."""

    def call() -> AppTest:
        app = AppTest.from_file(str(PROJECT_ROOT / "app.py"), default_timeout=60)
        return app.switch_page(PAGE).run()

    return call


@pytest.fixture(scope="session")
def own_labels() -> NDArray[np.int8]:
    return np.array([number % 7 for number in range(210)], dtype=np.int8)


@pytest.fixture(scope="session")
def own_probabilities(own_labels: NDArray[np.int8]) -> NDArray[np.float32]:
    """Right on 60 % or so, surer than it should be."""
    logits = np.random.default_rng(1).normal(0, 2, (len(own_labels), 7))
    logits[np.arange(len(own_labels)), own_labels] += 3
    exponentials = np.exp(logits)
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True), np.float32)


@pytest.fixture
def studio(
    home: Settings, own_labels: NDArray[np.int8], own_probabilities: NDArray[np.float32]
) -> Settings:
    """Two models, of which "small" brings its validation predictions."""
    write_predictions(home.models_root / "small", own_labels, own_probabilities)
    return home


@pytest.fixture
def import_faces(
    studio: Settings, write_files: Callable[..., Path], png: Callable[..., bytes]
) -> Callable[[FaceSet, str], None]:
    """``import_faces(faces, "tiny")``: a dataset on disk, as a person would import it."""

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
    """The same with the dataset "tiny": 21 images for validation and 14 for test."""
    import_faces(tiny_faces, "tiny")
    return studio


def test_the_page_opens_on_the_models_own_figures(
    studio: Settings,
    open_app: OpenApp,
    own_labels: NDArray[np.int8],
    own_probabilities: NDArray[np.float32],
) -> None:
    app = open_app()
    assert_sound(app)
    assert not app.error
    share = accuracy(own_labels, own_probabilities)
    assert share is not None
    assert metrics(app)["Accuracy"] == f"{100 * share:.1f} %"
    assert "210 images" in plain(app.markdown)
    # Which of them stand in train is not recorded there.
    assert "Leak-free accuracy" not in metrics(app)
    assert any("chosen on these validation images" in text for text in texts(app.warning))


@pytest.mark.parametrize("name", list(SECTIONS))
def test_every_section_opens_without_a_dataset(
    studio: Settings, open_app: OpenApp, name: str
) -> None:
    write_predictions(
        studio.models_root / "other", np.zeros(3, np.int8), np.full((3, 7), 1 / 7, np.float32)
    )
    app = open_section(open_app(), name)
    if name in ("Confusion", "Mistakes", "Conditions"):
        assert "choose a dataset" in plain(app.info)


def test_sections_that_are_not_open_cost_nothing(
    studio: Settings, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fer_core.evaluation import calibration

    monkeypatch.setattr(calibration, "calibration_error_estimates", None)
    assert_sound(open_app())


def test_the_table_per_emotion_has_what_scikit_learn_says(
    studio: Settings,
    open_app: OpenApp,
    own_labels: NDArray[np.int8],
    own_probabilities: NDArray[np.float32],
) -> None:
    from sklearn.metrics import precision_recall_fscore_support

    app = open_section(open_app(), "Per emotion")
    table = app.dataframe[0].value
    expected = precision_recall_fscore_support(own_labels, own_probabilities.argmax(axis=1))
    for column, values in zip(("Precision", "Recall", "F1", "Images"), expected, strict=True):
        np.testing.assert_allclose(table[column].to_numpy(float), values)
    assert table["Emotion"].tolist() == list(EMOTIONS)
    for view in ("Curves", "Threshold"):
        app.session_state["per_emotion_view"] = view
        app.run()
        assert_sound(app)
        assert app.get("plotly_chart")


def test_the_threshold_moves_precision_and_recall(
    studio: Settings,
    open_app: OpenApp,
    own_labels: NDArray[np.int8],
    own_probabilities: NDArray[np.float32],
) -> None:
    app = open_app()
    app.session_state["per_emotion_view"] = "Threshold"
    open_section(app, "Per emotion")
    app.selectbox(key="threshold_emotion").set_value("fear").run()
    app.slider(key="threshold_fear").set_value(30).run()
    assert_sound(app)
    said = own_probabilities[:, 2] >= 0.3
    is_fear = own_labels == 2
    shown = metrics(app)
    assert shown["Precision"] == f"{(said & is_fear).sum() / said.sum():.3f}"
    assert shown["Recall"] == f"{(said & is_fear).sum() / is_fear.sum():.3f}"


def test_an_evaluation_runs_in_the_background_and_is_kept(
    with_data: Settings, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = choose_data(open_app(), "tiny")
    assert not app.metric
    assert "has not read the 21 validation images of tiny yet" in plain(app.markdown)
    evaluate(app)
    assert metrics(app)["Leak-free accuracy"] == metrics(app)["Accuracy"]
    # A visitor who comes later, to a server that knows nothing, finds it on disk.
    import streamlit as st

    from fer_core.predictor import Predictor

    st.cache_resource.clear()
    monkeypatch.setattr(Predictor, "probabilities", None)
    later = choose_data(open_app(), "tiny")
    assert metrics(later) == metrics(app)


def test_the_page_says_what_the_predictor_says_of_the_same_crop(
    with_data: Settings, open_app: OpenApp, tiny_faces: FaceSet
) -> None:
    app = evaluate(choose_data(open_app(), "tiny"))
    predictor = load_predictor(load_bundle(with_data.models_root / "small"))
    validation = tiny_faces.subset(tiny_faces.rows("validation"))
    predicted = predictor.probabilities(validation.images).argmax(axis=1)
    share = (predicted == validation.labels).mean()
    assert metrics(app)["Accuracy"] == f"{100 * share:.1f} %"


def test_a_cell_shows_the_faces_behind_it_surest_first(
    with_data: Settings, open_app: OpenApp
) -> None:
    app = open_section(evaluate(choose_data(open_app(), "tiny")), "Confusion")
    table = app.dataframe[0].value
    counts = table.to_numpy()
    assert counts.sum() == 21
    row, column = np.unravel_index(int(counts.argmax()), counts.shape)
    key = app.session_state["confusion_table"]
    cell = (int(row), EMOTIONS[int(column)])
    app.session_state[key] = {"selection": {"rows": [], "columns": [], "cells": [cell]}}
    app.session_state["cell_true"] = EMOTIONS[int(row)]
    app.session_state["cell_predicted"] = EMOTIONS[int(column)]
    app.run()
    assert_sound(app)
    faces = [button.label for button in app.button if "%" in button.label]
    assert len(faces) == counts[row, column] == len(app.image)
    shares = [int(label.split(",")[1].strip().rstrip("%").strip()) for label in faces]
    assert shares == sorted(shares, reverse=True)


def test_a_cell_chosen_by_name_is_marked_in_the_matrix(
    with_data: Settings, open_app: OpenApp
) -> None:
    app = open_section(evaluate(choose_data(open_app(), "tiny")), "Confusion")
    app.selectbox(key="cell_true").set_value("fear").run()
    app.selectbox(key="cell_predicted").set_value("fear").run()
    assert_sound(app)
    state = app.session_state[app.session_state["confusion_table"]]
    assert [tuple(cell) for cell in state["selection"]["cells"]] == [(2, "fear")]


@pytest.mark.parametrize("scale", ["Share of the true", "Share of the predicted"])
def test_shares_of_an_empty_row_or_column_are_undefined(
    with_data: Settings, open_app: OpenApp, scale: str
) -> None:
    app = evaluate(choose_data(open_app(), "tiny"))
    app.session_state["confusion_scale"] = scale
    open_section(app, "Confusion")
    shares = app.dataframe[0].value.to_numpy(float)
    totals = np.nansum(shares, axis=1 if scale.endswith("true") else 0)
    assert all(total == pytest.approx(100) or total == 0 for total in totals)


def test_mistakes_are_filtered_and_one_can_be_opened(
    with_data: Settings, open_app: OpenApp
) -> None:
    app = open_section(evaluate(choose_data(open_app(), "tiny")), "Mistakes")
    faces = [button for button in app.button if "→" in button.label]
    assert faces
    true = faces[0].label.split(" ")[0]
    faces[0].click().run()
    assert_sound(app)
    assert not app.error
    read = [text for text in texts(app.markdown) if text.startswith("Labelled")]
    assert len(read) == 1
    assert f"Labelled **{true}**, read as **" in read[0]
    assert "with" in read[0]
    assert any(box.label == "What spoke for" for box in app.selectbox)
    bars = [chart for chart in app.get("plotly_chart") if '"bar"' in chart.proto.spec]
    assert len(bars) == 1
    app.run()
    app.selectbox(key="mistakes_true").set_value(true).run()
    assert_sound(app)
    labels = [button.label for button in app.button if "→" in button.label]
    assert labels
    assert {label.split(" ")[0] for label in labels} == {true}
    app.slider(key="mistakes_confidence").set_value((0, 0)).run()
    assert "widen them" in plain(app.info)


def test_the_example_can_be_explained_for_another_emotion(
    with_data: Settings, open_app: OpenApp
) -> None:
    app = open_section(evaluate(choose_data(open_app(), "tiny")), "Mistakes")
    next(button for button in app.button if "→" in button.label).click().run()
    (box,) = [box for box in app.selectbox if box.label == "What spoke for"]
    assert len(box.options) == 7
    assert sum("(predicted)" in option for option in box.options) == 1
    faces = sum("→" in button.label for button in app.button)
    assert len(app.image) == faces + 2  # beside the gallery: the face, and the map on it


def test_findings_of_the_audit_narrow_the_mistakes(
    studio: Settings,
    open_app: OpenApp,
    import_faces: Callable[[FaceSet, str], None],
    tiny_faces: FaceSet,
) -> None:
    # Every image of validation stands in train too, but under the next label.
    rows = tiny_faces.rows("validation")
    both = FaceSet(
        images=np.concatenate([tiny_faces.images[rows]] * 2),
        labels=np.concatenate([tiny_faces.labels[rows], (tiny_faces.labels[rows] + 1) % 7]),
        splits=np.repeat(np.array([1, 0], np.int8), len(rows)),
        names=tuple(str(number) for number in range(2 * len(rows))),
    )
    import_faces(both, "leaky")
    app = evaluate(choose_data(open_app(), "leaky"))
    assert metrics(app)["Leak-free accuracy"] == "undefined"
    open_section(app, "Mistakes")
    options = app.selectbox(key="mistakes_finding").options
    assert "Also stands in train" in options
    assert "Same pixels, other label" in options
    count = sum("→" in button.label for button in app.button)
    app.selectbox(key="mistakes_finding").set_value("Also stands in train").run()
    assert_sound(app)
    assert sum("→" in button.label for button in app.button) == count


def test_the_temperature_is_written_after_a_confirmation(
    studio: Settings, open_app: OpenApp
) -> None:
    app = open_section(open_app(), "Calibration")
    calibration = studio.models_root / "small" / "calibration.json"
    press(app, "Write the temperature into the model…")
    assert_sound(app)
    assert not calibration.exists()
    press(app, "Write it")
    assert_sound(app)
    temperature = json.loads(calibration.read_text())["temperature"]
    assert temperature != 1
    assert f"of small is {temperature:.3f}" in plain(app.success)
    # What is shown is in force at once.
    in_force = app.dataframe[0].value.set_index("Probabilities").loc["In force", "Temperature"]
    assert in_force == pytest.approx(temperature)


def test_a_temperature_is_not_fitted_to_other_splits(
    with_data: Settings, open_app: OpenApp
) -> None:
    app = choose_data(open_app(), "tiny")
    app.selectbox(key="evaluated_split").set_value("train").run()
    open_section(evaluate(app), "Calibration")
    assert "fitted on validation images" in plain(app.caption)
    assert not any("Write the temperature" in button.label for button in app.button)


def test_saying_unsure_costs_answers_and_gains_accuracy(
    studio: Settings, open_app: OpenApp, own_probabilities: NDArray[np.float32]
) -> None:
    app = open_section(open_app(), "Calibration")
    app.slider(key="unsure_below").set_value(80).run()
    assert_sound(app)
    share = (own_probabilities.max(axis=1) >= 0.8).mean()
    assert metrics(app)["Answers"] == f"{100 * share:.1f} %"
    app.slider(key="unsure_below").set_value(100).run()
    assert metrics(app)["Right when it answers"] == "undefined"


def test_test_images_are_marked_before_and_after(with_data: Settings, open_app: OpenApp) -> None:
    app = choose_data(open_app(), "tiny")
    app.selectbox(key="evaluated_split").set_value("test").run()
    assert "read them once" in plain(app.markdown)
    evaluate(app)
    assert "Test images" in plain(app.markdown)
    assert any("test images" in text for text in texts(app.warning))


def test_robustness_is_measured_on_request(with_data: Settings, open_app: OpenApp) -> None:
    app = open_section(evaluate(choose_data(open_app(), "tiny")), "Conditions")
    before = len(app.get("plotly_chart"))
    press(app, "Measure robustness")
    wait_for(app, lambda: len(app.get("plotly_chart")) == before + 8)
    assert "21 of the images" in plain(app.caption)


def test_two_models_are_compared_on_the_same_images(
    with_data: Settings, open_app: OpenApp, linear_network: Callable[..., onnx.ModelProto]
) -> None:
    # The other model reads each face as another emotion: its outputs are turned by one.
    network = linear_network()
    kernel = onnx.numpy_helper.to_array(network.graph.initializer[1])
    network.graph.initializer[1].CopyFrom(
        onnx.numpy_helper.from_array(np.roll(kernel, 1, axis=1).copy(), "kernel")
    )
    onnx.save(network, with_data.models_root / "other" / "model.onnx")
    app = open_section(evaluate(choose_data(open_app(), "tiny")), "Compare")
    press(app, "Evaluate other on the same 21 images")
    wait_for(app, lambda: "McNemar's test gives" in plain(app.info))
    shown = {name: int(metrics(app)[name]) for name in ("Both right", "Only the first")}
    assert "other" in plain(app.info)
    assert shown["Both right"] == 0  # they never agree
    total = sum(
        int(metrics(app)[name])
        for name in ("Both right", "Only the first", "Only the second", "Both wrong")
    )
    assert total == 21
    if shown["Only the first"]:
        assert len([button for button in app.button if "→" in button.label]) > 0


def test_without_another_model_there_is_nothing_to_compare_with(
    studio: Settings, open_app: OpenApp
) -> None:
    (studio.models_root / "other" / "bundle.json").unlink()
    app = open_section(open_app(), "Compare")
    assert "no other model" in plain(app.info)


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
        "Predictions as CSV",
        "Figures per emotion as CSV",
        "Everything as JSON",
    ]
    (studio.models_root / "small" / "README.md").write_text("# small\n\nBy hand.\n")
    press(app, "Write the model card")
    assert_sound(app)
    card = (studio.models_root / "small" / "README.md").read_text(encoding="utf-8")
    assert card.startswith("# small\n\nBy hand.\n")
    assert "210" in card
    assert "Written to" in plain(app.success)


def test_a_split_that_lacks_emotions_shows_them_as_undefined(
    studio: Settings,
    open_app: OpenApp,
    import_faces: Callable[[FaceSet, str], None],
    draw_faces: Callable[..., FaceSet],
) -> None:
    splits = ["train", "validation", "validation", "validation"]
    import_faces(draw_faces([0, 0, 3, 3], splits=splits), "poor")
    app = evaluate(choose_data(open_app(), "poor"))
    assert "There is no image of" in " ".join(texts(app.warning))
    open_section(app, "Per emotion")
    recalls = app.dataframe[0].value["Recall"]
    assert recalls.isna().tolist() == [False, True, True, False, True, True, True]
    for name in SECTIONS:
        open_section(app, name)
        assert not app.error or name == "Compare"


def test_a_single_image_has_figures_and_no_intervals(
    studio: Settings,
    open_app: OpenApp,
    import_faces: Callable[[FaceSet, str], None],
    draw_faces: Callable[..., FaceSet],
) -> None:
    import_faces(draw_faces([0, 3], splits=["train", "validation"]), "lone")
    app = evaluate(choose_data(open_app(), "lone"))
    assert metrics(app)["Accuracy"] in ("0.0 %", "100.0 %")
    assert {metric.delta for metric in app.metric} == {""}
    assert "single image" in " ".join(texts(app.warning))
    for name in SECTIONS:
        open_section(app, name)


def test_a_split_without_images_is_one_sentence(
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
    assert_sound(app)
    assert texts(app.error) == ["The dataset has no test images; choose another split."]
    assert not app.metric


def test_without_any_model_the_page_says_how_to_get_one(
    empty_home: Settings, open_app: OpenApp
) -> None:
    app = open_app()
    assert_sound(app)
    assert "There is no model yet" in plain(app.error)
    assert not app.metric


def test_a_model_without_predictions_says_what_to_do(home: Settings, open_app: OpenApp) -> None:
    app = open_app()
    assert_sound(app)
    assert "brings no validation predictions" in plain(app.error)
    assert "choose a dataset" in plain(app.error)


@pytest.mark.parametrize("content", [b"", b"torn", b"PK\x03\x04" + bytes(50)])
def test_damaged_predictions_are_one_sentence(
    studio: Settings, open_app: OpenApp, content: bytes
) -> None:
    (studio.models_root / "small" / "predictions.npz").write_bytes(content)
    app = open_app()
    assert_sound(app)
    assert len(app.error) == 1
    assert "predictions.npz" in plain(app.error)


def test_a_model_with_other_labels_is_named_and_left_out(
    studio: Settings, open_app: OpenApp
) -> None:
    path = studio.models_root / "other" / "bundle.json"
    path.write_text(path.read_text().replace('"angry"', '"contempt"'))
    app = open_app()
    assert_sound(app)
    assert app.selectbox(key="model").options == ["small (62.5 %)"]
    assert "One model cannot be used" in [box.label for box in app.expander]
    assert "labels" in plain(app.markdown)


def test_a_damaged_network_is_one_sentence_and_the_own_figures_stay(
    with_data: Settings, open_app: OpenApp
) -> None:
    (with_data.models_root / "small" / "model.onnx").write_bytes(b"torn")
    app = open_app()
    assert "Accuracy" in metrics(app)
    evaluate(choose_data(app, "tiny"))
    assert "is damaged" in plain(app.error)
    assert not app.metric


def test_a_model_that_gives_no_numbers_is_one_sentence(
    with_data: Settings, open_app: OpenApp, linear_network: Callable[..., onnx.ModelProto]
) -> None:
    network = linear_network()
    kernel = onnx.numpy_helper.to_array(network.graph.initializer[1]).copy()
    kernel[:] = np.nan
    network.graph.initializer[1].CopyFrom(onnx.numpy_helper.from_array(kernel, "kernel"))
    onnx.save(network, with_data.models_root / "small" / "model.onnx")
    app = evaluate(choose_data(open_app(), "tiny"))
    assert "no probabilities" in plain(app.error)
    assert [button.label for button in app.button] == ["Try again"]
    # The network is mended meanwhile.
    onnx.save(linear_network(), with_data.models_root / "small" / "model.onnx")
    app.run()
    evaluate(app)
    assert "Accuracy" in metrics(app)


def test_a_dataset_that_is_removed_while_it_is_chosen_does_not_end_the_page(
    with_data: Settings, open_app: OpenApp
) -> None:
    app = evaluate(choose_data(open_app(), "tiny"))
    (with_data.data_root / "tiny" / "dataset.json").unlink()
    app.run()
    assert_sound(app)
    assert "tiny is no longer there" in plain(app.warning)
    assert app.selectbox(key="evaluated_data").value == OWN


def test_a_dataset_that_changed_is_not_shown_with_old_figures(
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
    assert_sound(app)
    assert not app.metric
    assert "7 validation images" in plain(app.markdown)


def test_a_damaged_dataset_is_one_sentence(with_data: Settings, open_app: OpenApp) -> None:
    (with_data.data_root / "tiny" / "faces.npz").write_bytes(b"torn")
    app = choose_data(open_app(), "tiny")
    assert "is damaged" in plain(app.error)
    assert len(app.error) == 1


def test_two_visitors_watch_one_evaluation_and_anyone_can_stop_it(
    with_data: Settings, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ui.evaluate import subject

    calls, proceed = [], threading.Event()
    original = subject.evaluate_split

    def slow(*arguments: Any, report: Any = None, **options: Any) -> Any:
        calls.append(1)
        assert proceed.wait(60)
        if report is not None:
            report(1, 2)
        return original(*arguments, report=report, **options)

    monkeypatch.setattr(subject, "evaluate_split", slow)
    first, second = (choose_data(open_app(), "tiny") for _ in range(2))
    for app in (first, second):
        (button,) = [one for one in app.button if one.label.startswith("Evaluate on")]
        button.click().run()
        assert_sound(app)
        assert "Stop" in [one.label for one in app.button]
    assert calls == [1]
    press(second, "Stop")
    proceed.set()
    wait_for(first, lambda: any(one.label.startswith("Evaluate on") for one in first.button))
    assert not first.error
    evaluate(first)
    assert "Accuracy" in metrics(first)


def test_the_demo_set_is_drawn_on_request(
    studio: Settings, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch, tiny_faces: FaceSet
) -> None:
    from fer_core.dataset import store

    planted = store.make_demo_set.__globals__["PlantedFaults"]
    empty = planted(*[()] * len(planted.__dataclass_fields__))
    monkeypatch.setattr(store, "make_demo_set", lambda report: (tiny_faces, empty))
    app = choose_data(open_app(), "demo")
    assert "say nothing about real faces" in plain(app.markdown)
    press(app, "Draw the demo set")
    wait_for(app, lambda: any(one.label.startswith("Evaluate on") for one in app.button))
    evaluate(app)
    assert "Demo: not real faces" in plain(app.markdown)


def test_the_page_imports_no_training_library(studio: Settings, tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from streamlit.testing.v1 import AppTest\n"
        f"sections = {list(SECTIONS.values())!r}\n"
        "app = AppTest.from_file('app.py', default_timeout=60)\n"
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
