"""Tables with the path of a picture and its class in each row."""

from __future__ import annotations

import posixpath
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from fer_core.dataset.folder_emotions import emotion_of_folder
from fer_core.dataset.readers.csv_tables import TABLE_SUFFIXES, FaceTable, find_tables
from fer_core.dataset.readers.layouts.layout import FaceEntry, Layout, SourceFiles, folders_of
from fer_core.dataset.readers.layouts.list_splits import mark_unnamed_lists
from fer_core.dataset.readers.problems import ProblemLog, SkipReason, as_text, error_text
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
from fer_core.dataset.readers.text_lines import text_lines

_NO_PICTURE = SkipReason("names a picture that does not exist")
_SEVERAL_PICTURES = SkipReason("names a picture that exists several times; give its whole path")
_REPEATED = SkipReason("repeats a picture; only its first row counts")
_NO_ROW = SkipReason("has no row in the table of the classes")
_BAD_ROW = SkipReason("has fewer columns than the first line")
_NO_SINGLE_CLASS = SkipReason("has no single class")
_UNUSED = SkipReason(
    "was not used because the folders name the classes; import the table itself to use it"
)
#: Columns with names of emotions that contain 1 for the class and 0 for the others.
_MIN_CLASS_COLUMNS = 3
#: A folder with more texts contains one for each picture.
_MAX_TEXTS = 12
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
    tables = [
        table
        for table in path_tables(files.source, files.names)
        if _names_pictures(files.source, table, finder)
    ]
    if not tables:
        return None
    entries: dict[str, tuple[FaceEntry, ...]] = {}
    lists: dict[str, str] = {}
    for table in tables:
        for number, row in _rows(files.source, table, problems):
            picture = finder.find(table.name, row.path)
            skip = picture if isinstance(picture, SkipReason) else None
            if not isinstance(picture, SkipReason) and picture in entries:
                skip = _REPEATED
            if skip is not None or isinstance(picture, SkipReason):
                problems.add(f"{table.name}:{number}", skip or _NO_PICTURE)
            else:
                entry = FaceEntry(row.class_name, folders_of(picture), (), row.split, row.person)
                entries[picture] = (entry,)
                lists[picture] = table.name
    for picture in files.pictures:
        if picture not in entries:
            problems.add(picture, _NO_ROW, "")
    listed = ", ".join(as_text(table.name) for table in tables[:5])
    layout = Layout(
        entries, asks_for_folders=False, notes=[f"The classes were read from {listed}."]
    )
    mark_unnamed_lists(layout, lists)
    return layout


def report_unused_tables(files: SourceFiles, problems: ProblemLog) -> None:
    """Report the tables of paths and classes in a source whose folders name the classes."""
    for table in path_tables(files.source, files.names, needs_header=True):
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
    texts = [name for name in names if name.lower().endswith(".txt")]
    counts = Counter(folders_of(name) for name in texts)
    texts = [name for name in texts if counts[folders_of(name)] <= _MAX_TEXTS]
    return [
        table
        for table in (
            *find_tables(source, tables, ProblemLog(), needs_header=needs_header),
            *find_tables(source, texts, ProblemLog(), needs_header=True),
        )
        if table.columns.path is not None and _has_classes(table.columns)
    ]


class PictureFinder:
    """Finds the pictures that the rows of tables name.

    Args:
        pictures: The paths of the pictures.
    """

    def __init__(self, pictures: Sequence[str]) -> None:
        self._known = set(pictures)
        self._by_name: dict[str, list[str]] = defaultdict(list)
        self._by_stem: dict[str, list[str]] = defaultdict(list)
        for picture in pictures:
            name = picture.rpartition("/")[2].lower()
            self._by_name[name].append(picture)
            self._by_stem[PurePosixPath(name).stem].append(picture)

    def find(self, table: str, text: str) -> str | SkipReason:
        """Return the picture that a table names, or why there is none.

        The path is relative to the table or to the source. Otherwise the picture is found by the
        end of its path, because tables often contain paths of another computer.

        Args:
            table: The path of the table.
            text: The path in the table, with ``/`` or backslashes, with or without a suffix.
        """
        path = text.replace("\\", "/")
        folder = posixpath.dirname(table)
        for candidate in (posixpath.normpath(posixpath.join(folder, path)), path):
            if candidate in self._known:
                return candidate
        parts = [part for part in path.lower().split("/") if part not in ("", ".", "..")]
        if not parts:
            return _NO_PICTURE
        group = self._by_name.get(parts[-1]) or self._by_stem.get(parts[-1], [])
        if not group:
            return _NO_PICTURE
        parents = parts[:-1]
        lengths = [_common_end(parents, folders_of(picture.lower())) for picture in group]
        best = [
            picture
            for picture, length in zip(group, lengths, strict=True)
            if length == max(lengths)
        ]
        return best[0] if len(best) == 1 else _SEVERAL_PICTURES


def _common_end(first: Sequence[str], second: Sequence[str]) -> int:
    """Return the number of parts at the end that two paths have in common."""
    length = 0
    for first_part, second_part in zip(reversed(first), reversed(second), strict=False):
        if first_part != second_part:
            break
        length += 1
    return length


class _Row:
    """A row of a table.

    Args:
        path: The path of the picture.
        class_name: Its class.
        split: Index into ``SPLITS``, if the row or the table names it.
        fields: All fields.
        columns: The columns of the table.
    """

    def __init__(
        self,
        path: str,
        class_name: str,
        split: int | None,
        fields: Sequence[bytes],
        columns: TableColumns,
    ) -> None:
        self.path = path
        self.class_name = class_name
        self.split = split
        self.person = named_person(fields, columns)


def paths_in(source: Source, table: FaceTable) -> Iterator[str]:
    """Yield the paths in a table.

    Raises:
        Exception: The table is damaged.
    """
    position = table.columns.path
    with source.open(table.name) as stream:
        meter = ReadMeter(source.label, table.size, None)
        lines = (line for _, line in text_lines(meter.metered(stream.file)) if line)
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
            lines = (entry for entry in text_lines(meter.metered(stream.file)) if entry[1] != b"")
            if columns.has_header:
                next(lines, None)
            for number, line in lines:
                row = _BAD_ROW if line is None else _row(line, table)
                if isinstance(row, SkipReason):
                    problems.add(f"{table.name}:{number}", row)
                else:
                    yield number, row
    except OSError as error:
        problems.add(
            table.name, SkipReason(f"cannot be read ({error_text(error)})", "cannot be read")
        )


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
    split = None if named is None else named[0]
    return _Row(field_text(fields[columns.path]), class_name, split, fields, columns)


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
