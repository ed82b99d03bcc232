"""Recognize the layout of a source: which folders, lists and tables name classes and splits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from fer_core.classes import MAX_CLASSES, MIN_CLASSES
from fer_core.dataset.class_mapping import ClassChoice
from fer_core.dataset.class_numbers import class_number
from fer_core.dataset.folder_emotions import emotion_of_folder
from fer_core.dataset.folder_roles import FolderRoles
from fer_core.dataset.readers.layouts.affectnet import read_affectnet
from fer_core.dataset.readers.layouts.ck_plus import check_ck_plus_labels, read_ck_plus
from fer_core.dataset.readers.layouts.class_tree import read_class_tree
from fer_core.dataset.readers.layouts.copies import drop_copies
from fer_core.dataset.readers.layouts.detection_files import read_detection_files
from fer_core.dataset.readers.layouts.file_codes import read_file_codes
from fer_core.dataset.readers.layouts.layout import Layout, SourceFiles, folders_of
from fer_core.dataset.readers.layouts.list_files import read_list_files
from fer_core.dataset.readers.layouts.list_splits import apply_file_name_splits, apply_split_lists
from fer_core.dataset.readers.layouts.path_tables import add_listed_pictures, read_path_tables
from fer_core.dataset.readers.layouts.split_folders import SourceSplits, find_split_folders
from fer_core.dataset.readers.layouts.yolo import read_yolo
from fer_core.dataset.readers.problems import ProblemLog
from fer_core.dataset.readers.table_folder import TableFolderSource
from fer_core.errors import InputError

#: Folders with names of emotions are the classes if they contain at least this share of the
#: pictures.
_MIN_SHARE = 0.5
#: The readers of layouts that state the classes in separate files, the most specific reader first.
_READERS = (
    read_ck_plus,
    read_affectnet,
    read_detection_files,
    read_path_tables,
    read_list_files,
    read_yolo,
)


@dataclass(frozen=True)
class RecognizedSource:
    """The pictures of a source with their classes and splits.

    Attributes:
        layout: The faces, without those in repeated folders.
        splits: The splits by folders, and the folders about which the user has to decide.
        repeated_folder_notes: A sentence for each folder that repeats another folder.
    """

    layout: Layout
    splits: SourceSplits
    repeated_folder_notes: list[str]

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about how the source is read."""
        return (*self.layout.notes, *self.splits.notes)


def recognize_source(
    files: SourceFiles,
    choice: ClassChoice,
    roles: FolderRoles,
    problems: ProblemLog,
) -> RecognizedSource:
    """Find the class and the split of each picture of a source.

    Args:
        files: The files of the source.
        choice: How the classes are mapped to the classes of the dataset.
        roles: The roles that the user gave to folders.
        problems: Collects pictures without a class, and repeated folders.

    Raises:
        InputError: A folder with a role does not exist, it is not clear which column of a table is
            which, or the source contains frames of CK+ without the files of their emotions.
    """
    root = files.source.label
    layout = _read_layout(files, choice, roles, problems)
    # The user can give a role to the source, to a list whose name states no split, and to a folder
    # that contains pictures.
    missing = roles.missing(
        {(root,), *layout.lists_without_split, *(folders_of(name) for name in files.pictures)}
    )
    if missing:
        raise InputError(
            f"{root} contains no folder {missing[0]!r} with pictures, but --split names this "
            "folder; list the folders with 'dataset classes'."
        )
    layout.left_out_classes = _classes_left_out(layout, choice)
    apply_split_lists(files, layout)
    apply_file_name_splits(layout)
    _prefer_roles(layout, roles)
    repeated_folder_notes = drop_copies(layout, files.source, problems)
    return RecognizedSource(
        layout, find_split_folders(layout, roles, problems, root), repeated_folder_notes
    )


def _read_layout(
    files: SourceFiles,
    choice: ClassChoice,
    roles: FolderRoles,
    problems: ProblemLog,
) -> Layout:
    """Read the layout with the first reader that recognizes it.

    For the arguments, see ``recognize_source``.
    """
    # A user who imports a table wants the classes in the table, and not those of the folders.
    if isinstance(files.source, TableFolderSource):
        layout = read_path_tables(files, problems)
        if layout is not None:
            return layout
    if _share_in_emotion_folders(files.pictures) < _MIN_SHARE:
        for reader in _READERS:
            layout = reader(files, problems)
            if layout is not None:
                return layout
        # Codes in file names must not replace the names of folders that may be kept as classes.
        if choice.fixed_classes is not None or not _may_have_class_folders(files.pictures):
            layout = read_file_codes(files.pictures, problems)
            if layout is not None:
                return layout
        check_ck_plus_labels(files)
        return read_class_tree(files.pictures, choice, roles, problems)
    # Tables may state the classes of the pictures that are not in folders of emotions.
    without_class = {name for name in files.pictures if not _is_in_emotion_folder(name)}
    table_layout = Layout({})
    add_listed_pictures(files, table_layout, without_class, problems)
    pictures = [name for name in files.pictures if name not in table_layout.faces]
    layout = read_class_tree(pictures, choice, roles, problems)
    layout.faces |= table_layout.faces
    layout.notes += table_layout.notes
    return layout


def _prefer_roles(layout: Layout, roles: FolderRoles) -> None:
    """Remove the splits that lists state for pictures in folders whose split the user chose."""
    for picture, faces in layout.faces.items() if roles.roles else ():
        position_and_role = roles.role_of(folders_of(picture))
        if position_and_role is not None and position_and_role[1] != "class":
            layout.faces[picture] = tuple(
                replace(face, split=None, has_official_split=False) for face in faces
            )


def _classes_left_out(layout: Layout, choice: ClassChoice) -> set[str]:
    """Return the names of the classes that are not mapped to an emotion, except class numbers.

    What the class numbers mean is determined later.
    """
    if choice.fixed_classes is None:
        return set()
    names = {face.class_name for faces in layout.faces.values() for face in faces}
    return {name for name in names if class_number(name) is None and choice.target(name) is None}


def _share_in_emotion_folders(pictures: Sequence[str]) -> float:
    return sum(map(_is_in_emotion_folder, pictures)) / len(pictures) if pictures else 0.0


def _is_in_emotion_folder(picture: str) -> bool:
    return _has_emotion(picture.rpartition("/")[0])


@lru_cache(maxsize=65_536)
def _has_emotion(folder: str) -> bool:
    return any(emotion_of_folder(part) for part in folder.split("/"))


def _may_have_class_folders(pictures: Sequence[str]) -> bool:
    """Return True if the number of different innermost folders is valid as a number of classes."""
    folder_names = {folders_of(name)[-1:] for name in pictures}
    return MIN_CLASSES <= len(folder_names) <= MAX_CLASSES
