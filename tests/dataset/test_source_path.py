"""Paths as users give them: copied with quotes, or one level too deep."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fer_core.dataset.folder_roles import parse_folder_roles
from fer_core.dataset.readers import read_dataset
from fer_core.dataset.source_path import checked_source
from fer_core.dataset.store import load_dataset, path_within_roots
from fer_core.errors import InputError
from fer_core.settings import Settings

WritePictures = Callable[..., Path]


@pytest.mark.parametrize(
    "pattern",
    [
        "{}",
        '"{}"',
        "'{}'",
        "  {}  ",
        ' "{}" \n',
        "\u201c{}\u201d",
        "file://{}",
        "'{}/'",
        "`{}`",
        "{} ",
    ],
)
def test_quotes_and_spaces_around_a_path_are_removed(
    write_pictures: WritePictures, settings: Settings, pattern: str
) -> None:
    source = write_pictures({"my faces/happy": 2, "my faces/sad": 2}) / "my faces"
    text = pattern.format(str(source).replace(" ", "%20") if "file:" in pattern else source)
    assert checked_source(text) == source
    assert len(load_dataset(text, settings)) == 4
    allowed = Settings(
        settings.data_root, settings.runs_root, settings.models_root, import_roots=(source.parent,)
    )
    assert path_within_roots(text, allowed) == source


def test_backslashes_and_accents_of_other_programs(
    write_pictures: WritePictures, settings: Settings
) -> None:
    source = write_pictures({"my Zoe\u0308/happy": 2, "my Zoe\u0308/sad": 2}) / "my Zoe\u0308"
    allowed = Settings(
        settings.data_root, settings.runs_root, settings.models_root, import_roots=(source.parent,)
    )
    for text in ("my\\ Zoe\u0308", "my Zo\u00eb"):
        assert checked_source(str(source.parent / text)).samefile(source)
        assert path_within_roots(text, allowed).samefile(source)


def test_a_file_that_cannot_be_read_is_not_called_a_failed_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "faces.csv"
    path.touch()

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match=r"faces\.csv cannot be read \(Permission") as caught:
        read_dataset(path)
    assert "nothing was changed" not in str(caught.value)


def test_an_address_is_not_a_path() -> None:
    with pytest.raises(InputError, match=r"^https://www.kaggle.com/x is an address and not a path"):
        checked_source(" https://www.kaggle.com/x\n")


@pytest.mark.parametrize("pattern", ["~/faces", '"~/faces"', " ~/faces "])
def test_the_home_folder_is_written_as_a_tilde(
    write_pictures: WritePictures, monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    source = write_pictures({"happy": 1, "sad": 1})
    monkeypatch.setenv("HOME", str(source.parent))
    assert checked_source(pattern) == source


def test_a_folder_whose_name_has_quotes_is_found(tmp_path: Path) -> None:
    for name in ("'faces'", " faces "):
        (tmp_path / name).mkdir()
        assert checked_source(str(tmp_path / name)) == tmp_path / name


def test_a_path_that_does_not_exist_is_named_without_quotes() -> None:
    with pytest.raises(InputError, match=r"^nowhere/x does not exist"):
        read_dataset(checked_source(' "nowhere/x" '))


@pytest.mark.parametrize(
    ("folders", "given", "right"),
    [
        (("train/happy", "train/sad", "test/happy"), "train/happy", ""),
        (("happy", "sad"), "sad", ""),
        (("set/0", "set/1"), "set/1", "set"),
        (("train/happy", "val/happy", "train/sad"), "train/sad", ""),
    ],
)
def test_the_folder_of_one_class_names_that_of_the_dataset(
    write_pictures: WritePictures, folders: tuple[str, ...], given: str, right: str
) -> None:
    root = write_pictures(dict.fromkeys(folders, 2))
    with pytest.raises(InputError, match="is the folder of one class") as raised:
        checked_source(str(root / given))
    assert f"the folder of the dataset, {root / right}, instead" in str(raised.value)


@pytest.mark.parametrize(
    ("folders", "given"),
    [
        (("train/happy", "test/happy"), "test"),
        (("train_afew/happy", "val_afew/happy"), "val_afew"),
        (("Training/happy", "PublicTest/happy"), "Training"),
    ],
)
def test_the_folder_of_one_split_names_that_of_the_dataset(
    write_pictures: WritePictures, folders: tuple[str, ...], given: str
) -> None:
    root = write_pictures(dict.fromkeys(folders, 4))
    with pytest.raises(InputError, match="is only one split of the dataset") as raised:
        checked_source(str(root / given))
    assert f"import {root} instead" in str(raised.value)
    assert f"--split {given}=test" in str(raised.value)
    roles = parse_folder_roles([f"{given}=test"])
    faces = read_dataset(checked_source(str(root / given), roles), folder_roles=roles)
    assert set(faces.splits.tolist()) == {2}


def test_a_split_folder_without_others_next_to_it_is_a_dataset(
    write_pictures: WritePictures,
) -> None:
    root = write_pictures({"train/happy": 2, "train/sad": 2, "docs": 1})
    assert len(read_dataset(checked_source(str(root / "train")))) == 4


@pytest.mark.parametrize(
    ("pictures", "labels", "given", "right"),
    [
        ("yolo/images/train", "yolo/labels/train/0.txt", "yolo/images", "yolo"),
        ("yolo/images/train", "yolo/labels/train/0.txt", "yolo/images/train", "yolo"),
        ("yolo/train/images", "yolo/train/labels/0.txt", "yolo/train/images", "yolo/train"),
        ("a/val_set/images", "a/val_set/annotations/0_exp.npy", "a/val_set/images", "a/val_set"),
    ],
)
def test_pictures_without_their_labels_name_the_folder_above(
    write_pictures: WritePictures, pictures: str, labels: str, given: str, right: str
) -> None:
    root = write_pictures({pictures: 2})
    (root / labels).parent.mkdir(parents=True)
    (root / labels).write_bytes(b"1 0.5 0.5 1 1")
    with pytest.raises(InputError, match="contains only the pictures") as raised:
        checked_source(str(root / given))
    assert f"import {root / right} instead" in str(raised.value)
    assert checked_source(str(root / right)) == root / right


@pytest.mark.parametrize(
    ("name", "content", "right"),
    [
        ("train/happy/0.png", None, ""),
        ("data.yaml", b"names: [a]", ""),
        ("EmoLabel/list_patition_label.txt", b"train_1.jpg 5", ""),
        ("training.csv", b"subDirectory_filePath,face_x,expression\n", ""),
        ("FER2013Train/label.csv", b'fer0.png,"(0, 0, 48, 48)",4,0\n', ""),
    ],
)
def test_a_single_file_names_the_folder_of_the_dataset(
    write_pictures: WritePictures, name: str, content: bytes | None, right: str
) -> None:
    root = write_pictures({"train/happy": 1, "train/sad": 1, "test/sad": 1})
    path = root / name
    if content is not None:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    with pytest.raises(InputError) as raised:
        checked_source(str(path))
    assert f"import the folder of the dataset, {root / right}, instead" in str(raised.value)


@pytest.mark.parametrize("name", ["fer2013.csv", "fer2013.txt"])
def test_a_table_of_faces_is_a_dataset(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("emotion,pixels\n")
    assert checked_source(str(tmp_path / name)) == tmp_path / name


def test_folders_outside_the_roots_are_not_named(write_pictures: WritePictures) -> None:
    root = write_pictures({"train/happy": 2, "train/sad": 1, "secret_test/happy": 2})
    assert checked_source(str(root / "train"), roots=[root / "train"]) == root / "train"
    with pytest.raises(InputError, match="secret_test"):
        checked_source(str(root / "train"), roots=[root])
