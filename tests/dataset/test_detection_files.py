"""Boxes and classes in files for object detection: COCO, CreateML, Pascal VOC, tables, lists."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer_core.dataset.face_set import SPLITS
from fer_core.dataset.readers import examine_source, read_dataset
from fer_core.dataset.readers.layouts.yolo_config import read_yolo_config
from fer_core.errors import InputError

WriteFiles = Callable[..., Path]
Files = dict[str, bytes]

CLASSES = ("angry", "happy", "sad")


@pytest.fixture
def photo(png: Callable[..., bytes]) -> bytes:
    """A black picture of 120 x 100 pixels with faces of 77 at (10, 20) and of 99 at (70, 30)."""
    picture = np.zeros((100, 120), np.uint8)
    picture[20:70, 10:50], picture[30:50, 70:90] = 77, 99
    return png(picture)


def as_coco(names: list[str]) -> bytes:
    return json.dumps(
        {
            "images": [{"id": 10 + i, "file_name": name} for i, name in enumerate(names)],
            "annotations": [
                {"id": i, "image_id": 10 + i, "category_id": i % 3 + 1, "bbox": [10, 20, 40, 50]}
                for i in range(len(names))
            ],
            "categories": [{"id": 0, "name": "faces"}]
            + [{"id": i, "name": name} for i, name in enumerate(CLASSES, start=1)],
        }
    ).encode()


def as_create_ml(names: list[str]) -> bytes:
    box = {"x": 30, "y": 45, "width": 40, "height": 50}
    return json.dumps(
        [
            {"image": name, "annotations": [{"label": CLASSES[i % 3], "coordinates": box}]}
            for i, name in enumerate(names)
        ]
    ).encode()


def as_voc(class_name: str, name: str) -> bytes:
    box = "<xmin>10</xmin><xmax>50</xmax><ymin>20</ymin><ymax>70</ymax>"
    return (
        f"<annotation><filename>{name}</filename><object><name>{class_name}</name>"
        f"<bndbox>{box}</bndbox></object></annotation>"
    ).encode()


def as_table(header: str, box: str) -> Callable[[list[str]], bytes]:
    def encode(names: list[str]) -> bytes:
        rows = [f"{name},120,100,{CLASSES[i % 3]},{box}" for i, name in enumerate(names)]
        return "\n".join([f"filename,img_width,img_height,class,{header}", *rows]).encode()

    return encode


def as_expw(names: list[str]) -> bytes:
    # ExpW's numbers of angry, happy and sad are 0, 3 and 4.
    lines = [f"{name} 0 20 10 50 70 57.5 {(0, 3, 4)[i % 3]}" for i, name in enumerate(names)]
    return "\n".join(lines).encode()


#: The file of the annotations by format.
FORMATS: dict[str, tuple[str, Callable[[list[str]], bytes]]] = {
    "COCO of Roboflow": ("{split}/_annotations.coco.json", as_coco),
    "COCO": ("annotations/instances_{split}2017.json", as_coco),
    "CreateML": ("{split}/_annotations.createml.json", as_create_ml),
    "corners": ("{split}/_annotations.csv", as_table("xmin,ymin,xmax,ymax", "10,20,50,70")),
    "x1 y1": ("{split}.csv", as_table("x1,y1,x2,y2", "10,20,50,70")),
    "size": ("{split}_labels.csv", as_table("x,y,w,h", "10,20,40,50")),
    "face size": ("{split}.csv", as_table("face_x,face_y,face_width,face_height", "10,20,40,50")),
    "fractions": ("{split}.csv", as_table("XMin,YMin,XMax,YMax", "0.0833,0.2,0.4167,0.7")),
    "ExpW": ("{split}.lst", as_expw),
}


def dataset(kind: str, photo: bytes) -> Files:
    place, encode = FORMATS[kind]
    files: Files = {}
    for split in ("train", "val"):
        names = [f"{split}_{number}.png" for number in range(6)]
        files |= {f"{split}/{name}": photo for name in names}
        files[place.format(split=split)] = encode(names)
    return files


def splits_and_classes(source: Path) -> set[tuple[str, str]]:
    faces = read_dataset(source)
    pairs = zip(faces.splits.tolist(), faces.labels.tolist(), strict=True)
    return {(SPLITS[split], faces.classes[label]) for split, label in pairs}


@pytest.mark.parametrize("kind", FORMATS)
def test_faces_are_cut_out_by_their_boxes(kind: str, photo: bytes, write_files: WriteFiles) -> None:
    source = write_files(dataset(kind, photo))
    faces = read_dataset(source)
    assert len(faces) == 12
    assert (faces.images == 77).all()
    assert faces.problems == ()
    expected = {(split, name) for split in ("train", "validation") for name in CLASSES}
    assert expected <= splits_and_classes(source)
    classes = examine_source(source).classes
    assert {(found.name, found.count) for found in classes} == {(name, 4) for name in CLASSES}


def test_pascal_voc_has_one_file_for_each_picture(photo: bytes, write_files: WriteFiles) -> None:
    files = {}
    for number, name in enumerate(CLASSES):
        files[f"train/{number}.png"] = photo
        files[f"train/{number}.xml"] = as_voc(name, f"{number}.png")
        files[f"test/JPEGImages/{number}.png"] = photo
        files[f"test/Annotations/{number}.xml"] = as_voc(name, f"{number}.jpg")
    files["train/3.png"] = photo
    files["train/3.xml"] = b'<!DOCTYPE a [<!ENTITY b "c">]><annotation/>'
    faces = read_dataset(write_files(files))
    assert len(faces) == 6
    assert (faces.images == 77).all()
    assert [(p.name, p.reason) for p in faces.problems] == [
        ("train/3.png", "has no box of a face in the annotations")
    ]


def test_the_same_annotations_in_two_formats_are_read_once(
    photo: bytes, write_files: WriteFiles
) -> None:
    names = [f"{number}.png" for number in range(3)]
    files: Files = dict.fromkeys(names, photo)
    files["coco.json"] = as_coco(names)
    for name, class_name in zip(names, CLASSES, strict=True):
        comment = b"<!-- drawn by hand -->"
        files[name.replace(".png", ".xml")] = comment + as_voc(class_name, name)
    assert len(read_dataset(write_files(files))) == 3
    del files["coco.json"]
    assert len(read_dataset(write_files(files, "voc"))) == 3


def test_the_splits_come_from_the_files_that_state_them(
    photo: bytes, write_files: WriteFiles
) -> None:
    names = [f"{number}.png" for number in range(6)]
    files: Files = dict.fromkeys(names, photo)
    files |= {"all.json": as_coco(names), "test.json": as_coco(names[:3])}
    faces = read_dataset(write_files(files | {"train.json": as_coco(names[3:])}))
    splits = {name: SPLITS[split] for name, split in zip(faces.names, faces.splits, strict=True)}
    assert splits == dict.fromkeys(names[:3], "test") | dict.fromkeys(names[3:], "train")


@pytest.mark.parametrize("kind", ["COCO", "corners", "ExpW"])
def test_a_picture_may_contain_several_faces(
    kind: str, photo: bytes, write_files: WriteFiles
) -> None:
    contents = {
        "corners": "image,xmin,ymin,xmax,ymax,label\na.png,10,20,50,70,sad\n"
        "a.png,70,30,90,50,happy\na.png,10,20,50,70,sad\n",
        "ExpW": "a.png 0 20 10 50 70 57.5 4\na.png 1 30 70 90 50 57.5 3\n",
        "COCO": json.dumps(
            {
                "images": [{"id": 1, "file_name": "a.png"}],
                "categories": [{"id": 1, "name": "sad"}, {"id": 2, "name": "happy"}],
                "annotations": [
                    {"image_id": 1, "category_id": 1, "bbox": [10, 20, 40, 50]},
                    {"image_id": 1, "category_id": 2, "bbox": [70.0, 30.0, 20.0, 20.0]},
                    {"image_id": 1, "category_id": 2, "bbox": [70, 30, 0, 20]},
                    {"image_id": 7, "category_id": 2, "bbox": [70, 30, 20, 20]},
                    {"image_id": [1], "category_id": {}, "bbox": [70, 30, 20, 20]},
                ],
            }
        ),
    }
    name = {"corners": "labels.csv", "ExpW": "label.lst", "COCO": "coco.json"}[kind]
    faces = read_dataset(write_files({"a.png": photo, name: contents[kind].encode()}))
    found = dict(zip(faces.names, faces.images[:, 0, 0].tolist(), strict=True))
    assert found == {"a.png#1": 77, "a.png#2": 99}
    assert [faces.classes[label] for label in faces.labels.tolist()] == ["sad", "happy"]
    reasons = {
        "corners": ["repeats a picture; only its first row counts"],
        "COCO": ["has a box that is not four numbers or has no area"],
        "ExpW": [],
    }
    assert [p.reason for p in faces.problems] == reasons[kind]


def test_a_column_with_whole_boxes_is_asked_about(photo: bytes, write_files: WriteFiles) -> None:
    table = b'image,label,bbox\na.png,sad,"[10, 20, 50, 70]"\n'
    with pytest.raises(InputError, match="'bbox', which may be corners or a corner and a size"):
        read_dataset(write_files({"a.png": photo, "labels.csv": table}))


# YOLO's configuration


@pytest.mark.parametrize(
    ("text", "pictures", "expected"),
    [
        (
            "train: ../part1/images\nval: ../part2/images\n",
            "part1/images/a.png part2/images/b.png",
            {"part1/images/a.png": 0, "part2/images/b.png": 1},
        ),
        (
            "path: ../datasets/emo  # root\ntrain: images/p1\nval: images/p2\ntest: # none\n",
            "images/p1/a.png images/p2/b.png",
            {"images/p1/a.png": 0, "images/p2/b.png": 1},
        ),
        (
            "path: emo\ntrain: a\ntest: b\n",
            "emo/a/1.png emo/b/x/1.png a/1.png",
            {"emo/a/1.png": 0, "emo/b/x/1.png": 2, "a/1.png": None},
        ),
        (
            "train:\n  - p1/images\n  - 'p2/images'\nval: [p3/images]\n",
            "p1/images/a.png p2/images/a.png p3/images/a.png",
            {"p1/images/a.png": 0, "p2/images/a.png": 0, "p3/images/a.png": 1},
        ),
        (
            "train: C:\\Users\\me\\emo\\p1\nval: /content/emo/p2\n",
            "data/p1/a.png data/p2/a.png",
            {"data/p1/a.png": 0, "data/p2/a.png": 1},
        ),
        (
            "train: lists/a.txt\nval: lists/b.txt\n",
            "images/a.png images/b.png",
            {"images/a.png": 0, "images/b.png": 1},
        ),
        ("train: images\nval: images\n", "images/a.png", {"images/a.png": None}),
        ("train: ../train/images\n", "images/train/a.png", {"images/train/a.png": None}),
    ],
)
def test_splits_in_data_yaml(
    text: str, pictures: str, expected: dict[str, int | None], write_files: WriteFiles
) -> None:
    from fer_core.dataset.readers.layouts.layout import SourceFiles
    from fer_core.dataset.readers.sources import FolderSource

    names = pictures.split()
    contents: dict[str, Any] = dict.fromkeys(names, b"x") | {
        "data.yaml": text.encode(),
        "lists/a.txt": b"./images/a.png\n",
        "lists/b.txt": b"./images/b.png\n",
    }
    source = FolderSource(write_files(contents))
    config = read_yolo_config(SourceFiles(source, sorted(contents), names))
    assert {name: config.split_of(name) for name in names} == expected


def test_the_splits_of_data_yaml_are_used_and_stated(photo: bytes, write_files: WriteFiles) -> None:
    files = {"data.yaml": b"train: images/p1\nval: images/p2\nnames: [sad, happy]\n"}
    for part in ("p1", "p2"):
        for number in range(4):
            files[f"images/{part}/{number}.png"] = photo
            label = f"{number % 2} 0.25 0.45 0.3333 0.5\n"
            files[f"labels/{part}/{number}.txt"] = label.encode()
    faces = read_dataset(write_files(files))
    assert (faces.images == 77).all()
    assert {
        (name.split("/")[1], SPLITS[split])
        for name, split in zip(faces.names, faces.splits.tolist(), strict=True)
        if split != SPLITS.index("test")
    } == {("p1", "train"), ("p2", "validation")}
    assert "The splits were read from data.yaml." in faces.notes
    same = b"train: images\nval: images\nnames: [sad, happy]\n"
    faces = read_dataset(write_files(files | {"data.yaml": same}))
    assert "names the folder images for several splits" in faces.notes[-1]
