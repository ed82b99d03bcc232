"""Parquet files as a source: the pictures in their rows, and a table of the other columns."""

from __future__ import annotations

import csv
import io
import json
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

from fer_core.dataset.readers import sources
from fer_core.dataset.readers.archive_names import ArchiveTotals, archive_stem
from fer_core.dataset.readers.problems import ProblemLog, SkipReason, error_text
from fer_core.dataset.readers.sources import ByteStream
from fer_core.errors import InputError
from fer_core.phrases import on_one_line

if TYPE_CHECKING:
    import pyarrow
    from pyarrow.parquet import ParquetFile

PARQUET_SIGNATURE = b"PAR1"
_PATH_COLUMN = "path"
#: Number of rows that are read at once.
_BATCH_ROWS = 256
_NO_PICTURE = SkipReason("has no picture in its row of the Parquet file")


class ParquetSource:
    """Presents a Parquet file, such as those of Hugging Face's datasets, as a folder.

    The folder contains a table ``<name>.csv`` with the text and number columns. If the rows contain
    pictures, the folder also contains the pictures as ``<name>/0.png``, …, and the table has a
    column with their paths. If the Parquet file states a name for each class number,
    the table contains the names instead of the numbers.

    Args:
        file: The open file, which this source closes.
        label: The name of the file.

    Raises:
        InputError: The file is damaged or exceeds a limit, or pyarrow is not installed.
    """

    def __init__(self, file: BinaryIO, label: str) -> None:
        self._file = file
        self.label = on_one_line(label)
        self._stem = archive_stem(label) or label
        try:
            from pyarrow import parquet

            self._parquet: ParquetFile = parquet.ParquetFile(file)
            self._image_column = _image_column(self._parquet.schema_arrow)
        except ImportError as error:
            raise InputError(
                f"{label} is a Parquet file, which needs pyarrow; run 'pip install pyarrow'."
            ) from error
        except Exception as error:  # pyarrow raises many types of errors for damaged files
            raise InputError(
                f"{label} is not a complete Parquet file ({error_text(error)}); download it again."
            ) from error
        metadata = self._parquet.metadata
        #: Index of the first row of each row group, and at the end the number of rows.
        self._group_starts = [0]
        size = 0
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            self._group_starts.append(self._group_starts[-1] + group.num_rows)
            size += group.total_byte_size
        if size > sources.MAX_TOTAL_BYTES:
            raise InputError(
                f"{label} would unpack to more than {sources.MAX_TOTAL_BYTES >> 30} GB; provide a "
                "smaller part of it."
            )
        if metadata.num_rows > sources.MAX_FILES:
            raise InputError(
                f"{label} contains more than {sources.MAX_FILES:,} rows; provide fewer rows."
            )
        self.totals = ArchiveTotals(metadata.num_rows, size)
        #: The table as CSV; None until it is needed.
        self._table: bytes | None = None
        self._pictures = _Column(self._parquet, self._image_column or "", self._group_starts)

    def names(self, problems: ProblemLog) -> list[str]:
        """See ``Source``."""
        del problems
        picture_rows = range(self._group_starts[-1]) if self._image_column is not None else ()
        return sorted((self._table_name, *(self._picture_name(row) for row in picture_rows)))

    @property
    def _table_name(self) -> str:
        return f"{self._stem}.csv"

    def _picture_name(self, row: int) -> str:
        return f"{self._stem}/{row}.png"

    def read_all(self, names: list[str]) -> Iterator[tuple[str, bytes | SkipReason]]:
        """See ``Source``."""
        contents = ((name, self._content(name)) for name in names)
        return sources.limited_contents(self.label, contents)

    @contextmanager
    def open(self, name: str) -> Iterator[ByteStream]:
        """See ``Source``."""
        content = self._content(name)
        if isinstance(content, SkipReason):
            raise OSError(content.reason)
        yield ByteStream(io.BytesIO(content), len(content))

    def close(self) -> None:
        """See ``Source``."""
        self._parquet.close()
        self._file.close()

    def _content(self, name: str) -> bytes | SkipReason:
        try:
            if name == self._table_name:
                if self._table is None:
                    self._table = self._table_csv()
                return self._table
            return self._picture(int(name.rpartition("/")[2].removesuffix(".png")))
        except Exception as error:  # pyarrow raises many types of errors for damaged files
            return SkipReason(f"cannot be unpacked ({error_text(error)})", "cannot be unpacked")

    def _picture(self, row: int) -> bytes | SkipReason:
        value = self._pictures.at(row)
        content = value.get("bytes") if isinstance(value, dict) else value
        if not content:
            return _NO_PICTURE
        return content if len(content) <= sources.MAX_FILE_BYTES else sources.too_large()

    def _table_csv(self) -> bytes:
        """Return the text and number columns as CSV, with a column of picture paths."""
        schema = self._parquet.schema_arrow
        columns = [field.name for field in schema if _is_text_or_number(field.type)]
        has_pictures = self._image_column is not None
        if has_pictures:
            # Leave out the paths in the Parquet file: they do not name the pictures in this folder.
            columns = [name for name in columns if name != _PATH_COLUMN]
        class_names = _class_names(schema.metadata or {})
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow([*([_PATH_COLUMN] if has_pictures else []), *columns])
        row = 0
        for batch in self._parquet.iter_batches(_BATCH_ROWS, columns=columns):
            texts_by_column = [
                _texts(batch.column(name).to_pylist(), class_names.get(name)) for name in columns
            ]
            for position in range(batch.num_rows):
                path = [self._picture_name(row)] if has_pictures else []
                writer.writerow([*path, *(texts[position] for texts in texts_by_column)])
                row += 1
            if buffer.tell() > sources.MAX_TOTAL_BYTES:
                raise ValueError("its table is too large")
        return buffer.getvalue().encode(errors="replace")


