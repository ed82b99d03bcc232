"""The split of each face from its folders, and the folders about which the user has to decide."""

from __future__ import annotations

import shlex
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from fer_core.dataset.face_set import SPLITS
from fer_core.dataset.folder_roles import FolderRoles
from fer_core.dataset.persons import Person
from fer_core.dataset.readers.layouts.layout import FaceEntry, Folders, Layout
from fer_core.dataset.readers.layouts.person_folders import are_persons
from fer_core.dataset.readers.problems import ProblemLog
from fer_core.dataset.readers.split_names import (
    is_evaluation_name,
    is_plain_split_name,
    split_from_name,
)

_MAX_SHOWN = 10
#: Tables and lists divide a source as folders do.
_LIST_SUFFIXES = (".csv", ".tsv", ".txt", ".lst", ".list")


@dataclass(frozen=True)
class SplitFolder:
    """A folder with a role in the division of a source into splits.

    Attributes:
        name: Its name; its path in the source if several folders have this name.
        role: ``train``, ``validation``, ``test`` or ``class``; empty if the folder is left out, and
            None if its name does not say what it is, so that the user has to decide.
        count: Number of pictures in it; 0 for a table, whose rows are not counted.
        may_be_class: True if the folder can be a class as well.
    """

    name: str
    role: str | None
    count: int = 0
    may_be_class: bool = False


@dataclass(frozen=True, slots=True)
class FolderSplit:
    """The split that the folders of a picture name.

    Attributes:
        split: Index into ``SPLITS``; None if they name none.
        is_official: True if the folder is named like an official test set of FER2013.
        is_chosen: True if the user chose the split.
        is_left_out: True if the user leaves the folder out.
        person: The person that a folder above the classes names.
    """

    split: int | None = None
    is_official: bool = False
    is_chosen: bool = False
    is_left_out: bool = False
    person: Person | None = None


@dataclass
class SplitFolders:
    """The folders of a source that divide it.

    Attributes:
        by_folders: The split by the parent folders and the subfolders of the class.
        folders: The folders, those about which the user has to decide first.
        notes: Sentences about folders that were not taken as splits.
        open_keys: The keys of ``by_folders`` about which the user has to decide.
    """

    by_folders: dict[tuple[Folders, Folders], FolderSplit] = field(default_factory=dict)
    folders: list[SplitFolder] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    open_keys: set[tuple[Folders, Folders]] = field(default_factory=set)

    def of(self, entry: FaceEntry) -> FolderSplit:
        """Return the split of a face."""
        if entry.split is not None:
            return FolderSplit(entry.split, is_chosen=True)
        return self.by_folders[entry.parents, entry.subfolders]

    def is_open(self, entry: FaceEntry) -> bool:
        """Return True if the user has to decide about the folder of a face."""
        return entry.split is None and (entry.parents, entry.subfolders) in self.open_keys

    @property
    def open_folders(self) -> list[SplitFolder]:
        """The folders about which the user has to decide."""
        return [folder for folder in self.folders if folder.role is None]


def find_split_folders(
    layout: Layout, roles: FolderRoles, problems: ProblemLog, root: str = ""
) -> SplitFolders:
    """Return the splits of a source by its folders.

    A folder above the classes that names no split is never training data by default. The user
    has to decide about it, unless it contains all pictures, contains the folder of a split or is
    in one, or is a numbered person.

    Args:
        layout: The faces of the source.
        roles: What the user says about folders.
        problems: Collects the folders that the user leaves out.
        root: The name of the source, which can have a role as well.
    """
    counts = Counter(
        (entry.parents, entry.subfolders)
        for entries in layout.entries.values()
        for entry in entries
        if entry.split is None
    )
    result = SplitFolders()
    if not counts:
        return result
    finder = _Finder(layout, roles, counts, root)
    found = {key: finder.split_of(*key) for key in counts}
    persons = finder.persons({path for split, path in found.values() if split is None and path})
    sizes: Counter[Folders] = Counter()
    shown_roles: dict[Folders, str | None] = {}
    for key, (split, path) in found.items():
        if path in persons and split is None:
            result.by_folders[key] = FolderSplit(person=_person(path))
            continue
        if split is None:
            result.open_keys.add(key)
        # Not read while the user has not decided.
        result.by_folders[key] = split or FolderSplit(is_left_out=True)
        if path is not None:
            sizes[path] += counts[key]
            shown_roles[path] = _role_name(split)
    for path in layout.open_classes:
        sizes[path] = sum(_class_folder(entries[0]) == path for entries in layout.entries.values())
        shown_roles[path] = None
    names = _short_names(shown_roles)
    result.folders = sorted(
        (
            SplitFolder(names[path], role, sizes[path], layout.may_be_classes)
            for path, role in shown_roles.items()
        ),
        key=lambda folder: (folder.role is not None, folder.name),
    )
    if persons:
        result.notes.append(_persons_note(persons))
    for folder in result.folders:
        if folder.role == "":
            problems.add_folder(folder.name, "was left out as requested", folder.count)
    return result


def open_folder_question(source: str, folders: Sequence[SplitFolder]) -> str:
    """Return the question about folders that are neither a split nor a class, in one sentence.

    Args:
        source: The name of the source.
        folders: The folders about which the user has to decide, at least one.
    """
    shown = folders[:_MAX_SHOWN]
    names = ", ".join(f"{folder.name!r}{_count_text(folder.count)}" for folder in shown)
    more = f" and {len(folders) - len(shown):,} more" if len(folders) > len(shown) else ""
    several = len(folders) > 1
    kind = "file" if shown[0].name.lower().endswith(_LIST_SUFFIXES) else "folder"
    flags = " ".join(f"--split {shlex.quote(f'{folder.name}=train')}" for folder in shown)
    has_class = any(folder.may_be_class for folder in shown)
    others = "validation, test" + (", class" if has_class else "")
    empty = shlex.quote(f"{shown[0].name}=")
    return (
        f"{source} contains the {kind}{'s' if several else ''} {names}{more}, whose name"
        f"{'s are' if several else ' is'} neither that of a split nor of a class; import it with "
        f"{flags} (or {others} instead of train; --split {empty} leaves it out)."
    )


