"""Tables in the notations of other people: pixels, paths, names of columns, separators, headers."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_core.dataset.class_mapping import ClassChoice
from fer_core.dataset.class_numbers import CLASS_ORDERS
from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.readers import find_classes, read_dataset
from fer_core.dataset.readers.table_columns import _contains_row_numbers
from fer_core.dataset.readers.text_lines import MAX_LINE_BYTES
from fer_core.dataset.store import import_dataset
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.settings import Settings

WriteFiles = Callable[..., Path]
Png = Callable[[NDArray[np.uint8]], bytes]
USAGES = ("Training", "PublicTest", "PrivateTest")


@pytest.fixture(scope="module")
def drawn(draw_faces: Callable[..., FaceSet]) -> FaceSet:
    return draw_faces(list(range(7)) * 3, splits=["train"] * 11 + ["validation"] * 5 + ["test"] * 5)


def table(rows: Sequence[Sequence[object]], delimiter: str = ",", quoting: int = 0) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter, quoting=quoting).writerows(rows)  # type: ignore[arg-type]
    return buffer.getvalue().encode()


def spaced(image: NDArray[np.uint8]) -> str:
    return " ".join(map(str, image.ravel().tolist()))


def rows_of(
    faces: FaceSet, pixels: Callable[[NDArray[np.uint8]], str] = spaced
) -> list[list[object]]:
    return [
        [int(label), pixels(image), USAGES[split]]
        for image, label, split in zip(faces.images, faces.labels, faces.splits, strict=True)
    ]


def named(rows: list[list[object]]) -> list[list[object]]:
    return [[EMOTIONS[int(str(label))], *rest] for label, *rest in rows]


def wide(faces: FaceSet, *, label_first: bool = True) -> list[list[object]]:
    rows: list[list[object]] = []
    for image, label, split in zip(faces.images, faces.labels, faces.splits, strict=True):
        values: list[object] = list(image.ravel().tolist())
        start, end = ([int(label)], [USAGES[split]])
        rows.append([*start, *values, *end] if label_first else [*values, *end, *start])
    return rows


HEADER = ["emotion", "pixels", "Usage"]
NUMBERS = list(range(2304))
#: Each notation of the same faces.
PIXEL_TABLES: dict[str, Callable[[FaceSet], bytes]] = {
    "brackets": lambda faces: table(
        [HEADER, *rows_of(faces, lambda image: str(image.ravel().tolist()))]
    ),
    "brackets without spaces": lambda faces: table(
        [HEADER, *rows_of(faces, lambda image: str(image.ravel().tolist()).replace(" ", ""))]
    ),
    "brackets of rows": lambda faces: table(
        [HEADER, *rows_of(faces, lambda image: str(image.tolist()))]
    ),
    "brackets, not in quotes": lambda faces: "\n".join(
        ["emotion,pixels,Usage"]
        + [
            f"{label},{image.ravel().tolist()},{USAGES[split]}"
            for image, label, split in zip(faces.images, faces.labels, faces.splits, strict=True)
        ]
    ).encode(),
    "arrays that NumPy printed": lambda faces: table(
        [HEADER, *rows_of(faces, lambda image: np.array2string(image, threshold=10**9))]
    ),
    "commas in quotes": lambda faces: table(
        [HEADER, *rows_of(faces, lambda image: spaced(image).replace(" ", ","))]
    ),
    "commas, not in quotes": lambda faces: "\n".join(
        ["emotion,pixels,Usage"]
        + [",".join(map(str, row)).replace(" ", ",") for row in rows_of(faces)]
    ).encode(),
    "semicolons in quotes": lambda faces: table(
        [HEADER, *rows_of(faces, lambda image: spaced(image).replace(" ", ";"))]
    ),
    "70.0": lambda faces: table(
        [HEADER, *rows_of(faces, lambda image: " ".join(f"{one}.0" for one in image.ravel()))]
    ),
    "7.0e+01": lambda faces: table(
        [HEADER, *rows_of(faces, lambda image: " ".join(f"{one:.4e}" for one in image.ravel()))]
    ),
    "fractions of 1": lambda faces: table(
        [HEADER, *rows_of(faces, lambda image: " ".join(f"{v / 255:.6f}" for v in image.ravel()))]
    ),
    "names of classes": lambda faces: table([HEADER, *named(rows_of(faces))]),
    "an index column": lambda faces: table(
        [["", *HEADER], *([number, *row] for number, row in enumerate(rows_of(faces)))]
    ),
    "an index column of pandas": lambda faces: table(
        [["Unnamed: 0", *HEADER], *([number, *row] for number, row in enumerate(rows_of(faces)))]
    ),
    "an index column of R": lambda faces: table(
        [HEADER, *([number, *row] for number, row in enumerate(rows_of(faces), 1))]
    ),
    "semicolon": lambda faces: table([HEADER, *rows_of(faces)], ";"),
    "tab": lambda faces: table([HEADER, *rows_of(faces)], "\t"),
    "bar": lambda faces: table([HEADER, *rows_of(faces)], "|"),
    "semicolon with commas": lambda faces: table(
        [HEADER, *rows_of(faces, lambda image: spaced(image).replace(" ", ","))], ";"
    ),
    "quotes around everything": lambda faces: table(
        [HEADER, *rows_of(faces)], quoting=csv.QUOTE_ALL
    ),
    "without a header": lambda faces: table(rows_of(faces)),
    "without a header, by name": lambda faces: table(named(rows_of(faces))),
    "unusual names": lambda faces: table([["gefühl", "bild", "teil"], *named(rows_of(faces))]),
    "without a header, tab": lambda faces: table(rows_of(faces), "\t"),
    "without a header, with row numbers": lambda faces: table(
        [[number, *row] for number, row in enumerate(named(rows_of(faces)))]
    ),
    "2,304 columns": lambda faces: table(
        [["emotion", *(f"pixel{number}" for number in NUMBERS), "Usage"], *wide(faces)]
    ),
    "2,304 numbered columns": lambda faces: table(
        [[*NUMBERS, "Usage", "label"], *wide(faces, label_first=False)]
    ),
    "2,304 columns of rows and columns": lambda faces: table(
        [
            ["label", *(f"{row}x{column}" for row in range(48) for column in range(48)), "split"],
            *wide(faces),
        ]
    ),
    "2,304 columns with an index": lambda faces: table(
        [
            ["", "label", *(f"p_{number}" for number in NUMBERS), "set"],
            *([number, *row] for number, row in enumerate(wide(faces))),
        ],
        ";",
    ),
    "Label and Split": lambda faces: table([["Label", "Pixels", "Split"], *rows_of(faces)]),
    "expression and subset": lambda faces: table(
        [["Expression", "image_pixels", "Subset"], *rows_of(faces)]
    ),
    "class and set": lambda faces: table([["class", "image", "set"], *named(rows_of(faces))]),
    "facial expression": lambda faces: table(
        [["Facial Expression", " Pixels ", "Data-Set"], *rows_of(faces)]
    ),
    "columns that do not matter": lambda faces: table(
        [
            ["id", "emotion", "pixels", "Usage", "source", "remark"],
            *([n, *row, "web", "a, b"] for n, row in enumerate(rows_of(faces))),
        ]
    ),
}


@pytest.mark.parametrize("kind", PIXEL_TABLES)
def test_tables_of_pixels_in_any_notation(kind: str, drawn: FaceSet, tmp_path: Path) -> None:
    path = tmp_path / "faces.csv"
    path.write_bytes(PIXEL_TABLES[kind](drawn))
    faces = read_dataset(path)
    assert faces.problems == ()
    np.testing.assert_array_equal(faces.images, drawn.images)
    np.testing.assert_array_equal(faces.labels, drawn.labels)
    np.testing.assert_array_equal(faces.splits, drawn.splits)
    assert sum(one.count for one in find_classes(path)) == len(drawn)


@pytest.mark.parametrize("side", [8, 28, 32, 64, 100, 224])
@pytest.mark.parametrize("form", ["wide", "spaces", "brackets"])
def test_square_pictures_of_any_size(side: int, form: str, tmp_path: Path) -> None:
    image = np.zeros((side, side), np.uint8)
    image[:, side // 2 :] = 200
    values = image.ravel().tolist()
    rows: list[list[object]]
    if form == "wide":
        rows = [["label", *(f"pixel{number}" for number in range(side**2))]]
        rows += [[label, *values] for label in (3, 4)]
    else:
        pixels = str(values) if form == "brackets" else spaced(image)
        rows = [["label", "pixels"], *([label, pixels] for label in (3, 4))]
    (tmp_path / "faces.csv").write_bytes(table(rows))
    faces = read_dataset(tmp_path / "faces.csv")
    assert len(faces) == 2
    assert (faces.images[:, :, :20] == 0).all() and (faces.images[:, :, 28:] == 200).all()


def test_two_columns_without_a_header(tmp_path: Path) -> None:
    rows = [[label, " ".join([str(label)] * 2304)] for label in range(7)]
    (tmp_path / "faces.csv").write_bytes(table(rows))
    assert read_dataset(tmp_path / "faces.csv").labels.tolist() == list(range(7))


def test_a_row_of_another_size_is_skipped(drawn: FaceSet, tmp_path: Path) -> None:
    rows = rows_of(drawn)
    rows[3][1] = " ".join(["7"] * 47**2)
    (tmp_path / "faces.csv").write_bytes(table([HEADER, *rows]))
    faces = read_dataset(tmp_path / "faces.csv")
    assert [(one.name, one.reason) for one in faces.problems] == [
        ("faces.csv:5", "has 2209 pixel values instead of 2304")
    ]


@pytest.mark.parametrize(
    ("bad", "shown"),
    [
        ("-1.0", "-1.0"),
        ("256.0", "256.0"),
        ("nan", "nan"),
        ("1e9", "1e9"),
        ("...", "..."),
        ("0x1", "0x1"),
    ],
)
def test_values_that_are_no_pixels_are_named(
    bad: str, shown: str, drawn: FaceSet, tmp_path: Path
) -> None:
    rows = rows_of(drawn, lambda image: str(image.ravel().tolist()))
    rows[0][1] = str(rows[0][1]).replace(",", f", {bad},", 1)
    (tmp_path / "faces.csv").write_bytes(table([HEADER, *rows]))
    (problem,) = read_dataset(tmp_path / "faces.csv").problems
    assert problem.reason == f"has the pixel value {shown!r}, not 0 to 255"


#: Names of four pictures, their class and their split.
FOUR = (
    ("1.png", "happy", "train"),
    ("2.png", "sad", "train"),
    ("3.jpg", "happy", "test"),
    ("4.gif", "fear", "test"),
)


def four(folder: str = "images/") -> list[list[object]]:
    return [[folder + name, emotion, split] for name, emotion, split in FOUR]


PATH_HEADER = ["image", "emotion", "split"]


def json_lines(rows: list[list[object]], path: str = "image") -> bytes:
    names = [path, *PATH_HEADER[1:]]
    return "\n".join(json.dumps(dict(zip(names, row, strict=True))) for row in rows).encode()


#: The table, and its place and that of the pictures in the dataset.
PATH_TABLES: dict[str, tuple[bytes, str, str]] = {
    "relative to the root": (table([PATH_HEADER, *four()]), "labels.csv", "images/"),
    "relative to the table": (table([PATH_HEADER, *four()]), "data/labels.csv", "data/images/"),
    "relative to the archive": (
        table([PATH_HEADER, *four("data/images/")]), "tables/labels.csv", "data/images/",
    ),
    "above the table": (
        table([PATH_HEADER, *four("../images/")]), "data/labels.csv", "images/",
    ),
    "next to the table": (table([PATH_HEADER, *four("")]), "labels.csv", ""),
    "only the file name": (table([PATH_HEADER, *four("")]), "labels.csv", "deep/images/"),
    "with ./": (table([PATH_HEADER, *four("./images/")]), "labels.csv", "images/"),
    "with backslashes": (table([PATH_HEADER, *four("images\\")]), "labels.csv", "images/"),
    "of another computer": (
        table([PATH_HEADER, *four("C:\\Users\\me\\faces\\images\\")]), "labels.csv", "images/",
    ),
    "of a notebook": (
        table([PATH_HEADER, *four("/kaggle/input/faces/images/")]), "labels.csv", "images/",
    ),
    "without suffixes": (
        table([["filename", *PATH_HEADER[1:]],
               *([str(path)[:-4], *rest] for path, *rest in four())]), "labels.csv", "images/",
    ),
    "an index column": (
        table([["", *PATH_HEADER], *([n, *row] for n, row in enumerate(four()))]),
        "labels.csv", "images/",
    ),
    "semicolon": (table([PATH_HEADER, *four()], ";"), "labels.csv", "images/"),
    "tab": (table([PATH_HEADER, *four()], "\t"), "labels.tsv", "images/"),
    "path, expression, Usage": (
        table([["Path", "Expression", "Usage"], *four()]), "labels.csv", "images/",
    ),
    "file name, label, set": (
        table([["file_name", "label", "set"], *four()]), "labels.csv", "images/",
    ),
    "filepath, class, subset": (
        table([["FilePath", "Class", "subset"], *four()]), "labels.csv", "images/",
    ),
    "other columns": (
        table([["user.id", "image", "emotion", "split", "age"],
               *([7, *row, 30] for row in four(""))]), "data/legend.csv", "images/",
    ),
    "without a header": (table(four()), "labels.csv", "images/"),
    "unusual names": (table([["bild", "gefühl", "teil"], *four()]), "labels.csv", "images/"),
    "line breaks of old Macs": (
        table([PATH_HEADER, *four()]).replace(b"\r\n", b"\r"), "labels.csv", "images/",
    ),
    "a text": (table([PATH_HEADER, *four()]), "labels.txt", "images/"),
    "Excel's note about the separator": (
        b"sep=;\r\n" + table([PATH_HEADER, *four()], ";"), "labels.csv", "images/",
    ),
    "UTF-16, as Excel's Unicode text": (
        table([PATH_HEADER, *four()], "\t").decode().encode("utf-16"), "labels.txt", "images/",
    ),
    "another case": (
        table([PATH_HEADER, *([str(path).upper(), *rest] for path, *rest in four())]),
        "labels.csv", "images/",
    ),
    "other suffixes": (
        table([PATH_HEADER, *([str(path)[:-3] + "jpeg", *rest] for path, *rest in four())]),
        "labels.csv", "images/",
    ),
    "composed accents, in decomposed folders": (
        table([PATH_HEADER, *four("Gesichter/Zo\u00eb/")]), "labels.csv", "Gesichter/Zoe\u0308/",
    ),
    "addresses": (
        table([["url", *PATH_HEADER[1:]],
               *([f"https://example.org/{path}?w=48", *rest] for path, *rest in four())]),
        "labels.csv", "images/",
    ),
    "numbers of the pictures": (
        table([["id", "label", "split"], *([str(path)[0], *rest] for path, *rest in four(""))]),
        "labels.csv", "images/",
    ),
    "line breaks and commas in quotes": (
        table([["image", "note", "emotion", "split"],
               *([path, "one, two\nthree", *rest] for path, *rest in four())]),
        "labels.csv", "images/",
    ),
    "JSON lines": (json_lines(four()), "labels.jsonl", "images/"),
    "JSON lines of Hugging Face": (
        json_lines(four(""), "file_name"), "images/metadata.jsonl", "images/",
    ),
    "JSON records": (
        b"[" + json_lines(four()).replace(b"}\n{", b"},{") + b"]", "labels.json", "images/",
    ),
    "JSON columns": (
        json.dumps({
            name: {str(number): row[column] for number, row in enumerate(four())}
            for column, name in enumerate(PATH_HEADER)
        }).encode(), "labels.json", "images/",
    ),
    "JSON lists of columns": (
        json.dumps({
            name: [row[column] for row in four()] for column, name in enumerate(PATH_HEADER)
        }).encode(), "labels.json", "images/",
    ),
    "one column for each class": (
        table([["filename", "angry", "fear", "happy", "sad", "split"],
               *([path, *(int(emotion == one) for one in ("angry", "fear", "happy", "sad")), split]
                 for path, emotion, split in four(""))]), "images/_classes.csv", "images/",
    ),
}  # fmt: skip


@pytest.fixture
def four_pictures(png: Png) -> dict[str, bytes]:
    generator = np.random.default_rng(3)
    return {name: png(generator.integers(0, 256, (48, 48)).astype(np.uint8)) for name, _, _ in FOUR}


@pytest.mark.parametrize("kind", PATH_TABLES)
def test_tables_of_paths(
    kind: str, four_pictures: dict[str, bytes], write_files: WriteFiles, write_zip: WriteFiles
) -> None:
    content, place, folder = PATH_TABLES[kind]
    files = {place: content} | {f"{folder}{name}": data for name, data in four_pictures.items()}
    for path in (write_files(files, "dataset"), write_zip(files)):
        faces = read_dataset(path)
        found = {
            name.rpartition("/")[2]: (EMOTIONS[label], split)
            for name, label, split in zip(faces.names, faces.labels, faces.splits, strict=True)
        }
        assert faces.problems == ()
        assert {name: emotion for name, (emotion, _) in found.items()} == {
            name: emotion for name, emotion, _ in FOUR
        }
        assert {name for name, (_, split) in found.items() if split == 2} == {"3.jpg", "4.gif"}
        assert [one.count for one in find_classes(path)] == [1, 2, 1]


def test_the_split_of_a_table_of_paths_may_be_in_its_name(
    four_pictures: dict[str, bytes], write_files: WriteFiles
) -> None:
    files = {f"images/{name}": data for name, data in four_pictures.items()}
    for split in ("train", "test"):
        rows = [row[:2] for row in four() if row[2] == split]
        files[f"{split}_labels.csv"] = table([PATH_HEADER[:2], *rows])
    faces = read_dataset(write_files(files))
    assert faces.count_by_split(np.ones(4, bool))["test"] == 2


def test_a_table_alone_reads_the_pictures_in_its_folder(
    four_pictures: dict[str, bytes], write_files: WriteFiles, tmp_path: Path, settings: Settings
) -> None:
    rows = [*four("faces/"), ["../outside.png", "sad", "train"], ["/etc/passwd", "sad", "train"]]
    files = {f"mine/faces/{name}": data for name, data in four_pictures.items()}
    files |= {"mine/labels.csv": table([PATH_HEADER, *rows]), "mine/faces/5.png": b""}
    files |= {"outside.png": four_pictures["1.png"]}
    root = write_files(files)
    name, faces = import_dataset(root / "mine" / "labels.csv", settings)
    assert name == "labels"
    assert sorted(faces.names) == sorted(f"faces/{name}" for name in four_pictures)
    assert [(one.name, one.reason) for one in faces.problems] == [
        ("labels.csv:6", "names a picture that does not exist"),
        ("labels.csv:7", "names a picture that does not exist"),
    ]
    alone = tmp_path / "alone" / "labels.csv"
    alone.parent.mkdir()
    alone.write_bytes(files["mine/labels.csv"])
    with pytest.raises(InputError, match="names pictures, but none of them is in its folder"):
        read_dataset(alone)


def test_rows_that_name_no_single_picture_are_listed(
    four_pictures: dict[str, bytes], write_files: WriteFiles
) -> None:
    rows: list[list[object]] = [
        *four(),
        ["images/gone.png", "happy", "train"],
        ["images/1.png", "sad", "train"],
        ["same.png", "sad", "train"],
        ["images/5.png", "", "train"],
        ["images/5.png", "sad", "elsewhere"],
        ["images/5.png"],
        ["images/5.png", "x" * MAX_LINE_BYTES, "train"],
    ]
    files = {f"images/{name}": data for name, data in four_pictures.items()}
    files |= dict.fromkeys(("a/same.png", "b/same.png", "images/5.png"), four_pictures["1.png"])
    files["labels.csv"] = table([PATH_HEADER, *rows])
    faces = read_dataset(write_files(files))
    assert len(faces) == 4
    assert {one.name: one.reason for one in faces.problems} == {
        "labels.csv:6": "names a picture that does not exist",
        "labels.csv:7": "repeats a picture; only its first row counts",
        "labels.csv:8": "names a picture that exists several times; give its whole path",
        "labels.csv:9": "has no label",
        "labels.csv:10": "has the usage 'elsewhere', not Training, PublicTest or PrivateTest",
        "labels.csv:11": "has fewer columns than the first line",
        "labels.csv:12": "is longer than 1 MB",
        "a/same.png": "has no row in the table of the classes",
        "b/same.png": "has no row in the table of the classes",
        "images/5.png": "has no row in the table of the classes",
    }


def test_json_with_a_class_for_each_picture(
    four_pictures: dict[str, bytes], write_files: WriteFiles
) -> None:
    classes = {f"images/{name}": emotion for name, emotion, _ in FOUR}
    files = {f"images/{name}": data for name, data in four_pictures.items()}
    for content in (classes, {"a": [1], "b": [1, 2]}, {"images": {}, "x": 1}, [1], {}):
        files["labels.json"] = json.dumps(content).encode()
        if content is classes:
            faces = read_dataset(write_files(files))
            assert [EMOTIONS[label] for label in faces.labels] == ["happy", "sad", "happy", "fear"]
        else:
            with pytest.raises(InputError, match="no usable picture"):
                read_dataset(write_files(files))


def test_a_record_that_is_not_an_object_is_reported(
    four_pictures: dict[str, bytes], write_files: WriteFiles
) -> None:
    lines = json_lines(four()).replace(b"\n", b"\n[1, 2]\n", 1)
    files = {f"images/{name}": data for name, data in four_pictures.items()}
    faces = read_dataset(write_files(files | {"labels.jsonl": lines}))
    assert len(faces) == 4
    assert [(p.name, p.reason) for p in faces.problems] == [
        ("labels.jsonl:2", "has fewer columns than the first line")
    ]


def test_a_damaged_first_record_is_reported_with_the_number_of_its_line(
    four_pictures: dict[str, bytes], write_files: WriteFiles
) -> None:
    lines = b'\n{"file_name": "a.p\n' + json_lines(four())
    files = {f"images/{name}": data for name, data in four_pictures.items()}
    faces = read_dataset(write_files(files | {"labels.jsonl": lines}))
    assert len(faces) == 4
    assert [(p.name, p.reason) for p in faces.problems] == [
        ("labels.jsonl:2", "has fewer columns than the first line")
    ]


def test_a_picture_of_another_split_is_not_taken(
    four_pictures: dict[str, bytes], write_files: WriteFiles
) -> None:
    files = {f"test/{name}": data for name, data in four_pictures.items()}
    for split, column in (("train", 1), ("test", 2)):
        rows = [[f"{split}/{name}", ("", "sad", "fear")[column]] for name, *_ in FOUR]
        files[f"{split}.csv"] = table([["image", "label"], *rows])
    faces = read_dataset(write_files(files))
    assert [EMOTIONS[label] for label in faces.labels] == ["fear"] * 4
    assert [(p.name, p.reason) for p in faces.problems] == [
        ("train.csv", "names no picture of the source and was not used")
    ]


@pytest.mark.parametrize(
    ("usage", "has_test"),
    [(("Training", "PublicTest"), False), (("train", "val"), True), (("Training", "dev"), True)],
)
@pytest.mark.parametrize("has_pixels", [True, False])
def test_fer2013s_own_names_of_splits_mean_that_none_is_created(
    usage: tuple[str, str], has_test: bool, has_pixels: bool, write_files: WriteFiles, png: Png
) -> None:
    generator = np.random.default_rng(5)
    files: dict[str, bytes] = {}
    rows: list[list[object]] = []
    for number in range(26):
        picture = generator.integers(0, 256, (48, 48)).astype(np.uint8)
        pixels = " ".join(map(str, picture.ravel()))
        rows.append([number % 2 * 3, f"{number}.png" if not has_pixels else pixels])
        rows[-1].append(usage[number > 23])
        if not has_pixels:
            files[f"{number}.png"] = png(picture)
    files["faces.csv"] = table([["emotion", "pixels" if has_pixels else "path", "Usage"], *rows])
    choice = ClassChoice(order=CLASS_ORDERS["fer2013"])
    faces = read_dataset(write_files(files), class_choice=choice)
    assert (faces.count_by_split(np.ones(26, bool))["test"] > 0) == has_test
    assert any("There is no test split" in note for note in faces.notes) != has_test


def test_a_damaged_table_in_an_archive_is_reported(
    four_pictures: dict[str, bytes], write_zip: WriteFiles
) -> None:
    content = table([PATH_HEADER, *four(), *[["images/gone.png", "sad", "train"]] * 30_000])
    files = {f"images/{name}": data for name, data in four_pictures.items()}
    path = write_zip(files | {"labels.csv": content})
    archive = bytearray(path.read_bytes())
    start = archive.index(b"labels.csv") + 60
    archive[start : start + 40] = bytes(40)
    path.write_bytes(archive)
    with pytest.raises(InputError, match=r"labels\.csv cannot be read"):
        read_dataset(path)


def test_a_table_next_to_an_archive_of_its_pictures(
    four_pictures: dict[str, bytes], write_zip: WriteFiles, zip_bytes: Callable[..., bytes]
) -> None:
    inner = zip_bytes(four_pictures)
    files = {"images.zip": inner, "labels.csv": table([PATH_HEADER, *four()])}
    faces = read_dataset(write_zip(files))
    assert sorted(faces.names) == sorted(f"images/{name}" for name in four_pictures)
    assert faces.problems == ()


def test_votes_are_not_a_single_class(
    four_pictures: dict[str, bytes], write_files: WriteFiles
) -> None:
    header = ["Image name", "neutral", "happiness", "sadness", "unknown"]
    rows = [["1.png", 0, 1, 0, 0], ["2.png", 9, 1, 0, 0], ["3.jpg", 0, 0, 0, 1]]
    files = {**four_pictures, "votes.csv": table([header, *rows])}
    faces = read_dataset(write_files(files))
    assert faces.names == ("1.png",)
    reasons = [one.reason for one in faces.problems if one.name.startswith("votes.csv")]
    assert reasons == ["has no single class"] * 2


@pytest.mark.parametrize(
    ("name", "kind"), [("faces.xlsx", "an Excel workbook"), ("faces.npz", "a NumPy file")]
)
def test_tables_that_are_not_text_are_named(name: str, kind: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"PK\x03\x04")
    with pytest.raises(
        InputError, match=rf"{name} is {kind}, which cannot be read; save it as CSV"
    ):
        read_dataset(tmp_path / name)


def test_folders_of_classes_are_preferred_to_a_table_of_paths(
    four_pictures: dict[str, bytes], write_files: WriteFiles
) -> None:
    files = {f"{emotion}/{name}": four_pictures[name] for name, emotion, _ in FOUR}
    files["labels.csv"] = table([PATH_HEADER, *four("")])
    root = write_files(files)
    (problem,) = read_dataset(root).problems
    assert problem.name == "labels.csv"
    assert "import the table itself" in problem.reason


def test_a_table_names_the_classes_of_pictures_outside_the_folders_of_classes(
    write_files: WriteFiles, png: Png
) -> None:
    generator = np.random.default_rng(0)

    def picture() -> bytes:
        return png(generator.integers(0, 256, (48, 48)).astype(np.uint8))

    files = {f"train/{name}/{n}.png": picture() for name in ("happy", "sad") for n in range(3)}
    files |= {f"test/t{n}.png": picture() for n in range(3)} | {"test/1.png": picture()}
    rows = [["t0.png", "sad"], ["t1.png", "happy"], ["gone.png", "sad"], ["test/1.png", "fear"]]
    files["test.csv"] = table([["file", "label"], *rows])
    # These rows are about pictures in the folders of classes, and about several pictures.
    files["train.csv"] = table([["file", "label"], ["train/happy/0.png", "fear"], ["1.png", "sad"]])
    faces = read_dataset(write_files(files))
    found = {
        name: EMOTIONS[label]
        for name, label, split in zip(faces.names, faces.labels, faces.splits, strict=True)
        if split == 2
    }
    assert found == {"test/t0.png": "sad", "test/t1.png": "happy", "test/1.png": "fear"}
    assert len(faces) == 9
    assert "The classes of the other pictures were read from test.csv." in faces.notes
    assert [(p.name, p.reason[:12]) for p in faces.problems] == [
        ("train.csv", "was not used"),
        ("test/t2.png", "is not in a "),
    ]


def test_numbers_in_a_table_of_paths_are_asked_about(
    four_pictures: dict[str, bytes], write_files: WriteFiles
) -> None:
    files = {f"images/{name}": data for name, data in four_pictures.items()}
    rows = [[f"images/{name}", number] for number, name in enumerate(four_pictures, 1)]
    files["labels.csv"] = table([["image", "label"], *rows])
    root = write_files(files)
    with pytest.raises(InputError, match=r"classes are numbers \(1, 2, 3, 4\)"):
        read_dataset(root)
    changes = tuple((str(number), EMOTIONS[number]) for number in range(1, 5))
    faces = read_dataset(root, class_choice=ClassChoice(changes=changes))
    assert sorted(faces.labels.tolist()) == [1, 2, 3, 4]


UNCLEAR: dict[str, tuple[bytes, str]] = {
    "two columns of emotions": (
        table([["emotion", "expression", "pixels"], [3, "sad", " ".join(["1"] * 2304)]]),
        r"several columns that may be the emotion \('emotion' and 'expression'\)",
    ),
    "two columns of splits": (
        table([["emotion", "split", "Usage", "pixels"], [3, "a", "b", " ".join(["1"] * 2304)]]),
        r"several columns that may be the split \('split' and 'usage'\)",
    ),
    "no header, two columns of numbers": (
        table([[3, 5, " ".join(["1"] * 2304)], [4, 1, " ".join(["1"] * 2304)]]),
        "has no header, and it is not clear which of its 3 columns is the emotion",
    ),
    "no header, a number at both ends": (
        table([[3, *[9] * 2303, 4]] * 3),
        "has no header, and its first or its last column may be the emotion",
    ),
}


@pytest.mark.parametrize("kind", UNCLEAR)
def test_columns_that_are_not_clear_are_asked_about(kind: str, tmp_path: Path) -> None:
    content, message = UNCLEAR[kind]
    (tmp_path / "faces.csv").write_bytes(content)
    with pytest.raises(InputError, match=rf"^faces\.csv .*{message}") as caught:
        read_dataset(tmp_path / "faces.csv")
    assert "\n" not in str(caught.value)


def test_superscripts_are_no_row_numbers() -> None:
    assert not _contains_row_numbers([["²".encode()], ["³".encode()], ["¹".encode()]], 0)
