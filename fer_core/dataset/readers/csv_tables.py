"""Read tables of faces: ``fer2013.csv``, ``icml_face_data.csv``, Kaggle's ``train.csv``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePosixPath

from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.dataset.readers.class_register import ClassRegister
from fer_core.dataset.readers.face_rows import FaceRows
from fer_core.dataset.readers.json_tables import rows_of_table
from fer_core.dataset.readers.problems import ProblemLog, SkipReason, error_text, reading_failed
from fer_core.dataset.readers.read_meter import ReadMeter
from fer_core.dataset.readers.sources import Source
from fer_core.dataset.readers.split_names import split_from_name
from fer_core.dataset.readers.table_columns import SAMPLE_LINES, TableColumns, table_columns
from fer_core.dataset.readers.table_rows import RowParser, register_row
from fer_core.dataset.readers.text_lines import table_lines
from fer_core.dataset.splitting import SplitChoice
from fer_core.errors import InputError
from fer_core.progress import ProgressReport

TABLE_SUFFIXES = (".csv", ".tsv", ".tab")

#: Names under which FER2013 is distributed, the preferred name first. If several tables have a
#: column of splits, only one of them is read, because they contain the same faces.
_BEST_KNOWN = ("fer2013.csv", "icml_face_data.csv")

_OVERLONG = SkipReason("is longer than a row with a face")
_NOT_BEST = SkipReason("was skipped because another table has the official splits")


@dataclass(frozen=True)
class FaceTable:
    """A table in a source.

    Attributes:
        name: The path of the table inside the source.
        columns: The columns of the table.
        size: The size of the file in bytes, as the source states it.
        chosen_split: Index into ``SPLITS`` if the user chose the split; otherwise None.
    """

    name: str
    columns: TableColumns
    size: int
    chosen_split: int | None = None

    @property
    def split(self) -> tuple[int, bool] | None:
        """The split that the user chose, or that the table's name states (``test.csv``).

        The value is a pair: an index into ``SPLITS``, and True if the split is an official test
        set of FER2013. It is None if neither the user nor the name states a split.
        """
        if self.chosen_split is not None:
            return self.chosen_split, False
        return split_from_name(PurePosixPath(self.name).stem)


def find_tables(
    source: Source, names: list[str], problems: ProblemLog, *, needs_header: bool = False
) -> list[FaceTable]:
    """Return the files that are tables of faces, with pixels or with the paths of pictures.

    Args:
        source: Contains the files.
        names: The paths of the files that may be tables.
        problems: Collects the files that cannot be read.
        needs_header: True to leave out tables without a header, and tables whose columns are not
            clear.

    Raises:
        InputError: It is not clear which column of a table is which, and ``needs_header`` is False.
    """
    tables = []
    for name in names:
        try:
            with source.open(name) as stream:
                size = stream.size
                lines = (line for _, line in rows_of_table(name, stream.file) if line)
                sample = list(islice(lines, SAMPLE_LINES))
        except Exception as error:  # a damaged archive raises many types of errors
            problems.add(name, reading_failed(error))
            continue
        columns = _columns(sample, name, needs_header=needs_header)
        if columns is not None:
            tables.append(FaceTable(name, columns, size))
    return tables


def _columns(sample: list[bytes], name: str, *, needs_header: bool) -> TableColumns | None:
    """Return the columns of a table by its first lines.

    Return None if the table does not contain faces, or if ``needs_header`` excludes the table.
    """
    try:
        columns = table_columns(sample, PurePosixPath(name).name)
    except InputError:
        if needs_header:
            return None
        raise
    if columns is not None and needs_header and not columns.has_header:
        return None
    return columns


def read_tables(
    source: Source,
    tables: list[FaceTable],
    split_choice: SplitChoice,
    register: ClassRegister,
    problems: ProblemLog,
    *,
    report: ProgressReport | None = None,
) -> FaceSet:
    """Read tables with one face per row, in the order of their rows.

    If tables with labels have a Usage column, only the best known of these tables is read, and the
    splits come from this column. If no such table exists, all tables are read. In this case, the
    splits come from the names of the tables (``test.csv``), and a table whose name states no split
    is training data.

    If the splits contain one of FER2013's official test sets, missing splits stay missing. If they
    do not, the missing splits are created. Rows without a label are counted and skipped.

    Args:
        source: Contains the tables.
        tables: The result of ``find_tables``, at least one.
        split_choice: How missing splits are created.
        register: Gives the classes their labels.
        problems: Collects the rows that cannot be used.
        report: Called repeatedly with the number of bytes read and the total.

    Raises:
        InputError: No row can be used, or a table is damaged.
    """
    tables = _tables_to_read(tables, problems)
    rows = FaceRows(source.label)
    meter = ReadMeter(source.label, sum(table.size for table in tables), report)
    for table in tables:
        with _damage_as_input_error(source, table):
            _read_table(source, table, rows, problems, meter, register=register)
    if not rows:
        register.report_left_out(problems)
        raise InputError(_nothing_usable_message(source, tables, problems))
    return rows.to_face_set(split_choice, register, problems, report)


def register_table_classes(
    source: Source,
    tables: list[FaceTable],
    register: ClassRegister,
    report: ProgressReport | None = None,
) -> None:
    """Count the rows of each class; the pixels are not parsed.

    Args:
        source: Contains the tables.
        tables: The result of ``find_tables``, at least one.
        register: Counts the classes.
        report: As for ``read_tables``.

    Raises:
        InputError: A table is damaged.
    """
    tables = _tables_to_read(tables, ProblemLog())
    meter = ReadMeter(source.label, sum(table.size for table in tables), report)
    for table in tables:
        with _damage_as_input_error(source, table), source.open(table.name) as stream:
            lines = (line for _, line in table_lines(meter.metered(stream.file)) if line != b"")
            if table.columns.has_header:
                next(lines, None)
            for line in lines:
                if line is not None:  # None replaces a line that is too long
                    register_row(line, table.columns, register)


@contextmanager
def _damage_as_input_error(source: Source, table: FaceTable) -> Iterator[None]:
    """Turn the exceptions that a damaged file causes into an ``InputError``."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        # No row of a damaged file can be trusted: a wrong checksum, which is detected at the
        # end, shows that some pixels are wrong, but not which ones.
        raise InputError(
            f"{_location(source, table)} is damaged ({error_text(error)}); download it again."
        ) from error


