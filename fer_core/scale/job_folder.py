"""The folder of a job's results, on a disk or in an object store.

======================  ================================================================
``_job.json``           the inputs, the number of files, and how the files are
                        processed; written once
``_files.parquet``      the list of the files, one row group per part; written once
``part-00000.parquet``  the rows of a part; written when all of its files are processed
``_summary.json``       the numbers of files, rows, faces, errors and parts; written when
                        all parts are complete
======================  ================================================================

Readers of Parquet ignore names that begin with ``_``, so they can read the folder as one table.

The list of files determines which files belong to which part. A part is written in one step, and a
part that is written twice has the same name and the same rows. Therefore every file appears in
exactly one part.
"""

from __future__ import annotations

import io
import json
import math
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field
from pydantic.dataclasses import dataclass

from fer_core.errors import InputError, first_line, system_reason
from fer_core.files import atomic_write_file, os_errors_as_input_errors, parse_json
from fer_core.scale.inputs import Item
from fer_core.scale.stores import Store, is_address
from fer_core.scale.work import ERROR_COLUMN, FILE_COLUMN, Work
from fer_core.validation import IGNORE_UNKNOWN, Integer, Text, from_dict

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.parquet as pq

_JOB_FILE, _FILES_FILE, _SUMMARY_FILE = "_job.json", "_files.parquet", "_summary.json"
_LOCK_FILE = ".job.lock"
#: Version of the layout of the folder.
_LAYOUT_VERSION = 1
#: Maximum number of bytes that are read from ``_job.json``.
_MAX_JSON_BYTES = 64 * 2**20
#: Number of threads that read the counts of finished parts.
_READING_THREADS = 16

#: Time in seconds between two renewals of a lock in an object store by the process that holds it.
_RENEWAL_SECONDS = 15.0
#: A lock that was not renewed for this number of seconds is ignored: its process has died.
_DEAD_SECONDS = 60.0


@dataclass(frozen=True, config=IGNORE_UNKNOWN)
class JobRecord:
    """The content of ``_job.json``.

    Attributes:
        format: The version of the layout of the folder.
        work: The value of ``Work.description``.
        folder: The folder to which relative paths among the inputs refer.
        inputs: The inputs of the user: paths, patterns, addresses, lists of files.
        file_count: The number of files.
        files_per_part: The number of files in each part; the last part may have fewer.
    """

    format: Integer
    work: dict[str, Any]
    folder: Text
    inputs: tuple[Text, ...]
    file_count: Integer = Field(validation_alias="files")
    files_per_part: Integer = Field(validation_alias="part_files")

    @property
    def part_count(self) -> int:
        """The number of parts."""
        return math.ceil(self.file_count / self.files_per_part)


