"""The drawn demo set: its numbers, its planted faults, and that it can be learned, a little."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fer_core.__main__ import main
from fer_core.dataset import store
from fer_core.dataset.demo.assembly import make_demo_set, slightly_changed
from fer_core.dataset.demo.faults import Copy, PlantedFaults, WrongLabel
from fer_core.dataset.demo.planning import COUNTS, make_plan
from fer_core.dataset.demo.rendering import draw_face, draw_portrait
from fer_core.dataset.duplicates import audit_duplicates
from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.dataset.statistics import class_counts, imbalance_ratio
from fer_core.dataset.store import (
    dataset_names,
    import_dataset,
    is_demo,
    load_dataset,
    planted_faults,
)
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.settings import Settings

Made = tuple[FaceSet, PlantedFaults]

#: Means of the 8x8 pixel tiles of one face.
KNOWN_TILES = [
    [162, 145, 154, 181, 202, 224],
    [147, 120, 168, 195, 194, 219],
    [135, 111, 128, 171, 152, 215],
    [130, 147, 167, 188, 226, 213],
    [153, 135, 142, 167, 208, 225],
    [177, 164, 163, 193, 230, 241],
]


@pytest.fixture(scope="module")
def made() -> Made:
    return make_demo_set()


@pytest.fixture
def few_faces(monkeypatch: pytest.MonkeyPatch, draw_faces: Callable[..., FaceSet]) -> list[int]:
    """Stands in for the drawing, which takes seconds; one entry for each time it ran."""
    calls = []

    def make(report: object = None) -> Made:
        calls.append(threading.get_ident())
        planted = PlantedFaults(
            (Copy(1, 0),), (), (), (Copy(3, 2),), (WrongLabel(4, 0, 1),), (5,), (6,)
        )
        return draw_faces(list(range(7)) * 2), planted

    monkeypatch.setattr(store, "make_demo_set", make)
    return calls


def rows_of(copies: tuple[Copy, ...]) -> list[int]:
    return [copy.row for copy in copies]


def test_it_is_unbalanced_and_split_like_fer2013(made: Made) -> None:
    faces, _ = made
    counts = class_counts(faces)
    assert len(faces) == 3540
    assert counts == {split: dict(zip(EMOTIONS, COUNTS[split], strict=True)) for split in SPLITS}
    assert imbalance_ratio(faces) == pytest.approx(16.5, abs=0.1)
    sizes = [sum(counts[split].values()) / len(faces) for split in SPLITS]
    assert sizes == pytest.approx([0.8, 0.1, 0.1], abs=0.005)
    assert faces.problems == ()


def test_names_say_split_and_label(made: Made) -> None:
    faces, _ = made
    for row in (0, 1000, 3000, 3539):
        split, emotion, name = faces.names[row].split("/")
        assert split == SPLITS[faces.splits[row]]
        assert emotion == EMOTIONS[faces.labels[row]]
        assert name == f"demo_{row:05}"
    assert len(set(faces.names)) == len(faces)


def test_every_picture_is_drawn_alike_each_time(made: Made) -> None:
    faces, planted = made
    copied = rows_of((*planted.duplicates, *planted.conflicts, *planted.leaks))
    others = {*copied, *rows_of(planted.near_duplicates), *planted.blanks, *planted.non_faces}
    drawn = make_plan().drawn
    for row in [row for row in range(0, len(faces), 53) if row not in others]:
        assert np.array_equal(faces.images[row], draw_face(EMOTIONS[drawn[row]], row))


@pytest.mark.soak
def test_two_makes_are_equal(made: Made) -> None:
    again, planted = make_demo_set()
    assert again.fingerprint == made[0].fingerprint
    assert planted == made[1]


def test_pictures_stay_what_they_were() -> None:
    """Rough on purpose: another machine or OpenCV may round an edge differently."""
    tiles = draw_face("happy", 100).reshape(6, 8, 6, 8).mean(axis=(1, 3))
    assert np.allclose(tiles, KNOWN_TILES, atol=2), tiles.round().astype(int).tolist()


def test_the_audit_finds_exactly_what_was_planted(made: Made) -> None:
    faces, planted = made
    audit = audit_duplicates(faces)
    expected: dict[int, set[int]] = {}
    for copy in (*planted.duplicates, *planted.conflicts, *planted.leaks):
        expected.setdefault(copy.source, {copy.source}).add(copy.row)
    found = {frozenset(group.tolist()) for group in audit.groups}
    assert found == {frozenset(group) for group in expected.values()}
    assert any(len(group) > 2 for group in found)
    conflicting = {frozenset(group.tolist()) for group in audit.conflicting_groups}
    assert conflicting == {frozenset(expected[copy.source]) for copy in planted.conflicts}
    leaks = {row for rows in audit.leaked_rows.values() for row in rows.tolist()}
    assert leaks == set(rows_of(planted.leaks))
    assert all(len(rows) for rows in audit.leaked_rows.values())
    assert audit.blank_rows.tolist() == list(planted.blanks)


def test_planted_rows_are_what_the_record_says(made: Made) -> None:
    faces, planted = made
    train, labels = SPLITS.index("train"), faces.labels
    for copy in (*planted.duplicates, *planted.conflicts, *planted.leaks):
        assert np.array_equal(faces.images[copy.row], faces.images[copy.source])
        assert faces.splits[copy.source] == train
    for copy in (*planted.duplicates, *planted.conflicts):
        assert faces.splits[copy.row] == train
    for copy in planted.leaks:
        assert faces.splits[copy.row] != train
    for copy in (*planted.duplicates, *planted.leaks, *planted.near_duplicates):
        assert labels[copy.row] == labels[copy.source]
    wrong = {entry.row: entry for entry in planted.wrong_labels}
    for copy in planted.conflicts:
        assert labels[copy.row] != labels[copy.source] == wrong[copy.row].true
    for entry in planted.wrong_labels:
        assert labels[entry.row] == entry.given != entry.true
    for copy in planted.near_duplicates:
        difference = faces.images[copy.row].astype(int) - faces.images[copy.source]
        assert difference.any()
        assert abs(np.median(difference)) <= 20
    for row in planted.non_faces:
        assert faces.images[row].std() > 10


def test_no_row_has_two_faults_and_sources_have_none(made: Made) -> None:
    _, planted = made
    copies = (*planted.duplicates, *planted.conflicts, *planted.leaks, *planted.near_duplicates)
    conflicts = set(rows_of(planted.conflicts))
    only_mislabelled = [entry.row for entry in planted.wrong_labels if entry.row not in conflicts]
    faulty = [*rows_of(copies), *only_mislabelled, *planted.blanks, *planted.non_faces]
    assert len(set(faulty)) == len(faulty)
    assert set(faulty).isdisjoint(copy.source for copy in copies)


def test_shares_of_wrong_labels(made: Made) -> None:
    faces, planted = made
    splits = faces.splits[[entry.row for entry in planted.wrong_labels]]
    sizes = np.bincount(faces.splits)
    shares = np.bincount(splits, minlength=3) / sizes
    assert shares == pytest.approx([0.03, 0.015, 0.0], abs=0.002)


def test_a_linear_classifier_learns_some_of_it(made: Made) -> None:
    """Between always "happy" (25 %) and what a network reaches: a task worth a network."""
    from sklearn.linear_model import SGDClassifier

    faces, _ = made
    # Every second pixel will do, and is quick.
    pixels = faces.images[:, ::2, ::2].reshape(len(faces), -1) / 255.0
    pixels = (pixels - pixels.mean(axis=1, keepdims=True)) / 0.25
    train, validation = faces.rows("train"), faces.rows("validation")
    classifier = SGDClassifier(loss="log_loss", alpha=0.02, max_iter=12, tol=None, random_state=0)
    classifier.fit(pixels[train], faces.labels[train])
    accuracy = classifier.score(pixels[validation], faces.labels[validation])
    assert 0.32 < accuracy < 0.65


@pytest.mark.soak
def test_the_quickest_published_recipe_learns_most_of_it(
    settings: Settings, tmp_path: Path
) -> None:
    from fer_core.recipes import recipe_by_name
    from fer_core.training.run_folder import RunFolder, RunSetup
    from fer_core.training.train_job import run_training

    run = RunFolder(tmp_path / "run")
    recipe = recipe_by_name("three-conv-cnn-adam")
    run.create(RunSetup(recipe=recipe.name, data="demo", config=recipe.config))
    outcome = run_training(run, settings)
    assert outcome.bundle is not None
    assert 0.72 < outcome.bundle.record.metrics["validation"]["accuracy"] < 0.95


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_portraits_come_in_any_size(emotion: str) -> None:
    portrait = draw_portrait(emotion, 3, size=97)
    assert portrait.shape == (97, 97)
    assert portrait.dtype == np.uint8
    assert portrait.std() > 20
    assert np.array_equal(portrait, draw_portrait(emotion, 3, size=97))


def test_an_emotion_that_does_not_exist_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="emotion should be one of angry"):
        draw_face("contempt", 0)


def test_a_near_duplicate_is_near_and_no_duplicate() -> None:
    face = draw_face("fear", 12)
    for number in range(20):
        changed = slightly_changed(face, number)
        assert not np.array_equal(changed, face)
        assert np.corrcoef(changed.ravel(), face.ravel())[0, 1] > 0.85


def test_it_is_drawn_on_first_use_and_kept(few_faces: list[int], settings: Settings) -> None:
    assert dataset_names(settings) == []
    first = load_dataset("demo", settings)
    second = load_dataset("demo", settings)
    assert len(few_faces) == 1
    assert first.fingerprint == second.fingerprint
    assert first.names == second.names
    assert dataset_names(settings) == ["demo"]
    folder = settings.data_root / "demo"
    assert {path.name for path in folder.iterdir()} == {
        "faces.npz",
        "dataset.json",
        "planted.json",
    }
    assert json.loads((folder / "dataset.json").read_text())["kind"] == "demo"
    assert [path.name for path in settings.data_root.iterdir()] == ["demo"]


def test_the_record_comes_back_equal(few_faces: list[int], settings: Settings) -> None:
    planted = planted_faults(settings)
    assert planted.wrong_labels == (WrongLabel(4, 0, 1),)
    assert planted.near_duplicates == (Copy(3, 2),)
    assert planted.counts()["duplicates"] == 1
    assert len(few_faces) == 1


def test_many_threads_draw_it_once(few_faces: list[int], settings: Settings) -> None:
    loaded: list[str] = []
    threads = [
        threading.Thread(target=lambda: loaded.append(load_dataset("demo", settings).fingerprint))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(few_faces) == 1
    assert len(loaded) == 8
    assert len(set(loaded)) == 1


def test_when_another_process_was_quicker_its_set_is_used(
    few_faces: list[int],
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make = store.make_demo_set

    def make_while_another_does(report: object = None) -> Made:
        monkeypatch.setattr(store, "make_demo_set", make)
        made = make()
        # What the other process does meanwhile; it holds no lock of ours.
        monkeypatch.setattr(store, "_DRAWING", threading.Lock())
        load_dataset("demo", settings)
        return made

    monkeypatch.setattr(store, "make_demo_set", make_while_another_does)
    assert len(load_dataset("demo", settings)) == 14
    assert len(few_faces) == 2
    assert [path.name for path in settings.data_root.iterdir()] == ["demo"]


def test_a_drawing_that_fails_leaves_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(report: object = None) -> Made:
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "make_demo_set", fail)
    with pytest.raises(KeyboardInterrupt):
        load_dataset("demo", settings)
    assert dataset_names(settings) == []
    assert not (settings.data_root / "demo").exists()


def test_what_is_demo_data(
    few_faces: list[int], settings: Settings, write_files: Callable[..., Path]
) -> None:
    assert is_demo("demo")
    load_dataset("demo", settings)
    assert is_demo(str(settings.data_root / "demo"))
    assert not is_demo("fer2013")
    assert not is_demo(str(write_files({"happy/a.png": b""}, "demo")))
    assert not is_demo("a\0b")


def test_the_name_is_taken(write_files: Callable[..., Path], settings: Settings) -> None:
    source = write_files({"happy/a.png": b""}, "demo")
    with pytest.raises(InputError, match="drawn demo set"):
        import_dataset(source, settings)


def test_something_else_in_its_place_is_left_alone(
    few_faces: list[int], settings: Settings
) -> None:
    other = settings.data_root / "demo" / "notes.txt"
    other.parent.mkdir(parents=True)
    other.write_text("mine")
    with pytest.raises(InputError, match="holds something else"):
        load_dataset("demo", settings)
    assert other.read_text() == "mine"
    assert few_faces == []


@pytest.mark.parametrize("content", ["", "{}", '{"duplicates": 3}', "[]"])
def test_a_damaged_record_is_told_in_one_sentence(
    few_faces: list[int], settings: Settings, content: str
) -> None:
    load_dataset("demo", settings)
    (settings.data_root / "demo" / "planted.json").write_text(content)
    with pytest.raises(InputError, match="damaged") as caught:
        planted_faults(settings)
    assert "\n" not in str(caught.value)


def test_the_command_draws_counts_and_names_the_faults(
    made: Made,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    drawn = []

    def make(report: Callable[[int, int], None]) -> Made:
        drawn.append(made)
        report(1, 2)
        return made

    monkeypatch.setattr(store, "make_demo_set", make)
    monkeypatch.setenv("FER_STUDIO_DATA", str(settings.data_root))

    def answer(*arguments: str) -> dict:
        assert main(["dataset", *arguments, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    document = answer("demo")
    assert document["name"] == "demo"
    assert document["fingerprint"] == made[0].fingerprint
    assert document["planted"] == {
        "duplicates": 40,
        "conflicts": 12,
        "leaks": 22,
        "near_duplicates": 32,
        "wrong_labels": 90,
        "blanks": 8,
        "non_faces": 14,
    }
    # The other commands know it by its name.
    assert answer("info", "demo").items() <= document.items()
    assert answer("audit", "demo")["leaks"] == {"validation": 12, "test": 10}
    assert planted_faults(settings) == made[1]
    assert main(["dataset", "demo"]) == 0
    assert "12 conflicts" in capsys.readouterr().out
    assert len(drawn) == 1