def _count_text(count: int) -> str:
    return f" ({count:,} {'picture' if count == 1 else 'pictures'})" if count else ""


class _Finder:
    """Finds the split of each combination of folders.

    Args:
        layout: The faces of the source.
        roles: What the user says about folders.
        keys: The parent folders and the subfolders of the classes.
        root: The name of the source.
    """

    def __init__(
        self,
        layout: Layout,
        roles: FolderRoles,
        keys: Iterable[tuple[Folders, Folders]],
        root: str,
    ) -> None:
        root_role = roles.role_of((root,))
        self._root_split = FolderSplit()
        if root_role is not None and root_role[1] in SPLITS:
            self._root_split = FolderSplit(SPLITS.index(root_role[1]), is_chosen=True)
        self._asks = layout.asks_for_folders
        self._unnamed_lists = layout.unnamed_lists
        self._roles = roles
        self._keys = list(keys)
        self._upper_folders = {parents for parents, _ in self._keys}
        self._common = _common_length(self._upper_folders)
        named = {
            (path[:level], folder)
            for path in self._upper_folders
            for level, folder in enumerate(path)
            if split_from_name(folder) is not None
        }
        #: Folders that contain a folder that names a split.
        self._split_parents = {parent for parent, _ in named}
        self._has_validation = any(
            split_from_name(folder) == (SPLITS.index("validation"), False)
            and not is_evaluation_name(folder)
            for _, folder in named
        )

    def split_of(
        self, parents: Folders, subfolders: Folders
    ) -> tuple[FolderSplit | None, Folders | None]:
        """Return the split, and the folder that names it.

        The split is None if the user has to decide about the folder.
        """
        chosen = self._chosen_split(parents, subfolders)
        if chosen is not None:
            return chosen
        if parents in self._unnamed_lists:
            return None, parents
        for level in range(len(parents) - 1, -1, -1):
            found = split_from_name(parents[level])
            if found is not None:
                path = parents[: level + 1]
                return None if self._is_doubtful(path, found[0]) else FolderSplit(*found), path
        for folder in reversed(subfolders):
            found = split_from_name(folder)
            if found is not None:
                return FolderSplit(*found), None
        asks = self._asks or parents[: self._common] in self._split_parents
        if asks and len(parents) > self._common:
            return None, parents[: self._common + 1]
        return self._root_split, None

    def _chosen_split(
        self, parents: Folders, subfolders: Folders
    ) -> tuple[FolderSplit, Folders] | None:
        """Return the split that the user chose, and its folder; None if there is no choice."""
        of_parents = self._roles.role_of(parents)
        answered = of_parents or self._roles.role_of(subfolders)
        if answered is None or answered[1] == "class":
            return None
        level, role = answered
        path = parents[: level + 1] if of_parents else (*parents, *subfolders[: level + 1])
        if role is None:
            return FolderSplit(is_left_out=True), path
        return FolderSplit(SPLITS.index(role), is_chosen=True), path

    def _is_doubtful(self, path: Folders, split: int) -> bool:
        """Return True if a folder is named after a split, but may have another meaning."""
        name = path[-1]
        if is_evaluation_name(name):
            return self._has_validation
        # "my-test-dataset" around everything is probably the name of the dataset.
        is_around_all = len(path) <= self._common
        return is_around_all and split != SPLITS.index("train") and not is_plain_split_name(name)

    def persons(self, open_paths: Collection[Folders]) -> set[Folders]:
        """Return the open folders that are numbered persons."""
        groups: dict[Folders, set[Folders]] = defaultdict(set)
        for path in open_paths:
            groups[path[:-1]].add(path)
        return {
            path
            for parent, paths in groups.items()
            if parent not in self._split_parents and _are_persons([path[-1] for path in paths])
            for path in paths
        }


def _person(folders: Folders) -> Person:
    return Person(folders[-1].casefold(), "folders above the classes")


def _persons_note(persons: Collection[Folders]) -> str:
    names = sorted(path[-1] for path in persons)
    return (
        f"The {len(names):,} folders {', '.join(names[:3])}, … above the classes were read as "
        "persons."
    )


def _class_folder(entry: FaceEntry) -> Folders:
    return (*entry.parents, entry.class_name)


def _are_persons(names: Sequence[str]) -> bool:
    """Return True for numbered persons; 1, 2 and 3 may be parts of a dataset instead."""
    return are_persons(names) and any(len(name) > 1 for name in names)


def _role_name(found: FolderSplit | None) -> str | None:
    if found is None:
        return None
    if found.is_left_out:
        return ""
    return None if found.split is None else SPLITS[found.split]


def _short_names(paths: Collection[Folders]) -> dict[Folders, str]:
    """Return the last part of each path, or the whole path if several have the same last part."""
    counts = Counter(path[-1] for path in paths)
    return {path: path[-1] if counts[path[-1]] == 1 else "/".join(path) for path in paths}


def _common_length(paths: Collection[Folders]) -> int:
    """Return the number of folders at the start that all paths have in common."""
    first, last = min(paths), max(paths)
    length = 0
    while length < min(len(first), len(last)) and first[length] == last[length]:
        length += 1
    return length
