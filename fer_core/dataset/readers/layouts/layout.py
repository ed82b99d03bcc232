"""The layout of a source: its faces, and what folders, lists and tables say about each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.persons import Person
from fer_core.dataset.readers.sources import Source

#: The names of the folders that a path consists of.
Folders = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Box:
    """The position of a face in a picture.

    Attributes:
        left: Left edge in pixels, or as a fraction of the width.
        top: Top edge in pixels, or as a fraction of the height.
        right: Right edge, like ``left``.
        bottom: Bottom edge, like ``top``.
        is_relative: True for fractions.
    """

    left: float
    top: float
    right: float
    bottom: float
    is_relative: bool = False

    def cut(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
        """Return the part of a grayscale picture in the box; None if it is empty."""
        height, width = picture.shape
        x_scale, y_scale = (width, height) if self.is_relative else (1, 1)
        left, right = (round(value * x_scale) for value in (self.left, self.right))
        top, bottom = (round(value * y_scale) for value in (self.top, self.bottom))
        part = picture[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
        return part if part.size else None


@dataclass(frozen=True, slots=True)
class AnnotatedFace:
    """What the layout says about a face.

    Attributes:
        class_name: Its class.
        parent_folders: The folders above that of its class, the outermost first. They may name its
            split or its person.
        subfolders: The folders below that of its class.
        split: Index into ``SPLITS`` if a list or table names the split; then the folders do not
            matter.
        has_official_split: True if this is the official name of one of FER2013's test sets.
        person: The person, if the layout names one.
        box: The position of the face; None if the picture is the face.
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
        source: Reads them.
        names: Their paths in the source.
        pictures: The paths of those that are pictures.
    """

    source: Source
    names: Sequence[str]
    pictures: Sequence[str]


@dataclass
class Layout:
    """A source whose layout was recognized.

    Attributes:
        faces: The faces of each picture, by its path.
        asks_for_folders: True if folders that name neither a split nor a class have to be explained
            by the user. If False, only those next to a folder that names a split.
        has_class_folders: True if folders name the classes, and not lists, codes or annotations.
        may_be_classes: True if folders that name no split may be classes.
        left_out: The names of classes that are left out: their folders are not asked about.
        tables: The table that names the class of a picture, by the path of the picture.
        notes: Sentences about how the source is read.
        undecided_classes: Folders of pictures next to folders of splits. The user has to say
            whether they are classes.
        unnamed_lists: Names of lists that do not name a split, as the parent folders of their
            faces. The user has to say which split they are.
    """

    faces: dict[str, tuple[AnnotatedFace, ...]]
    asks_for_folders: bool = True
    has_class_folders: bool = False
    may_be_classes: bool = False
    left_out: set[str] = field(default_factory=set)
    tables: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    undecided_classes: set[Folders] = field(default_factory=set)
    unnamed_lists: set[Folders] = field(default_factory=set)


def folders_of(name: str) -> Folders:
    """Return the folders of a path inside a source."""
    return _parts(name.rpartition("/")[0])


@lru_cache(maxsize=65_536)
def _parts(folder: str) -> Folders:
    return tuple(folder.split("/")) if folder else ()
