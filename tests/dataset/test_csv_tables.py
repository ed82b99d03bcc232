"""Tables of faces: FER2013's own, Kaggle's, and what spreadsheets and other people make of them."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.dataset.readers import problems as problem_log
from fer_core.dataset.readers import read_dataset, sources
from fer_core.dataset.splitting import SplitChoice
from fer_core.dataset.statistics import class_counts
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError

USAGES = ("Training", "PublicTest", "PrivateTest")
WriteFiles = Callable[..., Path]
WriteTable = Callable[..., Path]


def pixels(image: NDArray[np.uint8]) -> str:
    return " ".join(map(str, image.ravel().tolist()))


def fer2013_lines(faces: FaceSet) -> list[str]:
    rows = zip(faces.images, faces.labels, faces.splits, strict=True)
    return [
        "emotion,pixels,Usage",
        *(f"{label},{pixels(image)},{USAGES[split]}" for image, label, split in rows),
    ]


@pytest.fixture
def write_table(tmp_path: Path) -> WriteTable:
    """``write_table(lines, name="fer2013.csv", encoding="utf-8", end="\\n")``."""

    def write(
        lines: list[str], name: str = "fer2013.csv", encoding: str = "utf-8", end: str = "\n"
    ) -> Path:
        path = tmp_path / name
        path.write_bytes((end.join(lines) + end).encode(encoding))
        return path

    return write


@pytest.fixture(scope="module")
def drawn(draw_faces: Callable[..., FaceSet]) -> FaceSet:
    return draw_faces(list(range(7)) * 3, splits=["train"] * 11 + ["validation"] * 5 + ["test"] * 5)


def test_fer2013_is_imported_unchanged_and_in_order(
    drawn: FaceSet, write_table: WriteTable
) -> None:
    faces = read_dataset(write_table(fer2013_lines(drawn)))
    np.testing.assert_array_equal(faces.images, drawn.images)
    assert faces.fingerprint == drawn.fingerprint
    assert faces.names[:2] == ("fer2013.csv:2", "fer2013.csv:3")
    assert faces.problems == ()


def test_icml_face_data_has_other_columns_with_spaces(
    drawn: FaceSet, write_table: WriteTable
) -> None:
    rows = zip(drawn.images, drawn.labels, drawn.splits, strict=True)
    lines = [f"{label},{USAGES[split]},{pixels(image)}" for image, label, split in rows]
    faces = read_dataset(write_table(["emotion, Usage, pixels", *lines], "icml_face_data.csv"))
    assert faces.fingerprint == drawn.fingerprint


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends_of_other_systems(
    drawn: FaceSet, write_table: WriteTable, encoding: str, end: str
) -> None:
    path = write_table(fer2013_lines(drawn), encoding=encoding, end=end)
    assert read_dataset(path).fingerprint == drawn.fingerprint


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters_and_quotes(
    drawn: FaceSet, write_table: WriteTable, delimiter: str
) -> None:
    lines = [
        delimiter.join(f'"{field}"' for field in line.split(",")) for line in fer2013_lines(drawn)
    ]
    assert read_dataset(write_table(lines, "faces.tsv")).fingerprint == drawn.fingerprint


def test_emotions_by_name_and_usage_in_any_writing(write_table: WriteTable) -> None:
    face = " ".join(["007"] * 2304)
    faces = read_dataset(
        write_table(
            [
                "Usage,Emotion,PIXELS,remark",
                f"training,Happiness,{face},ärgerlich",
                f" PUBLIC TEST ,sad,{face},",
                f"private_test,6.0,{face},",
            ],
            encoding="latin-1",
        )
    )
    assert [EMOTIONS[label] for label in faces.labels] == ["happy", "sad", "neutral"]
    assert [SPLITS[split] for split in faces.splits] == ["train", "validation", "test"]
    assert (faces.images == 7).all()


def test_a_split_in_the_rows_overrides_that_in_the_name_of_the_table(
    drawn: FaceSet, write_table: WriteTable
) -> None:
    lines = [line.rpartition(",")[0] for line in fer2013_lines(drawn)]
    table = write_table(
        [f"{lines[0]},Usage", *(f"{line},train" for line in lines[1:])], "PublicTest.csv"
    )
    faces = read_dataset(table, SplitChoice(validation_share=0.4, test_share=0.4))
    # No row is in an official split, so the missing splits are created.
    assert min(len(faces.rows(name)) for name in SPLITS) > 0


def test_an_official_split_that_is_absent_is_not_made_up(
    drawn: FaceSet, write_table: WriteTable
) -> None:
    faces = drawn.subset(np.flatnonzero(drawn.splits != SPLITS.index("test")))
    assert class_counts(read_dataset(write_table(fer2013_lines(faces))))["test"] == {}


def train_lines(faces: FaceSet) -> list[str]:
    rows = zip(faces.images, faces.labels, strict=True)
    return ["emotion,pixels", *(f'{label},"{pixels(image)}"' for image, label in rows)]


def unlabeled_lines(faces: FaceSet) -> list[str]:
    return ["pixels", *(pixels(image) for image in faces.images)]


def as_bytes(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()


def test_kaggles_train_and_test_leave_the_unlabeled_out(
    drawn: FaceSet, write_files: WriteFiles, write_zip: WriteFiles
) -> None:
    files = {
        "challenge/train.csv": as_bytes(train_lines(drawn)),
        "challenge/test.csv": as_bytes(unlabeled_lines(drawn.subset(np.arange(4)))),
    }
    choice = SplitChoice(0.3, 0.3, seed=2)
    folder, archive = (read_dataset(write(files), choice) for write in (write_files, write_zip))
    assert folder.fingerprint == archive.fingerprint
    np.testing.assert_array_equal(folder.images, drawn.images)
    assert np.bincount(folder.splits).tolist() == [7, 7, 7]
    assert [(p.name, p.reason) for p in folder.problems] == [
        (f"challenge/test.csv:{line}", "has no label") for line in range(2, 6)
    ]


def test_a_test_table_with_labels_is_the_test_set(drawn: FaceSet, write_files: WriteFiles) -> None:
    lines = as_bytes(train_lines(drawn))
    counts = class_counts(read_dataset(write_files({"train.csv": lines, "test.csv": lines})))
    assert sum(counts["test"].values()) == len(drawn)


def test_a_table_without_any_label_is_refused(drawn: FaceSet, write_table: WriteTable) -> None:
    with pytest.raises(InputError, match=r"^test\.csv has no column 'emotion'"):
        read_dataset(write_table(unlabeled_lines(drawn), "test.csv"))


def test_of_several_tables_the_one_with_the_official_splits_is_read(
    drawn: FaceSet, write_zip: WriteFiles
) -> None:
    fer2013 = as_bytes(fer2013_lines(drawn))
    faces = read_dataset(
        write_zip(
            {
                "train.csv": as_bytes(train_lines(drawn)),
                "icml_face_data.csv": fer2013,
                "all/fer2013.csv": fer2013,
                "example_submission.csv": b"id,emotion\n1,0\n",
            }
        )
    )
    assert faces.fingerprint == drawn.fingerprint
    assert faces.names[0] == "all/fer2013.csv:2"
    assert [problem.name for problem in faces.problems] == ["icml_face_data.csv", "train.csv"]


def test_faulty_rows_are_listed_by_line_with_their_reason(
    drawn: FaceSet, write_table: WriteTable
) -> None:
    header, good, *_ = fer2013_lines(drawn)
    face = pixels(drawn.images[0])
    faces = read_dataset(
        write_table(
            [
                header,
                good,
                f"0,{face} 1,Training",
                f"0,{face[: face.rindex(' ')]},Training",
                f"0,{face.replace(' ', ' 256 ', 1)},Training",
                f"0,{face} -1,Training",
                f"0,{face} é,Training",
                f"0,{face} {'9' * 50_000},Training",
                f"7,{face},Training",
                f"-1,{face},Training",
                f"{'9' * 5000},{face},Training",
                f"contempt,{face},Training",
                f",{face},Training",
                f"0,{face},Elsewhere",
                f"0,{face}",
                f"0,{face},Training,and more",
                f'0,"{face},Training',
                "",
                "x" * 1_100_000,
                "x" * 3_000_000,
                good,
            ]
        )
    )
    assert faces.names == ("fer2013.csv:2", "fer2013.csv:21")
    nines = "9" * 39
    left_out = "is not one of the seven emotions"
    assert [(p.name.removeprefix("fer2013.csv:"), p.reason) for p in faces.problems] == [
        ("class 'contempt'", left_out),
        ("class '7'", left_out),
        (f"class '{'9' * 99}…'", left_out),
        ("class '-1'", left_out),
        ("3", "has 2305 pixel values instead of 2304"),
        ("4", "has 2303 pixel values instead of 2304"),
        ("5", "has the pixel value '256', not 0 to 255"),
        ("6", "has the pixel value '-1', not 0 to 255"),
        ("7", "has the pixel value 'Ã©', not 0 to 255"),
        ("8", f"has the pixel value '{nines}…', not 0 to 255"),
        ("13", "has no label"),
        ("14", "has the usage 'Elsewhere', not Training, PublicTest or PrivateTest"),
        ("15", "has 2 columns instead of 3"),
        ("16", "has 4 columns instead of 3"),
        ("17", "has 2 columns instead of 3"),
        ("19", "is longer than a row with a face"),
        ("20", "is longer than a row with a face"),
    ]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"a,b,c\n1,2,3\n", bytes(5000), b"\xff" * 5000])
def test_files_that_are_not_tables_of_faces_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "faces.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"^faces\.csv has no column 'pixels'") as caught:
        read_dataset(tmp_path / "faces.csv")
    assert "\n" not in str(caught.value)


def test_a_table_without_a_usable_row_is_refused_with_the_first_problem(
    write_table: WriteTable,
) -> None:
    with pytest.raises(InputError, match=r"no usable row \(first problem: fer2013\.csv:2 has 2 "):
        read_dataset(write_table(["emotion,pixels,Usage", "0,1 2 3"]))
    with pytest.raises(InputError, match=r"no usable row\.$"):
        read_dataset(write_table(["emotion,pixels,Usage"]))


def test_very_many_problems_are_counted_and_a_thousand_listed(
    drawn: FaceSet, write_table: WriteTable
) -> None:
    header, good, *_ = fer2013_lines(drawn)
    path = write_table([header, good, *["0,1 2 3,Training"] * 20_000])
    tracemalloc.start()
    faces = read_dataset(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert faces.skipped == 20_000
    assert len(faces.problems) == problem_log.MAX_LISTED + 1
    rest = faces.problems[-1]
    assert (rest.name, rest.count) == ("… and 19,000 more", 19_000)
    assert rest.reason == "does not have 2304 pixel values"
    assert peak < 20 * 2**20


def test_kinds_of_problems_are_bounded_too(drawn: FaceSet, write_table: WriteTable) -> None:
    header, good, *_ = fer2013_lines(drawn)
    face = pixels(drawn.images[0])
    path = write_table([header, good, *(f"class {n},{face},Training" for n in range(1500))])
    faces = read_dataset(path)
    assert faces.skipped == 1500
    assert len(faces.problems) <= problem_log.MAX_LISTED + problem_log.MAX_KINDS + 1


def test_progress_is_reported_in_bytes(drawn: FaceSet, write_table: WriteTable) -> None:
    path = write_table(fer2013_lines(drawn) * 5)
    reports: list[tuple[int, int]] = []
    read_dataset(path, report=lambda done, total: reports.append((done, total)))
    size = path.stat().st_size
    assert len(reports) > 2
    assert reports[-1] == (size, size)
    assert reports == sorted(reports)


def test_an_endless_table_is_refused(
    drawn: FaceSet, write_table: WriteTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "MAX_TOTAL_BYTES", 2**16)
    with pytest.raises(InputError, match=r"fer2013\.csv contains more than"):
        read_dataset(write_table(fer2013_lines(drawn)))


def test_a_damaged_table_in_an_archive_is_not_trusted(
    drawn: FaceSet, tmp_path: Path, zip_bytes: Callable[..., bytes]
) -> None:
    content = bytearray(zip_bytes({"fer2013.csv": as_bytes(fer2013_lines(drawn) * 10)}, 0))
    content[len(content) // 2] ^= 1
    (tmp_path / "faces.zip").write_bytes(content)
    with pytest.raises(InputError, match=r"fer2013\.csv in faces\.zip is damaged"):
        read_dataset(tmp_path / "faces.zip")


def test_pictures_in_emotion_folders_are_preferred_to_a_table_in_the_same_folder(
    drawn: FaceSet, write_files: WriteFiles, png: Callable[..., bytes]
) -> None:
    folder = write_files(
        {"happy/a.png": png(drawn.images[0]), "fer2013.csv": as_bytes(fer2013_lines(drawn))}
    )
    faces = read_dataset(folder)
    assert faces.names == ("happy/a.png",)
    assert [problem.name for problem in faces.problems] == ["fer2013.csv"]
