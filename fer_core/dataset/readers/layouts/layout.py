"""The layout of a source: its faces, and what folders, lists and tables state about each face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.persons import Person
from fer_core.dataset.readers.sources import Source

#: The names of the folders in a path, the outermost first.
Folders = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Box:
    """The position of a face in a picture.

    Attributes:
        left: Left edge in pixels, or as a fraction of the width.
        top: Top edge in pixels, or as a fraction of the height.
        right: Right edge, like ``left``.
        bottom: Bottom edge, like ``top``.
        is_relative: True if the edges are fractions, False if they are pixels.
    """

    left: float
    top: float
    right: float
    bottom: float
    is_relative: bool = False

    def cut(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
        """Return the part of a grayscale picture in the box; None if the box is outside it."""
        height, width = picture.shape
        x_scale, y_scale = (width, height) if self.is_relative else (1, 1)
        left, right = (round(value * x_scale) for value in (self.left, self.right))
        top, bottom = (round(value * y_scale) for value in (self.top, self.bottom))
        crop = picture[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
        return crop if crop.size else None


@dataclass(frozen=True, slots=True)
class AnnotatedFace:
    """What the layout of a source states about a face.

    Attributes:
        class_name: The class of the face in the source.
        parent_folders: The folders above the folder of the class, or all folders of the picture if
            the class is not the name of a folder. They may name the split or the person. Folders
            that belong to the format (``images``) may be left out. For a face from a list that is
            in ``Layout.lists_without_split``, this is only the file name of the list.
        subfolders: The folders below the folder of the class.
        split: Index into ``SPLITS`` if something other than ``parent_folders`` and ``subfolders``
            states the split, such as a list, a table or the file name. None if these folders
            determine the split.
        has_official_split: True if ``split`` comes from an official name of FER2013's test sets.
        person: The person, if the layout names the person; otherwise None.
        box: The position of the face; None if the whole picture is the face.
    """

    class_name: str
    parent_folders: Folders = ()
    subfolders: Folders = ()
    split: int | None = None
    has_official_split: bool = False
    person: Person | None = None
    box: Box | None = None


@dataclass(frozen=True)
class SourceFiles:
    """The files of a source.

    Attributes:
        source: Reads the files.
        names: The paths of all files in the source.
        pictures: The paths of the pictures among them.
    """

    source: Source
    names: Sequence[str]
    pictures: Sequence[str]


@dataclass
class Layout:
    """The faces of a source whose layout was recognized, and the meaning of its folders.

    Attributes:
        faces: The faces of each picture, by the path of the picture.
        asks_user_about_all_folders: Which of the folders that name neither a split nor a class the
            user has to assign to a split, or declare to be a class. True: all of them. False: only
            those next to a folder that names a split.
        has_class_folders: True if the classes are the names of folders. False if lists, tables,
            codes or annotations name the classes.
        folders_may_be_classes: True if folders that name no split may be classes.
        left_out_classes: The names of the classes that are left out. The user does not have to
            decide about folders that contain only these classes.
        table_by_picture: The path of the table that names the class of a picture, by the path of
            the picture.
        notes: Sentences about how the source is read.
        possible_class_folders: Folders that contain pictures and are next to the folders of splits.
            The user has to decide about each one whether it is a class.
        lists_without_split: Lists whose names state no split, so that the user has to choose it.
            Each list is represented by ``parent_folders`` of its faces, which contains only the
            file name of the list.
    """

    faces: dict[str, tuple[AnnotatedFace, ...]]
    asks_user_about_all_folders: bool = True
    has_class_folders: bool = False
    folders_may_be_classes: bool = False
    left_out_classes: set[str] = field(default_factory=set)
    table_by_picture: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    possible_class_folders: set[Folders] = field(default_factory=set)
    lists_without_split: set[Folders] = field(default_factory=set)


def folders_of(name: str) -> Folders:
    """Return the folders of a path inside a source."""
    return _parts(name.rpartition("/")[0])


@lru_cache(maxsize=65_536)
def _parts(folder: str) -> Folders:
    return tuple(folder.split("/")) if folder else ()
