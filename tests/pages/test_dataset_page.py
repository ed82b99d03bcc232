"""The dataset page in its empty, broken and valid states."""

import io
import json
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from streamlit.testing.v1 import AppTest

from fer_core.dataset.curation_csv import parse_curation
from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.store import (
    dataset_names,
    delete_dataset,
    import_dataset,
    install_demo_set,
    load_dataset,
)
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.settings import PROJECT_ROOT, Settings
from fer_studio.ui.dataset.audit import example_row
from fer_studio.ui.jobs import job_service

Png = Callable[[NDArray[np.uint8]], bytes]
OpenApp = Callable[..., AppTest]
PAGE = "pages/dataset.py"
PATIENCE_SECONDS = 180


def csv_of(faces: FaceSet) -> bytes:
    """The faces as FER2013's own table."""
    usages = ("Training", "PublicTest", "PrivateTest")
    lines = ["emotion,pixels,Usage"]
    for image, label, split in zip(faces.images, faces.labels, faces.splits, strict=True):
        pixels = " ".join(map(str, image.ravel().tolist()))
        lines.append(f"{label},{pixels},{usages[split]}")
    return "\n".join(lines).encode()


@pytest.fixture(scope="module")
def faulty(draw_faces: Callable[..., FaceSet]) -> FaceSet:
    """As tiny_faces, with a pair within train, a leak into validation, a conflict and a blank."""
    splits = ["train"] * 56 + ["validation"] * 21 + ["test"] * 14
    faces = draw_faces([number % 7 for number in range(91)], splits=splits)
    images = faces.images.copy()
    images[7] = images[0]  # the same label, both in train
    images[56 + 7] = images[14]  # a validation image that also appears in train
    images[3] = images[2]  # under another label
    images[20] = 128
    return FaceSet(images, faces.labels, faces.splits, faces.names)


@pytest.fixture
def home_with_faces(home: Settings, faulty: FaceSet, tmp_path: Path) -> Settings:
    source = tmp_path / "source" / "faulty.csv"
    source.parent.mkdir()
    source.write_bytes(csv_of(faulty))
    import_dataset(source, home, name="faulty")
    return home


def texts(elements: Sequence[Any]) -> list[str]:
    return [element.value for element in elements]


def plain(elements: Sequence[Any]) -> str:
    return " ".join(texts(elements)).replace("\\", "")


def assert_sound(app: AppTest) -> None:
    assert not app.exception, texts(app.exception)
    assert texts(app.title) == ["Dataset"]


def open_page(open_app: OpenApp) -> AppTest:
    return open_app().switch_page(PAGE).run()


