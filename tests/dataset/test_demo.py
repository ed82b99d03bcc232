"""The shipped demo set: its numbers, its injected errors, and that a model can learn from it."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fer_core.__main__ import main
from fer_core.dataset.demo.injected_errors import Copy, InjectedErrors
from fer_core.dataset.demo.shipped import (
    demo_split_sizes,
    injected_errors,
    load_demo_set,
    write_demo_set,
)
from fer_core.dataset.duplicates import audit_duplicates
from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.dataset.statistics import class_counts, imbalance_ratio
from fer_core.dataset.store import (
    dataset_names,
    delete_dataset,
    import_dataset,
    is_demo,
    load_dataset,
)
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.settings import Settings

#: Models, evaluations and decisions refer to it: the shipped images never change.
FINGERPRINT = "0c203b3e422602a52ec24da317031fc2fc91e4317f90ac66d20fcdc912ab64ff"

#: Images per split and emotion.
COUNTS = {
    "train": (394, 43, 404, 711, 476, 313, 490),
    "validation": (46, 6, 49, 88, 64, 41, 60),
    "test": (48, 6, 52, 87, 59, 41, 62),
}


@pytest.fixture(scope="module")
def faces() -> FaceSet:
    return load_demo_set()


@pytest.fixture(scope="module")
def errors() -> InjectedErrors:
    return injected_errors()


def rows_of(copies: tuple[Copy, ...]) -> list[int]:
    return [copy.row for copy in copies]


def test_its_content_never_changes(faces: FaceSet) -> None:
    assert faces.fingerprint == FINGERPRINT
    assert faces.problems == ()
    assert faces.names[:2] == ("train/happy/demo_00000", "train/happy/demo_00001")


def test_it_is_unbalanced_and_split_like_fer2013(faces: FaceSet, errors: InjectedErrors) -> None:
    counts = class_counts(faces)
    assert len(faces) == 3540
    assert counts == {split: dict(zip(EMOTIONS, COUNTS[split], strict=True)) for split in SPLITS}
    assert imbalance_ratio(faces) == pytest.approx(16.5, abs=0.1)
    sizes = [sum(counts[split].values()) / len(faces) for split in SPLITS]
    assert sizes == pytest.approx([0.8, 0.1, 0.1], abs=0.005)
    assert faces.problems == ()


def test_names_contain_split_and_label(faces: FaceSet, errors: InjectedErrors) -> None:
    for row in (0, 1000, 3000, 3539):
        split, emotion, name = faces.names[row].split("/")
        assert split == SPLITS[faces.splits[row]]
        assert emotion == EMOTIONS[faces.labels[row]]
        assert name == f"demo_{row:05}"
    assert len(set(faces.names)) == len(faces)


def test_split_sizes_are_known_without_decoding(faces: FaceSet) -> None:
    assert demo_split_sizes() == {split: len(faces.rows(split)) for split in SPLITS}


def test_the_audit_finds_the_injected_errors(faces: FaceSet, errors: InjectedErrors) -> None:
    audit = audit_duplicates(faces)
    expected: dict[int, set[int]] = {}
    for copy in (*errors.duplicates, *errors.conflicts, *errors.leaks):
        expected.setdefault(copy.source, {copy.source}).add(copy.row)
    found = {frozenset(group.tolist()) for group in audit.groups}
    assert found == {frozenset(group) for group in expected.values()}
    assert any(len(group) > 2 for group in found)
    conflicting = {frozenset(group.tolist()) for group in audit.conflicting_groups}
    assert conflicting == {frozenset(expected[copy.source]) for copy in errors.conflicts}
    leaks = {row for rows in audit.leaked_rows.values() for row in rows.tolist()}
    assert leaks == set(rows_of(errors.leaks))
    assert all(len(rows) for rows in audit.leaked_rows.values())
    assert audit.blank_rows.tolist() == list(errors.blanks)


def test_injected_errors_match_the_record(faces: FaceSet, errors: InjectedErrors) -> None:
    train, labels = SPLITS.index("train"), faces.labels
    for copy in (*errors.duplicates, *errors.conflicts, *errors.leaks):
        assert np.array_equal(faces.images[copy.row], faces.images[copy.source])
        assert faces.splits[copy.source] == train
    for copy in (*errors.duplicates, *errors.conflicts):
        assert faces.splits[copy.row] == train
    for copy in errors.leaks:
        assert faces.splits[copy.row] != train
    for copy in (*errors.duplicates, *errors.leaks, *errors.near_duplicates):
        assert labels[copy.row] == labels[copy.source]
    wrong = {entry.row: entry for entry in errors.wrong_labels}
    for copy in errors.conflicts:
        assert labels[copy.row] != labels[copy.source] == wrong[copy.row].true
    for entry in errors.wrong_labels:
        assert labels[entry.row] == entry.given != entry.true
    for copy in errors.near_duplicates:
        difference = faces.images[copy.row].astype(int) - faces.images[copy.source]
        assert difference.any()
        assert abs(np.median(difference)) <= 20
    for row in errors.non_faces:
        assert faces.images[row].std() > 10


def test_no_row_has_two_errors(faces: FaceSet, errors: InjectedErrors) -> None:
    copies = (*errors.duplicates, *errors.conflicts, *errors.leaks, *errors.near_duplicates)
    conflicts = set(rows_of(errors.conflicts))
    only_mislabelled = [entry.row for entry in errors.wrong_labels if entry.row not in conflicts]
    erroneous = [*rows_of(copies), *only_mislabelled, *errors.blanks, *errors.non_faces]
    assert len(set(erroneous)) == len(erroneous)
    assert set(erroneous).isdisjoint(copy.source for copy in copies)


def test_shares_of_wrong_labels(faces: FaceSet, errors: InjectedErrors) -> None:
    splits = faces.splits[[entry.row for entry in errors.wrong_labels]]
    sizes = np.bincount(faces.splits)
    shares = np.bincount(splits, minlength=3) / sizes
    assert shares == pytest.approx([0.03, 0.015, 0.0], abs=0.002)


def test_a_linear_classifier_learns_some_of_it(faces: FaceSet, errors: InjectedErrors) -> None:
    """Between always "happy" (25 %) and what a network reaches: a task worth a network."""
    from sklearn.linear_model import SGDClassifier

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


def test_it_is_copied_on_first_use_and_kept(settings: Settings) -> None:
    assert dataset_names(settings) == []
    first = load_dataset("demo", settings)
    second = load_dataset("demo", settings)
    assert first.fingerprint == second.fingerprint == FINGERPRINT
    assert first.names == second.names
    assert dataset_names(settings) == ["demo"]
    folder = settings.data_root / "demo"
    assert {path.name for path in folder.iterdir()} == {"faces.npz", "dataset.json"}
    assert json.loads((folder / "dataset.json").read_text())["kind"] == "demo"
    assert [path.name for path in settings.data_root.iterdir()] == ["demo"]
    delete_dataset("demo", settings)
    assert dataset_names(settings) == []
    assert load_dataset("demo", settings).fingerprint == FINGERPRINT


def test_many_threads_may_copy_it_at_once(settings: Settings) -> None:
    loaded: list[str] = []
    threads = [
        threading.Thread(target=lambda: loaded.append(load_dataset("demo", settings).fingerprint))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loaded == [FINGERPRINT] * 4
    assert [path.name for path in settings.data_root.iterdir()] == ["demo"]


def test_what_is_demo_data(settings: Settings, write_files: Callable[..., Path]) -> None:
    assert is_demo("demo")
    load_dataset("demo", settings)
    assert is_demo(str(settings.data_root / "demo"))
    assert not is_demo("fer2013")
    assert not is_demo(str(write_files({"happy/a.png": b""}, "demo")))
    assert not is_demo("a\0b")


def test_the_name_is_taken(write_files: Callable[..., Path], settings: Settings) -> None:
    source = write_files({"happy/a.png": b""}, "demo")
    with pytest.raises(InputError, match="reserved for the demo set"):
        import_dataset(source, settings)


def test_other_content_in_its_folder_is_not_changed(settings: Settings) -> None:
    other = settings.data_root / "demo" / "notes.txt"
    other.parent.mkdir(parents=True)
    other.write_text("mine")
    with pytest.raises(InputError, match="contains something else"):
        load_dataset("demo", settings)
    assert other.read_text() == "mine"


def test_only_rows_in_the_order_of_their_splits_can_be_shipped(
    faces: FaceSet, errors: InjectedErrors, tmp_path: Path
) -> None:
    few = faces.subset(np.array([3539, 0]))
    with pytest.raises(ValueError, match="ordered by split"):
        write_demo_set(few, errors, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_command_counts_the_images_and_the_errors(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FER_STUDIO_DATA", str(settings.data_root))

    def answer(*arguments: str) -> dict:
        assert main(["dataset", *arguments, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    document = answer("demo")
    assert document["name"] == "demo"
    assert document["fingerprint"] == FINGERPRINT
    assert document["injected_errors"] == document["planted"]
    assert document["injected_errors"] == {
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
    assert answer("audit", "demo", "--exact")["leaks"] == {"validation": 12, "test": 10}
    assert main(["dataset", "demo"]) == 0
    assert "12 conflicts" in capsys.readouterr().out
