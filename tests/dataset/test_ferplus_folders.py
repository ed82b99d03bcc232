"""FER+'s folders: the label is what most people chose, or there is none."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_core.dataset.face_set import SPLITS
from fer_core.dataset.readers import read_dataset
from fer_core.dataset.splitting import SplitChoice
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError

WriteFiles = Callable[..., Path]

#: The order of FER+'s ten columns.
COLUMNS = (
    *("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear"),
    *("contempt", "unknown", "NF"),
)


def row(name: str, box: str = "(0, 0, 48, 48)", **votes: int) -> str:
    return f'{name},"{box}",' + ",".join(str(votes.get(column, 0)) for column in COLUMNS)


def table(*rows: str) -> bytes:
    return "\n".join(rows).encode()


@pytest.fixture(scope="module")
def pictures() -> list[NDArray[np.uint8]]:
    generator = np.random.default_rng(3)
    return [generator.integers(0, 256, (48, 48)).astype(np.uint8) for _ in range(12)]


def test_folder_and_archive_are_imported_unchanged(
    write_files: WriteFiles,
    write_zip: WriteFiles,
    pictures: list[NDArray[np.uint8]],
    png: Callable[..., bytes],
) -> None:
    files, expected = {}, {}
    for number, (folder, split) in enumerate(
        zip(("FER2013Train", "FER2013Valid", "FER2013Test"), SPLITS, strict=True)
    ):
        rows = []
        for offset, emotion in enumerate(EMOTIONS[number : number + 3]):
            name = f"fer{number}{offset}.png"
            files[f"data/{folder}/{name}"] = png(pictures[3 * number + offset])
            expected[f"data/{folder}/{name}"] = (emotion, split)
            rows.append(row(name, **{emotion: 6}, contempt=4))
        files[f"data/{folder}/label.csv"] = table(*rows)
    faces, again = read_dataset(write_files(files)), read_dataset(write_zip(files))
    found = zip(faces.names, faces.labels, faces.splits, strict=True)
    assert {name: (EMOTIONS[label], SPLITS[split]) for name, label, split in found} == expected
    by_name = dict(zip(faces.names, faces.images, strict=True))
    np.testing.assert_array_equal(by_name["data/FER2013Valid/fer12.png"], pictures[5])
    assert faces.fingerprint == again.fingerprint
    assert faces.problems == again.problems == ()


def test_what_people_do_not_agree_on_is_left_out_with_the_reason(
    write_files: WriteFiles, pictures: list[NDArray[np.uint8]], png: Callable[..., bytes]
) -> None:
    rows = {
        "good": row("good.png", sad=4, neutral=3, contempt=3),
        "tie": row("tie.png", sad=5, neutral=5),
        "tie_with_contempt": row("tie_with_contempt.png", sad=5, contempt=5),
        "contempt": row("contempt.png", contempt=6, sad=4),
        "unknown": row("unknown.png", unknown=10),
        "no_face": row("no_face.png", NF=10),
        "none": row("none.png"),
        "negative": row("negative.png", sad=-1),
        "short": "short.png,,1,2",
        "words": row("words.png", sad=4).replace(",4,", ",many,"),
        "box": row("box.png", "(0, 0, 49, 48)", sad=9),
        "no_box": row("no_box.png", "", sad=9),
    }
    files = {f"FER2013Train/{name}.png": png(pictures[0]) for name in [*rows, "unmentioned"]}
    files["FER2013Train/torn.png"] = b"no picture"
    extra = [row("torn.png", sad=9), row("good.png", sad=9), row("missing.png", sad=9)]
    extra.append(row("../../secret.png", sad=9))
    files["FER2013Train/label.csv"] = table(*rows.values(), *extra)
    faces = read_dataset(write_files(files))
    assert faces.names == ("FER2013Train/good.png",)
    assert EMOTIONS[faces.labels[0]] == "sad"
    tie = "has no label with more votes than all others"
    found = {p.name.removeprefix("FER2013Train/"): p.reason for p in faces.problems}
    assert found == {
        "class 'contempt'": "is not one of the seven emotions",
        "tie.png": tie,
        "tie_with_contempt.png": tie,
        "unknown.png": "is not an emotion: most annotators chose 'unknown'",
        "no_face.png": "is not an emotion: most annotators chose 'not face'",
        "none.png": "has no votes",
        "negative.png": "has votes that are not numbers of 0 or more",
        "words.png": "has votes that are not numbers of 0 or more",
        "short.png": "has 4 columns in label.csv instead of 12",
        "box.png": "has a box outside its picture",
        "no_box.png": "has a box outside its picture",
        "torn.png": "is not a picture that can be read",
        "unmentioned.png": "has no row in label.csv",
        "label.csv:14": "repeats a picture; only its first row counts",
        "label.csv:15": "names a picture that does not exist",
        "label.csv:16": "names a picture that does not exist",
    }


def test_a_box_cuts_the_face_out(
    write_files: WriteFiles, png: Callable[..., bytes], pictures: list[NDArray[np.uint8]]
) -> None:
    large = np.zeros((100, 90), np.uint8)
    large[20:68, 10:58] = pictures[0]
    folder = write_files(
        {
            "fer2013test/a.png": png(large),
            "fer2013test/label.csv": table(row("a.png", "(10, 20, 58, 68)", fear=9)),
        }
    )
    np.testing.assert_array_equal(read_dataset(folder).images[0], pictures[0])


def test_a_header_line_is_skipped_and_missing_splits_are_created(
    write_files: WriteFiles, png: Callable[..., bytes], pictures: list[NDArray[np.uint8]]
) -> None:
    files = {f"FER2013Train/{n}.png": png(pictures[n]) for n in range(10)}
    files["FER2013Train/label.csv"] = table(
        "image,box," + ",".join(COLUMNS), *(row(f"{n}.png", happy=9) for n in range(10))
    )
    faces = read_dataset(write_files(files), SplitChoice(0.2, 0.1))
    assert np.bincount(faces.splits).tolist() == [7, 2, 1]
    assert faces.problems == ()


def test_votes_without_pictures_are_refused(write_files: WriteFiles) -> None:
    folder = write_files({"FER2013Train/label.csv": table(row("fer1.png", happy=9))})
    with pytest.raises(InputError, match=r"FER\+'s votes, but no usable picture"):
        read_dataset(folder)


def test_tables_may_be_in_other_folders_than_the_pictures(
    write_files: WriteFiles, pictures: list[NDArray[np.uint8]], png: Callable[..., bytes]
) -> None:
    files = {}
    for number, folder in enumerate(("FER2013Train", "FER2013Valid")):
        # The same file names in both folders.
        rows = [row(f"{n}.png", **{emotion: 9}) for n, emotion in enumerate(("happy", "sad"))]
        files[f"Labels/{folder}/label.csv"] = table(*rows, row("2.png", happy=9))
        for n in range(2):
            files[f"Images/{folder}/{n}.png"] = png(pictures[2 * number + n])
    faces = read_dataset(write_files(files))
    found = zip(faces.names, faces.labels, faces.splits, strict=True)
    assert {name: (EMOTIONS[label], SPLITS[split]) for name, label, split in found} == {
        "Images/FER2013Train/0.png": ("happy", "train"),
        "Images/FER2013Train/1.png": ("sad", "train"),
        "Images/FER2013Valid/0.png": ("happy", "validation"),
        "Images/FER2013Valid/1.png": ("sad", "validation"),
    }
    assert [p.reason for p in faces.problems] == ["names a picture that does not exist"] * 2
