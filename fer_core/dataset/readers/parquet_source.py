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

if TYPE_CHECKING:
    import pyarrow
    from pyarrow.parquet import ParquetFile

PARQUET_SIGNATURE = b"PAR1"
_PATH_COLUMN = "path"
_BATCH_ROWS = 256
_NO_PICTURE = SkipReason("has no picture in this row")


class ParquetSource:
    """A Parquet file, such as those of Hugging Face's datasets, as a folder.

    It contains a table ``<name>.csv`` with the columns of texts and numbers. If the rows contain
    pictures, they are the files ``<name>/0.png``, …, and the table has a column with their paths.
    Class numbers get the names that the file states.

    Args:
        file: The open file, which this source closes.
        label: Its name.

    Raises:
        InputError: It is damaged, or unpacks to more than the limit.
    """

    def __init__(self, file: BinaryIO, label: str) -> None:
        self._file = file
        self.label = label
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
        #: Index of the first row of each row group.
        self._starts = [0]
        size = 0
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            self._starts.append(self._starts[-1] + group.num_rows)
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
        self._table: bytes | None = None
        self._pictures = _Column(self._parquet, self._image_column or "", self._starts)

    def names(self, problems: ProblemLog) -> list[str]:
        """See ``Source``."""
        del problems
        pictures = range(self._starts[-1]) if self._image_column is not None else ()
        return sorted((self._table_name, *(self._picture_name(row) for row in pictures)))

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
                    self._table = self._table_text()
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

    def _table_text(self) -> bytes:
        """Return the columns of texts and numbers as CSV, with the paths of the pictures."""
        schema = self._parquet.schema_arrow
        columns = [field.name for field in schema if _is_simple(field.type)]
        if self._image_column is not None:
            columns = [name for name in columns if name != _PATH_COLUMN]
        class_names = _class_names(schema.metadata or {})
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        has_pictures = self._image_column is not None
        writer.writerow([*([_PATH_COLUMN] if has_pictures else []), *columns])
        row = 0
        for batch in self._parquet.iter_batches(_BATCH_ROWS, columns=columns):
            values = [
                _texts(batch.column(name).to_pylist(), class_names.get(name)) for name in columns
            ]
            for position in range(batch.num_rows):
                path = [self._picture_name(row)] if has_pictures else []
                writer.writerow([*path, *(column[position] for column in values)])
                row += 1
            if buffer.tell() > sources.MAX_TOTAL_BYTES:
                raise ValueError("its table is too large")
        return buffer.getvalue().encode(errors="replace")


class _Column:
    """The values of a column, in batches: a row group may be larger than the memory.

    Args:
        file: The file.
        name: The name of the column.
        starts: Index of the first row of each row group, and the number of rows.
    """

    def __init__(self, file: ParquetFile, name: str, starts: Sequence[int]) -> None:
        self._file = file
        self._name = name
        self._starts = starts
        self._batches: Iterator[Any] = iter(())
        self._values: list[Any] = []
        #: Index of the first row of ``_values``, and that of the first row after their row group.
        self._first = self._end = 0

    def at(self, row: int) -> Any:
        """Return the value of a row; fast for rows in ascending order."""
        if not self._first <= row < self._end:
            group = bisect_right(self._starts, row) - 1
            self._batches = self._file.iter_batches(
                _BATCH_ROWS, row_groups=[group], columns=[self._name]
            )
            self._first, self._end, self._values = self._starts[group], self._starts[group + 1], []
        while row >= self._first + len(self._values):
            self._first += len(self._values)
            self._values = next(self._batches).column(0).to_pylist()
        return self._values[row - self._first]


def _image_column(schema: pyarrow.Schema) -> str | None:
    """Return the column of pictures: their bytes, or a struct with a field ``bytes``."""
    from pyarrow import types

    for field in schema:
        parts = field.type if types.is_struct(field.type) else ()
        is_struct = any(part.name == "bytes" and _is_binary(part.type) for part in parts)
        if is_struct or _is_binary(field.type):
            return str(field.name)
    return None


def _is_binary(kind: pyarrow.DataType) -> bool:
    from pyarrow import types

    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _is_simple(kind: pyarrow.DataType) -> bool:
    from pyarrow import types

    checks = (types.is_string, types.is_large_string, types.is_integer, types.is_floating)
    is_dictionary = types.is_dictionary(kind) and _is_simple(kind.value_type)
    return is_dictionary or any(check(kind) for check in checks)


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
    """Return the values of a column as texts, class numbers by their names."""
    if names is None:
        return ["" if value is None else " ".join(str(value).split()) for value in values]
    known = {number: str(name) for number, name in enumerate(names)}
    return ["" if value is None else known.get(value, str(value)) for value in values]
