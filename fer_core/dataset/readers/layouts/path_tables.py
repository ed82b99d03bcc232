"""Tables with the path of a picture and its class in each row."""

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
from fer_core.dataset.readers.layouts.list_splits import mark_unnamed_lists
from fer_core.dataset.readers.layouts.picture_finder import PictureFinder
from fer_core.dataset.readers.layouts.small_files import few_in_folder
from fer_core.dataset.readers.problems import ProblemLog, SkipReason, as_text, reading_failed
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
from fer_core.errors import InputError
from fer_core.phrases import counted

_REPEATED = SkipReason("repeats a picture; only its first row counts")
_NAMES_NOTHING = SkipReason("names no picture of the source and was not used")
_NO_ROW = SkipReason("has no row in the table of the classes")
_BAD_ROW = SkipReason("has fewer columns than the first line")
_NO_SINGLE_CLASS = SkipReason("has no single class")
_UNUSED = SkipReason(
    "was not used because the folders name the classes; import the table itself to use it"
)
#: Columns with names of emotions that contain 1 for the class and 0 for the others.
_MIN_CLASS_COLUMNS = 3
#: Maximum number of lines of one row.
_MAX_JOINED = 50
_ONES, _ZEROS = ("1", "1.0", "true"), ("", "0", "0.0", "false")


def read_path_tables(files: SourceFiles, problems: ProblemLog) -> Layout | None:
    """Read tables with a column of paths, and a column of classes or one column for each class.

    The split comes from a column (``split``, ``Usage``), from the name of the table
    (``train_labels.csv``), or from the folders of the picture.

    Args:
        files: The files of the source.
        problems: Collects the rows and pictures that cannot be used.

    Returns:
        None if no table names a picture of the source.

    Raises:
        InputError: It is not clear which column of a table is which.
    """
    finder = PictureFinder(files.pictures)
    tables: list[FaceTable] = []
    others: list[FaceTable] = []
    for table in path_tables(files.source, files.names):
        names_pictures = _names_pictures(files.source, table, finder)
        (tables if names_pictures else others).append(table)
    if not tables:
        return None
    for table in others:
        problems.add(table.name, _NAMES_NOTHING)
    faces: dict[str, tuple[AnnotatedFace, ...]] = {}
    lists: dict[str, str] = {}
    boxes: dict[str, list[Box | None]] = defaultdict(list)
    for table in tables:
        for number, row in _rows(files.source, table, problems):
            picture = finder.find(table.name, row.path)
            if isinstance(picture, SkipReason):
                problems.add(f"{table.name}:{number}", picture)
            elif picture in faces and (row.box is None or row.box in boxes[picture]):
                problems.add(f"{table.name}:{number}", _REPEATED)
            else:
                boxes[picture].append(row.box)
                faces[picture] = (*faces.get(picture, ()), row.face_in(picture))
                lists[picture] = table.name
    for picture in files.pictures:
        if picture not in faces:
            problems.add(picture, _NO_ROW, "")
    listed = ", ".join(as_text(table.name) for table in tables[:5])
    notes = [f"The classes were read from {listed}."]
    count = sum(box is not None for group in boxes.values() for box in group)
    if count:
        notes.append(f"{counted(count, 'face')} were cut out by the boxes in the table.")
    layout = Layout(faces, asks_for_folders=False, tables=lists, notes=notes)
    mark_unnamed_lists(layout, lists)
    return layout


def add_listed_pictures(
    files: SourceFiles, layout: Layout, without_class: Collection[str], problems: ProblemLog
) -> None:
    """Add the pictures outside the folders of classes whose class a table names.

    An example is ``train/<class>/…`` with ``test/…`` and ``test.csv``.

    Args:
        files: The files of the source.
        layout: The pictures in folders of classes.
        without_class: The pictures that are not in a folder of a class.
        problems: Collects the tables that are not used.
    """
    tables = path_tables(files.source, files.names, needs_header=True)
    # Rows about pictures in folders of classes are not needed, and not reported.
    listed = read_path_tables(files, ProblemLog()) if tables and without_class else None
    used: set[str] = set()
    for picture in without_class if listed is not None else ():
        if listed is not None and picture in listed.faces:
            layout.faces[picture] = listed.faces[picture]
            used.add(listed.tables[picture])
    if used:
        names = ", ".join(map(as_text, sorted(used)[:5]))
        layout.notes.append(f"The classes of the other pictures were read from {names}.")
    for table in tables:
        if table.name not in used:
            problems.add(table.name, _UNUSED)


def path_tables(
    source: Source, names: Sequence[str], *, needs_header: bool = False
) -> list[FaceTable]:
    """Return the tables with a column of paths and a class for each.

    Args:
        source: Contains the files.
        names: The paths of the files in it.
        needs_header: As for ``find_tables``.

    Raises:
        InputError: It is not clear which column of a table is which.
    """
    tables = [name for name in names if name.lower().endswith(TABLE_SUFFIXES)]
    # Texts without a header are lists or labels, which are layouts of their own.
    texts = few_in_folder(names, (".txt",))
    tables += few_in_folder(names, JSON_SUFFIXES)
    return [
        table
        for table in (
            *find_tables(source, tables, ProblemLog(), needs_header=needs_header),
            *find_tables(source, texts, ProblemLog(), needs_header=True),
        )
        if table.columns.path is not None and _has_classes(table.columns)
    ]


