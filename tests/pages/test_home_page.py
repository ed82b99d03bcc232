"""The home page: entries, an analyzed example, and the user's work."""

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fer_core.bundle import find_bundle
from fer_core.dataset.store import install_demo_set
from fer_core.recipes import validated_config
from fer_core.settings import PROJECT_ROOT, Settings
from fer_core.training.run_folder import EpochRecord, RunFolder, RunSetup
from fer_studio.ui.home.workspace import model_sentence
from fer_studio.ui.sparkline import sparkline_points


@pytest.fixture
def open_home() -> Callable[[], AppTest]:
    """The home page as a visitor first sees it."""

    def call() -> AppTest:
        app = AppTest.from_file(str(PROJECT_ROOT / "app.py"), default_timeout=180).run()
        assert not app.exception, app.exception
        assert [title.value for title in app.title] == ["Facial emotion recognition"]
        return app

    return call


def said(app: AppTest) -> str:
    return " ".join(one.value for one in (*app.markdown, *app.caption)).replace("\\", "")


def make_run(
    settings: Settings,
    name: str,
    *accuracies: float,
    monitor: str = "accuracy",
    study: str | None = None,
) -> None:
    run = RunFolder(settings.runs_root / name)
    config = validated_config({"monitor": monitor})
    run.create(RunSetup("three-conv-cnn-adam", "faces", config, study=study))
    epochs = [
        EpochRecord(number, 1.5, 0.25, 1.0, accuracy, 0.2, {}, 0.001, 90, 2.0)
        for number, accuracy in enumerate(accuracies, start=1)
    ]
    lines = [json.dumps(asdict(epoch)) for epoch in epochs]
    (run.path / "metrics.jsonl").write_text("\n".join(lines) + "\n")


def links(app: AppTest) -> dict[str, str]:
    """The address of every link, by its label."""
    return {
        one.proto.label: "?".join(filter(None, (one.proto.page, one.proto.query_string)))
        for one in app.get("page_link")
    }


def test_the_first_visit_offers_entries_an_example_and_the_next_steps(
    home: Settings, open_home: Callable[[], AppTest]
) -> None:
    app = open_home()
    assert {
        "**Analyze photos**": "analyze",
        "**Use the webcam**": "live",
        "**Analyze a video**": "video",
        "**Train a model**": "train",
        "Import a dataset": "dataset",
        "See where it fails": "evaluate?model=small",
    }.items() <= links(app).items()
    (photo,) = [
        json.loads(one.proto.json)
        for one in app.get("bidi_component")
        if one.proto.component_name == "fer_studio_photo_view"
    ]
    # In the sample picture, Haar's box is at (177, 66) and 95 pixels wide; the part that is shown
    # begins at (85, 0) and is 280 pixels wide.
    (face,) = photo["faces"]
    assert face["box"] == [round(value / 280, 5) for value in (92, 66, 95, 95)]
    (metric,) = app.metric
    assert metric.label == "Just analyzed"
    assert metric.delta.endswith("% confidence")
    assert "By the default model, small" in said(app)
    assert "**small** correctly classifies 63 of 100 faces" in said(app)
    assert "No training has been started yet." in said(app)


def test_datasets_and_the_last_trainings_lead_to_their_pages(
    home: Settings, open_home: Callable[[], AppTest]
) -> None:
    install_demo_set(home)
    for number in range(4):
        make_run(home, f"run-{number}", 0.2, 0.5, 0.4)
    app = open_home()
    assert links(app)["demo \\(drawn\\)"] == "dataset?dataset=demo"
    first, *others = [one for one in app.metric if one.label != "Just analyzed"]
    assert [one.value for one in (first, *others)] == ["50.0 %"] * 3
    curves = [one.value for one in app.markdown if "<svg" in one.value]
    # From 20 to 50 %: 40 % is a third of the range below the top.
    assert all('points="0,100 50,0 100,33.33"' in curve for curve in curves)
    assert all('aria-label="Validation accuracy, from 20.0 to 40.0 %"' in curve for curve in curves)
    assert len(curves) == 3
    assert links(app)["Open"].startswith("train?view=runs&run=run-")


def test_trials_of_a_search_do_not_take_the_places_of_trainings(
    home: Settings, open_home: Callable[[], AppTest]
) -> None:
    make_run(home, "run-0", 0.2, 0.5)
    for number in range(1, 4):
        make_run(home, f"run-{number}", 0.3, 0.6, study="rates")
    app = open_home()
    (training,) = [one for one in app.metric if one.label != "Just analyzed"]
    assert training.value == "50.0 %"
    assert training.label.replace("\\", "") == "three-conv-cnn-adam"
    assert re.fullmatch(r"new, [A-Z][a-z]{2} \d+, \d\d:\d\d UTC", training.delta)
    assert links(app)["Searches for better settings (1)"] == "train?view=search"


def test_a_training_shows_the_accuracy_of_its_model(
    home: Settings, open_home: Callable[[], AppTest]
) -> None:
    make_run(home, "run", 0.2, 0.5, 0.4, monitor="last")
    (run,) = [one for one in open_home().metric if one.label != "Just analyzed"]
    assert run.value == "40.0 %"


def test_a_single_epoch_has_no_curve(home: Settings, open_home: Callable[[], AppTest]) -> None:
    make_run(home, "run", 0.2)
    assert not [one for one in open_home().markdown if "<svg" in one.value]


def test_a_constant_curve_is_in_the_middle() -> None:
    assert sparkline_points([0.5, 0.5, 0.5]) == "0,50 50,50 100,50"


def test_without_a_model_the_page_says_so(
    empty_home: Settings, open_home: Callable[[], AppTest]
) -> None:
    app = open_home()
    assert "There is no default model." in said(app)
    assert not app.metric


def test_the_accuracy_in_words_names_what_was_measured(
    home: Settings, write_bundle_folder: Callable[..., Path]
) -> None:
    sentence = model_sentence(find_bundle("small", home))
    assert (
        sentence == "**small** correctly classifies 63 of 100 faces that it has not learned from."
    )
    assert "its accuracy was not measured" in model_sentence(find_bundle("other", home))