def _tables_to_read(tables: list[FaceTable], problems: ProblemLog) -> list[FaceTable]:
    """Return the best table with columns of splits and labels; all tables if none has both.

    Args:
        tables: The tables of a source.
        problems: Collects the tables that are not read.
    """
    with_splits = [
        table for table in tables if None not in (table.columns.split, table.columns.label)
    ]
    if not with_splits:
        return tables

    def rank(table: FaceTable) -> tuple[int, str]:
        name = PurePosixPath(table.name).name.lower()
        return (_BEST_KNOWN.index(name) if name in _BEST_KNOWN else len(_BEST_KNOWN), table.name)

    best = min(with_splits, key=rank)
    for table in tables:
        if table is not best:
            problems.add(table.name, _NOT_BEST)
    return [best]


def _read_table(
    source: Source,
    table: FaceTable,
    rows: FaceRows,
    problems: ProblemLog,
    meter: ReadMeter,
    *,
    register: ClassRegister,
) -> None:
    """Add the faces of one table to ``rows``."""
    parser = RowParser(table.columns, register)
    split, is_official = table.split or (SPLITS.index("train"), False)
    with source.open(table.name) as stream:
        lines = (entry for entry in table_lines(meter.metered(stream.file)) if entry[1] != b"")
        if table.columns.has_header:
            next(lines, None)
        for number, line in lines:
            name = f"{table.name}:{number}"
            row = _OVERLONG if line is None else parser.parse(line)
            if row is None:  # the class of the row is left out
                continue
            if isinstance(row, SkipReason):
                problems.add(name, row)
                continue
            rows.add(
                row.image,
                row.label,
                split if row.split is None else row.split,
                name,
                row.person,
            )
            # The split in a row overrides that in the name of the table.
            rows.has_official_splits |= row.is_official or (is_official and row.split is None)


def _location(source: Source, table: FaceTable) -> str:
    """Return the name of a table in messages."""
    return source.label if source.label == table.name else f"{table.name} in {source.label}"


def _nothing_usable_message(source: Source, tables: list[FaceTable], problems: ProblemLog) -> str:
    """Return the error message for tables without a usable row."""
    if all(table.columns.label is None for table in tables):
        return (
            f"{_location(source, tables[0])} has no column 'emotion' and therefore no labels; "
            "provide the table with labels (fer2013.csv, icml_face_data.csv or train.csv)."
        )
    return f"{_location(source, tables[0])} contains no usable row{problems.first_in_brackets()}"
