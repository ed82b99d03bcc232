"""The layouts of public datasets: class numbers, codes in file names, lists, annotations, boxes."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from fer_core.dataset.class_mapping import ClassChoice, parse_class_changes
from fer_core.dataset.class_numbers import CLASS_ORDERS, class_number, parse_class_order
from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.dataset.folder_emotions import emotion_of_folder
from fer_core.dataset.readers import examine_source, read_dataset
from fer_core.dataset.readers.layouts.yolo_config import names_in_yaml
from fer_core.dataset.splitting import SplitChoice
from fer_core.errors import InputError

WriteFiles = Callable[..., Path]
WritePictures = Callable[..., Path]
Draw = Callable[..., bytes]


@pytest.fixture
def draw() -> Draw:
    """``draw(7)``: the bytes of a picture, different for each number."""

    def encode(number: int, size: tuple[int, int] = (48, 48)) -> bytes:
        generator = np.random.default_rng(number)
        picture = generator.integers(0, 256, size).astype(np.uint8)
        return cv2.imencode(".png", picture)[1].tobytes()

    return encode


def choice(order: str | None = None, *changes: str, scheme: Any = "emotions") -> ClassChoice:
    parsed = None if order is None else parse_class_order(order)
    return ClassChoice(scheme, parse_class_changes(changes), parsed)


def class_by_name(faces: FaceSet) -> dict[str, str]:
    return {
        name: faces.classes[label]
        for name, label in zip(faces.names, faces.labels.tolist(), strict=True)
    }


def split_by_name(faces: FaceSet) -> dict[str, str]:
    return {
        name: SPLITS[split] for name, split in zip(faces.names, faces.splits.tolist(), strict=True)
    }


# Class numbers


@pytest.mark.parametrize(
    ("numbers", "pattern", "order", "expected"),
    [
        (range(7), "{}", "fer2013", "angry disgust fear happy sad surprise neutral"),
        (range(1, 8), "{}", "raf-db", "surprise fear disgust happy sad angry neutral"),
        (range(7), "{}", "RAF-DB", "surprise fear disgust happy sad angry neutral"),
        (range(1, 8), "{:02}", "fer2013", "angry disgust fear happy sad surprise neutral"),
        (range(7), "class_{}", "affectnet", "neutral happy sad surprise fear disgust angry"),
        (range(7), "label {}", "alphabetical", "angry disgust fear happy neutral sad surprise"),
        (range(3), "train/{}", "sad, happy ,neutral", "sad happy neutral"),
        (range(1, 4), "{}", "Anger,Joy,Suprise", "angry happy surprise"),
    ],
)
def test_class_numbers_get_their_names_from_an_order(
    write_pictures: WritePictures, numbers: range, pattern: str, order: str, expected: str
) -> None:
    source = write_pictures({pattern.format(number): 2 for number in numbers})
    with pytest.raises(
        InputError, match=r"--class-order ORDER \(fer2013, raf-db, affectnet"
    ) as raised:
        read_dataset(source)
    assert "\n" not in str(raised.value)
    faces = read_dataset(source, class_choice=choice(order))
    found = class_by_name(faces)
    for number, name in zip(numbers, expected.split(), strict=True):
        assert found[f"{pattern.format(number)}/0.png"] == name


def test_affectnets_further_numbers_are_left_out_by_name(write_pictures: WritePictures) -> None:
    source = write_pictures({f"train/{number}": 1 for number in range(11)})
    faces = read_dataset(source, class_choice=choice("affectnet"))
    assert len(faces) == 7
    assert [p.reason for p in faces.problems] == [
        f"({name}) is not one of the seven emotions"
        for name in ("contempt", "none", "uncertain", "non-face")
    ]


@pytest.mark.parametrize(
    ("folders", "class_choice", "words"),
    [
        ("12345 6", choice("sad,happy,fear,angry,neutral,disgust,surprise"), "begin at 0 or at 1"),
        ("0 1 9", choice("sad,happy"), "number 9 is not in the given order"),
        ("0 1 2", choice(None, "0=sad", "1=happy"), r"numbers \(2\)"),
    ],
)
def test_numbers_that_an_order_does_not_explain_are_named(
    write_pictures: WritePictures, folders: str, class_choice: ClassChoice, words: str
) -> None:
    names = [name for word in folders.split() for name in (word if len(word) > 2 else [word])]
    source = write_pictures(dict.fromkeys(names, 1))
    with pytest.raises(InputError, match=words):
        read_dataset(source, class_choice=class_choice)


def test_single_numbers_can_be_mapped_and_left_out(write_pictures: WritePictures) -> None:
    source = write_pictures({"0": 1, "1": 2, "2": 3})
    faces = read_dataset(source, class_choice=choice(None, "0=sad", "1=happy", "2="))
    assert sorted(class_by_name(faces).values()) == ["happy", "happy", "sad"]
    faces = read_dataset(source, class_choice=choice("sad,happy,fear", "1=neutral"))
    assert set(class_by_name(faces).values()) == {"sad", "neutral", "fear"}
    assert read_dataset(source, class_choice=choice(scheme="folders")).classes == ("0", "1", "2")
    named = read_dataset(source, class_choice=choice("cat,dog,cow", scheme="folders"))
    assert named.classes == ("cat", "cow", "dog")


def write_table(tmp_path: Path, labels: list[int]) -> Path:
    table = tmp_path / "faces.csv"
    pixels = " ".join(["7"] * 2304)
    table.write_text("emotion,pixels\n" + "".join(f"{label},{pixels}\n" for label in labels))
    return table


def test_numbers_1_to_7_of_a_table_are_asked_about(tmp_path: Path) -> None:
    table = write_table(tmp_path, list(range(1, 8)))
    with pytest.raises(InputError, match="--class-order"):
        read_dataset(table)
    faces = read_dataset(table, class_choice=choice("raf-db"))
    assert list(class_by_name(faces).values()) == list(CLASS_ORDERS["raf-db"].names)


def test_numbers_0_to_6_of_a_table_are_fer2013s_by_default(tmp_path: Path) -> None:
    table = write_table(tmp_path, list(range(7)))
    assert list(class_by_name(read_dataset(table)).values()) == list(CLASS_ORDERS["fer2013"].names)
    faces = read_dataset(table, class_choice=choice("raf-db"))
    assert list(class_by_name(faces).values()) == list(CLASS_ORDERS["raf-db"].names)


@pytest.mark.parametrize(
    ("text", "words"),
    [("fer2014", "should be one of fer2013"), ("sad,", "names"), ("a,A", "twice")],
)
def test_an_invalid_order_is_refused(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse_class_order(text)


@pytest.mark.parametrize(
    ("name", "emotion", "number"),
    [
        ("Natural", "neutral", None),
        ("Suprise", "surprise", None),
        ("0_angry", "angry", None),
        ("HappyFaces", "happy", None),
        ("sad images (2)", "sad", None),
        ("not happy", None, None),
        ("happy_sad", None, None),
        ("S1", None, None),
        ("003", None, 3),
        ("Class 4", None, 4),
        ("emotion-1", None, 1),
        ("2.0", None, 2),
        ("1234", None, None),
    ],
)
def test_names_of_class_folders(name: str, emotion: str | None, number: int | None) -> None:
    assert emotion_of_folder(name) == emotion
    assert class_number(name) == number


def test_classes_that_are_left_out_take_one_line_each(write_pictures: WritePictures) -> None:
    source = write_pictures({"Natural": 4, "Suprise": 4, "Ahegao": 7, "misc": 5})
    faces = read_dataset(source)
    assert len(faces) == 8
    assert [(p.name, p.count) for p in faces.problems] == [
        ("class 'Ahegao'", 7),
        ("class 'misc'", 5),
    ]


def test_pictures_without_a_class_take_one_line_for_each_folder(
    write_pictures: WritePictures,
) -> None:
    faces = read_dataset(write_pictures({"train/happy": 2, "train/sad": 2, "train": 30}))
    assert [(p.name, p.reason, p.count) for p in faces.problems] == [
        ("folder 'train'", "is not named after a class", 30)
    ]


# Codes in file names


@pytest.mark.parametrize(
    ("expected", "persons"),
    [
        (
            {
                **{"KA.AN1.39.png": "angry", "KA.HA2.30.png": "happy", "NM.NE1.9.png": "neutral"},
                **{"YM.DI3.7.png": "disgust", "YM.SU1.8.png": "surprise", "UY.FE1.2.png": "fear"},
            },
            4,
        ),
        (
            {
                **{"KDEF/AF01/AF01ANS.png": "angry", "KDEF/BM35/BM35AFHL.png": "fear"},
                **{"KDEF/AM02/AM02SAFR.png": "sad", "KDEF/AF01/AF01NES.png": "neutral"},
            },
            3,
        ),
        ({"004_o_m_a_a.png": "angry", "066_y_m_h_b.png": "happy", "140_y_f_n_a.png": "neutral"}, 3),
        ({"01F_AN_C.png": "angry", "02F_SP_O.png": "surprise", "20M_HA_X.png": "happy"}, 3),
        ({"CFD-WM-001-014-HC.png": "happy", "CFD-BF-002-001-A.png": "angry"}, 2),
        ({"a/02-01-06-01-02-01-12.png": "fear", "a/02-01-03-01-02-01-01.png": "happy"}, 0),
        ({"happy_1.png": "happy", "img2-Sad.png": "sad", "x/3.NEUTRAL.png": "neutral"}, 0),
        ({"1001_DFA_ANG_XX.png": "angry", "1002_IEO_HAP_HI.png": "happy"}, 0),
        (
            {
                "Rafd090_01_Caucasian_female_angry_frontal.png": "angry",
                "Rafd090_02_Caucasian_male_surprised_left.png": "surprise",
            },
            2,
        ),
    ],
)
def test_classes_are_read_from_codes_in_file_names(
    write_files: WriteFiles, draw: Draw, expected: dict[str, str], persons: int
) -> None:
    source = write_files({name: draw(number) for number, name in enumerate(expected)})
    faces = read_dataset(source)
    assert class_by_name(faces) == expected
    assert faces.problems == ()
    assert "file names" in faces.notes[0]
    assert faces.split_groups is not None
    assert faces.split_groups.persons == persons
    assert {one.name for one in examine_source(source).classes} == set(expected.values())


def test_folders_can_have_the_codes_as_names(write_pictures: WritePictures) -> None:
    codes = {"AN": "angry", "DI": "disgust", "FE": "fear", "HA": "happy", "NE": "neutral"}
    faces = read_dataset(write_pictures({f"train/{code}": 2 for code in codes}))
    found = class_by_name(faces)
    assert {code: found[f"train/{code}/0.png"] for code in codes} == codes


def test_pictures_without_a_code_are_reported(write_files: WriteFiles, draw: Draw) -> None:
    names = ("KA.AN1.39.png", "KA.HA1.29.png", "KA.SA1.9.png", "logo.png")
    faces = read_dataset(write_files({name: draw(number) for number, name in enumerate(names)}))
    assert [(p.name, p.reason) for p in faces.problems] == [
        ("logo.png", "has a file name without the codes of JAFFE")
    ]


def test_folders_of_emotions_are_preferred_to_codes(write_files: WriteFiles, draw: Draw) -> None:
    source = write_files({"happy/KA.AN1.39.png": draw(0), "sad/KA.AN2.40.png": draw(1)})
    assert set(class_by_name(read_dataset(source)).values()) == {"happy", "sad"}


# Lists


def raf_db(draw: Draw, list_name: str = "EmoLabel/list_patition_label.txt") -> dict[str, bytes]:
    files = {}
    lines = []
    for number in range(1, 8):
        for split in ("train", "test"):
            stem = f"{split}_{number:05}"
            files[f"basic/Image/aligned/{stem}_aligned.png"] = draw(number * 2 + len(split))
            files[f"basic/Image/original/{stem}.png"] = draw(100 + number, (100, 80))
            files[f"basic/Annotation/manual/{stem}_manu_attri.txt"] = b"10.5\t20.5\n"
            lines.append(f"{stem}.png {number}")
    return files | {f"basic/{list_name}": "\n".join(lines).encode()}


@pytest.mark.parametrize(
    "list_name", ["EmoLabel/list_patition_label.txt", "list_partition_label.txt"]
)
def test_raf_dbs_list_names_class_and_split(
    write_files: WriteFiles, draw: Draw, list_name: str
) -> None:
    faces = read_dataset(write_files(raf_db(draw, list_name)))
    found, splits = class_by_name(faces), split_by_name(faces)
    assert len(found) == 14
    for number, emotion in enumerate(CLASS_ORDERS["raf-db"].names, start=1):
        name = f"basic/Image/aligned/train_{number:05}_aligned.png"
        assert found[name] == emotion
        assert splits[name.replace("train", "test")] == "test"
    assert faces.problems == ()
    assert any("Image/aligned were read" in note for note in faces.notes)


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        ({"labels.txt": "a.png happy\nx/b.png\tsad\n"}, {"a.png": "happy", "x/b.png": "sad"}),
        ({"labels.txt": "./a.png, Joy\nx\\b.png; fear\n"}, {"a.png": "happy", "x/b.png": "fear"}),
        ({"x/list.lst": '"b.png" neutral\n'}, {"x/b.png": "neutral"}),
        ({"labels.txt": "happy a.png\nsad, x/b.png\n"}, {"a.png": "happy", "x/b.png": "sad"}),
        (
            {"train.txt": "a.png happy\n", "val_list.txt": "b.png sad\n"},
            {"a.png": "happy", "x/b.png": "sad"},
        ),
    ],
)
def test_lists_of_pictures_with_their_class(
    write_files: WriteFiles, draw: Draw, lists: dict[str, str], expected: dict[str, str]
) -> None:
    files = {"a.png": draw(0), "x/b.png": draw(1)}
    files |= {name: text.encode() for name, text in lists.items()}
    faces = read_dataset(write_files(files))
    assert class_by_name(faces) == expected
    if "val_list.txt" in lists:
        assert split_by_name(faces) == {"a.png": "train", "x/b.png": "validation"}


def test_lists_of_fer2013s_test_sets_have_official_splits(
    write_files: WriteFiles, draw: Draw
) -> None:
    names = [f"{number}.png" for number in range(20)]
    files = {name: draw(number) for number, name in enumerate(names)}
    lines = [f"{name} {('happy', 'sad')[number % 2]}" for number, name in enumerate(names)]
    files["Training.txt"] = "\n".join(lines[:15]).encode()
    files["PublicTest.txt"] = "\n".join(lines[15:]).encode()
    faces = read_dataset(write_files(files), SplitChoice(test_share=0.4))
    assert [len(faces.rows(name)) for name in SPLITS] == [15, 5, 0]
    assert any("There is no test split" in note for note in faces.notes)


@pytest.mark.parametrize(
    "separator",
    [" ", "\t", ", "],
)
def test_a_line_may_name_the_split(write_files: WriteFiles, draw: Draw, separator: str) -> None:
    rows = [("a.png", "happy", "train"), ("b.png", "sad", "Test"), ("c.png", "sad", "val")]
    files = {name: draw(number) for number, (name, *_) in enumerate(rows)}
    files["all.txt"] = "\n".join(separator.join(row) for row in rows).encode()
    faces = read_dataset(write_files(files))
    assert class_by_name(faces) == {"a.png": "happy", "b.png": "sad", "c.png": "sad"}
    assert split_by_name(faces) == {"a.png": "train", "b.png": "test", "c.png": "validation"}


def test_a_class_of_a_list_may_have_several_words(write_files: WriteFiles, draw: Draw) -> None:
    lines = b"a.png not sure\nb.png happy\nc.png 1 2 3 4\nd.png e.png\n"
    files = {f"{name}.png": draw(number) for number, name in enumerate("abcde")}
    source = write_files(files | {"labels.txt": lines})
    faces = read_dataset(source, class_choice=choice(scheme="folders"))
    assert class_by_name(faces) == {"a.png": "not sure", "b.png": "happy"}


def test_a_list_may_have_the_names_of_its_numbers_in_another_file(
    write_files: WriteFiles, draw: Draw
) -> None:
    files = {f"{number}.png": draw(number) for number in range(4)}
    lines = "".join(f"{number}.png {number % 2}\n" for number in range(4))
    files |= {"list.txt": lines.encode(), "classes.txt": b"sad\nhappy\n"}
    faces = read_dataset(write_files(files))
    assert list(class_by_name(faces).values()) == ["sad", "happy", "sad", "happy"]


def test_a_log_named_after_a_split_is_not_a_list(write_files: WriteFiles, draw: Draw) -> None:
    files = {f"{name}/{number}.png": draw(number) for name in ("happy", "sad") for number in (1, 2)}
    log = "".join(f"{name} predicted happy\n" for name in files)
    faces = read_dataset(write_files(files | {"test_log.txt": log.encode()}))
    assert set(split_by_name(faces).values()) == {"train"}


def test_a_list_with_numbers_is_asked_about(write_files: WriteFiles, draw: Draw) -> None:
    files = {f"{n}.png": draw(n) for n in range(4)}
    lines = "0.png 0\n1.png 1\n2.png 2\nnowhere.png 1\n"
    source = write_files(files | {"labels.txt": lines.encode()})
    with pytest.raises(InputError, match="--class-order"):
        read_dataset(source)
    faces = read_dataset(source, class_choice=choice("sad,fear,happy"))
    assert class_by_name(faces) == {"0.png": "sad", "1.png": "fear", "2.png": "happy"}
    assert [(p.name, p.reason) for p in faces.problems] == [
        ("labels.txt:4", "names a picture that does not exist"),
        ("3.png", "is in no list of pictures and classes"),
    ]


def test_expws_list_has_boxes(write_files: WriteFiles, png: Callable[..., bytes]) -> None:
    photo = np.zeros((100, 100), np.uint8)
    photo[10:50, 20:80] = 77
    lines = "a.png 0 10 20 80 50 22.9 3\nb.png 0 10 20 80 50 9 0\n"
    files = {"image/a.png": png(photo), "image/b.png": png(photo), "label.lst": lines.encode()}
    faces = read_dataset(write_files(files))
    assert class_by_name(faces) == {"image/a.png": "happy", "image/b.png": "angry"}
    assert (faces.images == 77).all()


def test_an_unknown_class_in_raf_dbs_list_is_reported(write_files: WriteFiles, draw: Draw) -> None:
    files = {f"aligned/train_0000{n}_aligned.png": draw(n) for n in (1, 2)}
    lines = b"train_00001.png 5\ntrain_00002.png 9\n"
    faces = read_dataset(write_files(files | {"list_patition_label.txt": lines}))
    assert list(class_by_name(faces).values()) == ["sad"]
    assert faces.problems[0].name == "list_patition_label.txt:2"
    assert "1 to 7" in faces.problems[0].reason


# AffectNet


def as_npy(value: object) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array(value))
    return buffer.getvalue()


@pytest.mark.parametrize("is_text", [True, False])
@pytest.mark.parametrize("around", ["", "affectnet/"])
def test_affectnets_annotation_files(
    write_files: WriteFiles, draw: Draw, is_text: bool, around: str
) -> None:
    files = {}
    for number in range(8):
        for split in ("train_set", "val_set"):
            folder = f"{around}{split}"
            files[f"{folder}/images/{number}.png"] = draw(number + 10 * len(split))
            value: object = str(number) if is_text else number
            files[f"{folder}/annotations/{number}_exp.npy"] = as_npy(value)
            files[f"{folder}/annotations/{number}_val.npy"] = as_npy("0.5")
    files[f"{around}train_set/images/9.png"] = draw(99)
    files[f"{around}train_set/images/10.png"] = draw(98)
    files[f"{around}train_set/annotations/10_exp.npy"] = b"damaged"
    faces = read_dataset(write_files(files), class_choice=choice(scheme="emotions8"))
    found, splits = class_by_name(faces), split_by_name(faces)
    assert len(found) == 16
    for number, emotion in enumerate(CLASS_ORDERS["affectnet"].names):
        name = f"{around}val_set/images/{number}.png"
        assert (found[name], splits[name]) == (emotion, "validation")
    assert {p.name.removeprefix(around): p.reason for p in faces.problems} == {
        "train_set/images/9.png": "has no file with its expression in annotations/",
        "train_set/images/10.png": "has no valid expression number (0 to 10)",
    }


def test_affectnets_tables(write_files: WriteFiles, png: Callable[..., bytes]) -> None:
    picture = np.zeros((100, 120), np.uint8)
    picture[20:60, 30:70] = 200
    header = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,"
    header += "expression,valence,arousal\n"
    row = "{},30,20,40,40,1.5;2.5,{},0.1,0.2\n"
    training = header + row.format("12/a.png", 1) + row.format("13/b.png", 10)
    files = {
        "Manually_Annotated_Images/12/a.png": png(picture),
        "Manually_Annotated_Images/13/b.png": png(picture),
        "Manually_Annotated_Images/13/c.png": png(picture),
        "Manually_Annotated_Images/13/d.png": png(picture),
        "training.csv": training.encode(),
        "validation.csv": (header + row.format("13/c.png", 6) + row.format("1/z.png", 6)).encode(),
    }
    faces = read_dataset(write_files(files))
    assert class_by_name(faces) == {
        "Manually_Annotated_Images/12/a.png": "happy",
        "Manually_Annotated_Images/13/c.png": "angry",
    }
    assert set(split_by_name(faces).values()) == {"train", "validation"}
    assert (faces.images == 200).all()
    assert [(p.name, p.reason) for p in faces.problems] == [
        ("class 'non-face'", "is not one of the seven emotions"),
        ("validation.csv:3", "names a picture that does not exist"),
        ("Manually_Annotated_Images/13/d.png", "has no row in the table of the expressions"),
    ]


# YOLO


@pytest.mark.parametrize("layout", ["images/{}/{}.png", "{}/images/{}.png", "y/images/{}/{}.png"])
@pytest.mark.parametrize(
    "names",
    [
        b"train: ../train/images\nnc: 3\nnames: ['anger', \"Joy\", sad]\n",
        b"names:\n- anger\n- Joy  # happy\n- sad\nnc: 3\n",
        b"names:\n  0: anger\n  1: Joy\n  2: sad\n",
    ],
)
def test_yolos_boxes_become_faces(
    write_files: WriteFiles, draw: Draw, png: Callable[..., bytes], layout: str, names: bytes
) -> None:
    photo = np.zeros((100, 200), np.uint8)
    photo[40:60, 20:60], photo[:50, 100:] = 90, 180
    around = layout.partition("images")[0] if layout.startswith("y/") else ""
    files = {f"{around}data.yaml": names}

    def add(split: str, stem: str, picture: bytes, lines: str | None) -> str:
        name = layout.format(split, stem)
        files[name] = picture
        if lines is not None:
            files[name.replace("images", "labels").replace(".png", ".txt")] = lines.encode()
        return name

    two = add("train", "two", png(photo), "1 0.2 0.5 0.2 0.2\n2 0.75 0.25 0.5 0.5\n")
    whole = add("train", "whole", png(np.full((48, 48), 33, np.uint8)), "0 0.5 0.5 0.98 0.97\n")
    polygon = add("valid", "polygon", png(photo), "1 0.1 0.4 0.3 0.4 0.3 0.6 0.1 0.6 0.93\n")
    empty = add("valid", "empty", draw(1), "")
    bad = add("train", "bad", draw(2), "1 0.5 0.5 12 14\nx\n")
    missing = add("train", "missing", draw(3), None)
    source = write_files(files)
    faces = read_dataset(source)
    assert class_by_name(faces) == {
        f"{two}#1": "happy",
        f"{two}#2": "sad",
        whole: "angry",
        polygon: "happy",
    }
    by_name = dict(zip(faces.names, faces.images, strict=True))
    assert (by_name[f"{two}#1"] == 90).all()
    assert (by_name[f"{two}#2"] == 180).all()
    assert (by_name[whole] == 33).all()
    assert (by_name[polygon] == 90).all()
    assert split_by_name(faces)[polygon] == "validation"
    reasons = {p.name.partition(":")[0]: p.reason for p in faces.problems}
    assert reasons[empty] == "has no box in its label file"
    assert reasons[missing] == "has no label file"
    assert {(files.reason, files.count) for files in faces.skipped_files} == {
        ("has no box in its label file", 2),
        ("has no label file", 1),
    }
    assert "from 0 to 1" in reasons[bad.replace("images", "labels").replace(".png", ".txt")]
    assert "cut out: 3." in faces.notes[0]
    assert "at least 90 % of them: 1." in faces.notes[0]


def test_yolos_classes_without_names_are_asked_about(write_files: WriteFiles, draw: Draw) -> None:
    files = {}
    for number in range(7):
        files[f"images/{number}.png"] = draw(number)
        files[f"labels/{number}.txt"] = f"{number} 0.5 0.5 1 1".encode()
    source = write_files(files)
    with pytest.raises(InputError, match="--class-order"):
        read_dataset(source)
    faces = read_dataset(source, class_choice=choice("affectnet"))
    assert list(class_by_name(faces).values()) == list(CLASS_ORDERS["affectnet"].names[:7])
    named = write_files(files | {"labels/classes.txt": b"sad\nhappy\nfear\n"}, "named")
    with pytest.raises(InputError, match=r"numbers \(3, 4, 5, 6\)"):
        read_dataset(named)


@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
def test_yolos_labels_next_to_the_pictures_and_lists_of_the_splits(
    write_files: WriteFiles, draw: Draw, end: str
) -> None:
    files = {"obj.names": b"sad\nhappy\n"}
    for number in range(4):
        files[f"obj_train_data/{number}.png"] = draw(number)
        files[f"obj_train_data/{number}.txt"] = f"{number % 2} 0.5 0.5 1 1{end}".encode()
    files["train.txt"] = b"data/obj_train_data/0.png\ndata/obj_train_data/1.png\n"
    files["valid.txt"] = b"data/obj_train_data/2.png\ndata/obj_train_data/3.png\n"
    faces = read_dataset(write_files(files))
    assert list(class_by_name(faces).values()) == ["sad", "happy", "sad", "happy"]
    assert list(split_by_name(faces).values()) == ["train"] * 2 + ["validation"] * 2


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("nc: 2\nnames: [a, 'b, c']", {0: "a", 1: "b, c"}),
        ("names: {0: x, 1: y}", {0: "x", 1: "y"}),
        ("names: [\n  a,\n  b,\n]\nnc: 2", {0: "a", 1: "b"}),
        ("names:\n  - 'a b'\n  - c\n\nnc: 2", {0: "a b", 1: "c"}),
        ("nc: 3", {}),
        ("names:", {}),
    ],
)
def test_names_in_data_yaml(text: str, names: dict[int, str]) -> None:
    assert names_in_yaml(text) == names


# Repeated trees


def doubled(draw: Draw, first: str, second: str, leaves: tuple[str, ...]) -> dict[str, bytes]:
    files = {}
    for number, leaf in enumerate(leaves):
        for copy in range(3):
            for root in (first, second):
                files[f"{root}{leaf}/{copy}.png"] = draw(10 * number + copy)
    return files


@pytest.mark.parametrize(
    ("first", "second", "leaves"),
    [
        ("images/", "images/images/", ("train/happy", "train/sad", "validation/happy")),
        ("", "fer2013/", ("train/angry", "train/sad", "test/sad")),
        ("archive/fer2013/", "archive/fer2013/fer2013/", ("happy", "sad")),
        ("data/", "data - Copy/", ("train/happy", "test/sad")),
        ("one/", "two/", ("happy", "sad")),
        ("CK+48/", "ck/CK+48/", ("Anger", "Joy")),
    ],
)
def test_a_tree_that_is_there_twice_is_read_once(
    request: pytest.FixtureRequest,
    draw: Draw,
    first: str,
    second: str,
    leaves: tuple[str, ...],
) -> None:
    write = request.getfixturevalue("write_zip" if "fer2013" in second else "write_files")
    source = write(doubled(draw, first, second, leaves))
    faces = read_dataset(source)
    assert len(faces) == 3 * len(leaves)
    assert all(not name.startswith(second) for name in faces.names)
    (problem,) = faces.problems
    assert problem.reason.startswith("repeats")
    assert problem.count == 3 * len(leaves)
    # The folder around the repeated one, if it contains nothing else.
    assert problem.name in {f"folder {second.rstrip('/')!r}", "folder 'ck'"}
    (sentence,) = examine_source(source).notes
    assert sentence.endswith(f"and is left out ({3 * len(leaves)} pictures).")


def test_a_table_that_is_there_twice_is_read_once(write_files: WriteFiles) -> None:
    pixels = " ".join(["7"] * 2304)
    table = "emotion,pixels\n" + "".join(f"{label},{pixels}\n" for label in range(7))
    other = table.replace("7 7", "9 9", 1)
    files = {"copy/fer.csv": table, "fer.csv": table, "copy/more.csv": other}
    faces = read_dataset(write_files({name: text.encode() for name, text in files.items()}))
    assert len(faces) == 14
    assert [(p.name, p.reason) for p in faces.problems] == [
        ("copy/fer.csv", "repeats fer.csv and was left out")
    ]


def test_other_pictures_of_the_same_names_are_kept(write_pictures: WritePictures) -> None:
    folders = ["images/train/happy", "images/images/train/happy", "images/train/sad"]
    faces = read_dataset(write_pictures(dict.fromkeys(folders, 4)))
    assert len(faces) == 12
    assert faces.problems == ()


def test_equal_pictures_in_two_splits_or_classes_are_kept(
    write_files: WriteFiles, draw: Draw
) -> None:
    folders = ("train/happy", "test/happy", "train/sad")
    files = {f"{folder}/{n}.png": draw(n) for folder in folders for n in range(3)}
    assert len(read_dataset(write_files(files))) == 9


def test_a_tree_with_a_few_other_pictures_is_read_without_the_copies(
    write_files: WriteFiles, draw: Draw
) -> None:
    files = doubled(draw, "images/", "images/images/", ("train/happy", "train/sad"))
    files["images/images/train/sad/0.png"] = draw(500)
    files["images/images/train/sad/new.png"] = draw(501)
    faces = read_dataset(write_files(files))
    assert len(faces) == 8
    assert [(p.name, p.count) for p in faces.problems] == [("folder 'images/images'", 5)]


def test_the_split_version_of_a_dataset_is_preferred_to_the_whole(
    write_files: WriteFiles, draw: Draw
) -> None:
    files = {
        f"all/{name}/{n}.png": draw(n + k * 10)
        for k, name in enumerate(("happy", "sad"))
        for n in range(4)
    }
    for name, content in list(files.items()):
        split = "test" if name.endswith("3.png") else "train"
        files[f"{split}/{name.removeprefix('all/')}"] = content
    faces = read_dataset(write_files(files))
    assert len(faces) == 8
    assert sum(split == "test" for split in split_by_name(faces).values()) == 2
