"""Check the path that a user enters: remove quotes, and reject the path of a part of a dataset."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from fer_core.dataset.class_numbers import class_number
from fer_core.dataset.folder_emotions import emotion_of_folder
from fer_core.dataset.folder_roles import FolderRoles
from fer_core.dataset.readers.picture_names import has_picture_suffix
from fer_core.dataset.readers.split_names import split_from_name
from fer_core.errors import InputError
from fer_core.files import existing_user_path, unquoted_path
from fer_core.phrases import shell_quoted

#: Suffixes of files that are only one part of a dataset and cannot be imported alone.
_PART_SUFFIXES = (".txt", ".lst", ".list", ".names", ".yaml", ".yml", ".npy", ".xml", ".json")
#: Names, in lower case, of folders that contain the classes of the pictures in another folder.
_ANNOTATION_FOLDERS = ("labels", "annotations", "emolabel")
#: Number of bytes of a file that are read to recognize it.
_HEADER_BYTES = 4_096
#: Maximum number of entries of a folder that are read to recognize it.
_MAX_ENTRIES = 2_000


def checked_source(
    text: str, roles: FolderRoles | None = None, roots: Sequence[Path] | None = None
) -> Path:
    """Check the path of a dataset that a user typed or copied, and return it.

    Args:
        text: The path; spaces and quotes around it are removed, and ``~`` is the home folder.
        roles: The roles that the user gave to folders. A split with a role may be imported alone.
        roots: The folders that may be read; None if all folders may be read.

    Returns:
        The path, which may not exist.

    Raises:
        InputError: The text is a URL, or the path of only a part of a dataset: a split without a
            role, a class, the pictures without their labels, or a single file.
    """
    path = existing_user_path(text)
    if path is None and "://" in text:
        raise InputError(
            f"{text.strip()} is an address and not a path; download the dataset, and give the path "
            "of the downloaded file."
        )
    if path is None:  # nothing exists at this path, which the caller reports
        return Path(unquoted_path(text) or text)
    # "." and links are replaced, because the checks need the names of the parent folders.
    absolute = path.resolve()
    problem = _source_problem(absolute, roles or FolderRoles(), roots)
    if problem is not None:
        raise InputError(problem)
    return path


def other_splits(path: Path, roots: Sequence[Path] | None = None) -> tuple[str, ...]:
    """Return the names of the folders of other splits that are next to a folder.

    The result is empty if the folder itself is not named after a split.

    Args:
        path: The folder.
        roots: The folders that may be read; None if all folders may be read.
    """
    split = _split_of_name(path.name)
    if split is None or not path.is_dir() or not _may_read(path.parent, roots):
        return ()
    return tuple(
        name
        for name in _subfolders(path.parent)
        if (other_split := _split_of_name(name)) is not None and other_split != split
    )


def _split_of_name(name: str) -> int | None:
    """Return the index of the split that a folder is named after; None for other names."""
    split_and_is_official = split_from_name(name)
    return None if split_and_is_official is None else split_and_is_official[0]


def partial_dataset_problem(path: Path, roots: Sequence[Path] | None = None) -> str | None:
    """Return a message if a path is only a part of a dataset that cannot be imported alone.

    Such a part is a class, a file, or the pictures without their labels. A split is not such a
    part, because it can be imported alone.

    Args:
        path: An absolute path that exists.
        roots: The folders that may be read; None if all folders may be read.

    Returns:
        One sentence; None if the path can be imported.
    """
    if path.is_file():
        return _file_problem(path, roots)
    if not path.is_dir():
        return None
    label_folder = _folder_of_labels(path, roots)
    if label_folder is not None:
        dataset = label_folder.parent
        return (
            f"{path} contains only the pictures of the dataset in {dataset}, whose classes are in "
            f"{label_folder.name}; import {dataset} instead."
        )
    if _is_class_folder(path, roots):
        return (
            f"{path} is the folder of one class; import the folder of the dataset, "
            f"{_dataset_of_class(path, roots)}, instead."
        )
    return None


def _source_problem(path: Path, roles: FolderRoles, roots: Sequence[Path] | None) -> str | None:
    """Return a message if a path should not be imported; None if it can be imported.

    A path should not be imported if ``partial_dataset_problem`` returns a message, or if it is the
    folder of one of several splits and the user gave this folder no role.
    """
    problem = partial_dataset_problem(path, roots)
    if problem is not None:
        return problem
    other_names = other_splits(path, roots)
    if other_names and roles.role_of((path.name,)) is None:
        role = shell_quoted(f"{path.name}=test")
        return (
            f"{path} is only one split of the dataset in {path.parent}, which also contains "
            f"{', '.join(other_names)}; import {path.parent} instead, or add --split {role} (or "
            "train, validation) to import this folder alone."
        )
    return None


def _file_problem(path: Path, roots: Sequence[Path] | None) -> str | None:
    """Return a message if a file is only one of the files of a dataset."""
    folder = path.parent
    if has_picture_suffix(path.name):
        if _is_class_folder(folder, roots):
            folder = _dataset_of_class(folder, roots)
        return f"{path} is a single picture; import the folder of the dataset, {folder}, instead."
    header = _header(path)
    if b"pixels" in header or (b"\0" in header[:512] and path.suffix.lower() != ".npy"):
        return None  # a table of faces, or an archive
    # AffectNet's tables have a column "subDirectory_filePath".
    is_part = path.suffix.lower() in _PART_SUFFIXES or b"subdirectory_filepath" in header
    # FER+ has a file label.csv in the folder of each split.
    is_ferplus = path.name.lower() == "label.csv" and _split_of_name(folder.name) is not None
    if not is_part and not is_ferplus:
        return None
    if is_ferplus or folder.name.lower() in _ANNOTATION_FOLDERS:
        folder = folder.parent
    return (
        f"{path} is only one file of a dataset; import the folder of the dataset, {folder}, "
        "instead."
    )


def _header(path: Path) -> bytes:
    """Return the first bytes of a file in lower case; empty if the file cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(_HEADER_BYTES).lower()
    except OSError:
        return b""


