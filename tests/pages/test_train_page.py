"""The train page in its empty, broken and valid states."""

import csv
import io
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from fer_core.bundle import default_bundle_name, set_default_bundle
from fer_core.dataset.curation import entries_for
from fer_core.dataset.curation_file import CurationFile
from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.store import _save, load_dataset
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.recipes import (
    GROUPS,
    RECIPES,
    TrainingConfig,
    recipe_by_name,
    setting_fields,
    validated_config,
)
from fer_core.settings import PROJECT_ROOT, Settings
from fer_core.training.control import RunLabel, read_control, read_label, write_label
from fer_core.training.estimate import TrainingEstimate
from fer_core.training.queue import enqueue, pending_runs
from fer_core.training.registry import list_runs
from fer_core.training.run_folder import (
    EpochRecord,
    RunFolder,
    RunSetup,
    RunStatus,
    StartingModel,
)
from fer_core.training.search import (
    WORKER_ATTRIBUTE,
    create_study,
    load_study,
    read_study_setup,
    report_worker,
)
from fer_core.training.search_space import SearchParameter
from fer_studio.ui.jobs import job_service
from fer_studio.ui.train.compare import difference_rows, runs_as_csv, sparkline_values
from fer_studio.ui.train.configure import OPEN_NOTE, OPEN_TEXT, config_as_text, config_from_text
from fer_studio.ui.train.draft import (
    check_values,
    form_values,
    steps_as_text,
    steps_from_text,
    value_problem,
)
from fer_studio.ui.train.estimates import ESTIMATE
from fer_studio.ui.train.fields import ADVANCED, FIND, GROUP, MODE
from fer_studio.ui.train.formatting import (
    format_bytes,
    format_value,
)
from fer_studio.ui.train.search import setup_from_form

OpenApp = Callable[..., AppTest]
GONE = {"process_id": 2**22 - 1, "process_started": 1.0}
QUICK = "three-conv-cnn-adam"


def record(epoch: int, accuracy: float = 0.5) -> EpochRecord:
    return EpochRecord(
        epoch, 1.5, 0.25, 1.0, accuracy, accuracy / 2, dict.fromkeys(EMOTIONS, 0.5), 0.001, 90, 2.0
    )


