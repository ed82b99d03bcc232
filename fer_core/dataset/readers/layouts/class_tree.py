"""Pictures in folders named after their class: which folder of a path is that of the class."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from fer_core.classes import class_key
from fer_core.dataset.class_mapping import ClassChoice
from fer_core.dataset.class_numbers import class_number
from fer_core.dataset.folder_emotions import emotion_of_folder
from fer_core.dataset.folder_roles import FolderRoles
from fer_core.dataset.persons import Person
from fer_core.dataset.readers.layouts.layout import AnnotatedFace, Folders, Layout, folders_of
from fer_core.dataset.readers.layouts.person_folders import are_persons, may_be_person
from fer_core.dataset.readers.problems import ProblemLog, SkipReason
from fer_core.dataset.readers.split_names import split_from_name

_NO_FOLDER = SkipReason("is not in a folder named after a class")
#: Maximum number of pictures without a class that are listed for one folder. For more pictures, the
#: folder and their number are listed.
_MAX_LISTED = 3
#: Two letters may be the initials of persons as well; several of these are not.
_MIN_CODES = 3
_FOLDER_CODES = {
    **{"an": "angry", "di": "disgust", "fe": "fear", "af": "fear", "ha": "happy"},
    **{"sa": "sad", "su": "surprise", "ne": "neutral"},
}


def read_class_tree(
    pictures: Iterable[str], choice: ClassChoice, roles: FolderRoles, problems: ProblemLog
) -> Layout:
    """Read ``<split>/<class>/picture`` or ``<class>/picture``, at any depth.

    The class is the last folder named after an emotion. If there is none, it is a folder next to
    folders of other classes, or else the first folder inside the folder of the split.

    A folder below that of the class, ``<class>/<subject>/picture``, names the person.

    Args:
        pictures: The paths of the pictures.
        choice: How the classes become those of the dataset.
        roles: What the user says about folders.
        problems: Collects the pictures without a class.
    """
    pictures = list(pictures)
    paths = {folders_of(name) for name in pictures}
    positions = class_positions(paths, roles)
    faces: dict[Folders, tuple[AnnotatedFace, ...]] = {
        path: (_face(path, position),)
        for path, position in positions.items()
        if position is not None
    }
    _drop_single_person(faces)
    if choice.fixed_classes is not None:
        _name_codes(faces)
    without_class: dict[Folders, list[str]] = defaultdict(list)
    found: dict[str, tuple[AnnotatedFace, ...]] = {}
    for name in pictures:
        path = folders_of(name)
        if path in faces:
            found[name] = faces[path]
        else:
            without_class[path].append(name)
    for path, names in without_class.items():
        if len(names) > _MAX_LISTED:
            problems.add_folder("/".join(path) or ".", "is not named after a class", len(names))
        else:
            for name in names:
                problems.add(name, _NO_FOLDER)
    layout = Layout(found, has_class_folders=True)
    if choice.fixed_classes is None:
        layout.may_be_classes = True
        layout.undecided_classes = set(_undecided_classes(positions, roles))
    return layout


def class_positions(paths: Collection[Folders], roles: FolderRoles) -> dict[Folders, int | None]:
    """Return the position of the folder of the class in each path; None if there is none.

    Args:
        paths: The folders that contain pictures.
        roles: What the user says about folders.
    """
    shared = _shared_folders(paths)
    positions: dict[Folders, int | None] = {
        path: position for path in paths if (position := _named_position(path, roles)) is not None
    }
    if not positions:
        positions |= _positions_below_splits(paths, roles)
    if not positions and (level := _repeated_level(paths, shared)) is not None:
        positions |= {path: level for path in paths if len(path) > level}
    parents = {path[:position] for path, position in positions.items()}
    keys = {class_key(path[position or 0]) for path, position in positions.items()}
    for path in sorted(set(paths) - positions.keys()):
        candidates = [level for level in range(len(path)) if not _is_split(path, level, roles)]
        siblings = [level for level in candidates if path[:level] in parents]
        same_name = [level for level in candidates if class_key(path[level]) in keys]
        after_split = _position_below_split(path, roles)
        first = next((level for level in candidates if level >= shared), None)
        positions[path] = next(
            (
                level
                for level in (*siblings[:1], *same_name[-1:], after_split, first)
                if level is not None
            ),
            None,
        )
    return positions


def _face(path: Folders, position: int) -> AnnotatedFace:
    subfolders = path[position + 1 :]
    person = None
    if subfolders and split_from_name(subfolders[0]) is None and may_be_person(subfolders[0]):
        person = Person(subfolders[0].casefold(), "folders below the classes")
    class_name, split = path[position], None
    if (joined := _emotion_and_split(class_name)) is not None:
        class_name, split = joined
    return AnnotatedFace(class_name, path[:position], subfolders, split=split, person=person)


def _emotion_and_split(folder: str) -> tuple[str, int] | None:
    """Return the emotion and the split of a folder that names both: ``happy_train``."""
    named = split_from_name(folder)
    if named is None or emotion_of_folder(folder) is not None:
        return None
    words = [word for word in re.split(r"[\W\d_]+", folder) if split_from_name(word) is None]
    emotion = emotion_of_folder(" ".join(words))
    return None if emotion is None else (emotion, named[0])


def _drop_single_person(faces: dict[Folders, tuple[AnnotatedFace, ...]]) -> None:
    """Remove the person if all folders below the classes have the same name, such as "images"."""
    if len({face.person for (face,) in faces.values() if face.person is not None}) == 1:
        for path, (face,) in faces.items():
            faces[path] = (replace(face, person=None),)


def _name_codes(faces: dict[Folders, tuple[AnnotatedFace, ...]]) -> None:
    """Name the classes if all of them are the codes of JAFFE and KDEF: ``AN``, ``HA``, ``SU``."""
    names = {face.class_name.casefold() for (face,) in faces.values()}
    if len(names) >= _MIN_CODES and names <= _FOLDER_CODES.keys():
        for path, (face,) in faces.items():
            name = _FOLDER_CODES[face.class_name.casefold()]
            faces[path] = (replace(face, class_name=name),)


def _named_position(path: Folders, roles: FolderRoles) -> int | None:
    """Return the position of the folder that the user calls a class, or of the last emotion."""
    given_role = roles.role_of(path)
    if given_role is not None and given_role[1] == "class":
        return given_role[0]
    emotions = [
        position
        for position, folder in enumerate(path)
        if (emotion_of_folder(folder) is not None or _emotion_and_split(folder) is not None)
        and not _has_split_role(path, position, roles)
    ]
    return emotions[-1] if emotions else None


def _has_split_role(path: Folders, position: int, roles: FolderRoles) -> bool:
    given_role = roles.role_of(path[: position + 1])
    return given_role is not None and given_role[0] == position and given_role[1] != "class"


def _is_split(path: Folders, position: int, roles: FolderRoles) -> bool:
    given_role = roles.role_of(path[: position + 1])
    if given_role is not None and given_role[0] == position:
        return given_role[1] != "class"
    return split_from_name(path[position]) is not None


def _position_below_split(path: Folders, roles: FolderRoles) -> int | None:
    splits = [position for position in range(len(path)) if _is_split(path, position, roles)]
    return splits[-1] + 1 if splits and splits[-1] + 1 < len(path) else None


def _positions_below_splits(
    paths: Collection[Folders], roles: FolderRoles
) -> dict[Folders, int | None]:
    found = {
        path: position
        for path in paths
        if (position := _position_below_split(path, roles)) is not None
    }
    # A folder with the same name below each split is not a class: "train/images/cat".
    while (
        len({class_key(path[position]) for path, position in found.items()}) == 1
        and len({path[:position] for path, position in found.items()}) > 1
        and all(len(path) > position + 1 for path, position in found.items())
    ):
        found = {path: position + 1 for path, position in found.items()}
    return dict(found)


def _shared_folders(paths: Collection[Folders]) -> int:
    """Return the number of folders at the start that all folders of pictures have in common.

    If the source has only one class, its folder is not counted. Paths that end earlier are
    ignored.
    """
    level = 0
    while True:
        deeper = [path for path in paths if len(path) > level]
        is_shared = len({path[level] for path in deeper}) == 1
        if not is_shared or max(map(len, deeper)) == level + 1:
            return level
        level += 1


def _repeated_level(paths: Collection[Folders], shared: int) -> int | None:
    """Return the level of the classes if folders with the same names are in several folders.

    ``a/cat``, ``a/dog``, ``b/cat``, ``b/dog``: a and b are splits with unknown names. Folders of
    persons may have the same names in all classes as well.
    """
    level = shared + 1
    while True:
        children: dict[str, set[str]] = defaultdict(set)
        for path in paths:
            if len(path) > level:
                children[path[shared]].add(path[level])
        if len(children) < 2 or any(shared < len(path) <= level for path in paths):
            return None
        repeated = set.intersection(*children.values())
        all_names = set.union(*children.values())
        if len(all_names) > 1:
            break
        level += 1  # a folder with the same name in each: "a/images/cat", "b/images/cat"
    if len(repeated) < 2 or 2 * len(repeated) < len(all_names):
        return None
    if are_persons(all_names) and not _are_class_numbers(all_names):
        return None
    # If the folders of both levels are numbers, the upper ones are the classes if they can be
    # emotions.
    has_numbers_above = _are_class_numbers(children.keys())
    may_be_persons = repeated != all_names and are_persons(all_names)
    return None if has_numbers_above or may_be_persons else level


def _are_class_numbers(names: Collection[str]) -> bool:
    """Return True if names are all numbers of six to eleven classes that begin at 0 or 1."""
    numbers = sorted(-1 if (number := class_number(name)) is None else number for name in names)
    is_complete = numbers in (list(range(len(numbers))), list(range(1, len(numbers) + 1)))
    return is_complete and 6 <= len(numbers) <= 11


def _undecided_classes(
    positions: dict[Folders, int | None], roles: FolderRoles
) -> Iterator[Folders]:
    """Yield folders of pictures next to folders of splits, but not next to folders of classes."""
    known: set[str] = set()
    split_parents: set[Folders] = set()
    siblings: dict[Folders, set[str]] = defaultdict(set)
    for path, position in positions.items():
        splits = [level for level in range(len(path)) if _is_split(path, level, roles)]
        split_parents |= {path[:level] for level in splits}
        if position is not None and splits and splits[0] < position:
            known.add(class_key(path[position]))
        for level, folder in enumerate(path):
            siblings[path[:level]].add(class_key(folder))
    for path, position in positions.items():
        if position != len(path) - 1 or path[:position] not in split_parents:
            continue
        given_role = roles.role_of(path)
        has_role = given_role is not None and given_role[0] == position
        if not has_role and known.isdisjoint(siblings[path[:position]]):
            yield path
