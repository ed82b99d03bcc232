"""Imported datasets on disk: ``data/<name>/`` with ``faces.npz`` and ``dataset.json``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from fer_core.dataset.class_mapping import ClassChoice, SourceClass
from fer_core.dataset.demo.shipped import load_demo_set
from fer_core.dataset.face_set import FaceSet, Problem, SkippedFiles
from fer_core.dataset.folder_roles import FolderRoles
from fer_core.dataset.imported import FACES_FILE, RECORD_FILE, classes_of_record, is_imported
from fer_core.dataset.locking import dataset_lock
from fer_core.dataset.readers import read_dataset
from fer_core.dataset.readers.archive_names import archive_stem
from fer_core.dataset.readers.csv_tables import TABLE_SUFFIXES
from fer_core.dataset.split_record import SplitGroups
from fer_core.dataset.splitting import SplitChoice
from fer_core.errors import InputError, first_line, system_reason
from fer_core.files import (
    PLAIN_NAME_RULE,
    delete_folder,
    existing_path,
    existing_user_path,
    is_plain_name,
    os_errors_as_input_errors,
    path_candidates,
    read_json,
    temporary_folder,
    to_plain_name,
    unquoted_path,
    unreadable_path_error,
    write_json,
)
from fer_core.progress import ProgressReport
from fer_core.settings import Settings

#: The name of the shipped demo set; no other dataset can have it.
DEMO_NAME = "demo"


def validated_name(name: str) -> str:
    """Return ``name`` unchanged if it is a valid name of a dataset.

    Raises:
        InputError: The name contains other characters than letters, digits, ``.``, ``_`` and ``-``,
            does not start with a letter or digit, or is longer than 64 characters.
    """
    if not is_plain_name(name):
        raise InputError(f"{name!r} cannot be a name; use {PLAIN_NAME_RULE}.")
    return name


def import_dataset(
    source: Path,
    settings: Settings,
    *,
    name: str | None = None,
    split_choice: SplitChoice | None = None,
    class_choice: ClassChoice | None = None,
    folder_roles: FolderRoles | None = None,
    report: ProgressReport | None = None,
) -> tuple[str, FaceSet]:
    """Read a dataset and store it in ``data/<name>/``.

    Args:
        source: A table, folder or archive that ``read_dataset`` supports.
        settings: Contains the path of ``data/``.
        name: The name of the dataset; by default the name of the source.
        split_choice: How missing splits are created.
        class_choice: How the classes of the source are mapped to the classes of the dataset; by
            default to the seven emotions.
        folder_roles: The roles that the user gave to folders and tables; by default none.
        report: Called with the progress of reading.

    Returns:
        The name of the dataset, and its data.

    Raises:
        InputError: The source cannot be used, the name is taken or invalid, or the dataset cannot
            be stored.
    """
    choice = split_choice or SplitChoice()
    name = validated_name(name or name_from_source(source))
    # On some file systems "Demo" and "demo" are the same folder.
    if name.lower() == DEMO_NAME:
        raise InputError(
            f"The name {DEMO_NAME!r} is reserved for the demo set; choose another with --name."
        )
    folder = settings.data_root / name
    if folder.exists():
        raise _name_taken_error(name, folder)
    face_set = read_dataset(
        source, choice, report, class_choice=class_choice, folder_roles=folder_roles
    )
    order = None if class_choice is None else class_choice.order
    with _new_folder(folder) as temporary:
        _save(
            face_set,
            temporary,
            {
                "source": source.name,
                "validation_share": choice.validation_share,
                "test_share": choice.test_share,
                "seed": choice.seed,
                "class_scheme": (class_choice or ClassChoice()).scheme,
                "class_order": None if order is None else list(order.names),
                "folder_roles": dict((folder_roles or FolderRoles()).roles),
            },
        )
    return name, face_set


def name_from_source(source: Path) -> str:
    """Return the default name of a dataset: the name of its source, without invalid characters.

    The suffixes of archives and tables are removed.
    """
    name = archive_stem(source.name)
    if name is None or Path(name).suffix.lower() in TABLE_SUFFIXES:
        name = Path(name or source.name).stem
    return to_plain_name(name) or "dataset"


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """Provide a temporary folder to fill, and rename it to ``folder`` at the end.

    An existing folder is not replaced.

    Raises:
        InputError: The folder cannot be written, or exists already.
    """
    root = folder.parent
    with os_errors_as_input_errors(f"The dataset {folder.name!r} cannot be stored in {root}"):
        root.mkdir(parents=True, exist_ok=True)
        with temporary_folder(folder.name, root) as temporary:
            # Only this user may read the temporary folder. Therefore, the data are written to a new
            # folder inside it, which other users can read after the renaming.
            new_folder = temporary / folder.name
            new_folder.mkdir()
            yield new_folder
            try:
                new_folder.rename(folder)
            except OSError as error:
                if folder.exists():
                    raise _name_taken_error(folder.name, folder) from error
                raise


def _name_taken_error(name: str, folder: Path) -> InputError:
    return InputError(
        f"There is already a dataset {name!r}; choose another name with --name, or delete {folder}."
    )


def _save(face_set: FaceSet, folder: Path, origin: dict[str, Any]) -> None:
    """Write the faces and the record of a dataset.

    Args:
        face_set: The data.
        folder: An existing folder.
        origin: What the record says about the source and the choices of the import.
    """
    np.savez(
        folder / FACES_FILE,
        images=face_set.images,
        labels=face_set.labels,
        splits=face_set.splits,
        # One string with all names loads many times faster than an array of strings.
        names=np.frombuffer("\n".join(face_set.names).encode(), dtype=np.uint8),
    )
    groups = face_set.split_groups
    write_json(
        folder / RECORD_FILE,
        origin
        | ({} if groups is None else {"split_groups": groups.to_json()})
        | {
            "imported": datetime.now(UTC).isoformat(timespec="seconds"),
            "fingerprint": face_set.fingerprint,
            "classes": list(face_set.classes),
            # A class whose name is a number has True as a fourth value.
            "source_classes": [
                [
                    source_class.name,
                    source_class.count,
                    source_class.target,
                    *([True] if source_class.is_number else []),
                ]
                for source_class in face_set.source_classes
            ],
            "notes": list(face_set.notes),
            "skipped": face_set.skipped,
            "skipped_files": [
                [files.class_name, files.suffix, files.reason, files.count]
                for files in face_set.skipped_files
            ],
            # A problem of several files or rows has their number as a third value.
            "problems": [
                [problem.name, problem.reason, *([problem.count] if problem.count > 1 else [])]
                for problem in face_set.problems
            ],
        },
    )


def dataset_names(settings: Settings) -> list[str]:
    """Return the names of the imported datasets, sorted."""
    return sorted(path.parent.name for path in settings.data_root.glob(f"[!.]*/{RECORD_FILE}"))


@dataclass(frozen=True)
class DatasetRecord:
    """The record of an imported dataset.

    Attributes:
        source: The name of the file or folder that the dataset was imported from.
        imported: Time of the import, UTC, ISO 8601.
        fingerprint: ``FaceSet.fingerprint`` of the data.
        split_choice: The shares and the seed for missing splits; None for the demo set.
    """

    source: str
    imported: str
    fingerprint: str
    split_choice: SplitChoice | None


def read_record(name: str, settings: Settings) -> DatasetRecord:
    """Return the record of an imported dataset.

    Raises:
        InputError: The name is invalid, there is no such dataset, or its record is damaged or
            cannot be read.
    """
    folder = imported_dataset_folder(name, settings)
    try:
        record = read_json(folder / RECORD_FILE)
        choice = None
        if "seed" in record:
            choice = SplitChoice(record["validation_share"], record["test_share"], record["seed"])
        return DatasetRecord(
            str(record["source"]), str(record["imported"]), str(record["fingerprint"]), choice
        )
    except PermissionError as error:
        raise unreadable_path_error(folder / RECORD_FILE, error) from error
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise _damaged_error(folder, error) from error


def imported_dataset_folder(name: str, settings: Settings) -> Path:
    """Return the folder of the imported dataset with this name.

    Args:
        name: The name of a dataset; paths are rejected.
        settings: Contains the path of ``data/``.

    Raises:
        InputError: The name is invalid, or there is no such dataset.
    """
    folder = settings.data_root / validated_name(name)
    if not is_imported(folder):
        names = ", ".join(dataset_names(settings)) or "none so far"
        raise InputError(f"There is no dataset {name!r}; imported datasets: {names}.")
    return folder


def delete_dataset(name: str, settings: Settings) -> None:
    """Delete an imported dataset, including its curation and votes.

    The folder is first renamed, so that the dataset disappears at once, and then removed. Trainings
    that have already loaded the dataset continue.

    Raises:
        InputError: The name is invalid, there is no such dataset, or it cannot be deleted.
    """
    folder = imported_dataset_folder(name, settings)
    if folder.is_symlink():
        raise InputError(
            f"{folder} is a link, and its target is not deleted from here; remove it manually."
        )
    try:
        # Wait until no other thread or process changes the dataset's files.
        with dataset_lock(folder):
            delete_folder(folder)
    except OSError as error:
        raise InputError(
            f"The dataset {name!r} cannot be deleted ({system_reason(error)}); check the "
            f"permissions of {settings.data_root}."
        ) from error


def path_within_roots(text: str, settings: Settings) -> Path:
    """Return the path that a user entered on a page, if a page may import from it.

    Args:
        text: The user's input: an absolute path, or a path relative to one of the import roots.
        settings: Contains the import roots.

    Returns:
        The absolute path, with links resolved.

    Raises:
        InputError: The path does not exist, or is outside the import roots.
    """
    roots = " or ".join(str(root) for root in settings.import_roots) or "(none configured)"
    forms = [form for form in path_candidates(text) if form]
    text = unquoted_path(text)
    # Joining a root and an absolute path results in the absolute path. The empty ``Path()`` leaves
    # the input as it is: in "~/faces", "~" means the home folder only at the beginning of a path.
    parents = (Path(), *settings.import_roots)
    for candidate in (str(parent / form) for form in forms for parent in parents):
        path = existing_path(candidate)
        if path is None or not path.is_absolute():
            continue
        resolved = path.resolve()
        # Links are followed first, because the target of a link must be inside a root as well.
        if any(resolved.is_relative_to(root.resolve()) for root in settings.import_roots):
            return resolved
    # The message does not say whether the path exists, because a page must not reveal other files.
    raise InputError(
        f"There is nothing to import at {text!r}; give a path inside {roots}, or name other "
        "folders in FER_STUDIO_IMPORT_ROOTS."
    )


def load_dataset(
    data: str,
    settings: Settings,
    report: ProgressReport | None = None,
    *,
    class_choice: ClassChoice | None = None,
) -> FaceSet:
    """Load a dataset by its name, or read a dataset from a path without importing it.

    The demo set is copied to ``data/demo/`` on first use; from then on it is an imported dataset.

    Args:
        data: The name of an imported dataset, or the path of a table, folder or archive.
        settings: Contains the path of ``data/``.
        report: Called with the progress of reading, if ``data`` is a path.
        class_choice: If ``data`` is a path, how the classes of the source are mapped to the classes
            of the dataset; by default to the seven emotions.

    Raises:
        InputError: There is no such dataset and no such path, or the data cannot be used.
    """
    if data == DEMO_NAME:
        install_demo_set(settings)
    path = locate_dataset(data, settings)
    if is_imported(path):
        return _load(path)
    return read_dataset(path, report=report, class_choice=class_choice)


def locate_dataset(data: str, settings: Settings) -> Path:
    """Return the path of a dataset, without reading it.

    Args:
        data: The name of a dataset or a path, as for ``load_dataset``.
        settings: Contains the path of ``data/``.

    Returns:
        An absolute path. The folder of the demo set may not exist yet.

    Raises:
        InputError: There is no such dataset and no such path.
    """
    folder = settings.data_root / data
    if data == DEMO_NAME or (is_plain_name(data) and is_imported(folder)):
        return folder
    path = existing_user_path(data)
    if path is None:
        names = ", ".join(dataset_names(settings)) or "none so far"
        raise InputError(
            f"There is no dataset and no path {data!r}; imported datasets: {names}. Import one "
            "with 'dataset import SOURCE --name NAME', or use 'demo', the demo set."
        )
    return path.resolve()


def dataset_folder_or_none(data: str, settings: Settings) -> Path | None:
    """Return the folder of a dataset, given by name or path; None if it was not imported.

    The folder also contains the findings, votes and decisions.

    Args:
        data: The name of a dataset or a path, as for ``load_dataset``.
        settings: Contains the path of ``data/``.

    Returns:
        ``data/<name>``; None for data that are read from a path without being imported, and for the
        demo set before its first use.

    Raises:
        InputError: There is no such dataset and no such path.
    """
    folder = locate_dataset(data, settings)
    return folder if is_imported(folder) else None


def dataset_reference(data: str, settings: Settings) -> str:
    """Return the name or the absolute path by which a run or a search refers to its data.

    Args:
        data: The name of a dataset or a path, as for ``load_dataset``.
        settings: Contains the path of ``data/``.

    Raises:
        InputError: There is no such dataset and no such path.
    """
    path = locate_dataset(data, settings)
    return path.name if path.parent == settings.data_root else str(path)


def is_demo(data: str) -> bool:
    """Return True if a dataset is the demo set.

    Pages and model cards state this, because results on the demo set do not apply to real faces.

    Args:
        data: The name of a dataset or a path, as for ``load_dataset``.
    """
    if data == DEMO_NAME:
        return True
    path = existing_user_path(data)
    if path is None:
        return False
    try:
        record = read_json(path / RECORD_FILE)
    except (OSError, ValueError):
        return False
    return isinstance(record, dict) and record.get("kind") == DEMO_NAME


def install_demo_set(settings: Settings) -> None:
    """Copy the shipped demo set to ``data/demo/``, unless it is already there.

    This takes a fraction of a second.

    Raises:
        InputError: ``data/demo/`` cannot be written, or contains something else.
    """
    folder = settings.data_root / DEMO_NAME
    if is_imported(folder):
        return
    if folder.exists():
        raise InputError(
            f"{folder} should contain the demo set, but contains something else or cannot be read; "
            "check its permissions, or move it away."
        )
    try:
        with _new_folder(folder) as new_folder:
            _save(load_demo_set(), new_folder, {"kind": DEMO_NAME, "source": "drawn by FER Studio"})
    except InputError:
        # If another process or thread has stored the demo set in the meantime, nothing is missing.
        if not is_imported(folder):
            raise


def _load(folder: Path) -> FaceSet:
    """Read an imported dataset.

    Raises:
        InputError: A file is damaged or cannot be read.
    """
    try:
        record = read_json(folder / RECORD_FILE)
        with np.load(folder / FACES_FILE, allow_pickle=False) as arrays:
            names = arrays["names"].tobytes().decode()
            return FaceSet(
                images=arrays["images"],
                labels=arrays["labels"],
                splits=arrays["splits"],
                names=tuple(names.split("\n")),
                problems=tuple(Problem(*entry) for entry in record["problems"]),
                split_groups=(
                    SplitGroups.from_json(record["split_groups"])
                    if "split_groups" in record
                    else None
                ),
                classes=classes_of_record(record),
                source_classes=tuple(
                    SourceClass(*entry) for entry in record.get("source_classes", ())
                ),
                notes=tuple(record.get("notes", ())),
                skipped_files=tuple(
                    SkippedFiles(*entry) for entry in record.get("skipped_files", ())
                ),
            )
    except PermissionError as error:
        raise unreadable_path_error(Path(error.filename or folder), error) from error
    except Exception as error:
        # NumPy raises a different type for each way in which a file can be damaged.
        raise _damaged_error(folder, error) from error


def _damaged_error(folder: Path, error: BaseException) -> InputError:
    is_demo_set = folder.name == DEMO_NAME
    next_step = ", and the demo set is copied again" if is_demo_set else " and import it again"
    return InputError(
        f"The dataset in {folder} is damaged ({first_line(error)}); delete the folder{next_step}."
    )
