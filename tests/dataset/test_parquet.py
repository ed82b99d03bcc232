"""Parquet files: the pictures and the table in their rows."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from fer_core.dataset.class_mapping import ClassChoice
from fer_core.dataset.class_numbers import parse_class_order
from fer_core.dataset.face_set import SPLITS
from fer_core.dataset.readers import examine_source, read_dataset, sources
from fer_core.dataset.readers.parquet_source import _Column
from fer_core.errors import InputError

WriteFiles = Callable[..., Path]
Png = Callable[..., bytes]

CLASSES = ("anger", "happy", "sad")


def written(table: pa.Table, row_group_size: int = 5) -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, row_group_size=row_group_size)
    return buffer.getvalue()


def hugging_face(png: Png, seed: int, count: int = 12, *, has_names: bool = True) -> bytes:
    generator = np.random.default_rng(seed)
    pictures = [generator.integers(0, 256, (48, 48)).astype(np.uint8) for _ in range(count)]
    values = [{"bytes": png(picture), "path": f"{n}.png"} for n, picture in enumerate(pictures)]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table(
        {"image": pa.array(values, kind), "label": pa.array([n % 3 for n in range(count)])}
    )
    features = {"image": {"_type": "Image"}, "label": {"names": CLASSES, "_type": "ClassLabel"}}
    metadata = json.dumps({"info": {"features": features}})
    return written(table.replace_schema_metadata({"huggingface": metadata}) if has_names else table)


def test_a_dataset_of_hugging_face(
    png: Png, write_files: WriteFiles, write_zip: WriteFiles
) -> None:
    files = {
        "data/train-00000-of-00002-0a1b.parquet": hugging_face(png, 0),
        "data/train-00001-of-00002-2c3d.parquet": hugging_face(png, 1),
        "data/test-00000-of-00001-4e5f.parquet": hugging_face(png, 2),
        "README.md": b"---\n",
    }
    for path in (write_files(files), write_zip(files)):
        faces = read_dataset(path)
        assert faces.problems == ()
        assert len(faces) == 36
        for name, label, split in zip(faces.names, faces.labels, faces.splits, strict=True):
            row = int(name.rpartition("/")[2].removesuffix(".png"))
            assert faces.classes[label] == ("angry", "happy", "sad")[row % 3]
            assert (SPLITS[split] == "test") == ("test-" in name)
        assert [found.count for found in examine_source(path).classes] == [12, 12, 12]


def test_the_pixels_are_those_of_the_row(png: Png, tmp_path: Path) -> None:
    path = tmp_path / "faces.parquet"
    path.write_bytes(hugging_face(png, 4, 7))
    generator = np.random.default_rng(4)
    expected = [generator.integers(0, 256, (48, 48)).astype(np.uint8) for _ in range(7)]
    faces = read_dataset(path)
    for name, image in zip(faces.names, faces.images, strict=True):
        row = int(name.rpartition("/")[2].removesuffix(".png"))
        assert (image == expected[row]).all()


def test_class_numbers_without_names_are_asked_about(png: Png, tmp_path: Path) -> None:
    path = tmp_path / "faces.parquet"
    path.write_bytes(hugging_face(png, 0, has_names=False))
    with pytest.raises(InputError, match=r"classes are numbers \(0, 1, 2\)"):
        read_dataset(path)
    choice = ClassChoice(order=parse_class_order("sad,happy,fear"))
    assert len(read_dataset(path, class_choice=choice)) == 12


def test_a_table_of_pixels(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    pixels = [" ".join(map(str, generator.integers(0, 256, 2304))) for _ in range(9)]
    usages = ["Training"] * 5 + ["PublicTest"] * 2 + ["PrivateTest"] * 2
    table = pa.table({"emotion": [n % 7 for n in range(9)], "pixels": pixels, "Usage": usages})
    (tmp_path / "fer2013.parquet").write_bytes(written(table))
    faces = read_dataset(tmp_path / "fer2013.parquet")
    assert faces.count_by_split(np.ones(9, bool)) == {"train": 5, "validation": 2, "test": 2}


def test_rows_without_a_picture_are_reported(png: Png, tmp_path: Path) -> None:
    pictures = [png(np.full((48, 48), 9 * number, np.uint8)) for number in range(6)]
    values: list[Any] = [pictures[0], None, *pictures[1:], b""]
    labels = ["sad", "sad", "happy", None, "sad", "happy", "sad", "sad"]
    table = pa.table({"image": pa.array(values, pa.binary()), "label": labels, "x": [0.5] * 8})
    (tmp_path / "faces.pq").write_bytes(written(table))
    faces = read_dataset(tmp_path / "faces.pq")
    assert len(faces) == 5
    assert [(p.name, p.reason) for p in faces.problems] == [
        ("faces.csv:5", "has no label"),
        ("faces/3.png", "has no row in the table of the classes"),
        ("faces/1.png", "has no picture in its row of the Parquet file"),
        ("faces/7.png", "has no picture in its row of the Parquet file"),
    ]


@pytest.mark.parametrize("damage", ["cut", "words", "middle"])
def test_a_damaged_file_is_refused(png: Png, tmp_path: Path, damage: str) -> None:
    content = hugging_face(png, 0)
    path = tmp_path / "faces.parquet"
    middle = content[:300] + bytes(len(content) - 1500) + content[len(content) - 1200 :]
    path.write_bytes({"cut": content[:-20], "words": b"words", "middle": middle}[damage])
    with pytest.raises(InputError, match=r"^faces.parquet (is not a complete Parquet file|contai)"):
        read_dataset(path)


def test_the_rows_after_a_damaged_batch_have_no_values_of_another_batch() -> None:
    class Damaged:
        def iter_batches(self, *_: object, **__: object) -> Iterator[pa.RecordBatch]:
            yield pa.record_batch({"image": [b"0", b"1"]})
            raise OSError("damaged page")

    column = _Column(Damaged(), "image", [0, 6])  # type: ignore[arg-type]
    assert (column.at(0), column.at(1)) == (b"0", b"1")
    for row in (2, 3, 5):
        with pytest.raises(OSError, match="damaged page"):
            column.at(row)
    assert column.at(1) == b"1"


def test_the_limits_apply(png: Png, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "faces.parquet"
    path.write_bytes(hugging_face(png, 0))
    monkeypatch.setattr(sources, "MAX_FILES", 11)
    with pytest.raises(InputError, match="contains more than 11 rows"):
        read_dataset(path)
    monkeypatch.setattr(sources, "MAX_FILES", 100)
    monkeypatch.setattr(sources, "MAX_TOTAL_BYTES", 1000)
    with pytest.raises(InputError, match="would unpack to more than"):
        read_dataset(path)