class _Row:
    """A row of a table.

    Args:
        path: The path of the picture.
        class_name: Its class.
        split: As ``split_from_name`` returns it, if the row or the table names the split.
        fields: All fields.
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
        """Return the face that the row describes."""
        return AnnotatedFace(
            self._class_name,
            folders_of(picture),
            split=self._split,
            has_official_split=self._is_official,
            person=self._person,
            box=self.box,
        )


def _box(fields: Sequence[bytes], columns: TableColumns) -> Box | None:
    """Return the box of a face; None if a value is missing or is not a number."""
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
    # A box of fractions: no face is one pixel wide.
    return Box(left, top, right, bottom, is_relative=max(right, bottom) <= 1.01)


def paths_in(source: Source, table: FaceTable) -> Iterator[str]:
    """Yield the paths in a table.

    Raises:
        Exception: The table is damaged.
    """
    position = table.columns.path
    with source.open(table.name) as stream:
        meter = ReadMeter(source.label, table.size, None)
        lines = (line for _, line in rows_of_table(table.name, meter.metered(stream.file)) if line)
        if table.columns.has_header:
            next(lines, None)
        for line in lines:
            fields = split_line(line, table.columns.delimiter)
            if position is not None and position < len(fields):
                yield field_text(fields[position])


def _names_pictures(source: Source, table: FaceTable, finder: PictureFinder) -> bool:
    try:
        return any(
            not isinstance(finder.find(table.name, path), SkipReason)
            for path in paths_in(source, table)
        )
    except Exception:  # a damaged archive raises many types of errors; it is reported on reading
        return True


def _has_classes(columns: TableColumns) -> bool:
    return columns.label is not None or bool(_class_columns(columns))


def _class_columns(columns: TableColumns) -> dict[int, str]:
    """Return the columns of single classes, with their names."""
    found = {
        position: name
        for position, name in enumerate(columns.names)
        if position != columns.path and emotion_of_folder(name) is not None
    }
    return found if len(found) >= _MIN_CLASS_COLUMNS else {}


def _rows(source: Source, table: FaceTable, problems: ProblemLog) -> Iterator[tuple[int, _Row]]:
    """Yield the number and the content of each valid row."""
    columns = table.columns
    try:
        with source.open(table.name) as stream:
            meter = ReadMeter(source.label, table.size, None)
            rows = rows_of_table(table.name, meter.metered(stream.file))
            lines = (entry for entry in _joined(rows, columns) if entry[1] != b"")
            if columns.has_header:
                next(lines, None)
            for number, line in lines:
                row = _BAD_ROW if line is None else _row(line, table)
                if isinstance(row, SkipReason):
                    problems.add(f"{table.name}:{number}", row)
                else:
                    yield number, row
    except InputError:
        raise
    except Exception as error:  # a damaged archive raises many types of errors
        problems.add(table.name, reading_failed(error))


def _joined(
    lines: Iterator[tuple[int, bytes | None]], columns: TableColumns
) -> Iterator[tuple[int, bytes | None]]:
    """Join the lines of a row whose quoted text contains line breaks.

    Lines are joined only if the row then has the columns of the table, so that a quote that is
    never closed affects no other row.
    """
    waiting: list[tuple[int, bytes | None]] = []
    for number, line in lines:
        if not waiting and (line is None or b'"' not in line):
            yield number, line
            continue
        waiting.append((number, line))
        is_open = sum((part or b"").count(b'"') for _, part in waiting) % 2
        if is_open and line is not None and len(waiting) < _MAX_JOINED:
            continue
        joined = b" ".join(part or b"" for _, part in waiting)
        if len(waiting) > 1 and len(split_line(joined, columns.delimiter)) == len(columns.names):
            yield waiting[0][0], joined
        else:
            yield from waiting
        waiting = []
    yield from waiting


def _row(line: bytes, table: FaceTable) -> _Row | SkipReason:
    columns = table.columns
    fields = split_line(line, columns.delimiter)
    if columns.path is None or len(fields) < len(columns.names):
        return _BAD_ROW
    class_name = _class_name(fields, columns)
    if isinstance(class_name, SkipReason):
        return class_name
    named = table.split
    if columns.split is not None and (usage := field_text(fields[columns.split])):
        named = split_from_name(usage)
        if named is None:
            return unknown_usage(usage)
    return _Row(field_text(fields[columns.path]), class_name, named, fields, columns)


def _class_name(fields: Sequence[bytes], columns: TableColumns) -> str | SkipReason:
    if columns.label is not None:
        named = class_from(fields[columns.label])
        return NO_LABEL if named is None else named[0]
    values = {
        name: field_text(fields[position]).lower()
        for position, name in _class_columns(columns).items()
    }
    chosen = [name for name, value in values.items() if value not in _ZEROS]
    # Other numbers are votes or probabilities.
    is_single = len(chosen) == 1 and values[chosen[0]] in _ONES
    return chosen[0] if is_single else _NO_SINGLE_CLASS
