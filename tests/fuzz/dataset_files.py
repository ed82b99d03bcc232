"""Small datasets in every layout that can be imported."""

import gzip
import io
import json
import lzma
import tarfile
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
from pyarrow import parquet

from fer_core.dataset.readers import read_dataset

Files = dict[str, bytes]


def draw(generator: np.random.Generator) -> np.ndarray:
    return generator.integers(0, 256, (48, 48)).astype(np.uint8)


def encode(picture: np.ndarray, suffix: str) -> bytes:
    return bytes(cv2.imencode(suffix, picture)[1])


def fer2013() -> bytes:
    generator = np.random.default_rng(0)
    lines = ["emotion,pixels,Usage"]
    for row in range(8):
        usage = ("Training", "PublicTest", "PrivateTest")[row % 3]
        lines.append(f"{row % 7},{' '.join(map(str, draw(generator).ravel()))},{usage}")
    return ("\n".join(lines) + "\n").encode()


def class_folders() -> Files:
    generator = np.random.default_rng(1)
    suffixes = (".png", ".jpg", ".bmp", ".webp", ".tiff", ".pgm")
    return {
        f"{split}/{emotion}/{number}{suffix}": encode(draw(generator), suffix)
        for number, suffix in enumerate(suffixes)
        for split, emotion in (("train", "happy"), ("test", "sad"))
    }


def ferplus() -> Files:
    generator = np.random.default_rng(2)
    files: Files = {}
    for folder in ("FER2013Train", "FER2013Test"):
        rows = []
        for number in range(4):
            files[f"{folder}/{number}.png"] = encode(draw(generator), ".png")
            votes = ",".join(str(vote) for vote in generator.permutation(10))
            rows.append(f'{number}.png,"(0, 0, 48, 48)",{votes}')
        files[f"{folder}/label.csv"] = "\n".join(rows).encode()
    return files


def packed(files: Files) -> Files:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return {"faces.zip": buffer.getvalue()}


def tar_of(files: Files) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def table_of_paths() -> Files:
    generator = np.random.default_rng(3)
    suffixes = (".png", ".gif", ".jp2", ".avif")
    files = {f"images/{n}{end}": encode(draw(generator), end) for n, end in enumerate(suffixes)}
    rows = ["image,emotion,split", *(f"{name},happy,train" for name in files)]
    return files | {"labels.csv": "\n".join(rows).encode()}


def wide_table() -> bytes:
    generator = np.random.default_rng(4)
    lines = [",".join(["emotion", *(f"pixel{number}" for number in range(64))])]
    lines += [f"{n},{','.join(map(str, generator.integers(0, 256, 64)))}" for n in range(7)]
    return "\n".join(lines).encode()


def parquet_file() -> bytes:
    generator = np.random.default_rng(5)
    pictures = [encode(draw(generator), ".png") for _ in range(6)]
    buffer = io.BytesIO()
    table = pa.table({"image": pictures, "label": ["happy", "sad"] * 3, "split": ["train"] * 6})
    parquet.write_table(table, buffer, row_group_size=4)
    return buffer.getvalue()


def records() -> Files:
    generator = np.random.default_rng(6)
    names = [f"train/{number}.png" for number in range(4)]
    files = {name: encode(draw(generator), ".png") for name in names}
    rows = [json.dumps({"file_name": name, "label": "sad"}) for name in names]
    return files | {"metadata.jsonl": "\n".join(rows).encode()}


def detections() -> Files:
    """Boxes in COCO's JSON for two pictures, and in Pascal VOC's XML for two others."""
    generator = np.random.default_rng(7)
    files = {f"train/{number}.png": encode(draw(generator), ".png") for number in range(4)}
    document = {
        "images": [{"id": 1, "file_name": "0.png"}, {"id": 2, "file_name": "1.png"}],
        "categories": [{"id": 1, "name": "happy"}],
        "annotations": [
            {"image_id": number, "category_id": 1, "bbox": [1, 2, 30, 40.5]} for number in (1, 2)
        ],
    }
    box = "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>30</xmax><ymax>40</ymax></bndbox>"
    voc = f"<annotation><object><name>sad</name>{box}</object></annotation>".encode()
    files["train/_annotations.coco.json"] = json.dumps(document).encode()
    return files | {"train/2.xml": voc, "train/3.xml": voc}


def ck_plus() -> Files:
    generator = np.random.default_rng(8)
    files: Files = {}
    for number, label in enumerate((3, 5), start=1):
        stem = f"S005/00{number}/S005_00{number}"
        for frame in range(1, 6):
            files[f"images/{stem}_{frame:08}.png"] = encode(draw(generator), ".png")
        files[f"Emotion/{stem}_00000005_emotion.txt"] = f"   {label}.0000000e+00\n".encode()
    return files


def yolo() -> Files:
    generator = np.random.default_rng(9)
    config = b"path: ../x\ntrain: images/a\nval: images/b\nnames:\n  0: sad\n  1: happy\n"
    files: Files = {"data.yaml": config}
    for part in ("a", "b"):
        for number in range(2):
            files[f"images/{part}/{number}.png"] = encode(draw(generator), ".png")
            files[f"labels/{part}/{number}.txt"] = f"{number} 0.5 0.5 0.6 0.6\n".encode()
    return files


TABLE = fer2013()
#: Each layout's files, and whether they are zipped after the mutation instead of before.
LAYOUTS: dict[str, tuple[Files, bool]] = {
    "fer2013.csv": ({"fer2013.csv": TABLE}, False),
    "utf-16": ({"fer2013.csv": TABLE.decode().encode("utf-16")}, False),
    "quoted": ({"icml_face_data.csv": TABLE.replace(b",", b'";"').replace(b"\n", b'"\n"')}, False),
    "zip of a csv": (packed({"fer2013.csv": TABLE}), False),
    "csv in a zip": ({"train.csv": TABLE, "test.csv": TABLE[8:2000]}, True),
    "folders": (class_folders(), False),
    "zip of folders": (packed(class_folders()), False),
    "pictures in a zip": (class_folders(), True),
    "FER+": (ferplus(), False),
    "zip of FER+": (packed(ferplus()), False),
    "votes in a zip": (ferplus(), True),
    "tar of folders": ({"faces.tar": tar_of(class_folders())}, False),
    "tar.gz of folders": ({"faces.tar.gz": gzip.compress(tar_of(class_folders()))}, False),
    "tar.xz of a csv": ({"faces.tar.xz": lzma.compress(tar_of({"a.csv": TABLE}))}, False),
    "zip in a zip": (packed(class_folders()), True),
    "tar in a zip": ({"faces.tar": tar_of(class_folders())}, True),
    "table of paths": (table_of_paths(), False),
    "wide table": ({"wide.csv": wide_table()}, False),
    "Parquet": ({"faces.parquet": parquet_file()}, False),
    "JSON lines": (records(), False),
    "COCO and VOC": (detections(), False),
    "CK+": (ck_plus(), False),
    "YOLO": (yolo(), False),
    "brackets": ({"a.csv": TABLE.replace(b" ", b", ").replace(b"\n", b"]\n")}, False),
}


def read_layout(path: Path) -> None:
    """Read a dataset and check its names and problems.

    Raises:
        InputError: It cannot be read.
    """
    faces = read_dataset(path)
    assert len(faces) > 0
    for text in (*faces.names, *(p.name + p.reason for p in faces.problems)):
        assert "\n" not in text, text
        text.encode()
