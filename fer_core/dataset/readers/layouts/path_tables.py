"""Read tables with the path of a picture and the class of its face in each row."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

from fer_core.dataset.folder_emotions import emotion_of_folder
from fer_core.dataset.readers.csv_tables import TABLE_SUFFIXES, FaceTable, find_tables
from fer_core.dataset.readers.json_tables import JSON_SUFFIXES, rows_of_table
from fer_core.dataset.readers.layouts.layout import (
    AnnotatedFace,
    Box,
    Layout,
    SourceFiles,
    folders_of,
)
from fer_core.dataset.readers.layouts.list_splits import mark_lists_without_split
from fer_core.dataset.readers.layouts.picture_finder import PictureFinder
from fer_core.dataset.readers.layouts.small_files import files_about_many_pictures
from fer_core.dataset.readers.problems import ProblemLog, SkipReason, printable_text, reading_failed
from fer_core.dataset.readers.read_meter import ReadMeter
from fer_core.dataset.readers.sources import Source
from fer_core.dataset.readers.split_names import split_from_name
from fer_core.dataset.readers.table_columns import TableColumns, field_text, split_line
from fer_core.dataset.readers.table_rows import (
    NO_LABEL,
    class_from,
    named_person,
    unknown_usage,
)
from fer_core.dataset.readers.text_lines import MAX_LINE_BYTES
from fer_core.errors import InputError

_REPEATED = SkipReason("repeats a picture; only its first row counts")
_NO_KNOWN_PICTURE = SkipReason("names no picture of the source and was not used")
_NO_ROW = SkipReason("has no row in the table of the classes")
_BAD_ROW = SkipReason("has fewer columns than the first line")
_OVERLONG = SkipReason(f"is longer than {MAX_LINE_BYTES // 2**20} MB")
_NO_SINGLE_CLASS = SkipReason("has no single class")
_UNUSED = SkipReason(
    "was not used because the folders name the classes; import the table itself to use it"
)
#: Minimum number of class columns. A class column is named after an emotion; it contains 1 in the
#: rows of this class, and 0 in the other rows.
_MIN_CLASS_COLUMNS = 3
#: The values that mean 1 and 0 in these columns.
_ONES, _ZEROS = ("1", "1.0", "true"), ("", "0", "0.0", "false")
#: Maximum number of lines that are joined to one row.
_MAX_JOINED_LINES = 50


def read_path_tables(files: SourceFiles, problems: ProblemLog) -> Layout | None:
    """Read tables with a column of paths, and a column of classes or one column for each class.

    The split comes from a column (``split``, ``Usage``), from the name of the table
    (``train_labels.csv``), or from the folders of the picture.

    Args:
        files: The files of the source.
        problems: Collects the rows and pictures that cannot be used.

    Returns:
        The layout; None if no table names a picture of the source.

    Raises:
        InputError: It is not clear which column of a table is which.
    """
    finder = PictureFinder(files.pictures)
    tables: list[FaceTable] = []
    unused_tables: list[FaceTable] = []
    for table in path_tables(files.source, files.names):
        is_used = _has_known_picture(files.source, table, finder)
        (tables if is_used else unused_tables).append(table)
    if not tables:
        return None
    for table in unused_tables:
        problems.add(table.name, _NO_KNOWN_PICTURE)
    faces: dict[str, tuple[AnnotatedFace, ...]] = {}
    table_by_picture: dict[str, str] = {}
    boxes: dict[str, list[Box | None]] = defaultdict(list)
    for table in tables:
        for number, row in _rows(files.source, table, problems):
            picture = finder.find(table.name, row.path)
            if isinstance(picture, SkipReason):
                problems.add(f"{table.name}:{number}", picture)
            # A picture with several faces has a row for each face, and these rows have different
            # boxes.
            elif picture in faces and (row.box is None or row.box in boxes[picture]):
                problems.add(f"{table.name}:{number}", _REPEATED)
            else:
                boxes[picture].append(row.box)
                faces[picture] = (*faces.get(picture, ()), row.face_in(picture))
                table_by_picture[picture] = table.name
    for picture in files.pictures:
        if picture not in faces:
            problems.add(picture, _NO_ROW, class_name="")
    table_names = ", ".join(printable_text(table.name) for table in tables[:5])
    notes = [f"The classes were read from {table_names}."]
    box_count = sum(box is not None for group in boxes.values() for box in group)
    if box_count:
        notes.append(
            f"Faces cropped from the pictures with the boxes in the tables: {box_count:,}."
        )
    layout = Layout(
        faces, asks_user_about_all_folders=False, table_by_picture=table_by_picture, notes=notes
    )
    mark_lists_without_split(layout, table_by_picture)
    return layout


def add_listed_pictures(
    files: SourceFiles, layout: Layout, without_class: Collection[str], problems: ProblemLog
) -> None:
    """Add the pictures that are in no class folder but have a class in a table.

    An example is a source with ``train/<class>/…``, ``test/…`` and ``test.csv``.

    Args:
        files: The files of the source.
        layout: The layout to which the pictures are added.
        without_class: The pictures that are in no class folder.
        problems: Collects the tables that are not used.

    Raises:
        InputError: It is not clear which column of a table is which.
    """
    tables = path_tables(files.source, files.names, needs_header=True)
    # The problems are discarded, because most of them are about pictures in class folders, which
    # need no row. The caller looks for the class of all pictures that are not added here.
    table_layout = read_path_tables(files, ProblemLog()) if tables and without_class else None
    used_tables: set[str] = set()
    for picture in without_class if table_layout is not None else ():
        if table_layout is not None and picture in table_layout.faces:
            layout.faces[picture] = table_layout.faces[picture]
            used_tables.add(table_layout.table_by_picture[picture])
    if used_tables:
        names = ", ".join(map(printable_text, sorted(used_tables)[:5]))
        layout.notes.append(f"The classes of the other pictures were read from {names}.")
    for table in tables:
        if table.name not in used_tables:
            problems.add(table.name, _UNUSED)


def path_tables(
    source: Source, names: Sequence[str], *, needs_header: bool = False
) -> list[FaceTable]:
    """Return the tables that have a column of picture paths and state the class of each picture.

    Args:
        source: Contains the files.
        names: The paths of the files in the source.
        needs_header: As for ``find_tables``.

    Raises:
        InputError: It is not clear which column of a table is which.
    """
    table_names = [name for name in names if name.lower().endswith(TABLE_SUFFIXES)]
    # A folder with many text or JSON files probably has one for each picture; these are not tables.
    table_names += files_about_many_pictures(names, JSON_SUFFIXES)
    # Text files without a header are lists or labels, which other layouts read.
    text_names = files_about_many_pictures(names, (".txt",))
    return [
        table
        for table in (
            *find_tables(source, table_names, ProblemLog(), needs_header=needs_header),
            *find_tables(source, text_names, ProblemLog(), needs_header=True),
        )
        if table.columns.path is not None and _has_classes(table.columns)
    ]


class _Row:
    """The values in a row of a table.

    Args:
        path: The path of the picture, as the table states it.
        class_name: The class of the face.
        split: The result of ``split_from_name`` if the row or the table states a split; otherwise
            None.
        fields: All fields of the row.
        columns: The columns of the table.
    """

    def __init__(
        self,
        path: str,
        class_name: str,
        split: tuple[int, bool] | None,
        fields: Sequence[bytes],
        columns: TableColumns,
    ) -> None:
        self.path = path
        self._class_name = class_name
        self._split = None if split is None else split[0]
        self._is_official = split is not None and split[1]
        self._person = named_person(fields, columns)
        self.box = _box(fields, columns)

    def face_in(self, picture: str) -> AnnotatedFace:
        """Return the face that the row describes; ``picture`` is the path inside the source."""
        return AnnotatedFace(
            self._class_name,
            folders_of(picture),
            split=self._split,
            has_official_split=self._is_official,
            person=self._person,
            box=self.box,
        )


def _box(fields: Sequence[bytes], columns: TableColumns) -> Box | None:
    """Return the box of a face; None if the row has no valid box."""
    if columns.box is None:
        return None
    try:
        values = [float(field_text(fields[position])) for position in columns.box.positions]
    except ValueError:
        return None
    left, top, right, bottom = values
    if columns.box.has_size:
        right, bottom = left + right, top + bottom
    if not all(-1e5 < value < 1e5 for value in values) or right <= left or bottom <= top:
        return None
    # Values up to 1, or slightly more through rounding, are fractions of the width and height,
    # because no face has the size of one pixel.
    return Box(left, top, right, bottom, is_relative=max(right, bottom) <= 1.01)


def paths_in(source: Source, table: FaceTable) -> Iterator[str]:
    """Yield the paths in the rows of a table; rows without a path are left out.

    Raises:
        Exception: The table is damaged.
    """
    position = table.columns.path
    with source.open(table.name) as stream:
        # Reading through the meter raises InputError if the file is too large.
        meter = ReadMeter(source.label, table.size, None)
        lines = (line for _, line in rows_of_table(table.name, meter.metered(stream.file)) if line)
        if table.columns.has_header:
            next(lines, None)
        for line in lines:
            fields = split_line(line, table.columns.delimiter)
            if position is not None and position < len(fields):
                yield field_text(fields[position])


def _has_known_picture(source: Source, table: FaceTable, finder: PictureFinder) -> bool:
    """Return True if a table names a picture of the source, or if the table is damaged."""
    try:
        return any(
            not isinstance(finder.find(table.name, path), SkipReason)
            for path in paths_in(source, table)
        )
    except Exception:  # damage causes many types of errors; it is reported when the table is read
        return True


def _has_classes(columns: TableColumns) -> bool:
    return columns.label is not None or bool(_class_columns(columns))


def _class_columns(columns: TableColumns) -> dict[int, str]:
    """Return the names of the class columns by their position; empty if there are too few."""
    names = {
        position: name
        for position, name in enumerate(columns.names)
        if position != columns.path and emotion_of_folder(name) is not None
    }
    return names if len(names) >= _MIN_CLASS_COLUMNS else {}


def _rows(source: Source, table: FaceTable, problems: ProblemLog) -> Iterator[tuple[int, _Row]]:
    """Yield each valid row with its number."""
    columns = table.columns
    try:
        with source.open(table.name) as stream:
            meter = ReadMeter(source.label, table.size, None)
            rows = rows_of_table(table.name, meter.metered(stream.file))
            lines = (entry for entry in _join_lines(rows, columns) if entry[1] != b"")
            if columns.has_header:
                next(lines, None)
            for number, line in lines:
                row = _OVERLONG if line is None else _parse_row(line, table)
                if isinstance(row, SkipReason):
                    problems.add(f"{table.name}:{number}", row)
                else:
                    yield number, row
    except InputError:
        raise
    except Exception as error:  # a damaged archive raises many types of errors
        problems.add(table.name, reading_failed(error))


def _join_lines(
    lines: Iterator[tuple[int, bytes | None]], columns: TableColumns
) -> Iterator[tuple[int, bytes | None]]:
    """Join the lines of a row whose quoted text contains line breaks.

    Lines are joined only if the joined row has as many fields as the table has columns. Therefore a
    quote that is never closed affects only its own row.

    Args:
        lines: The lines with their numbers; None for a line that is longer than ``MAX_LINE_BYTES``.
        columns: The columns of the table.

    Yields:
        The rows in the form of ``lines``, each with the number of its first line.
    """
    # The lines of a row that is not complete yet, because a quote in it is still open.
    open_lines: list[tuple[int, bytes | None]] = []
    for number, line in lines:
        if not open_lines and (line is None or b'"' not in line):
            yield number, line
            continue
        open_lines.append((number, line))
        has_open_quote = sum((content or b"").count(b'"') for _, content in open_lines) % 2
        if has_open_quote and line is not None and len(open_lines) < _MAX_JOINED_LINES:
            continue
        joined = b" ".join(content or b"" for _, content in open_lines)
        field_count = len(split_line(joined, columns.delimiter))
        if len(open_lines) > 1 and field_count == len(columns.names):
            yield open_lines[0][0], joined
        else:
            yield from open_lines
        open_lines = []
    yield from open_lines


def _parse_row(line: bytes, table: FaceTable) -> _Row | SkipReason:
    """Parse a row, or return why it is skipped."""
    columns = table.columns
    fields = split_line(line, columns.delimiter)
    if columns.path is None or len(fields) < len(columns.names):
        return _BAD_ROW
    class_name = _class_name(fields, columns)
    if isinstance(class_name, SkipReason):
        return class_name
    split = table.split
    if columns.split is not None and (usage := field_text(fields[columns.split])):
        split = split_from_name(usage)
        if split is None:
            return unknown_usage(usage)
    return _Row(field_text(fields[columns.path]), class_name, split, fields, columns)


def _class_name(fields: Sequence[bytes], columns: TableColumns) -> str | SkipReason:
    """Return the class in a row, or why the row is skipped."""
    if columns.label is not None:
        named_class = class_from(fields[columns.label])
        return NO_LABEL if named_class is None else named_class[0]
    values = {
        name: field_text(fields[position]).lower()
        for position, name in _class_columns(columns).items()
    }
    classes = [name for name, value in values.items() if value not in _ZEROS]
    # Values other than 0 and 1 are votes or probabilities, which do not name a single class.
    is_single = len(classes) == 1 and values[classes[0]] in _ONES
    return classes[0] if is_single else _NO_SINGLE_CLASS