def settled(app: AppTest) -> AppTest:
    """Run the page again, as a browser does, until nothing is under way in the background."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    app.run()
    while app.get("progress"):
        assert time.monotonic() < deadline, "the work in the background does not end"
        time.sleep(0.1)
        app.run()
    assert_sound(app)
    return app


def open_section(app: AppTest, name: str) -> AppTest:
    titles = {
        "Overview": ":material/bar_chart: Overview",
        "Browse images": ":material/visibility: Browse images",
        "Audit": ":material/search: Audit",
        "Clean up": ":material/healing: Clean up",
        "Annotator votes": ":material/how_to_vote: Annotator votes",
    }
    app.session_state["dataset_section"] = titles[name]
    return settled(app)


def open_import(app: AppTest, way: str) -> AppTest:
    app.session_state["import_open"] = True
    app.session_state["import_source"] = way
    return app.run()


def upload(app: AppTest, name: str, content: bytes, wanted: str = "") -> AppTest:
    open_import(app, "upload")
    app.file_uploader[0].set_value((name, content, "application/octet-stream"))
    if wanted:
        app.text_input(key="import_name_").set_value(wanted)
    settled(app)
    if not app.button(key="import_start").disabled:
        app.button(key="import_start").click()
        settled(app)
    return app


def metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def decisions(settings: Settings, name: str = "faulty") -> dict[str, str]:
    """What is decided, by image."""
    path = settings.data_root / name / "curation.csv"
    if not path.exists():
        return {}
    curation = parse_curation(path.read_bytes(), "curation.csv")
    assert curation.problems == ()
    return {entry.name: entry.label or entry.action for entry in curation.entries}


def choose_finding(app: AppTest, kind: str) -> AppTest:
    """Open a finding, from its card or from another finding."""
    if any(one.key == "all_findings" for one in app.button):
        app.selectbox(key="audit_finding").select(kind)
    else:
        app.button(key=f"show_{kind}").click()
    return settled(app)


def box(app: AppTest, row: int) -> Any:
    (found,) = [one for one in app.checkbox if one.key.endswith(f"_box_{row}")]
    return found


def button(app: AppTest, label: str) -> Any:
    (found,) = [one for one in app.button if one.label == label]
    return found


def test_without_data_the_page_says_what_to_do(home: Settings, open_app: OpenApp) -> None:
    app = open_page(open_app)
    assert_sound(app)
    assert "There is no dataset yet." in plain(app.markdown)
    (field,) = app.file_uploader
    assert field.label == "Archive or table"
    kinds = {".zip", ".tar", ".gz", ".tgz", ".bz2", ".tbz2", ".xz", ".txz", ".csv", ".tsv", ".txt"}
    assert set(field.proto.type) == kinds | {".parquet"}
    assert not app.error
    assert not app.metric
    assert not app.tabs
    assert "banned in the European Union" in plain(app.markdown)
    app.button(key="empty_use_demo").click().run()
    assert_sound(app)
    assert app.selectbox(key="dataset").value == "demo"
    assert metrics(app)["Images"] == "3,540"
    assert "do not apply to real faces" in plain(app.info)
    open_import(app, "demo")
    assert app.button(key="import_demo").disabled


def test_the_demo_set_can_be_added_to_other_datasets(
    home_with_faces: Settings, open_app: OpenApp
) -> None:
    app = open_import(open_page(open_app), "demo")
    app.button(key="import_demo").click().run()
    assert_sound(app)
    assert app.selectbox(key="dataset").value == "demo"
    assert dataset_names(home_with_faces) == ["demo", "faulty"]


def test_an_uploaded_table_is_imported_and_shown(
    home: Settings, open_app: OpenApp, faulty: FaceSet
) -> None:
    app = upload(open_page(open_app), "faces of mine.csv", csv_of(faulty))
    assert dataset_names(home) == ["faces-of-mine"]
    loaded = load_dataset("faces-of-mine", home)
    assert loaded.fingerprint == faulty.fingerprint
    assert "faces-of-mine** was imported: 91 images, nothing skipped" in plain(app.success)
    assert app.selectbox(key="dataset").value == "faces-of-mine"
    assert metrics(app) == {
        "Images": "91",
        "Train": "56",
        "Validation": "21",
        "Test": "14",
        "Imbalance": "1.0 : 1",
        "Majority baseline": "14.3 %",
    }
    # No file of the upload is left next to the dataset.
    assert [path.name for path in home.data_root.iterdir()] == ["faces-of-mine"]


def test_skipped_files_are_counted_and_listed(home: Settings, open_app: OpenApp, png: Png) -> None:
    picture = png(np.full((48, 48), 9, np.uint8))
    content = {f"happy/{number}.png": picture for number in range(12)}
    content |= {"sad/half.png": picture[:20], "contempt/one.png": picture}
    app = upload(open_page(open_app), "mine.zip", packed(content), wanted="mine")
    assert "2 files or rows were skipped" in plain(app.warning)
    (listed,) = [
        one.value for one in app.dataframe if "Reason" in one.value and "File or row" in one.value
    ]
    assert sorted(listed["File or row"]) == ["class 'contempt'", "sad/half.png"]
    assert "is a damaged PNG picture" in " ".join(listed["Reason"])
    (counted,) = [one.value for one in app.dataframe if "Suffix" in one.value]
    assert counted.to_dict("records") == [
        {"Class": "sad", "Suffix": ".png", "Reason": "is a damaged PNG picture", "Count": 1}
    ]
    assert any(one.key == "download_skipped" for one in app.download_button)


def packed(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.csv", b"", "empty.csv"),
        ("notes.csv", b"a,b\n1,2\n", "no column 'pixels'"),
        ("half.zip", packed({"happy/a.png": bytes(5000)})[:60], "not a complete zip"),
        ("text.zip", b"this is no archive", "not a complete zip"),
        ("out.zip", packed({"../happy/a.png": b"x"}), "leads out of the archive"),
        ("none.zip", packed({"readme.txt": b"x"}), "no usable picture"),
        ("utf16.csv", "emotion,pixels\n0,1 2".encode("utf-16"), "utf16.csv"),
        ("short.csv", b"emotion,pixels\n0,1 2 3\n", "pixel"),
    ],
    # Zip archives contain the time, which must not be part of a test's id.
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_invalid_upload_gives_one_sentence_and_changes_nothing(
    home_with_faces: Settings, open_app: OpenApp, name: str, content: bytes, words: str
) -> None:
    app = upload(open_page(open_app), name, content, wanted="bad")
    (error,) = app.error
    assert words in error.value.replace("\\", "")
    assert "Traceback" not in error.value
    assert "\n" not in error.value
    assert dataset_names(home_with_faces) == ["faulty"]
    assert [path.name for path in home_with_faces.data_root.iterdir()] == ["faulty"]
    assert metrics(app)["Images"] == "91"


def test_a_zip_bomb_is_refused(
    home: Settings, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fer_core.dataset.readers.sources.MAX_TOTAL_BYTES", 1 << 20)
    app = upload(open_page(open_app), "bomb.zip", packed({"happy/a.png": bytes(3 << 20)}))
    assert "would unpack to more than" in plain(app.error)
    assert dataset_names(home) == []


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("faulty", "already a dataset 'faulty'"),
        ("../x", "cannot be a name"),
        ("demo", "is reserved for"),
    ],
)
def test_a_taken_or_unfit_name_is_refused(
    home_with_faces: Settings, open_app: OpenApp, faulty: FaceSet, wanted: str, words: str
) -> None:
    before = load_dataset("faulty", home_with_faces).fingerprint
    app = upload(open_page(open_app), "x.csv", csv_of(faulty), wanted=wanted)
    assert words in plain(app.error)
    assert load_dataset("faulty", home_with_faces).fingerprint == before


def test_a_name_that_is_taken_from_the_file_is_refused_before_anything_is_read(
    home_with_faces: Settings, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fer_studio.ui.dataset import importing

    read: list[object] = []
    monkeypatch.setattr(importing, "import_dataset", lambda *given, **_: read.append(given))
    app = upload(open_page(open_app), "faulty.zip", b"unused content")
    assert "already a dataset 'faulty'" in plain(app.error)
    assert not read


def test_the_name_of_an_upload_with_a_long_name_is_the_one_that_was_checked(
    home: Settings, open_app: OpenApp, faulty: FaceSet
) -> None:
    """The upload is stored under the end of its name, but the name was checked by its beginning."""
    upload(open_page(open_app), f"faces-{'a' * 80}.csv", csv_of(faulty))
    name = f"faces-{'a' * 58}"
    assert dataset_names(home) == [name]
    app = upload(open_page(open_app), f"faces-{'a' * 80}.csv", csv_of(faulty))
    assert f"already a dataset '{name}'" in plain(app.error)


def test_pressing_import_without_a_file_says_what_is_missing(
    home: Settings, open_app: OpenApp
) -> None:
    app = open_import(open_page(open_app), "upload")
    app.button(key="import_start").click().run()
    assert_sound(app)
    assert "drop an archive or a table" in plain(app.error)


def test_a_click_together_with_a_path_imports_nothing(
    home_with_faces: Settings,
    open_app: OpenApp,
    monkeypatch: pytest.MonkeyPatch,
    write_files: Callable[..., Path],
    png: Png,
) -> None:
    picture = png(np.zeros((48, 48), np.uint8))
    files = {f"{name}/1.png": picture for name in ("happy", "sad")}
    taken, free = write_files(files, "imports/faulty"), write_files(files, "imports/mine")
    monkeypatch.setenv("FER_STUDIO_IMPORT_ROOTS", str(taken.parent))
    app = open_import(open_page(open_app), "path")
    for folder in (free, taken):
        app.text_input(key="import_path").set_value(folder.name)
        app.button(key="import_start").click().run()
        assert_sound(app)
        # The reason is shown, and not that no path was entered.
        assert "No path was given" not in plain(app.error)
        assert ("already a dataset 'faulty'" in plain(app.error)) == (folder is taken)
    settled(app)
    assert not (home_with_faces.data_root / "mine").exists()


def test_an_import_can_be_stopped_and_leaves_nothing(
    home: Settings, open_app: OpenApp, faulty: FaceSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fer_studio.ui.dataset import importing

    reading, proceed, reached_end = threading.Event(), threading.Event(), threading.Event()
    original = importing.import_dataset

    def slow(*arguments: Any, report: Any, **options: Any) -> Any:
        reading.set()
        assert proceed.wait(PATIENCE_SECONDS)
        result = original(*arguments, report=report, **options)
        reached_end.set()
        return result

    monkeypatch.setattr(importing, "import_dataset", slow)
    app = open_import(open_page(open_app), "upload")
    app.file_uploader[0].set_value(("mine.csv", csv_of(faulty), "text/csv"))
    settled(app)
    app.button(key="import_start").click().run()
    assert reading.wait(PATIENCE_SECONDS)
    # Nobody else can stop it.
    assert not any(one.label == "Stop" for one in open_page(open_app).button)
    button(app.run(), "Stop").click().run()
    proceed.set()
    settled(app)
    assert not app.error
    assert "There is no dataset yet." in plain(app.markdown)
    assert not reached_end.is_set()
    assert list(home.data_root.iterdir()) == []
    # The same can be imported again.
    monkeypatch.setattr(importing, "import_dataset", original)
    upload(app, "mine.csv", csv_of(faulty))
    assert dataset_names(home) == ["mine"]


def test_each_session_reports_its_own_import_of_the_same_name(
    home: Settings, open_app: OpenApp, faulty: FaceSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fer_studio.ui.dataset import importing

    proceed = threading.Event()
    original = importing.import_dataset

    def slow(*arguments: Any, **options: Any) -> Any:
        assert proceed.wait(PATIENCE_SECONDS)
        return original(*arguments, **options)

    monkeypatch.setattr(importing, "import_dataset", slow)
    first = open_import(open_page(open_app), "upload")
    first.file_uploader[0].set_value(("mine.csv", csv_of(faulty), "text/csv"))
    settled(first)
    first.button(key="import_start").click().run()
    job = job_service().get(importing.IMPORT, "mine")
    proceed.set()
    assert job is not None and job.wait(PATIENCE_SECONDS)
    # Before the first page looks again, the name is used by another session.
    delete_dataset("mine", home)
    second = upload(open_page(open_app), "mine.csv", csv_of(faulty))
    first.run()
    for app in (first, second):
        assert "mine** was imported: 91 images" in plain(app.success)


@pytest.fixture
def custom(png: Png) -> bytes:
    """A zip with six images each of three classes, one of which is an emotion."""
    generator = np.random.default_rng(0)
    return packed(
        {
            f"set/{name}/{number}.png": png(generator.integers(0, 256, (48, 48)).astype(np.uint8))
            for name in ("ahegao", "scared", "smug_face")
            for number in range(6)
        }
    )


def test_the_classes_are_shown_and_can_be_changed_before_the_import(
    home: Settings, open_app: OpenApp, custom: bytes
) -> None:
    app = open_import(open_page(open_app), "upload")
    app.file_uploader[0].set_value(("mine.zip", custom, "application/zip"))
    settled(app)
    assert dataset_names(home) == []
    fields = {
        box.label.replace("\\", ""): box for box in app.selectbox if "import_class" in str(box.key)
    }
    assert list(fields) == ["scared (6)", "ahegao (6)", "smug_face (6)"]
    assert [box.value for box in fields.values()] == ["fear", "(leave out)", "(leave out)"]
    assert "- ahegao: 6 images\n- smug_face: 6 images" in plain(app.warning)
    assert "No image for: angry, disgust, happy" in plain(app.warning)
    assert "choose “As named” to import only classes that have images" in plain(app.warning)
    fields["ahegao (6)"].set_value("surprise")
    settled(app)
    assert "- smug_face: 6 images" in plain(app.warning)
    app.button(key="import_start").click()
    settled(app)
    faces = load_dataset("mine", home)
    assert [(one.name, one.target) for one in faces.source_classes] == [
        ("scared", "fear"),
        ("ahegao", "surprise"),
        ("smug_face", None),
    ]
    assert len(faces) == 12


def test_seven_emotions_are_suggested_if_only_contempt_has_no_image(
    home: Settings, open_app: OpenApp, png: Png
) -> None:
    face = png(np.zeros((48, 48), np.uint8))
    app = open_import(open_page(open_app), "upload")
    content = packed({f"{name}/a.png": face for name in EMOTIONS})
    app.file_uploader[0].set_value(("seven.zip", content, "application/zip"))
    settled(app)
    assert not app.warning
    app.session_state["import_scheme"] = "emotions8"
    settled(app)
    assert "No image for: contempt." in plain(app.warning)
    assert "choose “Seven emotions” to import only classes that have images" in plain(app.warning)


def test_the_names_of_the_folders_can_be_kept(
    home: Settings, open_app: OpenApp, custom: bytes
) -> None:
    app = open_import(open_page(open_app), "upload")
    app.file_uploader[0].set_value(("mine.zip", custom, "application/zip"))
    settled(app)
    app.session_state["import_scheme"] = "folders"
    settled(app)
    assert not app.warning
    app.button(key="import_start").click()
    settled(app)
    assert load_dataset("mine", home).classes == ("scared", "ahegao", "smug_face")
    assert metrics(app)["Images"] == "18"


def test_a_choice_that_is_not_possible_cannot_be_imported(
    home: Settings, open_app: OpenApp, png: Png
) -> None:
    face = png(np.zeros((48, 48), np.uint8))
    app = open_import(open_page(open_app), "upload")
    content = packed({"cat/a.png": face, "dog/b.png": face})
    app.file_uploader[0].set_value(("pets.zip", content, "application/zip"))
    settled(app)
    assert "None of these classes is known as an emotion" in plain(app.error)
    assert app.button(key="import_start").disabled
    app.session_state["import_scheme"] = "folders"
    settled(app)
    assert not app.error
    assert not app.button(key="import_start").disabled


def test_a_path_within_the_roots_is_imported_with_the_shares_chosen(
    home: Settings,
    open_app: OpenApp,
    monkeypatch: pytest.MonkeyPatch,
    write_files: Callable[..., Path],
    png: Png,
) -> None:
    folder = write_files(
        {
            f"{one}/{number}.png": png(np.full((48, 48), number, np.uint8))
            for one in ("happy", "sad")
            for number in range(20)
        },
        "imports/mine",
    )
    monkeypatch.setenv("FER_STUDIO_IMPORT_ROOTS", str(folder.parent))
    app = open_import(open_page(open_app), "path")
    app.text_input(key="import_path").set_value("mine")
    app.number_input(key="import_validation").set_value(20.0)
    app.number_input(key="import_test").set_value(30.0)
    app.number_input(key="import_seed").set_value(7)
    settled(app)
    app.button(key="import_start").click()
    settled(app)
    assert metrics(app)["Validation"] == "8"
    assert metrics(app)["Test"] == "12"
    record = json.loads((home.data_root / "mine" / "dataset.json").read_text())
    assert (record["validation_share"], record["test_share"], record["seed"]) == (0.2, 0.3, 7)
    assert "20 % validation, 30 % test, seed 7" in plain(app.caption)


def test_a_path_outside_the_roots_is_refused(
    home_with_faces: Settings, open_app: OpenApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FER_STUDIO_IMPORT_ROOTS", str(tmp_path / "imports"))
    app = open_import(open_page(open_app), "path")
    app.text_input(key="import_path").set_value(str(tmp_path / "source" / "faulty.csv"))
    app.run()
    assert_sound(app)
    assert "There is nothing to import at" in plain(app.error)
    assert dataset_names(home_with_faces) == ["faulty"]


def test_kaggle_without_a_network_is_one_sentence(
    home: Settings, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    import kagglehub
    import requests

    def fail(handle: str, *, output_dir: str) -> str:
        raise requests.ConnectionError("no route to host")

    monkeypatch.setattr(kagglehub, "dataset_download", fail)
    app = open_import(open_page(open_app), "kaggle")
    app.button(key="import_start").click()
    settled(app)
    assert "Kaggle cannot be reached from this machine" in plain(app.error)
    assert dataset_names(home) == []


def test_a_dataset_deleted_by_another_session_is_reported(
    home_with_faces: Settings, open_app: OpenApp
) -> None:
    root = home_with_faces.data_root
    shutil.copytree(root / "faulty", root / "other")
    app = open_page(open_app)
    assert app.selectbox(key="dataset").value == "faulty"
    shutil.rmtree(root / "faulty")
    app.run()
    assert_sound(app)
    assert "The dataset faulty is not available" in plain(app.warning)
    assert app.selectbox(key="dataset").value == "other"
    assert metrics(app)["Images"] == "91"
    shutil.rmtree(root / "other")
    app.run()
    assert_sound(app)
    assert "There is no dataset yet." in plain(app.markdown)


@pytest.mark.parametrize("damage", ["dataset.json", "faces.npz", "curation.csv", "missing"])
@pytest.mark.parametrize("section", ["Overview", "Browse images", "Audit", "Clean up"])
def test_damage_is_a_sentence_in_every_section(
    home_with_faces: Settings, open_app: OpenApp, damage: str, section: str
) -> None:
    folder = home_with_faces.data_root / "faulty"
    if damage == "missing":
        (folder / "faces.npz").unlink()
    else:
        (folder / damage).write_bytes(b"\x80 garbage")
    app = open_section(open_page(open_app), section)
    messages = plain(app.error) + plain(app.warning)
    if not (damage == "curation.csv" and section == "Overview"):
        assert messages
    assert app.selectbox(key="dataset").value == "faulty"


def test_deletion_asks_first(home_with_faces: Settings, open_app: OpenApp) -> None:
    app = open_page(open_app)
    app.button(key="delete_dataset").click().run()
    assert_sound(app)
    assert dataset_names(home_with_faces) == ["faulty"]
    app.button(key="delete_confirmed").click().run()
    assert_sound(app)
    assert dataset_names(home_with_faces) == []
    assert "There is no dataset yet." in plain(app.markdown)
    assert not app.error


def test_deletion_warns_of_a_training_under_way(
    home_with_faces: Settings, open_app: OpenApp
) -> None:
    from fer_core.recipes import RECIPES
    from fer_core.training.run_folder import RunFolder, RunSetup, RunStatus

    # Both say that they run; only one is held by a process that does.
    busy, died = (RunFolder(home_with_faces.runs_root / name) for name in ("busy", "died"))
    for run in (busy, died):
        run.create(RunSetup("three-conv-cnn-adam", "faulty", RECIPES["three-conv-cnn-adam"].config))
        run.write_status(RunStatus("running", "epoch 1"))
    (home_with_faces.runs_root / "broken").mkdir()
    (home_with_faces.runs_root / "broken" / "config.json").write_text("{")
    app = open_page(open_app)
    with busy.locked():
        app.button(key="delete_dataset").click().run()
    assert_sound(app)
    assert "Active trainings on this dataset (busy) continue" in plain(app.warning)
    assert "1 other run on this dataset can no longer be started" in plain(app.caption)


def test_the_gallery_shows_the_part_that_is_chosen(
    home_with_faces: Settings, open_app: OpenApp, faulty: FaceSet
) -> None:
    app = open_section(open_page(open_app), "Browse images")
    assert "91 images" in texts(app.caption)
    app.selectbox(key="gallery_emotion").select("happy")
    app.selectbox(key="gallery_split").select("validation")
    settled(app)
    assert "3 images" in texts(app.caption)
    (gallery,) = app.image
    assert gallery.captions == ["happy"] * 3


def test_the_gallery_can_be_ordered(
    home_with_faces: Settings, open_app: OpenApp, faulty: FaceSet
) -> None:
    app = open_section(open_page(open_app), "Browse images")
    app.selectbox(key="gallery_order").select("least contrast first")
    settled(app)
    (gallery,) = app.image
    assert gallery.captions[0] == f"{EMOTIONS[faulty.labels[20]]} · contrast 0 · train"
    assert len(gallery.captions) == 72


@pytest.mark.parametrize("view", ["Mean faces", "Pixel intensities", "Augmentation"])
def test_the_other_views(home_with_faces: Settings, open_app: OpenApp, view: str) -> None:
    app = open_section(open_page(open_app), "Browse images")
    app.session_state["browse_view"] = view
    settled(app)
    assert not app.error
    assert len(app.get("plotly_chart")) == (0 if view == "Augmentation" else 1)
    if view == "Augmentation":
        before = [one.value for one in app.image]
        app.button(key="preview_shuffle").click()
        settled(app)
        after = [one.value for one in app.image]
        assert before[0] == after[0]  # the face itself
        assert before[1] != after[1]  # its variants


#: What the cards of the audit count in the faulty faces.
CARDS = {
    "Exact duplicates": "3 groups, 6 images",
    "Duplicates with conflicting labels": "1 group, 2 images",
    "Leaks: validation and test images in train": "1 group, 2 images",
    "Blank and nearly blank images": "1 image",
}


def test_the_audit_counts_and_shows_the_groups(
    home_with_faces: Settings, open_app: OpenApp
) -> None:
    app = open_section(open_page(open_app), "Audit")
    # The cards: title, number of groups and images, meaning, button.
    shown = texts(app.markdown)
    counts = {title: shown[shown.index(f"**{title}**") + 1] for title in CARDS}
    assert counts == CARDS
    assert "The same pixels were given different labels" in plain(app.caption)
    assert app.button(key="show_near_conflicts").disabled  # nothing was found
    app = choose_finding(app, "conflicts")
    assert sorted(one.label for one in app.checkbox) == ["fear · train", "happy · train"]
    assert "1 group, 2 images: 2 in train." in plain(app.caption)
    app.button(key="all_findings").click()
    settled(app)
    assert app.button(key="show_duplicates")


def test_a_failed_search_for_near_duplicates_is_not_called_running(
    home_with_faces: Settings, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fer_studio.ui.dataset import near

    def fail(*_: object) -> None:
        raise InputError("The disk is full.")

    monkeypatch.setattr(near, "cached_near_duplicates", fail)
    app = open_section(open_page(open_app), "Audit")
    assert texts(app.error) == ["The disk is full."]
    shown = texts(app.markdown)
    assert shown[shown.index("**Near-duplicates**") + 1] == "search failed"
    assert "Exact duplicates" in plain(app.markdown)
    app.session_state["audit_finding"] = "near_duplicates"
    settled(app)
    assert texts(app.warning) == ["Near-duplicates: search failed"]


def test_images_are_chosen_and_decided_about(home_with_faces: Settings, open_app: OpenApp) -> None:
    names = load_dataset("faulty", home_with_faces).names
    app = choose_finding(open_section(open_page(open_app), "Audit"), "conflicts")
    box(app, 3).check()
    settled(app)
    assert "**1 selected**" in texts(app.markdown)
    button(app, "Drop 1").click()
    settled(app)
    assert decisions(home_with_faces) == {names[3]: "drop"}
    # Of its group only one is left, and that is no group any more.
    assert "No image matches the filters." in texts(app.info)
    choose_finding(app, "blanks")
    box(app, 20).check()
    settled(app)
    (label,) = [one for one in app.selectbox if one.label == "Correct label"]
    label.select("surprise")
    settled(app)
    button(app, "Relabel 1").click()
    settled(app)
    assert decisions(home_with_faces) == {names[3]: "drop", names[20]: "surprise"}


def test_train_copies_are_dropped_in_bulk_and_it_can_be_undone(
    home_with_faces: Settings, open_app: OpenApp
) -> None:
    names = load_dataset("faulty", home_with_faces).names
    app = choose_finding(open_section(open_page(open_app), "Audit"), "leaks")
    fix = app.button(key="fix_drop-train-copies")
    assert fix.label == "Drop train copies of validation and test images: 1 image"
    fix.click()
    settled(app)
    assert decisions(home_with_faces) == {names[14]: "drop"}
    app = open_section(app, "Clean up")
    assert "1 training image dropped" in plain(app.info)
    assert metrics(app)["Train"] == "55"
    (table,) = [one.value for one in app.dataframe if "Decision" in one.value]
    assert table["Image"].tolist() == [names[14]]
    done = app.button(key="fix_drop-train-copies")
    assert done.disabled
    assert "nothing left that this quick fix could change" in done.help
    app.button(key="curation_undo").click()
    settled(app)
    assert decisions(home_with_faces) == {}
    assert "uses the dataset as imported" in plain(app.info)
    assert not app.error


def test_undo_is_refused_if_someone_else_changed_the_decisions(
    home_with_faces: Settings, open_app: OpenApp
) -> None:
    """Two users who pressed the same button used to undo each other's changes."""
    names = load_dataset("faulty", home_with_faces).names
    ann = open_section(open_page(open_app), "Clean up")
    ann.button(key="fix_drop-blanks").click()
    settled(ann)
    ann.button(key="fix_drop-train-copies").click()
    settled(ann)
    bob = open_section(open_page(open_app), "Clean up")
    assert bob.button(key="curation_undo").label == "Undo: 1 image dropped"
    ann.button(key="curation_undo").click()
    settled(ann)
    assert decisions(home_with_faces) == {names[20]: "drop"}
    bob.button(key="curation_undo").click()
    settled(bob)
    assert "Nothing was undone: the curation has changed since" in plain(bob.error)
    assert decisions(home_with_faces) == {names[20]: "drop"}
    assert bob.button(key="curation_undo_redo").label == "Redo: 1 image dropped"
    bob.button(key="curation_undo_redo").click()
    settled(bob)
    assert not bob.error
    assert decisions(home_with_faces) == {names[20]: "drop", names[14]: "drop"}