class JobFolder:
    """Reads and writes the files of one job."""

    def __init__(self, location: str) -> None:
        """Use a folder, which may not exist yet.

        Args:
            location: Path of the folder, or its address in an object store.

        Raises:
            InputError: The object store cannot be used.
        """
        self.location = location.rstrip("/") if is_address(location) else location
        self._folder: _Folder = (
            _RemoteFolder(self.location)
            if is_address(location)
            else _LocalFolder(Path(location).expanduser())
        )
        #: The content of ``_files.parquet``; None before it is read.
        self._file_list: pq.ParquetFile | None = None
        #: The numbers of rows, faces and errors of each finished part, by the part's number.
        self._counts: dict[int, Counter[str]] = {}

    def __str__(self) -> str:
        return self.location

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder for this process.

        Raises:
            InputError: Another job runs in the folder, or the folder cannot be written.
        """
        with self._folder.locked():
            yield

    def create_or_load(
        self, work: Work, inputs: Sequence[str], items: Iterable[Item], files_per_part: int
    ) -> JobRecord:
        """Create the job in this folder, or load the same job from the folder to continue it.

        The list of files is written only when the job is created. A different job in the folder is
        replaced if it has no finished part, for example because the cluster could not be reached.

        Args:
            work: What to do with the files.
            inputs: The inputs of the user.
            items: The files; not iterated if the job is continued.
            files_per_part: The number of files in each part of a new job.

        Raises:
            InputError: The folder contains finished parts of a different job, a damaged job, a job
                of another version, or files that do not belong to a job; the folder cannot be read
                or written; or there are no files to process.
        """
        record = self._read_record()
        if record is not None:
            difference = _difference(record, work, inputs)
            if difference is None:
                return record
            if set(self._folder.names()) - {_JOB_FILE, _FILES_FILE}:
                raise InputError(
                    f"{self} contains the results of another job, with {difference}; choose an "
                    "empty folder, or repeat the command that started that job to continue it."
                )
            for name in (_JOB_FILE, _FILES_FILE):
                self._delete(name)
        if self._folder.names():
            raise InputError(
                f"{self} is not empty and contains no job; choose an empty folder for the results."
            )
        count = self._write_files(items, files_per_part, work.plural_noun)
        record = JobRecord(
            _LAYOUT_VERSION,
            work.description(),
            str(Path.cwd()),
            tuple(inputs),
            count,
            files_per_part,
        )
        document = {
            "format": record.format,
            "work": record.work,
            "folder": record.folder,
            "inputs": list(record.inputs),
            "files": record.file_count,
            "part_files": record.files_per_part,
        }
        self._write(_JOB_FILE, _json_bytes(document))
        return record

    def items(self, part: int) -> list[Item]:
        """Return the files of a part."""
        import pyarrow.parquet as pq

        if self._file_list is None:
            with self._open(_FILES_FILE) as source:
                self._file_list = pq.ParquetFile(io.BytesIO(source.read()))
        rows = self._file_list.read_row_group(part).to_pylist()
        return [Item(row["file"], row["size"], row["modified"]) for row in rows]

    def missing_parts(self, record: JobRecord) -> list[int]:
        """Return the numbers of the parts that are not complete, in ascending order."""
        names = set(self._folder.names())
        written = [part for part in range(record.part_count) if _part_name(part) in names]
        # Several threads read, because a job may have thousands of parts in an object store, and
        # each request takes time.
        with ThreadPoolExecutor(_READING_THREADS) as threads:
            for part, counts in zip(written, threads.map(self._part_counts, written), strict=True):
                if counts is not None:
                    self._counts[part] = counts
        return [part for part in range(record.part_count) if part not in self._counts]

    def write_part(self, part: int, tables: Sequence[pyarrow.Table]) -> Counter[str]:
        """Write the rows of a part.

        Args:
            part: Number of the part.
            tables: Rows of the part, one table per task, in the order of the files.

        Returns:
            The numbers of rows, faces and errors in the part.

        Raises:
            InputError: The part cannot be written.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.concat_tables(tables)
        counts = _counts(table)
        metadata = {**(table.schema.metadata or {}), b"fer_studio": json.dumps(counts).encode()}
        buffer = io.BytesIO()
        pq.write_table(table.replace_schema_metadata(metadata), buffer, compression="zstd")
        self._write(_part_name(part), buffer.getvalue())
        self._counts[part] = counts
        return counts

    def finish(self, record: JobRecord) -> dict[str, Any]:
        """Write and return the summary of a job. All of its parts must be complete."""
        total: Counter[str] = Counter({"rows": 0, "faces": 0, "errors": 0})
        for part in range(record.part_count):
            total += self._counts[part]
        summary = {
            "files": record.file_count,
            "rows": total["rows"],
            "faces": total["faces"],
            "errors": total["errors"],
            "parts": record.part_count,
        }
        self._write(_SUMMARY_FILE, _json_bytes(summary))
        return summary

    def part_location(self, part: int) -> str:
        """Return the path or address of a part."""
        return f"{self.location.rstrip('/')}/{_part_name(part)}"

    def read_part(self, part: int) -> pyarrow.Table:
        """Return the rows of a finished part."""
        import pyarrow.parquet as pq

        with self._open(_part_name(part)) as source:
            return pq.ParquetFile(source).read()

    def rows(self, record: JobRecord) -> Iterator[dict[str, Any]]:
        """Yield the rows of all parts in the order of the files."""
        import pyarrow.parquet as pq

        for part in range(record.part_count):
            with self._open(_part_name(part)) as source:
                for batch in pq.ParquetFile(source).iter_batches(1000):
                    yield from batch.to_pylist()

    def _part_counts(self, part: int) -> Counter[str] | None:
        """Return the numbers of rows, faces and errors of a part; None if it cannot be read."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with self._open(_part_name(part), reads_all=False) as source:
                metadata = pq.read_metadata(source).metadata or {}
            return Counter(parse_json(metadata[b"fer_studio"].decode()))
        except (pa.ArrowException, OSError, ValueError, KeyError, InputError):
            return None

    def _write_files(self, items: Iterable[Item], files_per_part: int, plural_noun: str) -> int:
        """Write the list of files with one row group per part; return the number of files."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = pa.schema([("file", pa.string()), ("size", pa.int64()), ("modified", pa.int64())])
        remaining = iter(items)
        first = next(remaining, None)
        if first is None:
            raise InputError(
                f"There are no {plural_noun} to process; give {plural_noun}, or folders of "
                f"{plural_noun}."
            )
        remaining, count, buffer = chain([first], remaining), 0, io.BytesIO()
        with pq.ParquetWriter(buffer, schema, compression="zstd") as writer:
            while group := list(islice(remaining, files_per_part)):
                rows = [
                    {"file": item.file, "size": item.size, "modified": item.modified}
                    for item in group
                ]
                writer.write_table(pa.Table.from_pylist(rows, schema), row_group_size=len(rows))
                count += len(rows)
        self._write(_FILES_FILE, buffer.getvalue())
        return count

    def _read_record(self) -> JobRecord | None:
        """Return the content of ``_job.json``; None if the folder contains no job.

        If the folder contains only a list of files without its job, the list is deleted.
        """
        if _JOB_FILE not in self._folder.names():
            # An earlier process wrote the list of files, but ended before it wrote _job.json.
            if set(self._folder.names()) == {_FILES_FILE}:
                self._delete(_FILES_FILE)
            return None
        try:
            document = parse_json(self._folder.read(_JOB_FILE, _MAX_JSON_BYTES).decode())
            record = from_dict(JobRecord, document)
        except (OSError, ValueError) as error:
            raise InputError(
                f"{_JOB_FILE} in {self} is damaged ({first_line(error)}); choose an empty folder "
                "for the results."
            ) from error
        if record.format != _LAYOUT_VERSION:
            raise InputError(
                f"The job in {self} was written by another version of this program; choose an "
                "empty folder for the results."
            )
        return record

    def _delete(self, name: str) -> None:
        with os_errors_as_input_errors(f"{name} cannot be deleted in {self}"):
            self._folder.delete(name)

    def _write(self, name: str, content: bytes) -> None:
        try:
            self._folder.write(name, content)
        except OSError as error:
            raise InputError(
                f"{name} cannot be written in {self} ({system_reason(error)}); check the access "
                "rights and the free space, and repeat the command to continue."
            ) from error

    @contextmanager
    def _open(self, name: str, *, reads_all: bool = True) -> Iterator[Any]:
        """Open a file within a ``with`` block.

        Args:
            name: The file's name.
            reads_all: True if the caller reads the whole file, so that one request is enough.
        """
        try:
            with self._folder.opened(name, reads_all=reads_all) as source:
                yield source
        except OSError as error:
            raise InputError(
                f"{name} in {self} cannot be read ({system_reason(error)}); check the access "
                "rights."
            ) from error


