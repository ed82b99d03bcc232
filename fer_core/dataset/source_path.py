"""The path of a source as a user gives it: copied with quotes, or one level too deep."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from fer_core.dataset.class_numbers import class_number
from fer_core.dataset.folder_emotions import emotion_of_folder
from fer_core.dataset.folder_roles import FolderRoles
from fer_core.dataset.readers.picture_names import has_picture_suffix
from fer_core.dataset.readers.split_names import split_from_name
from fer_core.errors import InputError
from fer_core.files import pasted_path, unquoted_path

#: Suffixes of files that belong to a dataset and cannot be imported alone.
_PART_SUFFIXES = (".txt", ".lst", ".list", ".names", ".yaml", ".yml", ".npy", ".xml", ".json")
#: Folders that contain the classes of the pictures in another folder.
_ANNOTATIONS = ("labels", "annotations", "emolabel")
_HEADER_BYTES = 4_096
#: Maximum number of entries of a folder that are read to recognize it.
_MAX_ENTRIES = 2_000


def checked_source(
    text: str, roles: FolderRoles | None = None, roots: Sequence[Path] | None = None
) -> Path:
    """Return the path of a dataset that a user typed or copied.

    Args:
        text: The path; spaces and quotes around it are removed, and ``~`` is the home folder.
        roles: What the user says about folders.
        roots: The folders that may be read; None if all may.

    Returns:
        The path, which may not exist.

    Raises:
        InputError: It is only a part of a dataset: a split, a class, the pictures without their
            labels, or a single file of it.
    """
    path = pasted_path(text)
    if path is None and "://" in text:
        raise InputError(
            f"{text.strip()} is an address and not a path; download the dataset, and give the path "
            "of the downloaded file."
        )
    if path is None:
        return Path(unquoted_path(text) or text)
    # The parents of "." and of a link's target are known only for the whole path.
    absolute = path.resolve()
    problem = _problem(absolute, roles or FolderRoles(), roots)
    if problem is not None:
        raise InputError(problem)
    return path


def other_splits(path: Path, roots: Sequence[Path] | None = None) -> tuple[str, ...]:
    """Return the folders of other splits next to a folder that is named after a split.

    Args:
        path: The folder.
        roots: As for ``checked_source``.
    """
    named = split_from_name(path.name)
    if named is None or not path.is_dir() or not _may_read(path.parent, roots):
        return ()
    return tuple(
        name
        for name in _subfolders(path.parent)
        if (other := split_from_name(name)) is not None and other[0] != named[0]
    )


def part_of_dataset(path: Path, roots: Sequence[Path] | None = None) -> str | None:
    """Return a message if a path is a class, a file or another part of a dataset, except a split.

    Args:
        path: An absolute path that exists.
        roots: As for ``checked_source``.
    """
    if path.is_file():
        return _file_problem(path, roots)
    if not path.is_dir():
        return None
    labels = _folder_of_labels(path, roots)
    if labels is not None:
        return (
            f"{path} contains only the pictures of the dataset in {labels.parent}, whose classes "
            f"are in {labels.name}; import {labels.parent} instead."
        )
    if _is_class_folder(path, roots):
        return (
            f"{path} is the folder of one class; import the folder of the dataset, "
            f"{_dataset_of_class(path, roots)}, instead."
        )
    return None


def _problem(path: Path, roles: FolderRoles, roots: Sequence[Path] | None) -> str | None:
    part = part_of_dataset(path, roots)
    if part is not None:
        return part
    others = other_splits(path, roots)
    if others and roles.role_of((path.name,)) is None:
        flag = shlex.quote(f"{path.name}=test")
        return (
            f"{path} is only one split of the dataset in {path.parent}, which also contains "
            f"{', '.join(others)}; import {path.parent} instead, or add --split {flag} (or train, "
            "validation) to import this folder alone."
        )
    return None


def _file_problem(path: Path, roots: Sequence[Path] | None) -> str | None:
    folder = path.parent
    if has_picture_suffix(path.name):
        if _is_class_folder(folder, roots):
            folder = _dataset_of_class(folder, roots)
        return f"{path} is a single picture; import the folder of the dataset, {folder}, instead."
    header = _header(path)
    if b"pixels" in header or (b"\0" in header[:512] and path.suffix.lower() != ".npy"):
        return None  # a table of faces, or an archive
    is_part = path.suffix.lower() in _PART_SUFFIXES or b"subdirectory_filepath" in header
    is_ferplus = path.name.lower() == "label.csv" and split_from_name(folder.name) is not None
    if not is_part and not is_ferplus:
        return None
    if is_ferplus or folder.name.lower() in _ANNOTATIONS:
        folder = folder.parent
    return (
        f"{path} is only one file of a dataset; import the folder of the dataset, {folder}, "
        "instead."
    )


def _header(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEADER_BYTES).lower()
    except OSError:
        return b""


def _folder_of_labels(path: Path, roots: Sequence[Path] | None) -> Path | None:
    """Return the folder next to that of the pictures that contains their labels."""
    if _has_labels_inside(path):
        return None
    for folder in (path, path.parent):
        if "image" not in folder.name.lower() or not _may_read(folder.parent, roots):
            continue
        is_ck_plus = "cohn-kanade" in folder.name.lower()
        for name in _subfolders(folder.parent):
            is_emotion = is_ck_plus and name.lower().startswith("emotion")
            if name.lower() in _ANNOTATIONS or is_emotion:
                return folder.parent / name
    return None


def _has_labels_inside(path: Path) -> bool:
    return any(name.lower() in _ANNOTATIONS for name in _subfolders(path))


def _is_class_folder(path: Path, roots: Sequence[Path] | None) -> bool:
    """Return True if a folder of pictures is next to folders of other classes."""
    if not _may_read(path.parent, roots) or not _is_class_name(path.name):
        return False
    has_classes_inside = any(_is_class_name(name) for name in _subfolders(path))
    others = [name for name in _subfolders(path.parent) if _is_class_name(name)]
    return not has_classes_inside and len(others) > 1


def _is_class_name(name: str) -> bool:
    return emotion_of_folder(name) is not None or class_number(name) is not None


def _dataset_of_class(path: Path, roots: Sequence[Path] | None) -> Path:
    """Return the parent of a class folder or, if that is one of several splits, its parent."""
    parent = path.parent
    return parent.parent if other_splits(parent, roots) else parent


def _may_read(folder: Path, roots: Sequence[Path] | None) -> bool:
    return roots is None or any(folder.is_relative_to(root.resolve()) for root in roots)


def _subfolders(folder: Path) -> list[str]:
    """Return the names of the folders in a folder; none if it cannot be read."""
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
