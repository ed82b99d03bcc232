"""Tables of faces: ``fer2013.csv``, ``icml_face_data.csv``, Kaggle's ``train.csv``."""

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

#: Names under which FER2013 is distributed, the preferred one first. Of several tables with splits
#: only one is read, because they contain the same faces.
_BEST_KNOWN = ("fer2013.csv", "icml_face_data.csv")

_OVERLONG = SkipReason("is longer than a row with a face")
_SKIPPED = SkipReason("was skipped because another table has the official splits")


@dataclass(frozen=True)
class FaceTable:
    """A table found in a source.

    Attributes:
        name: Its path inside the source.
        columns: Its columns.
        size: Its size in bytes, as the source states it.
        chosen_split: Index into ``SPLITS`` if the user chose the split.
    """

    name: str
    columns: TableColumns
    size: int
    chosen_split: int | None = None

    @property
    def split(self) -> tuple[int, bool] | None:
        """The split that the user chose, or that of the table's name (``test.csv``)."""
        if self.chosen_split is not None:
            return self.chosen_split, False
        return split_from_name(PurePosixPath(self.name).stem)


def find_tables(
    source: Source, names: list[str], problems: ProblemLog, *, needs_header: bool = False
) -> list[FaceTable]:
    """Return the files that are tables with pixels, or with pictures by their path.

    Args:
        source: The files.
        names: Paths inside it of the files that may be tables.
        problems: Collects the files that cannot be read.
        needs_header: True to leave out tables without a header, and those whose columns are not
            clear.

    Raises:
        InputError: It is not clear which column of a table is which.
    """
    found = []
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
            found.append(FaceTable(name, columns, size))
    return found


def _columns(sample: list[bytes], name: str, *, needs_header: bool) -> TableColumns | None:
    try:
        columns = table_columns(sample, PurePosixPath(name).name)
    except InputError:
        if needs_header:
            return None
        raise
    is_known = columns is None or columns.has_header or not needs_header
    return columns if is_known else None


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

    The splits come from a Usage column if there is one; in this case official splits that are
    missing stay missing. Otherwise they come from the names of tables (``test.csv``), all other
    tables are training data, and missing splits are created. Rows without a label are counted and
    skipped.

    Args:
        source: Contains the tables.
        tables: The result of ``find_tables``, at least one.
        split_choice: How missing splits are created.
        register: Gives the classes their labels.
        problems: Collects the rows that cannot be used.
        report: Called repeatedly with the number of bytes read and of all bytes.

    Raises:
        InputError: No row can be used, or a table is damaged.
    """
    chosen = _chosen(tables, problems)
    rows = FaceRows(source.label)
    meter = ReadMeter(source.label, sum(table.size for table in chosen), report)
    for table in chosen:
        with _damage_as_input_error(source, table):
            _read_table(source, table, rows, problems, meter, register=register)
    if not rows:
        register.report_left_out(problems)
        raise InputError(_nothing_usable(source, chosen, problems))
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
    chosen = _chosen(tables, ProblemLog())
    meter = ReadMeter(source.label, sum(table.size for table in chosen), report)
    for table in chosen:
        with _damage_as_input_error(source, table), source.open(table.name) as stream:
            lines = (line for _, line in table_lines(meter.metered(stream.file)) if line != b"")
            if table.columns.has_header:
                next(lines, None)
            for line in lines:
                if line is not None:
                    register_row(line, table.columns, register)


@contextmanager
def _damage_as_input_error(source: Source, table: FaceTable) -> Iterator[None]:
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


def _chosen(tables: list[FaceTable], problems: ProblemLog) -> list[FaceTable]:
    """Return the tables to read: one with official splits, or all of them."""
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
            problems.add(table.name, _SKIPPED)
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
    parser = RowParser(table.columns, register)
    split, is_official = table.split or (SPLITS.index("train"), False)
    with source.open(table.name) as stream:
        lines = (entry for entry in table_lines(meter.metered(stream.file)) if entry[1] != b"")
        if table.columns.has_header:
            next(lines, None)
        for number, line in lines:
            name = f"{table.name}:{number}"
            row = _OVERLONG if line is None else parser.parse(line)
            if row is None:
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
            rows.has_official_splits |= row.is_official or is_official


def _location(source: Source, table: FaceTable) -> str:
    return source.label if source.label == table.name else f"{table.name} in {source.label}"


def _nothing_usable(source: Source, tables: list[FaceTable], problems: ProblemLog) -> str:
    if all(table.columns.label is None for table in tables):
        return (
            f"{_location(source, tables[0])} has no column 'emotion' and therefore no labels; "
            "provide the table with labels (fer2013.csv, icml_face_data.csv or train.csv)."
        )
    return f"{_location(source, tables[0])} contains no usable row{problems.first_in_brackets()}"
