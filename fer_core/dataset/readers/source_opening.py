"""Open a folder, an archive or a table as a source, by its content."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from fer_core.dataset.readers.archive_names import (
    PARQUET_SUFFIXES,
    archive_stem,
    unsupported_archive_kind,
)
from fer_core.dataset.readers.compressed import compression, decompress_to_temporary_file
from fer_core.dataset.readers.csv_tables import TABLE_SUFFIXES, find_tables
from fer_core.dataset.readers.layouts.path_tables import path_tables, paths_in
from fer_core.dataset.readers.nested_source import NestedSource
from fer_core.dataset.readers.parquet_source import PARQUET_SIGNATURE, ParquetSource
from fer_core.dataset.readers.picture_names import iter_pictures
from fer_core.dataset.readers.problems import ProblemLog
from fer_core.dataset.readers.sources import FileSource, FolderSource, Source
from fer_core.dataset.readers.table_folder import TableFolderSource
from fer_core.dataset.readers.tar_source import TarSource, is_tar
from fer_core.dataset.readers.zip_source import ZipSource
from fer_core.errors import InputError
from fer_core.files import unreadable_path_error
from fer_core.progress import ProgressReport

_TAR_SUFFIXES = (".tar", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.lzma")
_SHORT_TAR_SUFFIXES = (".tgz", ".tbz2", ".tbz", ".txz")
#: Files of tables and arrays that cannot be read: descriptions for messages, by suffix. The suffix
#: is checked before the content, because some of these files, such as .xlsx, are also zip archives.
_UNSUPPORTED_TABLES = {
    **dict.fromkeys((".xlsx", ".xlsm", ".xls"), "an Excel workbook"),
    ".ods": "a spreadsheet",
    **dict.fromkeys((".feather", ".arrow"), "an Arrow file"),
    **dict.fromkeys((".tfrecord", ".tfrecords"), "a TFRecord file"),
    **dict.fromkeys((".npz", ".npy"), "a NumPy file"),
    **dict.fromkeys((".h5", ".hdf5"), "an HDF5 file"),
    ".mat": "a MATLAB file",
    **dict.fromkeys((".pkl", ".pickle"), "a pickle file"),
}
#: Pictures outside of archives count as a dataset if there are at least ``_MIN_PICTURES``, or at
#: least ``_MIN_PICTURES_IN_FOLDERS`` in folders, which may be classes. Fewer pictures are probably
#: previews or logos. The archives next to a dataset are not opened.
_MIN_PICTURES = 10
_MIN_PICTURES_IN_FOLDERS = 2


def open_source(path: Path, report: ProgressReport | None = None) -> Source:
    """Open a folder or a file as a source; the caller closes the source.

    The kind of a file is recognized by its content, not only by its name. Archives inside a folder
    or archive are opened, one level deep, unless there is a dataset outside them.

    Args:
        path: An existing folder or file.
        report: Called while a file is decompressed, with the number of bytes read and the total.

    Raises:
        InputError: The file cannot be read, is damaged, or is of a kind that is not supported.
    """
    if path.is_dir():
        return _with_inner_archives(FolderSource(path))
    with _unreadable_as_input_error(path):
        file = path.open("rb")
    try:
        source = _open_file(file, path.name, report, path)
    except BaseException:
        file.close()
        raise
    if isinstance(source, FileSource):
        return _with_listed_pictures(source, path)
    return _with_inner_archives(source)


@contextmanager
def _unreadable_as_input_error(path: Path) -> Iterator[None]:
    """Turn an ``OSError`` into the ``InputError`` for a file that cannot be read."""
    try:
        yield
    except OSError as error:
        raise unreadable_path_error(path, error) from error


def _with_listed_pictures(source: FileSource, path: Path) -> Source:
    """Return a table with the paths of pictures as a source that also contains these pictures.

    Any other source is returned unchanged.
    """
    if source.label != path.name:
        return source  # the table was decompressed: it is not a file next to its pictures
    tables = path_tables(source, [source.label])
    if not tables or tables[0].columns.pixels:
        return source
    with closing(source), _unreadable_as_input_error(path):
        return TableFolderSource(path, list(paths_in(source, tables[0])))


def _with_inner_archives(source: Source) -> Source:
    return NestedSource(source, _open_inner, _has_dataset)


def _open_inner(file: BinaryIO, name: str, limit: int) -> Source:
    """Open an archive inside a source; if this fails, close the file.

    Args:
        file: The open archive.
        name: The file name of the archive.
        limit: Maximum decompressed size in bytes.
    """
    try:
        return _open_file(file, name, limit=limit)
    except BaseException:
        file.close()
        raise


def _open_file(
    file: BinaryIO,
    name: str,
    report: ProgressReport | None = None,
    path: Path | None = None,
    *,
    limit: int | None = None,
) -> Source:
    """Return the source for an open file; the source closes the file.

    Args:
        file: The open file.
        name: The file name, by which some kinds are recognized.
        report: As for ``open_source``.
        path: The path of the file; None for a file inside an archive.
        limit: Maximum decompressed size in bytes; by default ``MAX_TOTAL_BYTES``.

    Raises:
        InputError: The file is damaged, or is of a kind that is not supported.
    """
    table_kind = next(
        (kind for suffix, kind in _UNSUPPORTED_TABLES.items() if name.lower().endswith(suffix)),
        None,
    )
    if table_kind is not None:
        raise InputError(f"{name} is {table_kind}, which cannot be read; save it as CSV.")
    beginning = file.read(16)
    file.seek(0)
    archive_kind = unsupported_archive_kind(name, beginning)
    if archive_kind is not None:
        raise InputError(
            f"{name} is a {archive_kind}, which cannot be read; unpack it, or pack it again as zip "
            "or tar."
        )
    if compression(beginning) is not None:
        return _decompressed_source(file, name, report, limit)
    if beginning.startswith(PARQUET_SIGNATURE) or name.lower().endswith(PARQUET_SUFFIXES):
        return ParquetSource(file, name)
    if is_tar(file):
        return TarSource(file, name)
    # The content of an incomplete download may not be recognized as an archive. Archives are
    # therefore recognized by their names too, so that the message can say that the archive is
    # incomplete.
    if name.lower().endswith(".zip") or zipfile.is_zipfile(file):
        return ZipSource(path or Path(name), file=file)
    if _is_named_tar(name):
        return TarSource(file, name)
    if archive_stem(name) is not None:
        raise InputError(f"{name} is not a complete archive; download or pack it again.")
    file.seek(0)
    return FileSource(path or Path(name), file=file)


def _decompressed_source(
    file: BinaryIO, name: str, report: ProgressReport | None, limit: int | None
) -> Source:
    """Return the source for a compressed file: a tar archive or a single file."""
    unpacked = decompress_to_temporary_file(file, name, report, limit=limit)
    file.close()
    if is_tar(unpacked) or _is_named_tar(name):
        return TarSource(unpacked, name)
    return FileSource(Path(archive_stem(name) or name), file=unpacked)


def _is_named_tar(name: str) -> bool:
    return name.lower().endswith(_TAR_SUFFIXES + _SHORT_TAR_SUFFIXES)


def _has_dataset(source: Source, names: list[str]) -> bool:
    """Return True if files are a dataset.

    A dataset contains two or more pictures in folders, ten or more pictures anywhere, or a table of
    pixels.

    Args:
        source: Contains the files.
        names: The paths of the files that are not archives.
    """
    in_folders = iter_pictures(source, [name for name in names if "/" in name])
    if len(list(islice(in_folders, _MIN_PICTURES_IN_FOLDERS))) == _MIN_PICTURES_IN_FOLDERS:
        return True
    if len(list(islice(iter_pictures(source, names), _MIN_PICTURES))) == _MIN_PICTURES:
        return True
    table_names = [name for name in names if name.lower().endswith(TABLE_SUFFIXES)]
    tables = find_tables(source, table_names, ProblemLog(), needs_header=True)
    return any(table.columns.pixels for table in tables)
