"""Find the columns of a table of faces by its header, or by the values of its first rows."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from fer_core.dataset.folder_emotions import emotion_of_folder
from fer_core.dataset.readers.picture_names import has_picture_suffix
from fer_core.dataset.readers.split_names import split_from_name
from fer_core.errors import InputError

#: Number of lines that are read to find the columns.
SAMPLE_LINES = 20
_DELIMITERS = (b",", b";", b"\t", b"|")
#: Minimum number of pixels in a picture.
MIN_PIXELS = 8 * 8

# Names of columns are compared without spaces, punctuation and case. If a constant has groups of
# names, they are in order of preference: the names of a group are used only if no name of an
# earlier group occurs in the table.
_LABELS = (
    ("emotion", "emotions", "expression", "expressions", "facialexpression", "facialemotion"),
    ("emotionlabel", "emotionname", "emotionclass", "expressionlabel", "expressionname"),
    ("label", "labels", "class", "classes"),
    ("labelname", "classname", "classlabel", "category", "target", "sentiment", "mood", "feeling"),
    ("y", "emotionid", "labelid", "classid", "emotionnumber", "emotioncode"),
)
_SPLITS = (("usage", "split", "splits"),)
#: Names with several meanings. Such a column contains the splits only if its values name splits.
_POSSIBLE_SPLITS = ("subset", "set", "partition", "phase", "fold", "dataset", "group", "type")
_PERSONS = (
    ("subject", "person", "identity", "subjectid", "personid"),
    ("participant", "participantid", "actor", "actorid"),
)
_PIXELS = (("pixels",),)
#: Names with several meanings. Such a column contains the pixels only if its values are pixels.
_POSSIBLE_PIXELS = (
    *("pixel", "pixelvalues", "pixeldata", "imagepixels", "image", "img", "face", "data"),
    *("values", "x", "array", "imagedata", "pixelsvalues"),
)
_PATHS = (
    ("path", "paths", "filepath", "imagepath", "imgpath", "picturepath", "pth"),
    ("image", "images", "img", "file", "files", "filename", "filenames", "imagename", "imagefile"),
    ("picture", "photo", "name", "imageid", "imagefilename", "imgname", "pic", "imageurl", "url"),
    ("id",),
)
#: Names of the four columns of the box of a face, which are two corners (``_CORNERS``) or a corner
#: and the size (``_SIZES``). The corners are looked for first, because a table with corners may
#: also have columns with the width and the height of the picture.
_CORNERS = (
    *(("xmin", "ymin", "xmax", "ymax"), ("x1", "y1", "x2", "y2"), ("x0", "y0", "x1", "y1")),
    *(("left", "top", "right", "bottom"), ("bboxx1", "bboxy1", "bboxx2", "bboxy2")),
)
_SIZES = (
    *(("facex", "facey", "facewidth", "faceheight"), ("bboxx", "bboxy", "bboxw", "bboxh")),
    *(("x", "y", "w", "h"), ("x", "y", "width", "height"), ("left", "top", "width", "height")),
)
#: Names of a single column with all four values of a box.
_BOXES = ("bbox", "boundingbox", "box", "facebox", "facebbox", "bndbox")
#: The name of the column of one pixel: "pixel12", "p_3_4", "28x28", "12".
_PIXEL_NAME = re.compile(
    r"(?:pixels?|pix|px|p|x|v|c|r|row|col|column|val|value)?[ _.-]*"
    r"(\d{1,5})(?:[ _x.-]+(\d{1,5}))?"
)
_QUOTED = re.compile(rb' *"((?:[^"]|"")*)"')
#: Replaces brackets and separators by spaces.
_TO_SPACES = bytes.maketrans(b"[](),;|", b"       ")

#: Maximum length of a field that the csv module reads. Longer lines are split without this module,
#: because its limit can be changed only for the whole process.
_MAX_CSV_FIELD = 131_072


@dataclass(frozen=True)
class BoxColumns:
    """The columns of the box of a face.

    Attributes:
        positions: The positions of the columns left, top, right and bottom, or of the columns
            left, top, width and height.
        has_size: True if the last two columns are width and height.
    """

    positions: tuple[int, int, int, int]
    has_size: bool


@dataclass(frozen=True)
class TableColumns:
    """The columns of a table.

    Attributes:
        delimiter: Separates the columns.
        names: The names of the columns, in lower case; empty strings if there is no header.
        pixels: Positions of the columns of pixel values: one column with all values, or one column
            per value. Empty if the table has no such column.
        path: Position of the column with the path of the picture; None without one.
        label: Position of the column with the class; None without one.
        split: Position of the column with the split (usage); None without one.
        person: Position of the column with the person; None without one.
        box: The columns with the box of the face in the picture; None without them.
        has_header: True if the first line contains the names of the columns.
    """

    delimiter: bytes
    names: tuple[str, ...]
    pixels: tuple[int, ...] = ()
    path: int | None = None
    label: int | None = None
    split: int | None = None
    person: int | None = None
    box: BoxColumns | None = None
    has_header: bool = True


def table_columns(lines: Sequence[bytes], table: str) -> TableColumns | None:
    """Return the columns of a table; None if it is not a table of faces.

    Args:
        lines: The first lines of the table that are not empty.
        table: The name of the table in messages.

    Raises:
        InputError: The table contains faces, but it is not clear which column is which.
    """
    if not lines:
        return None
    for delimiter in _DELIMITERS:
        fields = [split_line(line, delimiter) for line in lines]
        columns = _columns_by_names(delimiter, fields, table)
        if columns is not None:
            return columns
    for delimiter in _DELIMITERS:
        columns = _columns_by_values(
            delimiter, [split_line(line, delimiter) for line in lines], table
        )
        if columns is not None:
            return columns
    return None


def split_line(line: bytes, delimiter: bytes) -> list[bytes]:
    """Split a line into fields.

    Each line is split on its own, so that a quote that is not closed affects only its own row.
    """
    if b'"' not in line:
        return line.split(delimiter)
    if len(line) > _MAX_CSV_FIELD:
        return _split_long_line(line, delimiter)
    # Latin-1 maps any bytes to text for the csv module, and back.
    text = line.decode("latin-1")
    try:
        row = next(csv.reader([text], delimiter=delimiter.decode(), skipinitialspace=True), [])
    except csv.Error:
        return line.split(delimiter)
    return [field.encode("latin-1") for field in row]


def _split_long_line(line: bytes, delimiter: bytes) -> list[bytes]:
    """Split a line with fields that are too long for the csv module."""
    fields, start = [], 0
    while start <= len(line):
        quoted = _QUOTED.match(line, start)
        end = line.find(delimiter, start if quoted is None else quoted.end())
        end = len(line) if end < 0 else end
        fields.append(line[start:end] if quoted is None else quoted[1].replace(b'""', b'"'))
        start = end + 1
    return fields


def pixel_words(field: bytes) -> list[bytes]:
    """Split pixel values in any notation: ``70 80``, ``[70, 80]``, ``70,80``."""
    return field.translate(_TO_SPACES).split()


def field_text(field: bytes) -> str:
    """Return a field as text without quotes and spaces around it."""
    try:
        text = field.decode("utf-8")
    except UnicodeDecodeError:
        text = field.decode("latin-1")
    return text.strip().strip("\"'").strip()


def _columns_by_names(
    delimiter: bytes, lines: Sequence[list[bytes]], table: str
) -> TableColumns | None:
    """Find the columns by the names in the first line; return None if the names are unknown."""
    names = tuple(field_text(field).lower() for field in lines[0])
    rows = lines[1:]
    # Tables written by the language R have no name for the column of the row numbers.
    if rows and all(len(row) == len(names) + 1 and _is_number(row[0]) for row in rows):
        names = ("", *names)
    keys = [re.sub(r"[^a-z0-9]", "", name) for name in names]
    pixels = _pixel_columns(keys, names, rows)
    path = None if pixels else _path_column(keys, rows)
    if not pixels and path is None:
        return None
    box = None if path is None else _box_columns(keys)
    used = {*pixels, path, *(() if box is None else box.positions)}
    unused_keys = ["" if position in used else key for position, key in enumerate(keys)]
    # The names in their original upper and lower case, for messages.
    original_names = [*([""] * (len(names) - len(lines[0]))), *map(field_text, lines[0])]
    label = _single_column(unused_keys, original_names, _LABELS, table, "emotion")
    if path is not None and label is not None and box is None:
        _refuse_single_box_column(keys, names, table)
    split = _single_column(unused_keys, names, _SPLITS, table, "split")
    if split is None:
        split = next(
            (
                position
                for position, key in enumerate(unused_keys)
                if key in _POSSIBLE_SPLITS
                and position != label
                and _contains_splits(rows, position)
            ),
            None,
        )
    person = _single_column(unused_keys, names, _PERSONS, table, "person")
    return TableColumns(delimiter, names, pixels, path, label, split, person, box)


def _box_columns(keys: Sequence[str]) -> BoxColumns | None:
    """Return the columns of a box; None if the table has none.

    Args:
        keys: The name of each column in the form in which names are compared.
    """
    for groups, has_size in ((_CORNERS, False), (_SIZES, True)):
        for group in groups:
            if set(group) <= set(keys):
                left, top, third, fourth = (keys.index(key) for key in group)
                return BoxColumns((left, top, third, fourth), has_size)
    return None


def _refuse_single_box_column(keys: Sequence[str], names: Sequence[str], table: str) -> None:
    """Raise an error if all values of a box are in one column."""
    position = next((position for position, key in enumerate(keys) if key in _BOXES), None)
    if position is not None:
        raise InputError(
            f"{table} has the boxes of the faces in one column, {names[position]!r}, which may be "
            "corners or a corner and a size; write them in columns xmin,ymin,xmax,ymax or x,y,w,h, "
            "or remove the column if the pictures are faces that were cut out already."
        )


def _single_column(
    keys: Sequence[str],
    names: Sequence[str],
    groups: Sequence[Sequence[str]],
    table: str,
    content: str,
) -> int | None:
    """Return the position of the column with one of the given names; None if there is none.

    Args:
        keys: The name of each column in the form in which names are compared. Empty strings are
            ignored.
        names: The name of each column in messages.
        groups: The names to look for, in groups. Only the first group that occurs counts.
        table: The name of the table in messages.
        content: What the column contains, for messages.

    Raises:
        InputError: Several columns have a name of the first group that occurs.
    """
    for group in groups:
        found = [position for position, key in enumerate(keys) if key in group]
        if len(found) == 1:
            return found[0]
        if found:
            listed = " and ".join(repr(names[position]) for position in found[:4])
            raise InputError(
                f"{table} has several columns that may be the {content} ({listed}); remove all but "
                "one of them, or rename the others."
            )
    return None


def _pixel_columns(
    keys: Sequence[str], names: Sequence[str], rows: Sequence[list[bytes]]
) -> tuple[int, ...]:
    """Return the position of the column with all pixels, or the positions of one column per pixel.

    The columns of single pixels are in the order of the pixels. The result is empty if the table
    has neither.
    """
    for group in _PIXELS:
        found = [position for position, key in enumerate(keys) if key in group]
        if len(found) == 1:
            return (found[0],)
    for position, key in enumerate(keys):
        if key in _POSSIBLE_PIXELS and _contains_pixels(rows, position, len(keys)):
            return (position,)
    # Maps the position of each column that may be one pixel to the numbers in the column's name.
    numbers = {
        position: tuple(int(number or -1) for number in match.groups())
        for position, name in enumerate(names)
        if (match := _PIXEL_NAME.fullmatch(name))
    }
    count = len(numbers)
    if count < MIN_PIXELS or math.isqrt(count) ** 2 != count:
        return ()
    if len(set(numbers.values())) < count:
        return ()
    return tuple(sorted(numbers, key=numbers.__getitem__))


def _path_column(keys: Sequence[str], rows: Sequence[list[bytes]]) -> int | None:
    """Return the position of the column of paths; None if there is none.

    The column is recognized by the suffixes of its values, or by its name.
    """
    positions = range(len(keys))
    for group in _PATHS:
        for position in positions:
            if keys[position] in group and _contains_paths(rows, position):
                return position
    # Paths without a suffix, such as "00001", are recognized by the name of the column, and only in
    # a table that also has a column of classes.
    if not any(key in group for key in keys for group in _LABELS):
        return None
    return next((keys.index(key) for group in _PATHS for key in group if key in keys), None)


def _columns_by_values(
    delimiter: bytes, rows: Sequence[list[bytes]], table: str
) -> TableColumns | None:
    """Find the columns by the values of the first rows, for a table without known column names."""
    column_count = len(rows[0])
    if column_count < 2 or any(len(row) != column_count for row in rows):
        return None
    positions = range(column_count)
    if column_count > MIN_PIXELS and all(_is_number(value) for value in rows[0][1:-1]):
        return _columns_of_numbers(delimiter, rows, table)
    pixels = tuple(
        position for position in positions if _contains_pixels(rows, position, column_count)
    )
    paths = [position for position in positions if _contains_paths(rows, position)]
    if len(pixels) + len(paths) != 1:
        return None
    used = {*pixels, *paths}
    # A first line with neither pixels nor a path is a header with unknown names.
    first = rows[:1]
    has_header = not any(
        _contains_pixels(first, position, column_count) or _contains_paths(first, position)
        for position in used
    )
    data = rows[1:] if has_header else rows
    splits = [
        position
        for position in positions
        if position not in used and _contains_splits(data, position)
    ]
    others = [position for position in positions if position not in {*used, *splits}]
    label = _label_by_values(data, others)
    if label is None or len(splits) > 1:
        missing = "no known column names" if has_header else "no header"
        raise InputError(
            f"{table} has {missing}, and it is not clear which of its {column_count} columns is "
            "the emotion; name the columns in the first line, such as emotion,pixels,Usage."
        )
    names = tuple(field_text(field).lower() for field in rows[0])
    return TableColumns(
        delimiter,
        names if has_header else ("",) * column_count,
        pixels,
        paths[0] if paths else None,
        label,
        splits[0] if splits else None,
        has_header=has_header,
    )


def _label_by_values(rows: Sequence[list[bytes]], others: Sequence[int]) -> int | None:
    """Return the position of the column of the class; None if it is not clear.

    Args:
        rows: The fields of the first rows, without a header.
        others: The positions of the columns that contain neither pixels, paths nor splits.
    """
    emotions = [position for position in others if _contains_emotions(rows, position)]
    # A column of row numbers is the class only if there is no other column.
    not_row_numbers = [position for position in others if not _contains_row_numbers(rows, position)]
    candidates = (others, emotions, not_row_numbers)
    return next((positions[0] for positions in candidates if len(positions) == 1), None)


def _columns_of_numbers(
    delimiter: bytes, rows: Sequence[list[bytes]], table: str
) -> TableColumns | None:
    """Return the columns of a table without a header that has a column for each pixel.

    The first or the last column contains the class, and all other columns contain pixels. The
    result is None if the pixels do not fill a square.

    Raises:
        InputError: It is not clear which of the two columns contains the class.
    """
    column_count = len(rows[0])
    if math.isqrt(column_count - 1) ** 2 != column_count - 1:
        return None
    possible = [
        position
        for position in (0, column_count - 1)
        if all(_may_be_label(row[position]) for row in rows)
    ]
    emotions = [position for position in possible if _contains_emotions(rows, position)]
    if len(emotions or possible) != 1:
        raise InputError(
            f"{table} has no header, and its first or its last column may be the emotion; add a "
            "first line with the names of the columns, such as emotion,pixel0,pixel1,…"
        )
    (label,) = emotions or possible
    pixels = tuple(position for position in range(column_count) if position != label)
    return TableColumns(delimiter, ("",) * column_count, pixels, label=label, has_header=False)


def _values(rows: Sequence[list[bytes]], position: int) -> list[bytes]:
    return [row[position] for row in rows if position < len(row)]


def _contains_pixels(rows: Sequence[list[bytes]], position: int, column_count: int) -> bool:
    """Return True if a column contains all pixels of a picture.

    If the delimiter of the columns also separates the pixels, and the pixels are not in quotes,
    they fill several fields, beginning at this column.

    Args:
        rows: The fields of the first rows.
        position: The position of the column.
        column_count: The number of columns.
    """
    for row in rows:
        surplus = max(len(row) - column_count, 0)
        words = pixel_words(b" ".join(row[position : position + surplus + 1]))
        if len(words) >= MIN_PIXELS and all(_is_number(word) for word in words[:MIN_PIXELS]):
            return True
    return False


def _contains_paths(rows: Sequence[list[bytes]], position: int) -> bool:
    values = _values(rows, position)
    count = sum(has_picture_suffix(field_text(value)) for value in values)
    return count > 0 and 2 * count >= len(values)


def _contains_splits(rows: Sequence[list[bytes]], position: int) -> bool:
    values = [field_text(value) for value in _values(rows, position)]
    return bool(values) and all(split_from_name(value) is not None for value in values)


def _contains_emotions(rows: Sequence[list[bytes]], position: int) -> bool:
    values = [field_text(value) for value in _values(rows, position)]
    return bool(values) and all(emotion_of_folder(value) is not None for value in values)


def _contains_row_numbers(rows: Sequence[list[bytes]], position: int) -> bool:
    values = [field_text(value) for value in _values(rows, position)]
    if len(values) < 3 or not all(
        value.isascii() and value.isdecimal() and len(value) < 9 for value in values
    ):
        return False
    return [int(value) - int(values[0]) for value in values] == list(range(len(values)))


def _is_number(field: bytes) -> bool:
    return (
        re.fullmatch(rb"\s*[\"']?[+-]?\d{1,9}(?:\.\d*)?(?:[eE][+-]?\d{1,3})?[\"']?\s*", field)
        is not None
    )


def _may_be_label(field: bytes) -> bool:
    """Return True if a field may be a class: a name, or a whole number from 0 to 20."""
    text = field_text(field)
    return not _is_number(field) or (text.removesuffix(".0").isdigit() and float(text) <= 20)