def is_job(folder: Path) -> bool:
    """Return True if a folder on a disk contains a job, even one without finished parts."""
    return (folder / _JOB_FILE).is_file()


class _Folder:
    """The operations on a folder that a job needs."""

    def names(self) -> list[str]:
        """Return the names of the visible files; empty if the folder does not exist."""
        raise NotImplementedError

    def read(self, name: str, limit: int) -> bytes:
        """Return the content of a file, at most ``limit`` bytes."""
        raise NotImplementedError

    def opened(self, name: str, *, reads_all: bool) -> Any:
        """Return a context manager with the open file; see ``JobFolder._open``."""
        raise NotImplementedError

    def write(self, name: str, content: bytes) -> None:
        raise NotImplementedError

    def delete(self, name: str) -> None:
        raise NotImplementedError

    def locked(self) -> Any:
        """Return a context manager that locks the folder; see ``JobFolder.locked``."""
        raise NotImplementedError


class _LocalFolder(_Folder):
    """A folder on a disk."""

    def __init__(self, folder: Path) -> None:
        self._path = folder

    def names(self) -> list[str]:
        if not self._path.exists():
            return []
        return sorted(path.name for path in self._path.iterdir() if not path.name.startswith("."))

    def read(self, name: str, limit: int) -> bytes:
        with (self._path / name).open("rb") as file:
            return file.read(limit)

    def opened(self, name: str, *, reads_all: bool) -> Any:
        return (self._path / name).open("rb")

    def write(self, name: str, content: bytes) -> None:
        with atomic_write_file(self._path / name) as temporary:
            temporary.write_bytes(content)

    def delete(self, name: str) -> None:
        (self._path / name).unlink()

    @contextmanager
    def locked(self) -> Iterator[None]:
        from filelock import FileLock, Timeout

        try:
            self._path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self._path / _LOCK_FILE, blocking=False)
            lock.acquire()
        except Timeout as error:
            raise InputError(_in_use_text(str(self._path))) from error
        except OSError as error:
            raise InputError(
                f"The results cannot be stored in {self._path} ({system_reason(error)}); make it "
                "writable, or choose another folder."
            ) from error
        try:
            yield
        finally:
            lock.release()


