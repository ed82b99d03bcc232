"""Read AffectNet: the expressions are numbers in a table, or in one file per picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

import numpy as np

from fer_core.dataset.class_numbers import CLASS_ORDERS, class_number
from fer_core.dataset.readers.layouts.layout import (
    AnnotatedFace,
    Box,
    Layout,
    SourceFiles,
    folders_of,
)
from fer_core.dataset.readers.problems import ProblemLog, SkipReason, reading_failed
from fer_core.dataset.readers.sources import Source
from fer_core.dataset.readers.split_names import split_from_name

_PATH_COLUMN, _CLASS_COLUMN = "subdirectory_filepath", "expression"
_BOX_COLUMNS = ("face_x", "face_y", "face_width", "face_height")
#: Number of bytes that are read to find the header of a table.
_HEADER_BYTES = 4_096
#: The end of the name of an annotation file.
_ANNOTATION_END = "_exp.npy"
#: Maximum size of an annotation file, which contains one number.
_MAX_ANNOTATION_BYTES = 4_096

_NO_PICTURE = SkipReason("names a picture that does not exist")
_NO_ANNOTATION = SkipReason("has no file with its expression in annotations/")
_BAD_EXPRESSION = SkipReason("has no valid expression number (0 to 10)")
_NO_ROW = SkipReason("has no row in the table of the expressions")


def read_affectnet(files: SourceFiles, problems: ProblemLog) -> Layout | None:
    """Read AffectNet's tables or annotation files.

    Tables (``training.csv``, ``validation.csv``) have the columns ``subDirectory_filePath`` and
    ``expression``, and usually columns with the box of the face. The split comes from the name of
    the table, or from the folders of the picture if this name states no split. If there are no
    tables, each picture has an annotation file: ``images/123.jpg`` has ``annotations/123_exp.npy``.
    In this case, the split comes from the folders (``train_set``, ``val_set``).

    Args:
        files: The files of the source.
        problems: Collects the pictures and rows that cannot be used.

    Returns:
        The layout; None if the source has neither such tables nor such files.
    """
    tables = [
        name
        for name in files.names
        if name.lower().endswith(".csv") and _is_table(files.source, name)
    ]
    if tables:
        return _read_tables(files, tables, problems)
    if any(name.endswith(_ANNOTATION_END) for name in files.names):
        return _read_annotations(files, problems)
    return None


def _is_table(source: Source, name: str) -> bool:
    """Return True if a CSV file has AffectNet's columns."""
    try:
        with source.open(name) as stream:
            header = stream.file.read(_HEADER_BYTES)
    except Exception:  # a damaged archive raises many types of errors
        return False
    columns = _columns(next(iter(header.decode("latin-1").splitlines()), ""))
    return _PATH_COLUMN in columns and _CLASS_COLUMN in columns


def _columns(header: str) -> list[str]:
    # A byte order mark of UTF-8 becomes these three characters in Latin-1.
    fields = next(csv.reader([header.lstrip("ï»¿")]), [])
    return [field.strip().lower() for field in fields]


def _read_tables(files: SourceFiles, tables: Sequence[str], problems: ProblemLog) -> Layout:
    # A path in a table is relative to a folder that can be anywhere in the source. Therefore only
    # the ends of the paths are compared.
    picture_by_end = {_last_two_parts(name): name for name in files.pictures}
    faces: dict[str, tuple[AnnotatedFace, ...]] = {}
    for name in tables:
        named_split = split_from_name(PurePosixPath(name).stem)
        split = None if named_split is None else named_split[0]
        for number, values in _rows(files.source, name, problems):
            picture = picture_by_end.get(_last_two_parts(values.get(_PATH_COLUMN, "").strip()))
            expression = _expression(values.get(_CLASS_COLUMN, ""))
            if picture is None:
                problems.add(f"{name}:{number}", _NO_PICTURE)
            elif expression is None:
                problems.add(f"{name}:{number}", _BAD_EXPRESSION)
            else:
                box = _box([values.get(column, "") for column in _BOX_COLUMNS])
                faces[picture] = (
                    AnnotatedFace(expression, folders_of(picture), split=split, box=box),
                )
    for picture in files.pictures:
        if picture not in faces:
            problems.add(picture, _NO_ROW, class_name="")
    note = f"The expressions and boxes were read from AffectNet's {', '.join(tables[:4])}."
    return Layout(faces, asks_user_about_all_folders=False, notes=[note])