class _Column:
    """Reads the values of a column in batches, because a row group may be larger than the memory.

    Args:
        file: The Parquet file.
        name: The name of the column.
        group_starts: Index of the first row of each row group, and at the end the number of rows.
    """

    def __init__(self, file: ParquetFile, name: str, group_starts: Sequence[int]) -> None:
        self._file = file
        self._name = name
        self._group_starts = group_starts
        self._batches: Iterator[Any] = iter(())
        self._values: list[Any] = []
        #: Index of the first row of ``_values``.
        self._first = 0
        #: Index of the first row after the row group that is being read.
        self._group_end = 0
        #: Why the rows after ``_values`` in this row group cannot be read.
        self._error: Exception | None = None

    def at(self, row: int) -> Any:
        """Return the value of a row; fast for rows in ascending order.

        Raises:
            Exception: The row, or an earlier row of its row group, is damaged.
        """
        if not self._first <= row < self._group_end:
            group = bisect_right(self._group_starts, row) - 1
            self._batches = self._file.iter_batches(
                _BATCH_ROWS, row_groups=[group], columns=[self._name]
            )
            self._first, self._values = self._group_starts[group], []
            self._group_end = self._group_starts[group + 1]
            self._error = None
        while row >= self._first + len(self._values):
            if self._error is not None:
                raise self._error
            try:
                values = next(self._batches).column(0).to_pylist()
            except Exception as error:
                self._error = error
                raise
            self._first += len(self._values)
            self._values = values
        return self._values[row - self._first]


def _image_column(schema: pyarrow.Schema) -> str | None:
    """Return the name of the first column with bytes, or with structs that have a field ``bytes``.

    Return None if there is no such column.
    """
    from pyarrow import types

    for column in schema:
        fields = column.type if types.is_struct(column.type) else ()
        has_bytes = any(field.name == "bytes" and _is_binary(field.type) for field in fields)
        if has_bytes or _is_binary(column.type):
            return str(column.name)
    return None


def _is_binary(data_type: pyarrow.DataType) -> bool:
    from pyarrow import types

    return bool(types.is_binary(data_type) or types.is_large_binary(data_type))


def _is_text_or_number(data_type: pyarrow.DataType) -> bool:
    from pyarrow import types

    checks = (types.is_string, types.is_large_string, types.is_integer, types.is_floating)
    # A dictionary column stores each distinct value, such as the name of a class, only once.
    is_dictionary = types.is_dictionary(data_type) and _is_text_or_number(data_type.value_type)
    return is_dictionary or any(check(data_type) for check in checks)


def _class_names(metadata: dict[bytes, bytes]) -> dict[str, list[str]]:
    """Return the names of the class numbers in each column, as Hugging Face's files state them."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        return {
            name: feature["names"]
            for name, feature in features.items()
            if isinstance(feature, dict) and isinstance(feature.get("names"), list)
        }
    except (ValueError, LookupError, TypeError, AttributeError):
        return {}


def _texts(values: list[Any], names: list[str] | None) -> list[str]:
    """Return the values of a column as strings; if ``names`` is given, they replace numbers."""
    if names is None:
        return ["" if value is None else " ".join(str(value).split()) for value in values]
    name_of = {number: str(name) for number, name in enumerate(names)}
    return ["" if value is None else name_of.get(value, str(value)) for value in values]