def test_decisions_are_taken_back_by_filter(home_with_faces: Settings, open_app: OpenApp) -> None:
    app = open_section(open_page(open_app), "Clean up")
    app.button(key="fix_drop-blanks").click()
    settled(app)
    app.button(key="fix_drop-repeats").click()
    settled(app)
    assert len(decisions(home_with_faces)) == 2
    app.text_input(key="curation_text").set_value("no face")
    settled(app)
    (table,) = [one.value for one in app.dataframe if "Decision" in one.value]
    assert len(table) == 1
    app.button(key="curation_remove_all").click()
    settled(app)
    assert len(decisions(home_with_faces)) == 1


def test_decisions_are_imported_and_unknown_images_named(
    home_with_faces: Settings, open_app: OpenApp
) -> None:
    app = open_section(open_page(open_app), "Clean up")
    app.button(key="fix_drop-train-copies").click()
    settled(app)
    path = home_with_faces.data_root / "faulty" / "curation.csv"
    lines = path.read_text().splitlines()
    unknown = (
        lines[-1]
        .replace(lines[-1].split(",")[0], "nowhere.png")
        .replace(lines[-1].split(",")[1], "0123456789abcdef")
    )
    app.button(key="curation_undo").click()
    settled(app)
    content = "\n".join([*lines, unknown, "torn,line"]).encode()
    (uploader,) = [one for one in app.file_uploader if one.label == "Curation file"]
    uploader.set_value(("mine.csv", content, "text/csv"))
    app.button(key="curation_import_start").click()
    settled(app)
    assert len(decisions(home_with_faces)) == 2
    messages = plain(app.warning)
    assert "1" in messages
    assert "line" in messages.lower()
    # The result is about this dataset only.
    assert app.success
    install_demo_set(home_with_faces)
    settled(app)
    app.selectbox(key="dataset").set_value("demo")
    settled(app)
    assert not app.success
    app.selectbox(key="dataset").set_value("faulty")
    settled(app)
    assert app.success
    (uploader,) = [one for one in app.file_uploader if one.label == "Curation file"]
    uploader.set_value(("photo.csv", b"\x89PNG", "text/csv"))
    app.button(key="curation_import_start").click()
    settled(app)
    assert "photo.csv" in plain(app.error)
    assert len(decisions(home_with_faces)) == 2


