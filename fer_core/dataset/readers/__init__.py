"""Readers: from folders, archives and tables to a ``FaceSet``.

The rows of a ``FaceSet`` are in the order of their source: pictures by path, rows of a table as in
the table.
"""

from __future__ import annotations

import zipfile
from contextlib import closing
from pathlib import Path

from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.readers.class_folders import is_in_emotion_folder, read_class_folders
from fer_core.dataset.readers.csv_tables import TABLE_SUFFIXES, find_tables, read_tables
from fer_core.dataset.readers.ferplus_folders import find_vote_tables, read_ferplus_folders
from fer_core.dataset.readers.pictures import is_picture
from fer_core.dataset.readers.problems import ProblemLog, SkipReason
from fer_core.dataset.readers.sources import FileSource, FolderSource, Source
from fer_core.dataset.readers.zip_source import ZipSource
from fer_core.dataset.splitting import SplitChoice
from fer_core.errors import InputError
from fer_core.progress import ProgressReport

#: The supported sources, as the end of a message.
SUPPORTED = (
    "provide a folder or zip of pictures in <split>/<emotion>/ or <emotion>/, a table with the "
    "columns emotion and pixels (fer2013.csv, icml_face_data.csv, train.csv), or FER+'s folders "
    "with their label.csv"
)

_ARCHIVE_SUFFIXES = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar")
_INNER_ARCHIVE = SkipReason(
    "is an archive inside the source and is not opened; import it separately"
)
_SKIPPED_TABLE = SkipReason("was skipped because there are pictures as well; import it separately")


def read_dataset(
    path: Path,
    split_choice: SplitChoice | None = None,
    report: ProgressReport | None = None,
) -> FaceSet:
    """Read a dataset of any supported kind, without importing it.

    Args:
        path: A table, or a folder or ``.zip`` of tables or pictures.
        split_choice: How missing splits are created; by default 10 % validation and 10 % test.
        report: Called repeatedly with the amount read and the total amount, in bytes or pictures.

    Raises:
        InputError: ``path`` does not exist, is of an unknown kind, or contains nothing usable.
    """
    choice = split_choice or SplitChoice()
    with closing(_source(path)) as source:
        problems = ProblemLog()
        names = source.names(problems)
        if isinstance(source, FileSource):
            return _read_file(source, names, choice, problems, report=report)
        return _read_files(source, names, choice, problems, report=report)


def _source(path: Path) -> Source:
    if path.is_dir():
        return FolderSource(path)
    if not path.exists():
        raise InputError(f"{path} does not exist; {SUPPORTED}.")
    if not path.is_file():
        raise InputError(f"{path} is neither a file nor a folder; {SUPPORTED}.")
    # The content of an incomplete download is not recognized as an archive. Its name is, so that
    # the message can say that the archive is incomplete.
    if path.suffix.lower() == ".zip" or zipfile.is_zipfile(path):
        return ZipSource(path)
    return FileSource(path)


def _read_file(
    source: Source,
    names: list[str],
    choice: SplitChoice,
    problems: ProblemLog,
    *,
    report: ProgressReport | None,
) -> FaceSet:
    """Read a single file, which can only be a table; its name does not matter."""
    tables = find_tables(source, names, problems)
    if tables:
        return read_tables(source, tables, choice, problems, report)
    if problems.first is not None:
        raise InputError(f"{source.label} {problems.first.reason}; {SUPPORTED}.")
    if source.label.lower().endswith(TABLE_SUFFIXES):
        raise InputError(
            f"{source.label} has no column 'pixels' in its first line, which a table of faces "
            f"needs; {SUPPORTED}."
        )
    raise InputError(f"{source.label} is not a dataset of a supported kind; {SUPPORTED}.")


def _read_files(
    source: Source,
    names: list[str],
    choice: SplitChoice,
    problems: ProblemLog,
    *,
    report: ProgressReport | None,
) -> FaceSet:
    """Recognize the content of a folder or archive, the most specific kind first."""
    for name in names:
        if name.lower().endswith(_ARCHIVE_SUFFIXES):
            problems.add(name, _INNER_ARCHIVE)
    if find_vote_tables(names):
        return read_ferplus_folders(source, names, choice, problems, report)
    table_names = [name for name in names if name.lower().endswith(TABLE_SUFFIXES)]
    tables = find_tables(source, table_names, problems)
    if any(is_in_emotion_folder(name) for name in names):
        for table in tables:
            problems.add(table.name, _SKIPPED_TABLE)
        return read_class_folders(source, names, choice, problems, report)
    if tables:
        return read_tables(source, tables, choice, problems, report)
    if any(is_picture(name) for name in names):
        return read_class_folders(source, names, choice, problems, report)
    raise InputError(
        f"{source.label} contains no usable picture and no table of faces; "
        f"{SUPPORTED}{problems.first_in_brackets()}"
    )