def make_run(
    settings: Settings,
    name: str,
    *,
    epochs: int = 0,
    state: Any = None,
    recipe: str = QUICK,
    message: str = "done",
    **config: Any,
) -> RunFolder:
    run = RunFolder(settings.runs_root / name)
    config.setdefault("monitor", "accuracy")
    run.create(RunSetup(recipe, "faces", validated_config(config)))
    lines = (json.dumps(asdict(record(one, 0.5 + one / 100))) for one in range(1, epochs + 1))
    if epochs:
        (run.path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    if state is not None:
        run.write_status(RunStatus(state, message, epoch=epochs, epochs=50, steps=9, **GONE))
    return run


@pytest.fixture
def faces(home: Settings, tiny_faces: FaceSet) -> str:
    """An imported dataset of that name."""
    folder = home.data_root / "faces"
    folder.mkdir(parents=True)
    _save(tiny_faces, folder, {"source": "drawn"})
    return "faces"


@pytest.fixture
def open_view() -> Callable[..., AppTest]:
    """``open_view("Runs", run="one")``: a section of the page, with this in the session."""

    def call(view: str = "New training", **session: Any) -> AppTest:
        app = AppTest.from_file(str(PROJECT_ROOT / "app.py"), default_timeout=180)
        app.session_state["view"] = view
        for key, value in session.items():
            app.session_state[key] = value
        app.switch_page("pages/train.py").run()
        assert_sound(app)
        return app

    return call


def assert_sound(app: AppTest) -> None:
    assert not app.exception, [element.value for element in app.exception]
    assert [element.value for element in app.title] == ["Train"]


def words(app: AppTest) -> str:
    """What people read, without the signs that keep names from being Markdown."""
    parts = [*app.markdown, *app.caption, *app.error, *app.warning, *app.info, *app.success]
    return " ".join(part.value for part in parts).replace("\\", "")


def errors(app: AppTest) -> list[str]:
    return [error.value.replace("\\", "") for error in app.error]


def labels(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


def badges(app: AppTest) -> str:
    return " ".join(element.value for element in app.markdown if "-badge[" in element.value)


def open_group(app: AppTest, group: str) -> AppTest:
    """Turn to the settings of one group, as clicks on Advanced and on the group do."""
    app.session_state[MODE] = ADVANCED
    if group != "data":
        app.session_state[GROUP] = group
    return app.run()


def setting_keys(app: AppTest) -> set[str]:
    elements = [*app.number_input, *app.selectbox, *app.toggle, *app.text_input]
    return {one.key for one in elements if (one.key or "").startswith("setting_")}


def test_the_page_opens_from_another_one(home: Settings, open_app: OpenApp) -> None:
    app = open_app().switch_page("pages/train.py").run()
    assert_sound(app)
    assert "banned in the European Union" in words(app)
    assert app.button_group[0].options == ["New training", "Runs", "Compare", "Search", "Models"]


# Empty


def test_without_data_the_demo_set_is_offered_and_how_to_import_is_explained(
    empty_home: Settings, open_view: Callable[..., AppTest]
) -> None:
    app = open_view()
    assert "Import one on the dataset page" in words(app)
    assert app.selectbox(key="train_data").options == ["demo (drawn faces)"]
    # Counted without drawing it.
    assert "2,831 training and 354 validation images." in words(app)
    assert not list(empty_home.data_root.glob("*"))
    assert not app.button(key="start_training").disabled


def test_the_number_of_training_images_is_that_of_the_training(
    home: Settings, faces: str, open_view: Callable[..., AppTest]
) -> None:
    loaded = load_dataset(faces, home)
    rows = loaded.rows("train")
    app = open_view()
    count, validation = len(rows), len(loaded.rows("validation"))
    assert f"{count:,} training and {validation:,} validation images." in words(app)
    drops = entries_for(loaded, rows[:3].tolist(), "drop", reason="", source="")
    CurationFile(home.data_root / faces).change(drops)
    app.run()
    assert_sound(app)
    assert f"{count - 3:,} of {count:,} training and {validation:,} validation" in words(app)
    assert "Left out: 3 dropped by your decisions" in words(app)


@pytest.mark.parametrize(
    ("view", "sentence"),
    [
        ("Runs", "No training has been started yet"),
        ("Compare", "no runs to compare yet"),
        ("Search", "tries different settings automatically"),
    ],
)
def test_every_section_says_what_it_is_for_when_it_is_empty(
    empty_home: Settings, open_view: Callable[..., AppTest], view: str, sentence: str
) -> None:
    app = open_view(view)
    assert sentence in words(app)
    assert not app.error


def test_the_page_loads_no_training_library_and_optuna_only_for_a_search(
    home: Settings, tmp_path: Path
) -> None:
    import subprocess
    import sys

    script = (
        "import sys\n"
        "from streamlit.testing.v1 import AppTest\n"
        "app = AppTest.from_file('app.py', default_timeout=180)\n"
        "app.switch_page('pages/train.py').run()\n"
        "assert not app.exception\n"
        "for view in ('Runs', 'Compare'):\n"
        "    app.button_group[0].set_value(view).run()\n"
        "    assert not app.exception\n"
        "print(sorted({'tensorflow', 'keras', 'optuna', 'jax', 'torch'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.stdout.strip().splitlines()[-1] == "[]", done.stderr


# Configure


def test_every_setting_has_an_element_while_it_applies(
    faces: str, open_view: Callable[..., AppTest]
) -> None:
    app = open_view()
    values = form_values(recipe_by_name(QUICK).config)
    for group in [group for group in GROUPS if group != "data"]:
        open_group(app, group)
        assert_sound(app)
        assert setting_keys(app) == {"setting_epochs"} | {
            f"setting_{entry.name}"
            for entry in setting_fields()
            if entry.group in ("data", group) and entry.has_effect(values)
        }
    open_group(app, "optimizer")
    assert "setting_momentum" not in setting_keys(app)
    app.selectbox(key="setting_optimizer").set_value("sgd").run()
    assert app.number_input(key="setting_momentum").value == 0.9
    assert_sound(app)


def test_basic_shows_few_settings_and_the_address_remembers_advanced(
    faces: str,
    open_view: Callable[..., AppTest],
    address_of: Callable[[AppTest], dict[str, str]],
) -> None:
    app = open_view()
    assert setting_keys(app) == {"setting_epochs", "setting_targets"}
    assert "settings" not in address_of(app)
    app.button_group(key=MODE).set_value(ADVANCED).run()
    app.radio(key=GROUP).set_value("loss").run()
    assert_sound(app)
    address = address_of(app)
    assert (address["settings"], address["section"]) == ("advanced", "loss")
    assert "setting_label_smoothing" in setting_keys(app)


def test_settings_are_found_by_their_words(faces: str, open_view: Callable[..., AppTest]) -> None:
    app = open_group(open_view(), "network")
    app.text_input(key=FIND).set_value("Dropout RATES").run()
    assert_sound(app)
    sections = (
        setting_keys(app)
        - setting_keys(open_view())
        - {f"setting_{entry.name}" for entry in setting_fields() if entry.group == "data"}
    )
    assert sections == {"setting_dropout_scale"}
    app.text_input(key=FIND).set_value("momentum").run()
    assert "Momentum has an effect only with Optimizer sgd." in words(app)
    app.text_input(key=FIND).set_value("epochs passes").run()
    assert "Shown next to the dataset or the recipe: Epochs." in words(app)
    app.text_input(key=FIND).set_value("cross_entropy").run()
    assert app.selectbox(key="setting_loss").label == "Loss"
    app.text_input(key=FIND).set_value("colour").run()
    assert "No setting contains “colour”" in words(app)


def test_sections_show_what_was_changed_and_what_is_not_valid(
    faces: str, open_view: Callable[..., AppTest]
) -> None:
    app = open_group(open_view(), "optimizer")
    app.number_input(key="setting_learning_rate").set_value(11.0).run()
    titles = dict(zip(GROUPS, ["", *app.radio(key=GROUP).options], strict=True))
    assert titles["optimizer"] == "Optimizer :red[:material/error:] :gray[· 1 changed]"
    assert titles["loss"] == "Loss"
    # Shown where it is, and from Basic a button leads there.
    assert not [button for button in app.button if button.key == "show_learning_rate"]
    app.session_state[MODE] = "Basic"
    app.run()
    assert "Learning rate should be above 0" in errors(app)[0]
    app.button(key="show_learning_rate").click().run()
    assert_sound(app)
    assert app.number_input(key="setting_learning_rate").value == 11.0


def test_what_was_typed_is_kept_while_other_settings_are_open(
    faces: str, open_view: Callable[..., AppTest]
) -> None:
    app = open_group(open_view(), "run")
    app.number_input(key="setting_epochs").set_value(7).run()
    open_group(app, "augmentation")
    app.number_input(key="setting_rotation_degrees").set_value(25.0)
    # Typed, and the next tab clicked before the page has answered.
    open_group(app, "network")
    rows = {row["Setting"]: row["Here"] for row in app.dataframe[0].value.to_dict("records")}
    assert rows == {"Epochs": "7", "Rotation (degrees)": "25"}
    open_group(app, "run")
    assert app.number_input(key="setting_epochs").value == 7
    open_group(app, "augmentation")
    assert app.number_input(key="setting_rotation_degrees").value == 25.0
    # A bad value behind another tab still keeps the training from being started.
    app.number_input(key="setting_rotation_degrees").set_value(-1.0).run()
    open_group(app, "network")
    assert "it is -1" in errors(app)[0]
    assert app.button(key="start_training").disabled


def test_the_recipes_are_in_their_order_with_their_descriptions(
    faces: str, open_view: Callable[..., AppTest]
) -> None:
    app = open_view()
    assert app.selectbox(key="train_recipe").options == list(RECIPES)
    for name, recipe in RECIPES.items():
        app.selectbox(key="train_recipe").set_value(name).run()
        assert_sound(app)
        assert recipe.summary in words(app)
        assert f"Same settings as the recipe {name}, seed 0." in words(app)
        assert not app.error


def test_a_change_is_shown_as_the_difference_and_kept_with_its_recipe(
    faces: str, open_view: Callable[..., AppTest]
) -> None:
    app = open_view()
    app.number_input(key="setting_epochs").set_value(7).run()
    assert "1 setting changed from the recipe" in words(app)
    (row,) = app.dataframe[0].value.to_dict("records")
    assert row == {"Setting": "Epochs", "Recipe": "50", "Here": "7"}
    app.selectbox(key="train_recipe").set_value("plain-eight-sgd-cosine").run()
    assert app.number_input(key="setting_epochs").value == 48
    app.button_group[0].set_value("Runs").run()
    app.button_group[0].set_value("New training").run()
    assert app.selectbox(key="train_recipe").value == "plain-eight-sgd-cosine"
    app.selectbox(key="train_recipe").set_value(QUICK).run()
    open_group(app, "run")
    assert app.number_input(key="setting_epochs").value == 7
    app.button(key="reset_recipe").click().run()
    assert app.number_input(key="setting_epochs").value == 50
    assert_sound(app)


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("epochs", 0, "Epochs should be from 1 to 10,000; it is 0."),
        ("epochs", None, "Epochs is missing; enter a number from 1 to 10,000."),
        ("learning_rate", 0.0, "Learning rate should be above 0 and at most 10; it is 0."),
        ("batch_size", 5000, "Batch size should be from 1 to 4,096; it is 5,000."),
        (
            "averaging_momentum",
            1.0,
            "Weight averaging should be at least 0.5 and below 1; it is 1.",
        ),
    ],
)
def test_a_bad_value_is_reported_in_one_sentence_and_kept(
    faces: str,
    open_view: Callable[..., AppTest],
    field: str,
    value: float | None,
    sentence: str,
) -> None:
    app = open_group(open_view(), "run")
    app.number_input(key="setting_seed").set_value(11).run()
    open_group(app, next(entry.group for entry in setting_fields() if entry.name == field))
    app.number_input(key=f"setting_{field}").set_value(value).run()
    assert_sound(app)
    assert errors(app) == [sentence]
    assert app.button(key="start_training").disabled
    assert app.number_input(key=f"setting_{field}").value == value
    open_group(app, "run")
    assert app.number_input(key="setting_seed").value == 11


def test_settings_that_do_not_go_together_are_reported(
    faces: str, open_view: Callable[..., AppTest]
) -> None:
    app = open_group(open_view(), "loss")
    app.selectbox(key="setting_label_encoding").set_value("integer")
    app.selectbox(key="setting_loss").set_value("focal").run()
    (sentence,) = errors(app)
    assert "loss=focal needs label_encoding=one_hot" in sentence
    assert app.button(key="start_training").disabled


def test_a_schedule_of_steps_is_typed_as_pairs(
    faces: str, open_view: Callable[..., AppTest]
) -> None:
    app = open_group(open_view(), "schedule")
    app.selectbox(key="setting_schedule").set_value("steps").run()
    assert "schedule=steps needs schedule_steps" in errors(app)[0]
    app.text_input(key="setting_schedule_steps").set_value("20; half").run()
    assert "'20' is not such a pair" in errors(app)[0]
    app.text_input(key="setting_schedule_steps").set_value("20: 0.00025, 30: 5e-5").run()
    assert not app.error
    assert not app.code
    app.session_state[OPEN_TEXT] = True
    app.run()
    shown = json.loads(app.code[0].value)
    assert shown["schedule_steps"] == [[20, 0.00025], [30, 5e-5]]


def test_steps_survive_the_way_to_text_and_back() -> None:
    steps = ((0, 0.001), (20, 2.5e-4), (30, 5e-5))
    assert steps_from_text(steps_as_text(steps)) == steps
    assert steps_from_text(" ") == ()
    for torn in ("20", "a: 1", "3: b", "1.5: 0.1"):
        with pytest.raises(InputError, match="pairs of epoch and learning rate"):
            steps_from_text(torn)


def test_a_number_that_is_not_finite_is_reported() -> None:
    (rate,) = (entry for entry in setting_fields() if entry.name == "learning_rate")
    sentence = "Learning rate should be above 0 and at most 10; it is inf."
    assert value_problem(rate, float("inf")) == sentence


@pytest.mark.parametrize("name", list(RECIPES))
def test_every_recipe_survives_the_form(name: str) -> None:
    config = recipe_by_name(name).config
    assert check_values(form_values(config)).config == config
    assert config_from_text(config_as_text(config).encode(), "x.json") == (config, None)


def test_what_has_no_effect_does_not_break_a_configuration() -> None:
    values = form_values(recipe_by_name("plain-eight-sgd-cosine").config)
    values["optimizer"] = "adam"  # whose weight decay of 0.005 the form still holds
    result = check_values(values)
    assert result.config is not None and result.config.weight_decay == 0.0


def upload(app: AppTest, name: str, content: bytes) -> AppTest:
    app.session_state[OPEN_TEXT] = True
    app.session_state[MODE] = ADVANCED
    app.run()
    app.file_uploader[0].set_value((name, content, "application/json"))
    return app.run()


def test_an_uploaded_configuration_fills_the_form(
    faces: str, open_view: Callable[..., AppTest]
) -> None:
    app = open_group(open_view(), "run")
    config = replace(recipe_by_name(QUICK).config, epochs=3, seed=5)
    upload(app, "mine.json", config_as_text(config).encode())
    assert_sound(app)
    assert app.number_input(key="setting_epochs").value == 3
    assert app.number_input(key="setting_seed").value == 5
    assert "The form now shows mine.json." in words(app)
    # A run's own file names its recipe.
    document = {"recipe": "wide-cnn-100-epochs", "data": "x", "config": {"epochs": 4}}
    upload(app, "config.json", json.dumps(document).encode())
    assert app.selectbox(key="train_recipe").value == "wide-cnn-100-epochs"
    assert app.number_input(key="setting_epochs").value == 4


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"{", "bad.json is not valid JSON"),
        (b"\xff\xfe", "bad.json is not valid JSON"),
        (b"[1]", "bad.json contains no settings"),
        (b'{"epochs": "many"}', "bad.json cannot be used: epochs should be a whole number"),
        (b'{"colour": 1}', "bad.json cannot be used: 'colour' is not a setting"),
        (b'{"config": [1]}', "bad.json cannot be used: 'config' is not a setting"),
    ],
)
def test_an_unusable_upload_is_reported_and_changes_nothing(
    faces: str, open_view: Callable[..., AppTest], content: bytes, sentence: str
) -> None:
    app = open_group(open_view(), "run")
    app.number_input(key="setting_epochs").set_value(7).run()
    upload(app, "bad.json", content)
    assert_sound(app)
    assert len(errors(app)) == 1 and sentence in errors(app)[0]
    assert app.number_input(key="setting_epochs").value == 7