def test_a_decision_about_a_deleted_dataset_is_a_sentence_and_makes_no_folder(
    home_with_faces: Settings, open_app: OpenApp
) -> None:
    app = open_section(open_page(open_app), "Clean up")
    shutil.rmtree(home_with_faces.data_root / "faulty")
    app.button(key="fix_drop-blanks").click().run()
    assert_sound(app)
    assert not (home_with_faces.data_root / "faulty").exists()


def test_a_model_is_used_only_on_request_and_is_named(
    home_with_faces: Settings, open_app: OpenApp
) -> None:
    app = choose_finding(open_section(open_page(open_app), "Audit"), "mislabelled")
    assert "Model: " not in plain(app.caption)
    assert not app.checkbox
    app.button(key="find_mislabelled").click()
    settled(app)
    assert not app.error
    assert "Model: **small**" in plain(app.caption)


def test_the_map_is_drawn_on_a_button(home_with_faces: Settings, open_app: OpenApp) -> None:
    app = choose_finding(open_section(open_page(open_app), "Audit"), "map")
    assert not app.get("plotly_chart")
    app.selectbox(key="map_method").select("pca")
    settled(app)
    app.button(key="draw_map").click()
    settled(app)
    assert not app.error
    (chart,) = app.get("plotly_chart")
    points = sum(len(trace["text"]) for trace in json.loads(chart.proto.spec)["data"])
    assert points == 91
    assert "Model: **small**" in plain(app.caption)