def _rows(source: Source, name: str, problems: ProblemLog) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the number of each row's last line, and the values of the row by column."""
    try:
        with source.open(name) as stream:
            text = io.TextIOWrapper(stream.file, encoding="utf-8-sig", errors="replace", newline="")
            rows = csv.reader(text)
            columns = [field.strip().lower() for field in next(rows, [])]
            for row in rows:
                yield rows.line_num, dict(zip(columns, row, strict=False))
    except Exception as error:  # a damaged archive raises many types of errors
        problems.add(name, reading_failed(error))


def _last_two_parts(path: str) -> str:
    """Return the last folder and the file name of a path."""
    return "/".join(path.replace("\\", "/").split("/")[-2:])


def _box(values: Sequence[str]) -> Box | None:
    """Return the box of a face; None if the values are not those of a box.

    Args:
        values: Left, top, width and height as strings; empty if the column is missing.
    """
    try:
        left, top, width, height = (float(value) for value in values)
    except ValueError:
        return None
    if not (0 <= left < 1e5 and 0 <= top < 1e5 and 0 < width < 1e5 and 0 < height < 1e5):
        return None
    return Box(left, top, left + width, top + height)


def _read_annotations(files: SourceFiles, problems: ProblemLog) -> Layout:
    annotations = {
        _key_of_annotation(name): name for name in files.names if name.endswith(_ANNOTATION_END)
    }
    faces: dict[str, tuple[AnnotatedFace, ...]] = {}
    annotation_by_picture = {}
    for picture in files.pictures:
        annotation = annotations.get(_key_of_picture(picture))
        if annotation is None:
            problems.add(picture, _NO_ANNOTATION, class_name="")
        else:
            annotation_by_picture[picture] = annotation
    contents = files.source.read_all(list(annotation_by_picture.values()))
    for picture, (_, content) in zip(annotation_by_picture, contents, strict=True):
        expression = None
        if not isinstance(content, SkipReason) and len(content) <= _MAX_ANNOTATION_BYTES:
            expression = _expression(_text_of_array(content))
        if expression is None:
            problems.add(picture, _BAD_EXPRESSION, class_name="")
        else:
            # The folder "images" belongs to the format, and is neither a split nor a class.
            parent_folders = tuple(part for part in folders_of(picture) if part.lower() != "images")
            faces[picture] = (AnnotatedFace(expression, parent_folders),)
    note = "The expressions were read from AffectNet's files annotations/…_exp.npy."
    return Layout(faces, notes=[note])


def _key_of_annotation(annotation: str) -> str:
    """Return what the path of an annotation shares with that of its picture: "train_set/123"."""
    return annotation.removesuffix(_ANNOTATION_END).replace("annotations/", "", 1)


def _key_of_picture(picture: str) -> str:
    """Return what the path of a picture shares with that of its annotation: "train_set/123"."""
    return str(PurePosixPath(picture).with_suffix("")).replace("images/", "", 1)


def _text_of_array(content: bytes) -> str:
    """Return the only value of a NumPy file as text; empty if there is none."""
    try:
        values = np.load(io.BytesIO(content), allow_pickle=False)
    except Exception:  # damaged files raise many types of errors
        return ""
    return str(values.reshape(-1)[0]) if values.size == 1 else ""


def _expression(text: str) -> str | None:
    """Return the name of an expression; None if the text is not a number from 0 to 10."""
    order = CLASS_ORDERS["affectnet"]
    names = (*order.names, *order.non_expressions)
    number = class_number(text.strip())
    return names[number] if number is not None and number < len(names) else None
