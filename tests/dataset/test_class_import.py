"""The classes of a source: found, mapped to emotions, renamed, left out, or kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer_core.dataset.class_mapping import ClassChoice, SourceClass, parse_class_changes
from fer_core.dataset.class_report import class_warnings, merge_notes
from fer_core.dataset.curation import Curation, apply_curation, entries_for
from fer_core.dataset.curation_csv import curation_csv
from fer_core.dataset.curation_file import CurationFile
from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.readers import find_classes, read_dataset
from fer_core.dataset.splitting import SplitChoice
from fer_core.dataset.statistics import class_counts
from fer_core.dataset.store import import_dataset, load_dataset, read_record
from fer_core.emotions import EMOTIONS, EMOTIONS8
from fer_core.errors import InputError
from fer_core.settings import Settings

WriteFiles = Callable[[dict[str, bytes]], Path]


@pytest.fixture
def write_classes(write_files: WriteFiles, png: Callable[..., bytes]) -> Callable[..., Path]:
    """Write pictures by folder and number: ``write({"train/cat": 3})``."""

    def write(counts: dict[str, int]) -> Path:
        generator = np.random.default_rng(0)
        return write_files(
            {
                f"{folder}/{number}.png": png(generator.integers(0, 256, (48, 48)).astype(np.uint8))
                for folder, count in counts.items()
                for number in range(count)
            }
        )

    return write


def choice(scheme: Any = "emotions", *changes: str) -> ClassChoice:
    return ClassChoice(scheme, parse_class_changes(changes))


def counts_of(faces: FaceSet) -> dict[str, int]:
    counts = np.bincount(faces.labels, minlength=len(faces.classes))
    return dict(zip(faces.classes, counts.tolist(), strict=True))


def test_other_classes_are_left_out_with_one_line_each(
    write_classes: Callable[..., Path],
) -> None:
    faces = read_dataset(write_classes({"Scared": 4, "Suprise": 3, "ahegao": 5, "smug": 2}))
    assert faces.classes == EMOTIONS
    assert {name: n for name, n in counts_of(faces).items() if n} == {"fear": 4, "surprise": 3}
    assert [(p.name, p.count) for p in faces.problems] == [
        ("class 'ahegao'", 5),
        ("class 'smug'", 2),
    ]
    assert faces.skipped == 7
    (warning,) = [text for text in class_warnings(faces) if "There is no image" in text]
    assert "angry, disgust, happy, sad, neutral" in warning


def test_single_classes_can_be_mapped_and_left_out(write_classes: Callable[..., Path]) -> None:
    source = write_classes({"scared": 2, "fear": 3, "smug": 4, "sad": 5})
    faces = read_dataset(source, class_choice=choice("emotions", "smug=happy", "SAD="))
    assert {name: n for name, n in counts_of(faces).items() if n} == {"fear": 5, "happy": 4}
    assert [(p.name, p.reason) for p in faces.problems] == [
        ("class 'sad'", "was left out as requested")
    ]
    assert merge_notes(faces) == ("fear, scared became fear.",)
    assert faces.source_classes == (
        SourceClass("fear", 3, "fear"),
        SourceClass("scared", 2, "fear"),
        SourceClass("sad", 5, None),
        SourceClass("smug", 4, "happy"),
    )


def test_contempt_is_the_eighth_emotion(write_classes: Callable[..., Path]) -> None:
    source = write_classes({"CK+48/contempt": 2, "CK+48/anger": 3})
    faces = read_dataset(source, class_choice=choice("emotions8"))
    assert faces.classes == EMOTIONS8
    assert {name: n for name, n in counts_of(faces).items() if n} == {"angry": 3, "contempt": 2}


@pytest.mark.parametrize(
    ("folders", "classes"),
    [
        ({"dog": 2, "Cat": 3, "快乐": 1}, ("Cat", "dog", "快乐")),
        ({"data/train/dog": 2, "data/test/cat": 3}, ("cat", "dog")),
        ({"set/dog/one": 2, "set/dog/two": 1, "set/cat/three": 3}, ("cat", "dog")),
        ({"train/dog": 1, "dog/test": 2, "cat": 3}, ("cat", "dog")),
        ({"train/Anger": 1, "train/smug": 2}, ("Anger", "smug")),
        ({"class 10": 1, "class 9": 2}, ("class 9", "class 10")),
    ],
)
def test_names_of_folders_are_kept_on_request(
    write_classes: Callable[..., Path], folders: dict[str, int], classes: tuple[str, ...]
) -> None:
    faces = read_dataset(write_classes(folders), class_choice=choice("folders"))
    assert faces.classes == classes
    assert len(faces) == sum(folders.values())
    assert faces.problems == ()


def test_names_can_be_changed_and_combined(write_classes: Callable[..., Path]) -> None:
    source = write_classes({"train/cat": 2, "train/CAT 2": 1, "train/dog": 3, "train/x": 1})
    faces = read_dataset(source, class_choice=choice("folders", "CAT 2=cat", "dog=hound", "x="))
    assert counts_of(faces) == {"cat": 3, "hound": 3}


def test_a_picture_above_the_folders_of_the_classes_is_reported(
    write_classes: Callable[..., Path],
) -> None:
    source = write_classes({"data/train/dog": 2, "data/train/cat": 3, "data": 1})
    faces = read_dataset(source, class_choice=choice("folders"))
    assert faces.classes == ("cat", "dog")
    assert [problem.name for problem in faces.problems] == ["data/0.png"]


def test_a_table_keeps_its_names_and_numbers(tmp_path: Path) -> None:
    pixels = " ".join(["7"] * 2304)
    labels = ["joy", "2", "2.0", "смех", ""]
    table = tmp_path / "faces.csv"
    table.write_text(
        "class,pixels\n" + "".join(f"{label},{pixels}\n" for label in labels), encoding="utf-8"
    )
    faces = read_dataset(table, class_choice=choice("folders", "2=two"))
    assert counts_of(faces) == {"joy": 1, "two": 2, "смех": 1}
    assert [problem.reason for problem in faces.problems] == ["has no label"]
    found = find_classes(table)
    assert [(one.name, one.count, one.target) for one in found] == [
        ("joy", 1, "happy"),
        ("2", 2, "fear"),
        ("смех", 1, None),
    ]


def test_the_classes_are_found_without_decoding_anything(
    write_files: WriteFiles, png: Callable[..., bytes]
) -> None:
    source = write_files({"train/cat/a.png": b"broken", "train/dog/b.png": b"", "train/x.txt": b""})
    found = find_classes(source, choice("folders", "cat=feline"))
    assert [(one.name, one.count, one.target) for one in found] == [
        ("cat", 1, "feline"),
        ("dog", 1, "dog"),
    ]


@pytest.mark.parametrize(
    ("folders", "options", "words"),
    [
        ({"cat": 2}, ("folders",), "one class, 'cat'"),
        ({f"c{n}": 1 for n in range(21)}, ("folders",), "more than 20 classes"),
        ({"cat": 1, "x" * 41: 1}, ("folders",), "longer than 40 characters"),
        ({"cat": 1, "dog": 1}, ("folders", "dog="), "one class, 'cat'"),
        ({"cat": 1, "dog": 1}, ("folders", "dog=Cat"), "one class, 'cat'"),
        ({"cat": 1, "dog": 1}, ("folders", "horse=cow"), "no class 'horse'"),
        ({"sad": 1, "joy": 1}, ("emotions", "sad=contempt"), "not one of angry"),
        ({"sad": 1, "joy": 1}, ("emotions8", "sad=smug"), "not one of angry"),
        ({"sad": 1}, ("emotions", "sad=fear", "Sad=joy"), "mapped twice"),
        ({"sad": 1}, ("emotions", "sad"), "--map expects OLD=NEW"),
        ({"sad": 1}, ("emotions", "=fear"), "--map expects OLD=NEW"),
        ({"sad": 1}, ("seven",), "should be one of emotions, emotions8, folders"),
        ({"cat": 1, "dog": 1}, ("emotions",), "--classes folders"),
    ],
)
def test_invalid_classes_are_named_in_one_sentence(
    write_classes: Callable[..., Path],
    folders: dict[str, int],
    options: tuple[str, ...],
    words: str,
) -> None:
    source = write_classes(folders)
    with pytest.raises(InputError, match=words) as raised:
        read_dataset(source, class_choice=choice(*options))
    assert str(raised.value).count("\n") == 0


def test_names_that_differ_only_in_case_are_one_class(write_classes: Callable[..., Path]) -> None:
    source = write_classes({"train/Cat": 2, "test/cat": 1, "train/dog": 1})
    faces = read_dataset(source, class_choice=choice("folders"))
    assert len(faces.classes) == 2
    assert sorted(counts_of(faces).values()) == [1, 3]


def test_a_class_without_usable_pictures_is_kept_and_reported(
    write_files: WriteFiles, png: Callable[..., bytes]
) -> None:
    face = png(np.full((48, 48), 9, np.uint8))
    source = write_files({"cat/a.png": face, "dog/b.png": face, "cow/c.png": b"broken"})
    faces = read_dataset(source, class_choice=choice("folders"))
    assert counts_of(faces) == {"cat": 1, "cow": 0, "dog": 1}
    assert "There is no image of cow: a model cannot learn this class." in class_warnings(faces)


def test_a_class_in_one_split_only_is_reported(write_classes: Callable[..., Path]) -> None:
    source = write_classes({"train/cat": 2, "validation/cat": 2, "test/dog": 2, "train/dog": 2})
    warnings = class_warnings(read_dataset(source, class_choice=choice("folders")))
    assert warnings == (
        "There is no validation image of dog: the metrics of this class are undefined there.",
        "There is no test image of cat: the metrics of this class are undefined there.",
    )


def test_an_import_keeps_the_classes(
    write_classes: Callable[..., Path], settings: Settings
) -> None:
    source = write_classes({"dog": 9, "cat": 12, "smug": 3})
    _, imported = import_dataset(
        source,
        settings,
        name="mine",
        split_choice=SplitChoice(0.2, 0.2),
        class_choice=choice("folders", "smug="),
    )
    loaded = load_dataset("mine", settings)
    assert loaded.classes == ("cat", "dog")
    assert loaded.source_classes == imported.source_classes
    assert loaded.fingerprint == imported.fingerprint == read_record("mine", settings).fingerprint
    assert class_counts(loaded)["train"] == {"cat": 8, "dog": 5}
    entries = entries_for(loaded, [0], "relabel", label="dog", reason="", source="test")
    file = CurationFile(settings.data_root / "mine")
    file.change(entries)
    assert file.read().entries == entries
    exported = curation_csv(Curation(entries)).replace("dog", "happy")
    with pytest.raises(InputError, match="label should be one of cat, dog"):
        file.import_csv(exported.encode(), "other.csv", loaded)
    curated = apply_curation(loaded, file.read())
    assert curated.faces.classes == ("cat", "dog")
    assert curated.faces.class_of(0) == "dog"
    with pytest.raises(ValueError, match="label should be one of cat, dog"):
        entries_for(loaded, [0], "relabel", label="happy", reason="", source="test")


def test_equal_labels_of_other_classes_have_another_fingerprint() -> None:
    images = np.zeros((2, 48, 48), np.uint8)
    labels, splits = np.array([0, 1], np.int8), np.zeros(2, np.int8)
    fingerprints = {
        FaceSet(images, labels, splits, ("a", "b"), classes=classes).fingerprint
        for classes in (EMOTIONS, EMOTIONS8, ("cat", "dog"), ("dog", "cat"))
    }
    assert len(fingerprints) == 4


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        (("cat",), "2 to 20 classes"),
        (("cat", "Cat"), "differ only in case"),
        (("cat ", "dog"), "as validated_classes returns them"),
    ],
)
def test_a_face_set_has_a_valid_class_list(classes: tuple[str, ...], words: str) -> None:
    empty = np.zeros(0, np.int8)
    with pytest.raises(ValueError, match=words):
        FaceSet(np.zeros((0, 48, 48), np.uint8), empty, empty, (), classes=classes)