class _RemoteFolder(_Folder):
    """A folder in an object store."""

    def __init__(self, address: str) -> None:
        self._store = Store(address)
        self._address = address

    def names(self) -> list[str]:
        prefix = f"{self._address}/"
        try:
            names = [file.address.removeprefix(prefix) for file in self._store.files(self._address)]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise InputError(
                f"{self._address} cannot be read ({system_reason(error)}); check the address and "
                "the access rights."
            ) from error
        return [name for name in names if not name.startswith(".")]

    def read(self, name: str, limit: int) -> bytes:
        return self._store.read(f"{self._address}/{name}", limit)

    @contextmanager
    def opened(self, name: str, *, reads_all: bool) -> Iterator[Any]:
        address = f"{self._address}/{name}"
        if reads_all:
            # One request is faster than several.
            yield io.BytesIO(self._store.read(address))
        else:
            with self._store.opened(address) as file:
                yield file

    def write(self, name: str, content: bytes) -> None:
        self._store.write(f"{self._address}/{name}", content)

    def delete(self, name: str) -> None:
        self._store.delete(f"{self._address}/{name}")

    @contextmanager
    def locked(self) -> Iterator[None]:
        owner, ended = uuid.uuid4().hex, threading.Event()
        try:
            last_renewal = self._last_renewal()
            if last_renewal is not None and time.time() - last_renewal < _DEAD_SECONDS:
                raise InputError(_in_use_text(self._address))
            self._write_lock(owner)
        except OSError as error:
            raise InputError(
                f"The results cannot be stored in {self._address} ({system_reason(error)}); check "
                "the address and the access rights."
            ) from error
        renewal = threading.Thread(target=self._renew_lock_until, args=(owner, ended), daemon=True)
        renewal.start()
        try:
            yield
        finally:
            ended.set()
            renewal.join()
            # A lock that is no longer renewed expires.
            with suppress(OSError):
                self.delete(_LOCK_FILE)

    def _last_renewal(self) -> float | None:
        """Return when the lock was last renewed, in seconds since 1970.

        Return None if there is no lock, or if the lock is damaged.
        """
        if not self._store.exists(f"{self._address}/{_LOCK_FILE}"):
            return None
        try:
            return float(parse_json(self.read(_LOCK_FILE, 10_000).decode())["renewed"])
        except (ValueError, KeyError, TypeError):
            return None  # the lock is damaged, so no running job wrote it

    def _write_lock(self, owner: str) -> None:
        document = {"owner": owner, "renewed": time.time()}
        self.write(_LOCK_FILE, json.dumps(document).encode())

    def _renew_lock_until(self, owner: str, ended: threading.Event) -> None:
        while not ended.wait(_RENEWAL_SECONDS):
            try:
                self._write_lock(owner)
            except OSError:
                continue  # if the failure lasts, the write of the next part reports it


def _in_use_text(location: str) -> str:
    return f"Another job is running in {location}; wait until it ends, or choose another folder."


def _difference(record: JobRecord, work: Work, inputs: Sequence[str]) -> str | None:
    """Describe how a job in a folder differs from a requested job; return None if it does not.

    Args:
        record: The job in the folder.
        work: The work of the requested job.
        inputs: The inputs of the requested job.
    """
    description = work.description()
    # "files" is a checksum, which means nothing to users. If only the checksums differ, the second
    # message below says what this means.
    for key, value in description.items():
        if key != "files" and record.work.get(key) != value:
            return f"{key} {record.work.get(key)!r} instead of {value!r}"
    if record.work != description:
        return "another version of the model or the detector"
    if _absolute_inputs(inputs, Path.cwd()) != _absolute_inputs(record.inputs, Path(record.folder)):
        return "other files"
    return None


def _absolute_inputs(inputs: Sequence[str], folder: Path) -> list[str]:
    return [text if is_address(text) else str(folder / Path(text).expanduser()) for text in inputs]


def _part_name(part: int) -> str:
    return f"part-{part:05d}.parquet"


def _json_bytes(document: Any) -> bytes:
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def _counts(table: pyarrow.Table) -> Counter[str]:
    """Return the numbers of rows, of rows with an error, and of faces.

    A table of pictures has one row per picture, with the list of its faces in the column ``faces``.
    A table of videos has one row per face and frame. A video without faces has a single row, in
    which the column ``person`` is null.
    """
    errors = table.num_rows - table.column(ERROR_COLUMN).null_count
    counts = Counter({"rows": table.num_rows, "errors": errors, "faces": 0})
    assert FILE_COLUMN in table.column_names
    if "faces" in table.column_names:
        faces = table.column("faces")
        counts["faces"] = sum(len(chunk.flatten()) for chunk in faces.chunks)
    elif "person" in table.column_names:
        counts["faces"] = table.num_rows - table.column("person").null_count
    return counts