def test_a_damaged_dataset_cannot_be_started(
    home: Settings, faces: str, open_view: Callable[..., AppTest]
) -> None:
    (home.data_root / faces / "faces.npz").write_bytes(b"torn")
    app = open_view()
    assert "is damaged" in errors(app)[0]
    assert app.button(key="start_training").disabled


def test_a_dataset_without_validation_cannot_be_started(
    home: Settings, draw_faces: Callable[..., FaceSet], open_view: Callable[..., AppTest]
) -> None:
    folder = home.data_root / "half"
    folder.mkdir(parents=True)
    _save(draw_faces([0, 1, 2]), folder, {})
    app = open_view()
    assert "half has 3 training and 0 validation images" in errors(app)[0]
    assert app.button(key="start_training").disabled


def wait_for_estimate() -> None:
    for job in job_service().unfinished(ESTIMATE):
        assert job.wait(180)


def test_the_estimate_is_measured_in_the_background_and_shown(
    faces: str, open_view: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[TrainingConfig, int, int]] = []

    def measured(
        config: TrainingConfig, training: int, validation: int, _: Settings, **options: Any
    ) -> Any:
        assert options == {"class_count": 7, "freeze": None}
        asked.append((config, training, validation))
        return TrainingEstimate(355_847, 700_000_000, 90.0, 30.0, 1500.0, 50, True, 56, 21, False)

    monkeypatch.setattr("fer_studio.ui.train.estimates.estimate_training", measured)
    app = open_view()
    assert [metric.label for metric in app.metric] == ["Parameters"]
    app.button(key="estimate").click().run()
    wait_for_estimate()
    app.run()
    assert_sound(app)
    assert asked == [(recipe_by_name(QUICK).config, 56, 21)]
    figures = {metric.label: metric.value for metric in app.metric}
    assert figures == {"Parameters": "0.36 M", "Memory": "700 MB", "Estimated time": "25 min"}
    assert (
        "About 25 minutes on this machine (30 seconds per epoch, 50 epochs); early stopping"
        in words(app)
    )