def _folder_of_labels(path: Path, roots: Sequence[Path] | None) -> Path | None:
    """Return the folder with the labels of the pictures in ``path``; None if there is none.

    The folder of the labels is next to ``path`` or next to the parent of ``path``.
    """
    if _has_labels_inside(path):
        return None
    for folder in (path, path.parent):
        if "image" not in folder.name.lower() or not _may_read(folder.parent, roots):
            continue
        # The labels of CK+ are in "Emotion" or "Emotion_labels" next to "cohn-kanade-images".
        is_ck_plus = "cohn-kanade" in folder.name.lower()
        for name in _subfolders(folder.parent):
            is_ck_plus_labels = is_ck_plus and name.lower().startswith("emotion")
            if name.lower() in _ANNOTATION_FOLDERS or is_ck_plus_labels:
                return folder.parent / name
    return None


def _has_labels_inside(path: Path) -> bool:
    """Return True if a folder contains a folder of labels, so that it is a whole dataset."""
    return any(name.lower() in _ANNOTATION_FOLDERS for name in _subfolders(path))


def _is_class_folder(path: Path, roots: Sequence[Path] | None) -> bool:
    """Return True if a folder is one class, and folders of other classes are next to it."""
    if not _may_read(path.parent, roots) or not _is_class_name(path.name):
        return False
    has_classes_inside = any(_is_class_name(name) for name in _subfolders(path))
    class_folders = [name for name in _subfolders(path.parent) if _is_class_name(name)]
    return not has_classes_inside and len(class_folders) > 1


def _is_class_name(name: str) -> bool:
    return emotion_of_folder(name) is not None or class_number(name) is not None


def _dataset_of_class(path: Path, roots: Sequence[Path] | None) -> Path:
    """Return the folder of the dataset that a class folder belongs to.

    This is the parent of the class folder, or the parent's parent if the parent is one of several
    splits.
    """
    parent = path.parent
    return parent.parent if other_splits(parent, roots) else parent


def _may_read(folder: Path, roots: Sequence[Path] | None) -> bool:
    return roots is None or any(folder.is_relative_to(root.resolve()) for root in roots)


def _subfolders(folder: Path) -> list[str]:
    """Return the names of the folders in a folder, sorted; empty if the folder cannot be read.

    Hidden folders and links are left out.
    """
    names = []
    try:
        with os.scandir(folder) as entries:
            for number, entry in enumerate(entries):
                if number >= _MAX_ENTRIES:
                    break
                if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
                    names.append(entry.name)
    except OSError:
        return []
    return sorted(names)
