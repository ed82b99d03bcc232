"""Find the split of each face by its folders, and the folders about which the user must decide."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from fer_core.dataset.face_set import SPLITS
from fer_core.dataset.folder_roles import FolderRoles
from fer_core.dataset.persons import Person
from fer_core.dataset.readers.layouts.layout import AnnotatedFace, Folders, Layout
from fer_core.dataset.readers.layouts.person_folders import are_persons
from fer_core.dataset.readers.problems import ProblemLog
from fer_core.dataset.readers.split_names import (
    is_evaluation_name,
    is_plain_split_name,
    split_from_name,
)
from fer_core.phrases import shell_quoted

#: Maximum number of folders that a message names.
_MAX_SHOWN = 10
#: The suffixes of tables and lists, which can be splits in the same way as folders.
_LIST_SUFFIXES = (".csv", ".tsv", ".txt", ".lst", ".list")


@dataclass(frozen=True)
class SplitFolder:
    """A folder or list that is a split, is left out, or about which the user has to decide.

    Attributes:
        name: The name of the folder, or its path in the source if several folders have this name.
        role: ``train``, ``validation`` or ``test``; empty if the folder is left out, and None if
            its name does not say what it is, so that the user has to decide.
        count: Number of pictures in the folder; 0 for a table, whose rows are not counted.
        may_be_class: True if the user can also give the folder the role ``class``.
    """

    name: str
    role: str | None
    count: int = 0
    may_be_class: bool = False


@dataclass(frozen=True, slots=True)
class NamedSplit:
    """The split of a picture, and where it comes from.

    Attributes:
        split: Index into ``SPLITS``; None if no folder names a split.
        is_official: True if ``split`` comes from an official name of FER2013's test sets.
        is_explicit: True if the user, a list, a table or the picture's own name states the split.
            False if the split comes from the name of a folder.
        is_left_out: True if the picture is not read, because the user leaves its folder out or has
            not decided about this folder yet.
        person: The person that a folder above the classes names; None without such a folder.
    """

    split: int | None = None
    is_official: bool = False
    is_explicit: bool = False
    is_left_out: bool = False
    person: Person | None = None


@dataclass
class SourceSplits:
    """The splits of a source by its folders.

    Attributes:
        by_folders: The split of a face. The key consists of the parent folders and the subfolders
            of the face, as in ``AnnotatedFace``.
        folders: The folders that have a role or about which the user has to decide. The folders
            about which the user has to decide come first.
        notes: Sentences about folders that are not splits.
        undecided_keys: The keys of ``by_folders`` about which the user has to decide.
    """

    by_folders: dict[tuple[Folders, Folders], NamedSplit] = field(default_factory=dict)
    folders: list[SplitFolder] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    undecided_keys: set[tuple[Folders, Folders]] = field(default_factory=set)

    def of(self, face: AnnotatedFace) -> NamedSplit:
        """Return the split of a face."""
        if face.split is not None:
            return NamedSplit(face.split, face.has_official_split, is_explicit=True)
        return self.by_folders[face.parent_folders, face.subfolders]

    def is_undecided(self, face: AnnotatedFace) -> bool:
        """Return True if the user has to decide about the folder of a face."""
        return face.split is None and (face.parent_folders, face.subfolders) in self.undecided_keys

    @property
    def undecided_folders(self) -> list[SplitFolder]:
        """The folders about which the user has to decide."""
        return [folder for folder in self.folders if folder.role is None]


def find_split_folders(
    layout: Layout, roles: FolderRoles, problems: ProblemLog, root: str = ""
) -> SourceSplits:
    """Return the splits of a source by its folders.

    The user has to decide about pictures whose folders above the classes name no split. The
    question is about the outermost of these folders that does not contain all pictures. If this
    folder is named after a numbered person, the user does not have to decide.

    If ``layout.asks_user_about_all_folders`` is False, the user only has to decide about such a
    folder if it is next to a folder that names a split.

    Args:
        layout: The faces of the source.
        roles: The roles that the user gave to folders.
        problems: Collects the folders that the user leaves out.
        root: The name of the source, which can have a role as well.
    """
    # A picture with several faces counts once.
    counts = Counter(
        key
        for faces in layout.faces.values()
        for key in {(face.parent_folders, face.subfolders) for face in faces if face.split is None}
    )
    result = SourceSplits()
    if not counts:
        return result
    keys_of_used_classes = {
        (face.parent_folders, face.subfolders)
        for faces in layout.faces.values()
        for face in faces
        if face.split is None and face.class_name not in layout.left_out_classes
    }
    finder = _SplitFinder(layout, roles, keys_of_used_classes or counts, root)
    splits_with_folders = {key: finder.split_of(*key) for key in counts}
    picture_counts: Counter[Folders] = Counter()
    folder_roles: dict[Folders, str | None] = {}
    person_folders: set[Folders] = set()
    for key, (split, path) in splits_with_folders.items():
        person_folder = finder.person_folder_of(key[0])
        person = None
        if person_folder is not None:
            person_folders.add(person_folder)
            person = Person(person_folder[-1].casefold(), "folders above the classes")
        if split is not None:
            result.by_folders[key] = replace(split, person=person)
        elif person is not None and path == person_folder:
            # The user does not have to decide about the folder of a person.
            result.by_folders[key] = NamedSplit(person=person)
            continue
        else:
            # These pictures are not read until the user has decided about their folder.
            result.undecided_keys.add(key)
            result.by_folders[key] = NamedSplit(is_left_out=True)
        if path is not None:
            picture_counts[path] += counts[key]
            folder_roles[path] = _role_name(split)
    for path in layout.possible_class_folders:
        in_folder = (_class_folder(faces[0]) == path for faces in layout.faces.values())
        picture_counts[path] = sum(in_folder)
        folder_roles[path] = None
    names = _short_names(folder_roles)
    result.folders = sorted(
        (
            SplitFolder(names[path], role, picture_counts[path], layout.folders_may_be_classes)
            for path, role in folder_roles.items()
        ),
        key=lambda folder: (folder.role is not None, folder.name),
    )
    if person_folders:
        result.notes.append(_persons_note(person_folders))
    for folder in result.folders:
        if folder.role == "":
            problems.add_folder(folder.name, "was left out as requested", folder.count)
    return result


def undecided_folder_question(source: str, folders: Sequence[SplitFolder]) -> str:
    """Return the question about folders that are neither a split nor a class, in one sentence.

    Args:
        source: The name of the source.
        folders: The folders about which the user has to decide, at least one.
    """
    shown = folders[:_MAX_SHOWN]
    names = ", ".join(f"{folder.name!r}{_count_text(folder.count)}" for folder in shown)
    more = f" and {len(folders) - len(shown):,} more" if len(folders) > len(shown) else ""
    are_several = len(folders) > 1
    kind = "file" if shown[0].name.lower().endswith(_LIST_SUFFIXES) else "folder"
    flags = " ".join(f"--split {shell_quoted(f'{folder.name}=train')}" for folder in shown)
    has_class = any(folder.may_be_class for folder in shown)
    other_roles = "validation, test" + (", class" if has_class else "")
    without_role = shell_quoted(f"{shown[0].name}=")
    return (
        f"{source} contains the {kind}{'s' if are_several else ''} {names}{more}, whose name"
        f"{'s are' if are_several else ' is'} neither that of a split nor of a class; import it "
        f"with {flags} (or {other_roles} instead of train; --split {without_role} leaves it out)."
    )


def _count_text(count: int) -> str:
    return f" ({count:,} {'picture' if count == 1 else 'pictures'})" if count else ""


class _SplitFinder:
    """Finds the split by the parent folders and the subfolders of a face.

    Args:
        layout: The faces of the source.
        roles: The roles that the user gave to folders.
        keys: The parent folders and the subfolders of faces, as in ``AnnotatedFace``.
        root: The name of the source.
    """

    def __init__(
        self,
        layout: Layout,
        roles: FolderRoles,
        keys: Iterable[tuple[Folders, Folders]],
        root: str,
    ) -> None:
        _, root_role = roles.role_of((root,)) or (None, None)
        self._root_split = NamedSplit()
        if root_role in SPLITS:
            self._root_split = NamedSplit(SPLITS.index(root_role), is_explicit=True)
        self._asks_about_all_folders = layout.asks_user_about_all_folders
        self._lists_without_split = layout.lists_without_split
        self._roles = roles
        #: The parent folders in ``keys``.
        self._paths = {parent_folders for parent_folders, _ in keys}
        #: Number of folders at the start that all paths have in common.
        self._common_length = _common_length(self._paths)
        split_folders = {
            (path[:level], folder)
            for path in self._paths
            for level, folder in enumerate(path)
            if split_from_name(folder) is not None
        }
        #: Folders that contain a folder that names a split.
        self._split_parents = {parent for parent, _ in split_folders}
        #: True if a folder has a usual name of the validation split; "eval" is not such a name.
        self._has_validation = any(
            split_from_name(folder) == (SPLITS.index("validation"), False)
            and not is_evaluation_name(folder)
            for _, folder in split_folders
        )

    def split_of(
        self, parent_folders: Folders, subfolders: Folders
    ) -> tuple[NamedSplit | None, Folders | None]:
        """Return the split, and the folder to list with this split.

        The split is None if the user has to decide about the folder. The folder is None
        if a subfolder names the split, or if the split is that of the whole source.
        """
        chosen_split = self._chosen_split(parent_folders, subfolders)
        if chosen_split is not None:
            return chosen_split
        # The faces come from a list whose name states no split.
        if parent_folders in self._lists_without_split:
            return None, parent_folders
        for level in range(len(parent_folders) - 1, -1, -1):
            named_split = split_from_name(parent_folders[level])
            if named_split is not None:
                path = parent_folders[: level + 1]
                is_doubtful = self._is_doubtful(path, named_split[0])
                return None if is_doubtful else NamedSplit(*named_split), path
        for folder in reversed(subfolders):
            named_split = split_from_name(folder)
            if named_split is not None:
                return NamedSplit(*named_split), None
        is_next_to_split = parent_folders[: self._common_length] in self._split_parents
        asks = self._asks_about_all_folders or is_next_to_split
        if asks and len(parent_folders) > self._common_length:
            return None, parent_folders[: self._common_length + 1]
        return self._root_split, None

    def _chosen_split(
        self, parent_folders: Folders, subfolders: Folders
    ) -> tuple[NamedSplit, Folders] | None:
        """Return the split that the user chose, and the folder with it; None without a choice."""
        level_and_role = self._roles.role_of(parent_folders)
        if level_and_role is not None:
            level, role = level_and_role
            path = parent_folders[: level + 1]
        elif (level_and_role := self._roles.role_of(subfolders)) is not None:
            level, role = level_and_role
            path = (*parent_folders, *subfolders[: level + 1])
        else:
            return None
        if role == "class":
            return None
        # A role of None means that the user left the folder out, unlike in ``SplitFolder``.
        if role is None:
            return NamedSplit(is_left_out=True), path
        return NamedSplit(SPLITS.index(role), is_explicit=True), path

    def _is_doubtful(self, path: Folders, split: int) -> bool:
        """Return True if a folder is named after a split, but may have another meaning."""
        name = path[-1]
        if is_evaluation_name(name):
            return self._has_validation
        # A folder around all pictures, such as "my-test-dataset", probably has the dataset's name.
        is_around_all = len(path) <= self._common_length
        return is_around_all and split != SPLITS.index("train") and not is_plain_split_name(name)

    def person_folder_of(self, parent_folders: Folders) -> Folders | None:
        """Return the outermost folder named after a numbered person; None if there is none.

        Numbered folders inside that folder may be sessions of the person.
        """
        levels = range(1, len(parent_folders) + 1) if self._asks_about_all_folders else ()
        return next(
            (path for level in levels if (path := parent_folders[:level]) in self._person_folders),
            None,
        )

    @cached_property
    def _person_folders(self) -> set[Folders]:
        """The folders that are named after numbered persons."""
        names_in_parent: dict[Folders, set[str]] = defaultdict(set)
        for path in self._paths:
            for level, folder in enumerate(path):
                names_in_parent[path[:level]].add(folder)
        return {
            (*parent, name)
            for parent, names in names_in_parent.items()
            if parent not in self._split_parents and _are_certainly_persons(names)
            for name in names
        }


def _persons_note(person_folders: Collection[Folders]) -> str:
    names = sorted({path[-1] for path in person_folders})
    return (
        f"The {len(names):,} folders {', '.join(names[:3])}, … above the classes were read as "
        "persons."
    )


def _class_folder(face: AnnotatedFace) -> Folders:
    return (*face.parent_folders, face.class_name)


def _are_certainly_persons(names: Collection[str]) -> bool:
    """Return True if folders with these names are named after numbered persons.

    Single digits are not enough, because 1, 2 and 3 may be the parts of a dataset.
    """
    return are_persons(names) and any(len(name) > 1 for name in names)


def _role_name(split: NamedSplit | None) -> str | None:
    """Return the role of a folder with a split, as in ``SplitFolder``."""
    if split is None:
        return None
    if split.is_left_out:
        return ""
    return None if split.split is None else SPLITS[split.split]


def _short_names(paths: Collection[Folders]) -> dict[Folders, str]:
    """Return the last part of each path, or the whole path if several have the same last part."""
    counts = Counter(path[-1] for path in paths)
    return {path: path[-1] if counts[path[-1]] == 1 else "/".join(path) for path in paths}


def _common_length(paths: Collection[Folders]) -> int:
    """Return the number of folders at the start that all paths have in common."""
    # What the first and the last path in sorted order have in common, all paths have in common.
    first, last = min(paths), max(paths)
    length = 0
    while length < min(len(first), len(last)) and first[length] == last[length]:
        length += 1
    return length