def test_an_estimate_that_fails_is_reported(
    faces: str, open_view: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise InputError("A few steps of this training could not be timed: no memory.")

    monkeypatch.setattr("fer_studio.ui.train.estimates.estimate_training", failing)
    app = open_view()
    app.button(key="estimate").click().run()
    wait_for_estimate()
    app.run()
    assert "could not be timed: no memory" in errors(app)[0]
    assert "Estimate time and memory" in labels(app)


@pytest.fixture
def no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is queued stays queued."""
    monkeypatch.setattr("fer_core.training.queue._start", lambda run, settings: False)
    monkeypatch.setattr("fer_core.training.launcher.start_pending_runs", lambda settings: [])
    monkeypatch.setattr("fer_core.training.queue.start_pending_runs", lambda settings: [])
    monkeypatch.setattr("fer_studio.ui.train.actions.start_pending_runs", lambda settings: [])


@pytest.mark.usefixtures("no_processes")
def test_start_creates_a_run_from_the_form(
    home: Settings, faces: str, open_view: Callable[..., AppTest]
) -> None:
    app = open_group(open_view(), "run")
    app.number_input(key="setting_epochs").set_value(3).run()
    app.session_state[OPEN_NOTE] = True
    app.run()
    app.text_area(key="new_run_note").set_value("a note")
    app.toggle(key="new_run_tensorboard").set_value(True).run()
    # Folded away again, both are kept.
    app.session_state[OPEN_NOTE] = False
    app.run()
    assert not app.text_area
    app.text_input(key="new_run_name").set_value("First *try*")
    app.number_input(key="setting_seed").set_value(9)
    app.button(key="start_training").click().run()
    assert_sound(app)
    (run,) = list_runs(home)
    assert (run.state, run.queue_position, run.title) == ("queued", 1, "First *try*")
    assert (run.recipe, run.data, run.epochs, run.seed) == (QUICK, "faces", 3, 9)
    assert RunFolder(run.path).read_setup().tracking.tensorboard
    assert read_label(RunFolder(run.path)).note == "a note"
    assert app.button_group[0].value == "Runs"
    assert app.selectbox(key="run").value == run.id
    assert "Waits in the queue at position 1." in words(app)
    app.button_group[0].set_value("New training").run()
    assert "a new training will wait at position 2" in words(app)
    assert app.text_input(key="new_run_name").value == ""
    app.session_state[OPEN_NOTE] = True
    open_group(app, "run")
    assert app.number_input(key="setting_epochs").value == 3
    assert app.text_area(key="new_run_note").value == ""
    assert app.toggle(key="new_run_tensorboard").value


@pytest.mark.usefixtures("no_processes")
def test_a_refused_start_keeps_the_form(
    home: Settings, faces: str, open_view: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "fer_core.training.resource_errors.required_disk_bytes", lambda config: 10**18
    )
    app = open_group(open_view(), "run")
    app.text_input(key="new_run_name").set_value("mine")
    app.number_input(key="setting_epochs").set_value(3)
    app.button(key="start_training").click().run()
    assert_sound(app)
    assert "free some space" in errors(app)[0]
    assert list_runs(home) == []
    assert app.text_input(key="new_run_name").value == "mine"
    assert app.number_input(key="setting_epochs").value == 3


@pytest.mark.usefixtures("no_processes")
def test_votes_that_the_dataset_lacks_are_missed_at_the_start(
    home: Settings, faces: str, open_view: Callable[..., AppTest]
) -> None:
    app = open_group(open_view(), "loss")
    app.selectbox(key="setting_targets").set_value("votes_majority").run()
    app.button(key="start_training").click().run()
    assert_sound(app)
    assert "faces has none; import them on the dataset page" in errors(app)[0]
    assert list_runs(home) == []


@pytest.mark.usefixtures("no_processes")
@pytest.mark.parametrize("view", ["New training", "Runs", "Compare", "Search"])
def test_a_runs_folder_that_is_not_a_folder_is_reported(
    home: Settings, faces: str, open_view: Callable[..., AppTest], view: str
) -> None:
    home.runs_root.write_text("a file")
    app = open_view(view)
    if view == "New training":
        app.button(key="start_training").click().run()
        assert_sound(app)
    if view != "Search":
        assert "runs" in errors(app)[0] and str(home.runs_root) not in errors(app)[0]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_reported(
    home: Settings, faces: str, open_view: Callable[..., AppTest]
) -> None:
    home.runs_root.mkdir()
    home.runs_root.chmod(0o500)
    try:
        app = open_view()
        app.button(key="start_training").click().run()
        assert_sound(app)
        assert "cannot be written" in errors(app)[0]
    finally:
        home.runs_root.chmod(0o700)


# Runs


def test_a_finished_run_shows_its_figures_curves_and_model(
    home: Settings, open_view: Callable[..., AppTest], write_bundle_folder: Callable[..., Path]
) -> None:
    run = make_run(home, "one", epochs=4, state="finished", message="finished after 4 epochs")
    (run.path / "train.log").write_text("2026-01-01T00:00:00+00:00 began\nepoch 4 done\n")
    figures = {"validation": {"accuracy": 0.54, "macro_f1": 0.27, "ece": 0.012}}
    write_bundle_folder(run.bundle_path, metrics=figures)
    app = open_view("Runs")
    assert not app.code
    app.session_state["log_one"] = True
    app.run()
    assert "finished" in badges(app)
    values = {metric.label: metric.value for metric in app.metric}
    assert values["Accuracy"] == "54.0 %"
    assert (values["Macro F1"], values["Best epoch"]) == ("0.270", "4")
    assert len(app.get("vega_lite_chart")) == 4
    assert "epoch 4 done" in app.code[0].value
    # The accuracy of the model is that of the best epoch, so it is not repeated.
    assert "Calibration error (ECE) on validation: 0.012." in words(app)
    assert "54.0 %" not in words(app)
    assert {"Use as default", "Publish", "Delete permanently", "Continue training"} <= set(
        labels(app)
    )
    assert not {"Stop", "Pause", "Kill now"} & set(labels(app))
    links = {link.proto.label: link.proto.query_string for link in app.get("page_link")}
    assert links["Try on my webcam"] == links["Analyze a photo"] == "model=one"
    app.button(key="use_as_default").click().run()
    assert_sound(app)
    assert default_bundle_name(home) == "one"
    assert "default model" in words(app)
    assert app.button(key="delete").disabled
    assert "choose another default model, before you delete the run" in words(app)
    app.text_input(key="publish_name_one").set_value("small")
    app.button(key="publish").click().run()
    assert "There is already a model 'small'" in errors(app)[0]
    app.text_input(key="publish_name_one").set_value("mine")
    app.toggle(key="publish_default_one").set_value(True)
    app.button(key="publish").click().run()
    assert_sound(app)
    assert default_bundle_name(home) == "mine"
    assert not app.button(key="delete").disabled
    assert (home.models_root / "mine" / "bundle.json").is_file()


def test_the_message_of_a_finished_training_is_shown_without_what_the_page_repeats(
    home: Settings, open_view: Callable[..., AppTest], write_bundle_folder: Callable[..., Path]
) -> None:
    run = make_run(home, "one", epochs=4, state="finished", message="to be replaced")
    write_bundle_folder(run.bundle_path, metrics={"validation": {"accuracy": 0.541}})
    message = f"stopped: validation accuracy 54.1 %, macro F1 0.270; bundle in {run.bundle_path}"
    run.write_status(RunStatus("stopped", message, epoch=4, epochs=50))
    app = open_view("Runs")
    assert "stopped" in badges(app)
    assert "Stopped:" not in words(app)
    assert words(app).count("54.1 %") == 1  # the exported model's, which differs from the epoch's
    assert "Its folder is runs/one/bundle." in words(app)
    run.write_status(RunStatus("stopped", f"{message}; the loss became NaN", epoch=4, epochs=50))
    app.run()
    assert "The loss became NaN." in words(app)


def test_the_model_of_a_run_that_learned_votes_is_measured_against_them(
    home: Settings, open_view: Callable[..., AppTest], write_bundle_folder: Callable[..., Path]
) -> None:
    run = make_run(home, "one", epochs=1, state="finished")
    votes = {"accuracy": 0.75, "macro_f1": 0.5, "ece": 0.25}
    write_bundle_folder(
        run.bundle_path,
        metrics={"validation": {"accuracy": 0.5, "votes": votes}},
        targets={"kind": "votes_majority"},
    )
    assert (
        "Validation against the plurality of the votes, measured with the exported model: accuracy "
        "75.0 %, macro F1 0.500, calibration error (ECE) 0.250." in words(open_view("Runs"))
    )


def test_a_run_is_named_noted_and_deleted(
    home: Settings, open_view: Callable[..., AppTest]
) -> None:
    run = make_run(home, "one", epochs=2, state="finished")
    make_run(home, "two", epochs=2, state="finished")
    app = open_view("Runs")
    app.selectbox(key="run").set_value("one").run()
    app.text_input(key="name_one").set_value("my run")
    app.text_area(key="note_one").set_value("good")
    app.button(key="save_label_one").click().run()
    assert_sound(app)
    assert (read_label(run).name, read_label(run).note) == ("my run", "good")
    assert "Run: my run" in app.selectbox(key="run").options
    assert app.caption[0].value.startswith("2 of 50 epochs · one · ")
    app.button(key="delete").click().run()
    assert_sound(app)
    assert not run.path.exists()
    assert app.selectbox(key="run").value == "two"
    app.button(key="delete").click().run()
    assert_sound(app)
    assert "No training has been started yet" in words(app)


def test_a_crashed_run_is_shown_as_failed_with_the_logs_end(
    home: Settings, open_view: Callable[..., AppTest]
) -> None:
    run = make_run(home, "dead", epochs=2, state="running")
    (run.path / "train.log").write_text("epoch 2 done\nKilled here\n")
    app = open_view("Runs")
    assert "failed" in badges(app)
    assert "Its log ends with: Killed here" in errors(app)[0]
    assert "Continue training" in labels(app)
    assert len(app.get("vega_lite_chart")) == 4


def test_a_running_run_can_be_stopped_and_paused(
    home: Settings, open_view: Callable[..., AppTest]
) -> None:
    run = make_run(home, "alive", epochs=2)
    with run.locked():
        run.write_status(
            RunStatus(
                "running", "epoch 3/50", epoch=3, epochs=50, step=30, steps=60,
                images_per_second=123.0, seconds_left=700.0,
            )
        )  # fmt: skip
        app = open_view("Runs")
        assert "running" in badges(app)
        bars = app.get("progress")
        assert [bar.proto.value for bar in bars] == [5, 50]
        assert bars[0].proto.text == "2 of 50 epochs · about 12 min left"
        assert bars[1].proto.text == "Epoch 3: step 30 of 60"
        values = {metric.label: metric.value for metric in app.metric}
        assert values["Speed"] == "123/s"
        assert values["Memory"].endswith("B")
        app.button(key="stop").click().run()
        control = read_control(run)
        assert control is not None and control.request == "stop"
        app.button(key="pause").click().run()
        control = read_control(run)
        assert control is not None and control.request == "pause"
        run.write_status(RunStatus("paused", "paused in epoch 3/50", epoch=3, epochs=50))
        app.run()
        assert "paused" in badges(app)
        assert "Resume" in labels(app)
        assert "Delete permanently" not in labels(app)
    app.button(key="resume").click().run()
    assert_sound(app)
    assert "cannot receive the request 'resume'" in words(app)
    assert "failed" in badges(app)


@pytest.mark.usefixtures("no_processes")
def test_a_run_is_continued_for_more_epochs_and_refused_fewer(
    home: Settings, faces: str, open_view: Callable[..., AppTest]
) -> None:
    run = make_run(home, "one", epochs=5, state="finished")
    run.change_setup(RunSetup(QUICK, faces, TrainingConfig(epochs=5)))
    app = open_view("Runs")
    assert app.number_input(key="continue_epochs_one").value == 15
    app.number_input(key="continue_epochs_one").set_value(3)
    app.button(key="continue").click().run()
    assert_sound(app)
    assert "request at least 5." in errors(app)[0]
    app.number_input(key="continue_epochs_one").set_value(8)
    app.button(key="continue").click().run()
    assert_sound(app)
    assert run.read_setup().config.epochs == 8
    assert "queued" in badges(app)


@pytest.mark.usefixtures("no_processes")
def test_the_queue_is_reordered_and_emptied(
    home: Settings, faces: str, open_view: Callable[..., AppTest]
) -> None:
    for name in ("first", "second", "third"):
        enqueue(make_run(home, name), home)
    app = open_view("Runs")
    assert any("3 pending runs" in box.label for box in app.expander)
    assert app.button(key="move_up_first").disabled
    app.button(key="move_up_third").click().run()
    app.button(key="move_down_first").click().run()
    # first, third, second; then the first one place later.
    assert [run.path.name for run in pending_runs(home)] == ["third", "first", "second"]
    app.button(key="remove_second").click().run()
    assert_sound(app)
    assert sorted(run.path.name for run in pending_runs(home)) == ["first", "third"]


def test_reuse_settings_fills_the_form(
    home: Settings, faces: str, open_view: Callable[..., AppTest]
) -> None:
    run = RunFolder(home.runs_root / "one")
    run.create(
        RunSetup(
            "gone-recipe",
            "gone-data",
            TrainingConfig(batch_size=17, seed=3),
            start=StartingModel("gone-model", "plain_eight", EMOTIONS, "d", "stage1"),
        )
    )
    app = open_view("Runs", record_one=True)
    assert "recipe no longer exists" in words(app)
    app.button(key="reuse_settings").click().run()
    assert_sound(app)
    assert app.button_group[0].value == "New training"
    assert "gone-recipe no longer exists" in words(app)
    assert "gone-data is not imported: choose another one" in words(app)
    assert "starting model gone-model can no longer be used" in words(app)
    open_group(app, "run")
    assert app.number_input(key="setting_batch_size").value == 17
    assert app.number_input(key="setting_seed").value == 3


def copy_of_shipped_model(home: Settings) -> str:
    name = "fer2013"
    shutil.copytree(PROJECT_ROOT / "models" / name, home.models_root / name)
    return name


@pytest.mark.usefixtures("no_processes")
def test_a_training_starts_from_a_model(
    home: Settings, faces: str, open_view: Callable[..., AppTest]
) -> None:
    shipped = copy_of_shipped_model(home)
    app = open_view()
    assert app.selectbox(key="train_start").value == ""
    assert shipped in app.selectbox(key="train_start").options
    app.selectbox(key="train_start").set_value(shipped).run()
    assert_sound(app)
    assert app.selectbox(key="train_freeze").options == [
        *("nothing", "stage1", "stage2", "stage3", "stage4")
    ]
    assert f"adapted to {shipped}" in words(app)
    open_group(app, "network")
    assert app.selectbox(key="setting_architecture").value == "plain_nine"
    open_group(app, "optimizer")
    assert app.number_input(key="setting_learning_rate").value == pytest.approx(1e-4)
    # Another recipe follows the model too, and random weights restore the recipe.
    app.selectbox(key="train_recipe").set_value("plain-nine-sgd-cosine").run()
    assert app.number_input(key="setting_learning_rate").value == pytest.approx(0.01)
    app.selectbox(key="train_start").set_value("").run()
    assert app.number_input(key="setting_learning_rate").value == pytest.approx(0.1)
    assert "Same settings as the recipe plain-nine-sgd-cosine, seed" in words(app)
    app.selectbox(key="train_start").set_value(shipped).run()
    app.selectbox(key="train_freeze").set_value("stage2").run()
    app.button(key="start_training").click().run()
    assert_sound(app)
    (run,) = list_runs(home)
    setup = RunFolder(run.path).read_setup()
    assert setup.start is not None
    assert (setup.start.model, setup.start.freeze) == (shipped, "stage2")
    assert (setup.config.architecture, setup.config.learning_rate) == ("plain_nine", 0.01)
    assert RunFolder(run.path).starting_model_path.is_file()
    assert run.start == setup.start


def test_another_architecture_than_that_of_the_model_is_refused(
    home: Settings, faces: str, open_view: Callable[..., AppTest]
) -> None:
    shipped = copy_of_shipped_model(home)
    app = open_view()
    app.selectbox(key="train_start").set_value(shipped).run()
    open_group(app, "network")
    app.selectbox(key="setting_architecture").set_value("three_convolutions").run()
    app.button(key="start_training").click().run()
    assert "keep architecture=plain_nine" in errors(app)[0]
    assert list_runs(home) == []


def test_the_address_names_the_run_and_leads_back_to_it(
    home: Settings,
    open_view: Callable[..., AppTest],
    address_of: Callable[[AppTest], dict[str, str]],
) -> None:
    for name in ("one", "two", "three"):
        write_label(make_run(home, name, epochs=1, state="finished"), RunLabel(f"Run {name}"))
    app = open_view("Runs")
    assert address_of(app) == {"view": "runs", "run": app.selectbox(key="run").value}
    again = AppTest.from_file(str(PROJECT_ROOT / "app.py"), default_timeout=180)
    again.session_state["view"] = "Runs"
    again.query_params["run"] = "two"
    again.switch_page("pages/train.py").run()
    assert again.selectbox(key="run").value == "two"
    gone = AppTest.from_file(str(PROJECT_ROOT / "app.py"), default_timeout=180)
    gone.session_state["view"] = "Runs"
    gone.query_params["run"] = "gone"
    gone.switch_page("pages/train.py").run()
    assert_sound(gone)
    assert gone.selectbox(key="run").value in ("one", "two", "three")
    assert "The run gone is not available" in gone.warning[0].value


def test_broken_folders_are_shown_with_a_sentence_and_do_not_affect_others(
    home: Settings, open_view: Callable[..., AppTest]
) -> None:
    make_run(home, "good", epochs=3, state="finished")
    for name, content in (
        ("torn", '{"recipe": "x", "da'),
        ("edited", '{"recipe": "x", "data": "y", "config": {"epochs": "many"}}'),
    ):
        (home.runs_root / name).mkdir()
        (home.runs_root / name / "config.json").write_text(content)
    half = make_run(home, "half", epochs=2, state="finished")
    with (half.path / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 3, "los')
    (half.path / "status.json").write_text("{")
    (half.path / "label.json").write_text("[")
    half.bundle_path.mkdir()
    (half.bundle_path / "bundle.json").write_text("{}")
    app = open_view("Runs")
    for name, sentence in (
        ("torn", "config.json is damaged"),
        ("edited", "is not a valid configuration"),
    ):
        app.selectbox(key="run").set_value(name).run()
        assert_sound(app)
        assert "damaged" in badges(app)
        assert sentence in errors(app)[0]
        assert not {"Stop", "Continue training", "Reuse settings"} & set(labels(app))
    app.selectbox(key="run").set_value("half").run()
    assert_sound(app)
    assert "2 of 50 epochs" in words(app)
    assert "damaged" in errors(app)[0]  # its model
    app.button_group[0].set_value("Compare").run()
    assert_sound(app)
    assert len(app.dataframe[0].value) == 4
    app = open_view("Compare", compared_runs=["good", "torn"])
    assert "Fewer than two of these runs have settings that can be read" in words(app)


def live_charts(app: AppTest) -> list[tuple[str, str, bytes]]:
    """Identity, specification and data of the live figures."""
    found = [chart.proto for chart in app.get("vega_lite_chart")]
    return [(one.id, one.spec, one.data.SerializeToString()) for one in found]


def test_a_thousand_epochs_are_sent_thinned(
    home: Settings, open_view: Callable[..., AppTest]
) -> None:
    make_run(home, "long", epochs=1000, state="finished")
    charts = live_charts(open_view("Runs"))
    assert len(charts) == 4
    assert sum(len(data) for _, _, data in charts) < 300_000


def test_unchanged_figures_are_the_same_messages_and_growing_ones_the_same_elements(
    home: Settings, open_view: Callable[..., AppTest]
) -> None:
    run = make_run(home, "one", epochs=3, state="finished")
    app = open_view("Runs")
    before = live_charts(app)
    app.run()
    assert live_charts(app) == before
    run.append_epoch(record(4))
    app.run()
    after = live_charts(app)
    assert [one[:2] for one in after] == [one[:2] for one in before]
    assert all(new[2] != old[2] for new, old in zip(after, before, strict=True))


def test_models_of_runs_have_the_names_of_their_runs_on_other_pages(
    home: Settings, open_view: Callable[..., AppTest], write_bundle_folder: Callable[..., Path]
) -> None:
    for name, title in (("one", "First"), ("two", "Same"), ("three", "Same")):
        run = make_run(home, name, epochs=1, state="finished")
        write_bundle_folder(run.bundle_path)
        write_label(run, RunLabel(title))
    app = open_view("Models")
    assert {"First", "Same"} <= set(app.dataframe[0].value["Model"])
    app.switch_page("pages/analyze.py").run()
    options = " ".join(app.selectbox(key="model").options)
    assert "Model: First" in options and "Same (two)" in options and "Same (three)" in options
    set_default_bundle("one", home)
    app.switch_page("pages/home.py").run()
    assert "**First**" in words(app)


# Compare


def test_runs_are_listed_filtered_and_distinguishable(
    home: Settings, open_view: Callable[..., AppTest]
) -> None:
    make_run(home, "one", epochs=3, state="finished", seed=1)
    make_run(home, "two", epochs=2, state="stopped", recipe="wide-cnn-100-epochs")
    make_run(home, "three")
    app = open_view("Compare")
    table = app.dataframe[0].value
    assert set(table["Run"]) == {"one", "two", "three"}
    row = table.set_index("Run").loc["one"]
    assert (row["Accuracy"], row["Best epoch"], row["Epochs"]) == (pytest.approx(53.0), 3, "3/50")
    assert (row["State"], row["Seed"], row["Recipe"]) == ("finished", 1, QUICK)
    app.text_input(key="compare_filter").set_value("WIDE").run()
    assert list(app.dataframe[0].value["Run"]) == ["two"]
    assert "1 of 3 runs." in words(app)
    app.text_input(key="compare_filter").set_value("")
    app.multiselect(key="compare_states").set_value(["finished"]).run()
    assert list(app.dataframe[0].value["Run"]) == ["one"]
    # No run belongs to a search.
    app.text_input(key="compare_filter").set_value("none").run()
    assert_sound(app)
    assert len(app.dataframe[0].value) == 0


def test_chosen_runs_are_overlaid_with_their_differences(
    home: Settings, open_view: Callable[..., AppTest], write_bundle_folder: Callable[..., Path]
) -> None:
    one = make_run(home, "one", epochs=3, state="finished", seed=1, dropout_scale=0.5)
    make_run(home, "two", epochs=2, state="finished", recipe="wide-cnn-100-epochs")
    write_bundle_folder(one.bundle_path)
    app = open_view("Compare", compared_runs=["one", "two"])
    (chart,) = app.get("plotly_chart")
    assert {curve["name"] for curve in json.loads(chart.proto.spec)["data"]} == {"one", "two"}
    rows = {row["Setting"]: row for row in app.dataframe[1].value.to_dict("records")}
    assert set(rows) == {"Recipe", "Dropout scale", "Seed"}
    assert (rows["Seed"]["one"], rows["Seed"]["two"]) == ("1", "0")
    app = open_view("Compare", compared_runs=["one"])
    app.button(key="promote_run").click().run()
    assert_sound(app)
    assert default_bundle_name(home) == "one"
    app.button(key="open_run").click().run()
    assert app.selectbox(key="run").value == "one"


def test_the_three_best_finished_runs_are_compared_until_others_are_selected(
    home: Settings, open_view: Callable[..., AppTest]
) -> None:
    for name, epochs in (("one", 1), ("two", 2), ("three", 3), ("four", 4)):
        make_run(home, name, epochs=epochs, state="finished")
    make_run(home, "best", epochs=5, state="failed")
    make_run(home, "new")
    app = open_view("Compare")
    assert list(app.dataframe[0].value["Run"]) == ["best", "four", "three", "two", "one", "new"]
    (chart,) = app.get("plotly_chart")
    curves = json.loads(chart.proto.spec)["data"]
    assert [curve["name"] for curve in curves] == ["four", "three", "two"]
    app = open_view("Compare", compared_runs=[])
    assert not app.get("plotly_chart")
    assert "Click the left end" in words(app)


def test_runs_that_differ_in_their_seed_are_one_row_with_mean_and_deviation(
    home: Settings, open_view: Callable[..., AppTest]
) -> None:
    for seed in (0, 1):
        run = make_run(home, f"seed{seed}", epochs=2 + seed, state="finished", seed=seed)
        write_label(run, RunLabel(f"baseline {seed}"))
    make_run(home, "other", epochs=2, state="finished", dropout_scale=0.5)
    app = open_view("Compare", compared_runs=["seed0"], group_seeds=True)
    table = app.dataframe[0].value.set_index("Runs")
    row = table.loc["baseline"]
    # The best epochs are 0.52 and 0.53: the mean is 0.525, the deviation 0.01 / sqrt(2).
    assert (row["Seeds"], row["Seed values"]) == (2, "0, 1")
    assert row["Accuracy"] == pytest.approx(52.5)
    assert row["± SD"] == pytest.approx(100 * 0.01 / 2**0.5)
    assert list(row["By epoch"]) == pytest.approx([51, 52])  # both have finished two epochs
    assert table.loc["other"]["Seeds"] == 1
    (chart,) = app.get("plotly_chart")
    curves = json.loads(chart.proto.spec)["data"]
    assert [curve["name"] for curve in curves] == ["baseline"]  # the runs are equal: no band
    app.toggle(key="group_seeds").set_value(False).run()
    assert_sound(app)
    assert set(app.dataframe[0].value["Run"]) == {"baseline 0", "baseline 1", "other"}
    (chart,) = app.get("plotly_chart")
    assert {curve["name"] for curve in json.loads(chart.proto.spec)["data"]} == {
        "baseline 0", "baseline 1",
    }  # fmt: skip


def test_a_sparkline_has_few_points_and_both_ends() -> None:
    assert sparkline_values([0.1, 0.2]) == [10.0, 20.0]
    line = sparkline_values([number / 1000 for number in range(1001)])
    assert (len(line), line[0], line[-1]) == (40, 0.0, 100.0)
    assert line == sorted(line)


def test_curves_are_smoothed_and_logarithmic_on_request(
    home: Settings, open_view: Callable[..., AppTest]
) -> None:
    make_run(home, "one", epochs=4, state="finished")
    app = open_view("Runs")
    plain = live_charts(app)
    app.slider(key="smoothing").set_value(0.5).run()
    app.toggle(key="log_axis").set_value(True).run()
    assert_sound(app)
    accuracy, loss, _, rate = live_charts(app)
    assert '"field": "raw"' in accuracy[1] and '"log"' not in accuracy[1]
    assert '"type": "log"' in loss[1]
    assert rate == plain[3]


def test_the_csv_contains_metrics_and_settings(home: Settings) -> None:
    make_run(home, "one", epochs=3, state="finished", seed=4)
    (home.runs_root / "torn").mkdir()
    (home.runs_root / "torn" / "config.json").write_text("{")
    rows = {row["run"]: row for row in csv.DictReader(io.StringIO(runs_as_csv(list_runs(home))))}
    assert rows["one"]["validation_accuracy"] == "0.53"
    assert (rows["one"]["seed"], rows["one"]["epochs_done"]) == ("4", "3")
    assert rows["torn"]["state"] == "damaged"
    assert difference_rows([]) == []


def test_differences_contain_the_dataset_as_named_the_choices_and_the_starting_model(
    home: Settings,
) -> None:
    make_run(home, "one", imbalance="class_weights")
    start = StartingModel("votes", "plain_eight", EMOTIONS, "d", "stage1")
    RunFolder(home.runs_root / "two").create(
        RunSetup(QUICK, "my_faces", validated_config({"monitor": "accuracy"}), start=start)
    )
    runs = sorted(list_runs(home), key=lambda run: run.id)
    assert difference_rows(runs) == [
        {"Setting": "Dataset", "one": "faces", "two": "my_faces"},
        {"Setting": "Start from", "one": "random weights", "two": "votes, frozen up to stage1"},
        {"Setting": "Class imbalance", "one": "class weights", "two": "none"},
    ]


# Search


def values(**changes: Any) -> dict[str, Any]:
    return {
        "name": "rates", "recipe": QUICK, "data": "faces", "epochs": 2, "trials": 3,
        "monitor": "accuracy", "pruning": True, "seed": 0, "storage": None,
    } | changes  # fmt: skip


RATE = {"field": "learning_rate", "low": 1e-4, "high": 1e-2, "log": True}


def test_a_study_is_created_from_the_form() -> None:
    setup = setup_from_form(values(), [RATE])
    assert (setup.name, setup.trials, setup.config.epochs) == ("rates", 3, 2)
    assert setup.space.parameters == (SearchParameter(**RATE),)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "parameters", "sentence"),
    [
        ({"name": ""}, [RATE], "needs a name; enter one"),
        ({"epochs": None}, [RATE], "Epochs per trial is missing; enter a number"),
        ({"epochs": 0}, [RATE], "epochs"),
        ({"trials": 0}, [RATE], "trials"),
        ({}, [], "at least one field"),
        ({}, [RATE | {"low": 1.0}], "needs low and high, with low below high"),
        ({}, [RATE | {"high": 100.0}], "learning_rate"),
    ],
)
def test_a_bad_search_is_reported(
    changes: dict[str, Any], parameters: list[dict[str, Any]], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        setup_from_form(values(**changes), parameters)
    assert "\n" not in str(caught.value)


def test_a_search_is_created_started_and_listed(
    home: Settings, faces: str, open_view: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    monkeypatch.setattr(
        "fer_studio.ui.train.search.launch_search",
        lambda name, settings, workers=1: started.append(name),
    )
    app = open_view("Search")
    app.button(key="create_search").click().run()
    assert "needs a name; enter one" in errors(app)[0]
    app.text_input(key="search_name").set_value("rates")
    app.multiselect(key="search_fields").set_value(["learning_rate"]).run()
    app.number_input(key="search_trials").set_value(4)
    app.button(key="create_search").click().run()
    assert_sound(app)
    assert not app.error
    assert started == ["rates"]
    setup = read_study_setup("rates", home)
    assert (setup.trials, setup.data, setup.config.epochs) == (4, "faces", 10)
    assert [one.field for one in setup.space.parameters] == ["learning_rate"]
    assert app.selectbox(key="study").value == "rates"
    assert "0 of 4 trials" in app.get("progress")[0].proto.text
    app.button(key="resume_search").click().run()
    assert started == ["rates", "rates"]
    # A name that is taken.
    app.text_input(key="search_name").set_value("rates")
    app.button(key="create_search").click().run()
    assert "There is already a search" in errors(app)[0]


def test_the_trials_are_listed_with_links_to_their_runs_and_optunas_figures(
    home: Settings, faces: str, open_view: Callable[..., AppTest]
) -> None:
    dropout = {"field": "dropout_scale", "low": 0.5, "high": 1.5}
    create_study(setup_from_form(values(trials=4), [RATE, dropout]), home)
    study = load_study("rates", home)
    for number, accuracy in enumerate((0.25, 0.5)):
        trial = study.ask()
        trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True)
        trial.suggest_float("dropout_scale", 0.5, 1.5)
        trial.set_user_attr("run", f"run-{number}")
        trial.set_user_attr(WORKER_ATTRIBUTE, f"lab-{number} 17")
        trial.report(accuracy, 1)
        study.tell(trial, accuracy)
    study.ask().set_user_attr(WORKER_ATTRIBUTE, "lab-0 17")
    for name in ("lab-0 17", "lab-1 17"):
        report_worker(study, name)
    make_run(home, "run-1", epochs=1, state="finished")
    app = open_view("Search")
    assert "2 of 4 trials: 2 finished" in app.get("progress")[0].proto.text
    assert "Best: trial 1, validation accuracy 50.0 %" in words(app)
    table = app.dataframe[0].value
    # The best trial is first, the running one is last.
    assert list(table["Trial"]) == [1, 0, 2]
    assert list(table["Best"]) == ["★", "", ""]
    # The run of trial 0 is on the machine that trained it.
    assert list(table["Run"].fillna("")) == ["/train?view=Runs&run=run-1", "", ""]
    assert list(table["Worker"]) == ["lab-1 17", "lab-0 17", "lab-0 17"]
    assert "Problem" not in table.columns  # no trial has one
    assert r"Workers: **lab\-0 17** trial 2, **lab\-1 17** between trials." in [
        caption.value for caption in app.caption
    ]
    assert "Learning rate" in table.columns
    assert [tab.label for tab in app.tabs] == [
        "History", "Importance", "Parallel coordinates", "Slices", "Curves of the trials",
    ]  # fmt: skip
    for tab in app.tabs:  # only the chart of the open tab is drawn, and each of them twice
        for _ in range(2):
            app.session_state["study_chart"] = tab.label
            app.run()
            assert len(app.get("plotly_chart")) == 1, tab.label
    app.button(key="open_best").click().run()
    assert_sound(app)
    assert app.selectbox(key="run").value == "run-1"


def test_the_best_trial_is_first_also_for_a_metric_that_is_minimized(
    home: Settings, faces: str, open_view: Callable[..., AppTest]
) -> None:
    create_study(setup_from_form(values(trials=3, monitor="loss"), [RATE]), home)
    study = load_study("rates", home)
    for loss in (1.5, 0.5, 1.0):
        trial = study.ask()
        trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True)
        trial.set_user_attr(WORKER_ATTRIBUTE, "lab-0 17")
        trial.report(loss, 1)
        study.tell(trial, loss)
    app = open_view("Search")
    assert "finished" in badges(app)
    assert not app.get("progress")
    assert "3 of 3 trials: 3 finished." in words(app)
    table = app.dataframe[0].value
    assert list(table["Trial"]) == [1, 2, 0]
    assert "Worker" not in table.columns  # it is the same for all


def test_a_damaged_study_is_reported(
    home: Settings, faces: str, open_view: Callable[..., AppTest]
) -> None:
    folder = home.runs_root / ".studies" / "torn"
    folder.mkdir(parents=True)
    (folder / "study.json").write_text("{")
    app = open_view("Search")
    assert "study.json is damaged" in errors(app)[0]


# Words


def test_amounts_and_values() -> None:
    assert (format_bytes(850e6), format_bytes(1.34e9)) == ("850 MB", "1.3 GB")
    values = (None, True, 0.00025, 3, "class_weights", ((1, 0.1),), ())
    assert [format_value(one) for one in values] == [
        *("none", "yes", "0.00025", "3", "class weights", "1: 0.1", "none")
    ]
