"""The splits of a source by the names of its folders, and the folders that the user explains."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fer_core.dataset.class_mapping import ClassChoice
from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.dataset.folder_roles import FolderRoles, parse_folder_roles
from fer_core.dataset.readers import examine_source, read_dataset
from fer_core.dataset.readers.split_names import split_from_name
from fer_core.dataset.store import import_dataset, load_dataset
from fer_core.errors import InputError
from fer_core.files import read_json
from fer_core.settings import Settings

WritePictures = Callable[..., Path]


def roles(*texts: str) -> FolderRoles:
    return parse_folder_roles(texts)


def splits_by_folder(faces: FaceSet) -> dict[str, str]:
    """The split of each folder whose pictures are all in one split."""
    found: dict[str, set[str]] = {}
    for name, split in zip(faces.names, faces.splits.tolist(), strict=True):
        found.setdefault(name.rpartition("/")[0], set()).add(SPLITS[split])
    return {folder: " ".join(sorted(splits)) for folder, splits in found.items()}


@pytest.mark.parametrize(
    ("names", "split"),
    [
        (
            "train TRAIN Training train_afew training_set my-training trainSet train.1 01_train "
            "FER2013Train train-images Train_Faces tRaIn mytrainset train(1) trn",
            "train",
        ),
        (
            "val VAL valid Validation val_afew eval dev devset evaluation_data valData val2017 "
            "images-val raf_db_val vAL ValidationSet eval.2",
            "validation",
        ),
        (
            "test Test testing test_set test_data test(1) test2017 imagesTest TESTING testimages "
            "ck+_test tst Test-Split",
            "test",
        ),
        (
            "happy afew contest latest protest devil S001 fold1 trainval train_val TrainTest "
            "test-val validation_and_test not_train un-test unseen images untrained valence",
            None,
        ),
    ],
)
def test_a_split_is_recognized_by_the_parts_of_a_name(names: str, split: str | None) -> None:
    for name in names.split():
        found = split_from_name(name)
        assert (None if found is None else SPLITS[found[0]]) == split, name
        assert found is None or not found[1], name


@pytest.mark.parametrize("name", ["train (1)", "Train - Copy", "my training data", "1. train"])
def test_spaces_divide_a_name_as_well(name: str) -> None:
    assert split_from_name(name) == (0, False)


@pytest.mark.parametrize(
    ("name", "split"),
    [("PublicTest", 1), ("private_test", 2), ("Public Test (1)", 1), ("fer2013_private_test", 2)],
)
def test_the_official_test_sets_of_fer2013_are_recognized(name: str, split: int) -> None:
    assert split_from_name(name) == (split, True)


def test_a_name_that_repeats_a_word_is_read_in_little_time() -> None:
    assert split_from_name("dataset" * 36) is None
    assert split_from_name("dataset" * 36 + "test") == (2, False)


@pytest.mark.parametrize(
    "folders",
    [
        {"train_afew": "train", "val_afew": "validation"},
        {"training_set": "train", "test_set": "test"},
        {"train (1)": "train", "test (1)": "test"},
        {"my-training": "train", "eval": "validation", "test_data": "test"},
        {"data/Train_Images": "train", "data/Dev_Images": "validation"},
        {"set/TRAIN.v2": "train", "set/VAL.v2": "validation", "set/TEST.v2": "test"},
        {"a/train": "train", "b/testing": "test"},
    ],
)
@pytest.mark.parametrize("scheme", ["emotions", "folders"])
def test_pictures_stay_in_the_splits_of_their_folders(
    write_pictures: WritePictures, folders: dict[str, str], scheme: str
) -> None:
    names = ("happy", "sad") if scheme == "emotions" else ("cat", "dog")
    source = write_pictures({f"{folder}/{name}": 4 for folder in folders for name in names})
    faces = read_dataset(source, class_choice=ClassChoice(scheme))  # type: ignore[arg-type]
    found = splits_by_folder(faces)
    for folder, split in folders.items():
        for name in names:
            # Missing splits are created from the training images.
            expected = {split} if split != "train" else {"train", "validation", "test"}
            assert set(found[f"{folder}/{name}"].split()) <= expected
            if split != "train":
                assert found[f"{folder}/{name}"] == split
    assert {faces.classes[label] for label in faces.labels} == set(names)


@pytest.mark.parametrize(
    ("folders", "unknown"),
    [
        (("train", "afew"), ["afew"]),
        (("fold1", "fold2"), ["fold1", "fold2"]),
        (("part_a", "part_b", "part_c"), ["part_a", "part_b", "part_c"]),
        (("train", "train_val"), ["train_val"]),
        (("x/train", "x/holdout (2)"), ["holdout (2)"]),
        (("a", "b/train"), ["a"]),
        (("train", "val", "eval"), ["eval"]),
        (("my test dataset",), ["my test dataset"]),
        (("a/x", "b/x"), ["a", "b"]),
    ],
)
@pytest.mark.parametrize("scheme", ["emotions", "folders"])
def test_the_user_is_asked_about_other_folders(
    write_pictures: WritePictures, folders: tuple[str, ...], unknown: list[str], scheme: str
) -> None:
    names = ("happy", "sad") if scheme == "emotions" else ("cat", "dog")
    source = write_pictures({f"{folder}/{name}": 2 for folder in folders for name in names})
    choice = ClassChoice(scheme)  # type: ignore[arg-type]
    with pytest.raises(InputError) as raised:
        read_dataset(source, class_choice=choice)
    message = str(raised.value)
    assert "\n" not in message
    for name in unknown:
        assert f"{name}=train" in message
    found = examine_source(source, choice)
    assert [one.name for one in found.folders if one.role is None] == unknown
    assert sum(one.count for one in found.classes) == 4 * len(folders)
    # Each answer is followed.
    answers = roles(*(f"{name}=test" for name in unknown))
    faces = read_dataset(source, class_choice=choice, folder_roles=answers)
    for folder, splits in splits_by_folder(faces).items():
        if any(f"/{name}/" in f"/{folder}/" for name in unknown):
            assert splits == "test"
    for one in examine_source(source, choice, folder_roles=answers).folders:
        assert one.role is not None


def test_a_folder_can_be_left_out_and_is_reported(write_pictures: WritePictures) -> None:
    source = write_pictures({"train/happy": 3, "train/sad": 3, "old/happy": 2, "old/sad": 1})
    faces = read_dataset(source, folder_roles=roles("old="))
    assert len(faces) == 6
    assert [(p.name, p.reason, p.count) for p in faces.problems] == [
        ("folder 'old'", "was left out as requested", 3)
    ]


def test_a_recognized_folder_can_be_given_another_role(write_pictures: WritePictures) -> None:
    source = write_pictures({"train/happy": 3, "train/sad": 3, "test/happy": 2, "test/sad": 1})
    faces = read_dataset(source, folder_roles=roles("test=validation"))
    found = splits_by_folder(faces)
    assert found["test/happy"] == found["test/sad"] == "validation"


def test_a_path_names_one_of_several_folders_of_the_same_name(
    write_pictures: WritePictures,
) -> None:
    source = write_pictures({"a/x/happy": 3, "a/y/happy": 2, "b/x/happy": 2})
    faces = read_dataset(source, folder_roles=roles("a/x=train", "a/y=test", "b=validation"))
    found = splits_by_folder(faces)
    assert found == {"a/x/happy": "train", "a/y/happy": "test", "b/x/happy": "validation"}


@pytest.mark.parametrize(
    "folders",
    [
        ("happy", "sad"),
        ("archive/happy", "archive/sad"),
        ("archive/fer2013/train/happy", "archive/fer2013/train/sad"),
        ("x/y/z/happy", "x/y/z/sad"),
    ],
)
def test_single_folders_around_everything_are_descended(
    write_pictures: WritePictures, folders: tuple[str, ...]
) -> None:
    faces = read_dataset(write_pictures(dict.fromkeys(folders, 10)))
    assert len(faces) == 20
    assert faces.split_groups is not None
    assert faces.split_groups.created == ("validation", "test")


@pytest.mark.parametrize(
    "names",
    [("S001", "S002", "S010"), ("subject1", "subject2", "subject3"), ("01", "02", "03", "17")],
)
def test_numbered_persons_above_the_classes_are_not_asked_about(
    write_pictures: WritePictures, names: tuple[str, ...]
) -> None:
    source = write_pictures(
        {f"{person}/{name}": 2 for person in names for name in ("happy", "sad")}
    )
    faces = read_dataset(source)
    assert faces.split_groups is not None
    assert faces.split_groups.persons == len(names)
    assert "were read as persons" in faces.notes[0]
    by_person = Counter(name.partition("/")[0] for name in faces.names)
    split_of = {
        (name.partition("/")[0], split)
        for name, split in zip(faces.names, faces.splits.tolist(), strict=True)
    }
    assert len(split_of) == len(by_person)


def test_persons_stay_together_if_the_user_chooses_the_splits_above(
    write_pictures: WritePictures,
) -> None:
    source = write_pictures(
        {
            f"OriginalImg/{light}/Strong/P{person:03}/{name}": 1
            for light in ("NI", "VL")
            for person in range(1, 13)
            for name in ("Anger", "Happiness")
        }
    )
    with pytest.raises(InputError, match=r"'NI' .* 'VL' "):
        read_dataset(source)
    faces = read_dataset(source, folder_roles=parse_folder_roles(["NI=train", "VL=train"]))
    assert faces.split_groups is not None
    assert faces.split_groups.persons == 12
    splits = {(n.split("/")[3], s) for n, s in zip(faces.names, faces.splits.tolist(), strict=True)}
    assert len(splits) == 12


def test_folders_of_classes_that_are_left_out_raise_no_question(
    write_pictures: WritePictures,
) -> None:
    source = write_pictures({"images/happy": 4, "images/sad": 4, "previews": 3})
    faces = read_dataset(source)
    assert len(faces) == 8
    assert [(p.name, p.count) for p in faces.problems] == [("class 'previews'", 3)]


@pytest.mark.parametrize(
    "folders",
    [
        {"happy/S1": 2, "happy/S2": 2, "sad/S1": 2, "sad/S3": 2},
        {"train/happy/anna": 2, "train/happy/ben": 2, "train/sad/anna": 2},
        {"Anger/001/x": 2, "Joy/002/x": 2, "Joy/003/x": 2},
    ],
)
def test_folders_below_the_classes_are_persons(
    write_pictures: WritePictures, folders: dict[str, int]
) -> None:
    faces = read_dataset(write_pictures(folders))
    assert faces.split_groups is not None
    persons = {folder.split("/")[-1 if "Joy/002/x" not in folders else 1] for folder in folders}
    assert faces.split_groups.persons == len(persons)
    assert faces.problems == ()


@pytest.mark.parametrize(
    "names",
    ["happy/high happy/low sad/high", "happy/Front happy/left sad/left", "sad/dark sad/lab"],
)
def test_conditions_below_the_classes_are_no_persons(
    write_pictures: WritePictures, names: str
) -> None:
    faces = read_dataset(write_pictures({**dict.fromkeys(names.split(), 2), "fear/old": 2}))
    assert faces.split_groups is not None
    assert faces.split_groups.persons == 0


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        ("happy/train_1 sad/train_2 sad/test_0003", {"train", "test"}),
        ("pics/train_happy_1 pics/val_sad_1 pics/val_happy_2", {"train", "validation"}),
        ("happy/Train-1 sad/Test-2 sad/Validation-3", {"train", "validation", "test"}),
        # Not all of them name a split, or all name the same one, or a folder names it.
        ("happy/train_1 sad/train_2 sad/other_3", {"train"}),
        ("happy/test_1 sad/test_2", {"train"}),
        ("train/happy/test_1 train/sad/train_2", {"train"}),
        ("happy/tester_1 sad/trainer_2", {"train"}),
    ],
)
def test_splits_are_read_from_the_beginnings_of_file_names(
    write_files: Callable[..., Path], png: Callable[..., bytes], names: str, splits: set[str]
) -> None:
    generator = np.random.default_rng(0)
    files = {
        f"{name}.png": png(generator.integers(0, 256, (48, 48)).astype(np.uint8))
        for name in names.split()
    }
    faces = read_dataset(write_files(files))
    assert set(faces.present_splits) == splits
    note = "The splits were read from the beginnings of the file names."
    assert (note in faces.notes) == (len(splits) > 1)


def test_versions_of_the_pictures_are_no_persons(write_pictures: WritePictures) -> None:
    faces = read_dataset(write_pictures({"happy/aligned": 2, "happy/original": 2, "sad": 1}))
    assert faces.split_groups is not None
    assert faces.split_groups.persons == 0


def test_a_folder_of_pictures_next_to_splits_is_not_taken_as_a_class(
    write_pictures: WritePictures,
) -> None:
    source = write_pictures({"train/cat": 2, "train/dog": 2, "test/cat": 1, "misc": 2})
    choice = ClassChoice("folders")
    with pytest.raises(InputError, match=r"--split misc=train .*class instead of train"):
        read_dataset(source, class_choice=choice)
    faces = read_dataset(source, class_choice=choice, folder_roles=roles("misc="))
    assert faces.classes == ("cat", "dog")
    faces = read_dataset(source, class_choice=choice, folder_roles=roles("misc=class"))
    assert faces.classes == ("cat", "dog", "misc")


def test_folders_with_the_same_classes_can_be_classes_themselves(
    write_pictures: WritePictures,
) -> None:
    source = write_pictures({f"{name}/{take}": 1 for name in "ab" for take in ("left", "right")})
    choice = ClassChoice("folders")
    faces = read_dataset(source, class_choice=choice, folder_roles=roles("a=class", "b=class"))
    assert faces.classes == ("a", "b")


@pytest.mark.parametrize("pattern", ["{1}_{0}", "{0}-{1}", "{0} ({1} set)"])
def test_a_folder_can_name_class_and_split(write_pictures: WritePictures, pattern: str) -> None:
    names = {
        pattern.format(emotion, split): (emotion, split)
        for emotion in ("happy", "Sad")
        for split in ("train", "val", "Test")
    }
    faces = read_dataset(write_pictures(dict.fromkeys(names, 3)))
    found = splits_by_folder(faces)
    for folder, (_, split) in names.items():
        assert found[folder] == split_words[split]
    assert [(one.name, one.count) for one in faces.source_classes] == [("happy", 9), ("sad", 9)]


split_words = {"train": "train", "val": "validation", "Test": "test"}


@pytest.mark.parametrize("pattern", ["{}", "./{}", "../{}", "data/{}"])
def test_splits_are_read_from_lists_of_paths(write_pictures: WritePictures, pattern: str) -> None:
    root = write_pictures({"data/happy": 4, "data/sad": 4})
    lists = {"train": (0, 1), "val": (2,), "test_list": (3,)}
    for stem, numbers in lists.items():
        lines = [pattern.format(f"{c}/{n}.png") for c in ("happy", "sad") for n in numbers]
        (root / "data" / f"{stem}.txt").write_text("\n".join(lines))
    faces = read_dataset(root)
    by_number = {
        name.rpartition("/")[2]: SPLITS[split]
        for name, split in zip(faces.names, faces.splits.tolist(), strict=True)
    }
    assert by_number == {
        **{"0.png": "train", "1.png": "train", "2.png": "validation", "3.png": "test"}
    }


@pytest.mark.parametrize("is_one_file", [True, False])
def test_splits_are_read_from_json(write_pictures: WritePictures, is_one_file: bool) -> None:
    root = write_pictures({"image/anger": 4, "image/awe": 4, "image/fear": 4})
    parts = {
        split: [[c, f"image/{c}/{number}.png", f"annotation/{c}/{number}.json"]
                for c in ("anger", "awe", "fear") for number in numbers]
        for split, numbers in (("train", (0, 1)), ("val", (2,)), ("test", (3,)))
    }  # fmt: skip
    files = {"splits.json": parts} if is_one_file else {f"{k}.json": v for k, v in parts.items()}
    for name, content in files.items():
        (root / name).write_text(json.dumps(content))
    faces = read_dataset(root)
    assert faces.count_by_split(np.ones(8, bool)) == {"train": 4, "validation": 2, "test": 2}
    assert faces.notes[-1].startswith("The splits were read from")
    # What the user says about a folder has priority.
    assert read_dataset(root, folder_roles=roles("image=test")).present_splits == ("test",)
    # Equal pictures in two splits are leaks and not copies.
    for folder in ("anger", "awe", "fear"):
        (root / "image" / folder / "3.png").write_bytes((root / "image/anger/0.png").read_bytes())
    assert len(read_dataset(root)) == 8


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (("afew",), "--split expects FOLDER=train"),
        (("=test",), "--split expects FOLDER=train"),
        (("afew=later",), "cannot have the role 'later'"),
        (("afew=test", "AFEW=train"), "names a folder twice"),
        (("nowhere=test",), "contains no folder 'nowhere'"),
    ],
)
def test_an_invalid_role_is_named_in_one_sentence(
    write_pictures: WritePictures, texts: tuple[str, ...], words: str
) -> None:
    source = write_pictures({"train/happy": 1, "afew/happy": 1})
    with pytest.raises(InputError, match=words) as raised:
        read_dataset(source, folder_roles=roles(*texts))
    assert "\n" not in str(raised.value)


def test_a_table_next_to_those_of_splits_is_asked_about(write_files: WritePictures) -> None:
    pixels = [" ".join([str(number)] * 2304) for number in range(9)]
    files = {
        name: "emotion,pixels\n" + "".join(f"{k % 7},{pixels[3 * n + k]}\n" for k in range(3))
        for n, name in enumerate(("fer_train.csv", "my-val.csv", "more.csv"))
    }
    source = write_files({name: text.encode() for name, text in files.items()})
    with pytest.raises(InputError, match=r"the file 'more\.csv', .*--split more\.csv=train"):
        read_dataset(source)
    assert [(one.name, one.role) for one in examine_source(source).folders] == [
        ("fer_train.csv", "train"),
        ("more.csv", None),
        ("my-val.csv", "validation"),
    ]
    faces = read_dataset(source, folder_roles=roles("more.csv=test"))
    assert np.bincount(faces.splits).tolist() == [3, 3, 3]
    faces = read_dataset(source, folder_roles=roles("more.csv="))
    assert [(p.name, p.reason) for p in faces.problems] == [
        ("more.csv", "was left out as requested")
    ]
    with pytest.raises(InputError, match=r"no table 'x\.csv'"):
        read_dataset(source, folder_roles=roles("x.csv=test"))


@pytest.mark.parametrize("pattern", ["{}.txt", "{}.csv"])
def test_a_list_next_to_those_of_splits_is_asked_about(
    write_pictures: WritePictures, pattern: str
) -> None:
    root = write_pictures({"pictures": 6})
    separator, header = (",", "image,label\n") if pattern.endswith("csv") else (" ", "")
    for number, stem in enumerate(("train", "val_list", "more")):
        lines = [
            f"pictures/{2 * number + k}.png{separator}{c}\n" for k, c in ((0, "sad"), (1, "joy"))
        ]
        (root / pattern.format(stem)).write_text(header + "".join(lines))
    name = pattern.format("more")
    with pytest.raises(InputError, match=rf"the file '{name}' .*--split {name}=train"):
        read_dataset(root)
    faces = read_dataset(root, folder_roles=roles(f"{name}=test"))
    assert faces.splits.tolist() == [0, 0, 1, 1, 2, 2]
    assert len(read_dataset(root, folder_roles=roles(f"{name}="))) == 4


def test_an_import_records_the_roles(write_pictures: WritePictures, settings: Settings) -> None:
    source = write_pictures({"a/happy": 6, "a/sad": 6, "b/happy": 2, "b/sad": 2})
    answers = roles("a=train", "b=test")
    import_dataset(source, settings, name="mine", folder_roles=answers)
    record = read_json(settings.data_root / "mine" / "dataset.json")
    assert record["folder_roles"] == {"a": "train", "b": "test"}
    counts = np.bincount(load_dataset("mine", settings).splits, minlength=3)
    assert counts[2] == 4