def votes_csv(faces: FaceSet) -> bytes:
    """FER+'s own table: every annotator sees what the label says, but for the first image."""
    columns = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear",
               "contempt", "unknown", "NF")  # fmt: skip
    positions = (4, 5, 6, 1, 3, 2, 0)  # of FER2013's emotions among these columns
    usages = ("Training", "PublicTest", "PrivateTest")
    lines = ["Usage,Image name," + ",".join(columns)]
    for row in range(len(faces)):
        votes = [0] * 10
        votes[positions[faces.labels[row]]] = 10
        if row == 0:
            votes = [3, 3, 4, 0, 0, 0, 0, 0, 0, 0]
        usage = usages[faces.splits[row]]
        lines.append(f"{usage},fer{row:07}.png," + ",".join(map(str, votes)))
    return "\n".join(lines).encode()


def test_votes_are_added_shown_and_removed(
    home_with_faces: Settings, open_app: OpenApp, faulty: FaceSet
) -> None:
    app = open_section(open_page(open_app), "Annotator votes")
    assert [one.label for one in app.file_uploader] == ["Votes"]
    app.file_uploader[0].set_value(("fer2013new.csv", votes_csv(faulty), "text/csv"))
    app.button(key="votes_start").click()
    settled(app)
    assert not app.error
    assert metrics(app)["Images with votes"] == "91 of 91"
    assert metrics(app)["Label is the most frequent answer"] == f"{100 * 90 / 91:.1f} %"
    most_disputed = next(one.value for one in app.markdown if "fer-bars" in one.value)
    assert "surprise 4, " in most_disputed and "angry 0, " in most_disputed
    assert "happy 3, " in most_disputed and "neutral 3" in most_disputed
    app.button(key="remove_votes").click()
    settled(app)
    assert [one.label for one in app.file_uploader] == ["Votes"]


