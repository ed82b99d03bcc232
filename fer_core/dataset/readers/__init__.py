"""Read folders, archives and tables as a ``FaceSet``.

The faces are in a fixed order: pictures are sorted by their path, and the rows of a table keep
their order.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from fer_core.dataset.class_mapping import ClassChoice, SourceClass, with_targets
from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.folder_roles import FolderRoles
from fer_core.dataset.readers.class_folders import (
    has_class_folders,
    read_labeled_pictures,
    register_picture_classes,
)
from fer_core.dataset.readers.class_register import ClassRegister
from fer_core.dataset.readers.csv_tables import (
    TABLE_SUFFIXES,
    FaceTable,
    find_tables,
    read_tables,
    register_table_classes,
)
from fer_core.dataset.readers.ferplus_folders import (
    find_vote_tables,
    read_ferplus_folders,
    register_vote_classes,
)
from fer_core.dataset.readers.layouts.layout import SourceFiles
from fer_core.dataset.readers.layouts.split_folders import SplitFolder
from fer_core.dataset.readers.picture_names import iter_pictures
from fer_core.dataset.readers.problems import ProblemLog, SkipReason
from fer_core.dataset.readers.repeated_tables import without_repeated_tables
from fer_core.dataset.readers.source_opening import open_source
from fer_core.dataset.readers.sources import FileSource, Source
from fer_core.dataset.readers.table_splits import (
    apply_table_roles,
    check_table_splits,
    table_splits,
)
from fer_core.dataset.splitting import SplitChoice
from fer_core.errors import InputError
from fer_core.phrases import counted
from fer_core.progress import ProgressReport

#: The supported sources, as advice at the end of an error message.
SUPPORTED = (
    "provide a folder, zip, tar or Parquet file of pictures in <split>/<class>/ or <class>/ or "
    "with a table of their classes, a table with the columns emotion and pixels (fer2013.csv, "
    "icml_face_data.csv, train.csv), or FER+'s folders with their label.csv"
)

_SKIPPED_TABLE = SkipReason("was skipped because there are pictures as well; import it separately")


def read_dataset(
    path: Path,
    split_choice: SplitChoice | None = None,
    report: ProgressReport | None = None,
    *,
    class_choice: ClassChoice | None = None,
    folder_roles: FolderRoles | None = None,
) -> FaceSet:
    """Read a dataset of any supported kind, without importing it.

    Args:
        path: A table, a Parquet file, or a folder or archive (zip, tar) of tables or pictures.
        split_choice: How missing splits are created; by default 10 % validation and 10 % test.
        report: Called repeatedly with the amount read and the total amount, in bytes or pictures.
        class_choice: How the classes of the source are mapped to the classes of the dataset; by
            default to the seven emotions.
        folder_roles: The roles, such as a split, that the user gave to folders and tables.

    Raises:
        InputError: ``path`` does not exist, is of an unknown kind, or contains nothing usable; or
            the user has to choose the role of a folder or the meaning of the class numbers.
    """
    split_choice = split_choice or SplitChoice()
    with closing(_open_path(path, report)) as source:
        problems = ProblemLog()
        register = ClassRegister(class_choice or ClassChoice(), source.label)
        content = _recognize_content(source, register.choice, problems)
        if content.tables:
            tables = apply_table_roles(content.tables, folder_roles or FolderRoles(), problems)
            check_table_splits(source.label, tables)
            _resolve_class_numbers(source, tables, register)
            return read_tables(source, tables, split_choice, register, problems, report=report)
        if content.has_votes:
            return read_ferplus_folders(
                source, content.names, split_choice, register, problems, report=report
            )
        files = SourceFiles(source, content.names, content.pictures)
        return read_labeled_pictures(
            files, split_choice, register, problems, roles=folder_roles, report=report
        )


@dataclass(frozen=True)
class SourceReport:
    """What an import of a source would find.

    Attributes:
        classes: The classes of the source, each with the class of the dataset that it becomes.
        folders: The folders or tables that are splits, and the folders or tables whose role the
            user has to choose.
        notes: Sentences about how the source is read, and about folders that repeat another folder.
    """

    classes: tuple[SourceClass, ...]
    folders: tuple[SplitFolder, ...] = ()
    notes: tuple[str, ...] = ()


def examine_source(
    path: Path,
    class_choice: ClassChoice | None = None,
    report: ProgressReport | None = None,
    *,
    folder_roles: FolderRoles | None = None,
) -> SourceReport:
    """Return what an import of a source would find; the images are not decoded.

    Args:
        path: As for ``read_dataset``.
        class_choice: As for ``read_dataset``. A choice that does not fit the source is not an
            error here; ``choice_problem`` finds such a choice.
        report: As for ``read_dataset``.
        folder_roles: As for ``read_dataset``.

    Raises:
        InputError: ``path`` does not exist, is of an unknown kind, is damaged, or contains no
            class; or it is not clear which column of a table is which.
    """
    choice = class_choice or ClassChoice()
    with closing(_open_path(path, report)) as source:
        register = ClassRegister(choice, source.label, counts_only=True)
        content = _recognize_content(source, choice, ProblemLog())
        folders: tuple[SplitFolder, ...] = ()
        notes: tuple[str, ...] = ()
        if content.tables:
            roles = folder_roles or FolderRoles()
            tables = apply_table_roles(content.tables, roles, ProblemLog())
            folders = table_splits(tables)
            register_table_classes(source, tables, register, report)
        elif content.has_votes:
            register_vote_classes(source, content.names, register)
        else:
            files = SourceFiles(source, content.names, content.pictures)
            recognized = register_picture_classes(
                files, register, folder_roles or FolderRoles(), ProblemLog()
            )
            folders = tuple(recognized.splits.folders)
            notes = (*recognized.notes, *recognized.repeated_folder_notes)
        if not register.source_classes:
            raise InputError(f"{source.label} contains no folder or name of a class; {SUPPORTED}.")
        return SourceReport(with_targets(register.source_classes, choice), folders, notes)


def find_classes(
    path: Path,
    class_choice: ClassChoice | None = None,
    report: ProgressReport | None = None,
) -> tuple[SourceClass, ...]:
    """Return the classes that ``examine_source`` finds; see there for arguments and errors."""
    return examine_source(path, class_choice, report).classes


def _resolve_class_numbers(
    source: Source, tables: list[FaceTable], register: ClassRegister
) -> None:
    """Find the names of the class numbers in tables, if the user gave an order of the classes.

    This reads all class numbers first, because they show whether the order begins at 0 or at 1.
    """
    if register.choice.order is not None:
        counter = ClassRegister(register.choice, source.label, counts_only=True)
        register_table_classes(source, tables, counter)
        register.resolve_class_numbers(source_class.name for source_class in counter.source_classes)


@dataclass(frozen=True)
class _Content:
    """What a source contains: tables, FER+'s folders, or pictures in folders.

    Attributes:
        names: The paths of all files.
        tables: The tables to read; if there are any, the pictures are not read.
        pictures: The paths of the pictures; empty for FER+'s folders and for a single file.
        has_votes: True for FER+'s folders, which contain the votes of annotators.
    """

    names: list[str]
    tables: list[FaceTable] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)
    has_votes: bool = False


def _recognize_content(source: Source, choice: ClassChoice, problems: ProblemLog) -> _Content:
    names = source.names(problems)
    if isinstance(source, FileSource):
        return _Content(names, _table_in_file(source, names, problems))
    return _recognize_folder_content(source, names, choice, problems)


def _open_path(path: Path, report: ProgressReport | None) -> Source:
    if not path.exists():
        raise InputError(f"{path} does not exist; {SUPPORTED}.")
    if not path.is_file() and not path.is_dir():
        raise InputError(f"{path} is neither a file nor a folder; {SUPPORTED}.")
    return open_source(path, report)


def _table_in_file(source: Source, names: list[str], problems: ProblemLog) -> list[FaceTable]:
    """Return the table of a source that is a single file, as a list with one item.

    The table is recognized by its content only, whatever the name of the file.

    Raises:
        InputError: The file is not a table of faces.
    """
    tables = [table for table in find_tables(source, names, problems) if table.columns.pixels]
    if tables:
        return tables
    if problems.first is not None:
        raise InputError(f"{source.label} {problems.first.reason}; {SUPPORTED}.")
    if source.label.lower().endswith(TABLE_SUFFIXES):
        raise InputError(
            f"{source.label} has no column 'pixels' in its first line, which a table of faces "
            f"needs, and no columns with the path and the class of pictures; {SUPPORTED}."
        )
    raise InputError(f"{source.label} is not a dataset of a supported kind; {SUPPORTED}.")


def _recognize_folder_content(
    source: Source, names: list[str], choice: ClassChoice, problems: ProblemLog
) -> _Content:
    """Recognize the content of a folder or archive, the most specific kind first.

    Raises:
        InputError: There is neither a usable picture nor a table of faces.
    """
    if find_vote_tables(names):
        return _Content(names, has_votes=True)
    table_names = [name for name in names if name.lower().endswith(TABLE_SUFFIXES)]
    pictures = list(iter_pictures(source, names))
    # If there are pictures, a table of faces is recognized only by its header, because numbers
    # without a header may be anything.
    all_tables = find_tables(source, table_names, problems, needs_header=bool(pictures))
    tables = [table for table in all_tables if table.columns.pixels]
    tables = without_repeated_tables(source, tables, problems)
    if tables and has_class_folders(pictures, choice):
        for table in tables:
            problems.add(table.name, _SKIPPED_TABLE)
        tables = []
    if tables or pictures:
        return _Content(names, tables, pictures)
    first = problems.first
    if first is not None:
        count = sum(problem.count for problem in problems.listed()) - 1
        others = f" (and {counted(count, 'other problem')})" if count > 0 else ""
        raise InputError(
            f"{source.label} contains no usable picture and no table of faces: "
            f"{first.name} {first.reason}{others}."
        )
    raise InputError(
        f"{source.label} contains no usable picture and no table of faces; {SUPPORTED}."
    )