def test_votes_of_other_images_are_refused(home_with_faces: Settings, open_app: OpenApp) -> None:
    app = open_section(open_page(open_app), "Annotator votes")
    app.file_uploader[0].set_value(("other.csv", b"a,b\n1,2\n", "text/csv"))
    app.button(key="votes_start").click()
    settled(app)
    assert "other.csv" in plain(app.error)
    assert not (home_with_faces.data_root / "faulty" / "votes.npz").exists()


def test_without_a_model_the_rest_of_the_audit_works(
    home_with_faces: Settings, open_app: OpenApp
) -> None:
    shutil.rmtree(home_with_faces.models_root)
    app = choose_finding(open_section(open_page(open_app), "Audit"), "mislabelled")
    assert "There is no model yet" in plain(app.error)
    app = choose_finding(app, "duplicates")
    assert len(app.checkbox) == 6


def test_the_page_needs_no_training_library(home_with_faces: Settings) -> None:
    """In a separate process, because other tests load TensorFlow."""
    script = f"""
import sys
from streamlit.testing.v1 import AppTest
app = AppTest.from_file({str(PROJECT_ROOT / "app.py")!r}, default_timeout=180).run()
app.switch_page({PAGE!r}).run()
titles = {{
    "Browse images": "visibility",
    "Audit": "search",
    "Clean up": "healing",
    "Annotator votes": "how_to_vote",
}}
for name, icon in titles.items():
    app.session_state["dataset_section"] = f":material/{{icon}}: {{name}}"
    app.run()
    assert not app.exception, app.exception
for view in ("Mean faces", "Augmentation"):
    app.session_state["dataset_section"] = ":material/visibility: Browse images"
    app.session_state["browse_view"] = view
    app.run()
    assert not app.exception, app.exception
print(sorted({{"tensorflow", "keras", "jax", "torch", "tf2onnx"}} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip().splitlines()[-1] == "[]"


def fields_of(app: AppTest, prefix: str) -> dict[str, Any]:
    return {box.label.replace("\\", ""): box for box in app.selectbox if prefix in str(box.key)}


def test_folders_that_name_no_split_are_chosen_before_the_import(
    home: Settings, open_app: OpenApp, png: Png
) -> None:
    generator = np.random.default_rng(0)
    content = packed(
        {
            f"{folder}/{name}/{number}.png": png(generator.integers(0, 256, (48, 48), np.uint8))
            for folder in ("train_afew", "afew_b", "old")
            for name in ("happy", "sad")
            for number in range(4)
        }
    )
    app = open_import(open_page(open_app), "upload")
    app.file_uploader[0].set_value(("mine.zip", content, "application/zip"))
    settled(app)
    fields = fields_of(app, "import_folder")
    assert {label: box.value for label, box in fields.items()} == {
        "afew_b (8)": None,
        "old (8)": None,
        "train_afew (8)": "train",
    }
    assert "Choose the split of afew_b, old:" in plain(app.warning)
    assert app.button(key="import_start").disabled
    fields["afew_b (8)"].set_value("validation")
    settled(app)
    assert "Choose the split of old:" in plain(app.warning)
    assert app.button(key="import_start").disabled
    fields_of(app, "import_folder")["old (8)"].set_value("(leave out)")
    settled(app)
    assert list(fields_of(app, "import_class")) == ["happy (8)", "sad (8)"]
    app.button(key="import_start").click()
    settled(app)
    assert metrics(app)["Validation"] == "8"
    assert metrics(app)["Images"] == "16"
    assert "8 files or rows were skipped" in plain(app.warning)


def test_the_choice_for_a_class_stays_if_a_folder_adds_or_removes_other_classes(
    open_app: OpenApp, png: Png
) -> None:
    generator = np.random.default_rng(0)
    content = packed(
        {
            f"{path}/{number}.png": png(generator.integers(0, 256, (48, 48), np.uint8))
            for path in ("train/happy", "train/sad", "old/angry", "old/happy")
            for number in range(4)
        }
    )
    app = open_import(open_page(open_app), "upload")
    app.file_uploader[0].set_value(("mine.zip", content, "application/zip"))
    settled(app)
    fields_of(app, "import_folder")["old (8)"].set_value("train")
    settled(app)
    classes = fields_of(app, "import_class")
    assert list(classes) == ["angry (4)", "happy (8)", "sad (4)"]
    classes["happy (8)"].set_value("(leave out)")
    settled(app)
    fields_of(app, "import_folder")["old (8)"].set_value("(leave out)")
    settled(app)
    assert {label: box.value for label, box in fields_of(app, "import_class").items()} == {
        "happy (4)": "(leave out)",
        "sad (4)": "sad",
    }


def test_classes_with_equal_shortened_names_have_fields_of_their_own(
    open_app: OpenApp, png: Png
) -> None:
    picture = png(np.full((48, 48), 9, np.uint8))
    content = packed({f"{'long ' * 25}{number}/a.png": picture for number in range(2)})
    app = open_import(open_page(open_app), "upload")
    app.file_uploader[0].set_value(("long.zip", content, "application/zip"))
    settled(app)
    fields = [box for box in app.selectbox if "import_class" in str(box.key)]
    assert len(fields) == 2 and fields[0].label == fields[1].label


def test_the_order_of_class_numbers_is_chosen_before_the_import(
    home: Settings, open_app: OpenApp, png: Png
) -> None:
    content = packed(
        {
            f"{n}/{k}.png": png(np.full((48, 48), 9 * n + k, np.uint8))
            for n in range(7)
            for k in (0, 1)
        }
    )
    app = open_import(open_page(open_app), "upload")
    app.file_uploader[0].set_value(("numbers.zip", content, "application/zip"))
    settled(app)
    assert "The classes are numbers" in plain(app.warning)
    assert app.button(key="import_start").disabled
    (order,) = fields_of(app, "import_order").values()
    order.set_value("affectnet")
    settled(app)
    values = [box.value for box in fields_of(app, "import_class").values()]
    assert values == ["neutral", "happy", "sad", "surprise", "fear", "disgust", "angry"]
    fields_of(app, "import_class")["6 (2)"].set_value("(leave out)")
    settled(app)
    app.button(key="import_start").click()
    settled(app)
    faces = load_dataset("numbers", home)
    targets = {one.name: one.target for one in faces.source_classes}
    assert (targets["0"], targets["5"], targets["6"]) == ("neutral", "disgust", None)


def test_each_class_number_can_be_chosen(home: Settings, open_app: OpenApp, png: Png) -> None:
    content = packed({f"{n}/a.png": png(np.full((48, 48), n, np.uint8)) for n in (1, 2)})
    app = open_import(open_page(open_app), "upload")
    app.file_uploader[0].set_value(("two.zip", content, "application/zip"))
    settled(app)
    fields = fields_of(app, "import_class")
    assert [box.value for box in fields.values()] == [None, None]
    fields["1 (1)"].set_value("happy")
    fields["2 (1)"].set_value("(leave out)")
    settled(app)
    app.button(key="import_start").click()
    settled(app)
    assert len(load_dataset("two", home)) == 1


@pytest.mark.parametrize("given", ["'{}'", ' "{}" '])
def test_a_copied_path_of_one_split_is_asked_about(
    home: Settings,
    open_app: OpenApp,
    monkeypatch: pytest.MonkeyPatch,
    write_pictures: Callable[..., Path],
    given: str,
) -> None:
    root = write_pictures({"fer/train/happy": 3, "fer/train/sad": 3, "fer/test/sad": 3})
    monkeypatch.setenv("FER_STUDIO_IMPORT_ROOTS", str(root))
    app = open_import(open_page(open_app), "path")
    app.text_input(key="import_path").set_value(given.format(root / "fer" / "test"))
    settled(app)
    assert "test is only one split of a dataset" in plain(app.warning)
    assert app.button(key="import_start").disabled
    (field,) = fields_of(app, "import_folder").values()
    assert field.value is None
    field.set_value("validation")
    settled(app)
    assert not app.button(key="import_start").disabled
    app.text_input(key="import_path").set_value(given.format(root / "fer" / "train" / "sad"))
    settled(app)
    assert "is the folder of one class" in plain(app.error)
    app.text_input(key="import_path").set_value(given.format(root / "fer"))
    settled(app)
    app.button(key="import_start").click()
    settled(app)
    assert metrics(app)["Images"] == "9"


def test_the_card_of_a_finding_shows_an_image_with_contrast() -> None:
    images = np.zeros((4, 48, 48), np.uint8)
    images[1, :24] = 200  # more contrast than image 3, but not in the finding
    images[3, :24] = 100
    assert example_row(images, np.array([0, 2, 3])) == 3
