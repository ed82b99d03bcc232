"""Read pictures in folders named after their class: find the folder of the class in each path."""

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
#: Maximum number of pictures without a class that are listed for one folder. If a folder contains
#: more of them, only the folder and their number are listed.
_MAX_LISTED = 3
#: Codes of emotions in JAFFE and KDEF.
_FOLDER_CODES = {
    **{"an": "angry", "di": "disgust", "fe": "fear", "af": "fear", "ha": "happy"},
    **{"sa": "sad", "su": "surprise", "ne": "neutral"},
}
#: Minimum number of different codes of emotions in a source. One or two folder names that look like
#: codes may be the initials of persons.
_MIN_CODES = 3


def read_class_tree(
    pictures: Iterable[str], choice: ClassChoice, roles: FolderRoles, problems: ProblemLog
) -> Layout:
    """Read ``<split>/<class>/picture`` or ``<class>/picture``, at any depth.

    The class is the folder that the user chose as a class, or else the last folder of a path that
    is named after an emotion. In a path without such a folder, the class is found by the class
    folders of other paths and by the folders of splits; see the comments in ``class_positions``.

    A folder below the folder of the class may name the person: ``<class>/<subject>/picture``.

    Args:
        pictures: The paths of the pictures.
        choice: How the classes of the source are mapped to those of the dataset.
        roles: The roles that the user gave to folders.
        problems: Collects the pictures without a class.
    """
    pictures = list(pictures)
    paths = {folders_of(name) for name in pictures}
    positions = class_positions(paths, roles)
    # All pictures of a folder share one annotation.
    faces_by_folder: dict[Folders, tuple[AnnotatedFace, ...]] = {
        path: (_face(path, position),)
        for path, position in positions.items()
        if position is not None
    }
    _drop_single_person(faces_by_folder)
    if choice.fixed_classes is not None:
        _replace_codes(faces_by_folder)
    without_class: dict[Folders, list[str]] = defaultdict(list)
    faces_by_picture: dict[str, tuple[AnnotatedFace, ...]] = {}
    for name in pictures:
        path = folders_of(name)
        if path in faces_by_folder:
            faces_by_picture[name] = faces_by_folder[path]
        else:
            without_class[path].append(name)
    for path, names in without_class.items():
        if len(names) > _MAX_LISTED:
            problems.add_folder("/".join(path) or ".", "is not named after a class", len(names))
        else:
            for name in names:
                problems.add(name, _NO_FOLDER, class_name="")
    layout = Layout(faces_by_picture, has_class_folders=True)
    if choice.fixed_classes is None:
        layout.folders_may_be_classes = True
        layout.possible_class_folders = set(_possible_class_folders(positions, roles))
    return layout


def class_positions(paths: Collection[Folders], roles: FolderRoles) -> dict[Folders, int | None]:
    """Return the position of the folder of the class in each path; None without such a folder.

    Args:
        paths: The folders that contain pictures.
        roles: The roles that the user gave to folders.
    """
    shared_count = _shared_folder_count(paths)
    positions: dict[Folders, int | None] = {
        path: position for path in paths if (position := _named_position(path, roles)) is not None
    }
    if not positions:
        positions |= _positions_below_splits(paths, roles)
    if not positions and (level := _repeated_level(paths, shared_count)) is not None:
        positions |= {path: level for path in paths if len(path) > level}
    class_parents = {path[:position] for path, position in positions.items()}
    # No position is None so far.
    class_keys = {class_key(path[position or 0]) for path, position in positions.items()}
    # In each remaining path, the folder of the class is the first of these that exists: a folder
    # next to folders of classes, a folder with the name of a class, the folder directly below a
    # split, and the outermost folder that does not contain all pictures.
    for path in sorted(set(paths) - positions.keys()):
        candidates = [level for level in range(len(path)) if not _is_split(path, level, roles)]
        siblings = [level for level in candidates if path[:level] in class_parents]
        same_name = [level for level in candidates if class_key(path[level]) in class_keys]
        below_split = _position_below_split(path, roles)
        outermost = next((level for level in candidates if level >= shared_count), None)
        positions[path] = next(
            (
                level
                for level in (*siblings[:1], *same_name[-1:], below_split, outermost)
                if level is not None
            ),
            None,
        )
    return positions


def _face(path: Folders, position: int) -> AnnotatedFace:
    """Return the annotation of the pictures in a folder.

    Args:
        path: The folder.
        position: The position of the folder of the class in the path.
    """
    subfolders = path[position + 1 :]
    person = None
    if subfolders and split_from_name(subfolders[0]) is None and may_be_person(subfolders[0]):
        person = Person(subfolders[0].casefold(), "folders below the classes")
    class_name, split = path[position], None
    if (emotion_and_split := _emotion_and_split(class_name)) is not None:
        class_name, split = emotion_and_split
    return AnnotatedFace(class_name, path[:position], subfolders, split=split, person=person)


def _emotion_and_split(folder: str) -> tuple[str, int] | None:
    """Return the emotion and the split of a folder that names both (``happy_train``), or None."""
    named_split = split_from_name(folder)
    if named_split is None or emotion_of_folder(folder) is not None:
        return None
    words = [word for word in re.split(r"[\W\d_]+", folder) if split_from_name(word) is None]
    emotion = emotion_of_folder(" ".join(words))
    return None if emotion is None else (emotion, named_split[0])


def _drop_single_person(faces: dict[Folders, tuple[AnnotatedFace, ...]]) -> None:
    """Remove the person if there is only one: a folder such as "images" is not a person."""
    if len({face.person for (face,) in faces.values() if face.person is not None}) == 1:
        for path, (face,) in faces.items():
            faces[path] = (replace(face, person=None),)


def _replace_codes(faces: dict[Folders, tuple[AnnotatedFace, ...]]) -> None:
    """Replace the codes of JAFFE and KDEF (``AN``, ``HA``, ``SU``) if all classes are codes."""
    names = {face.class_name.casefold() for (face,) in faces.values()}
    if len(names) >= _MIN_CODES and names <= _FOLDER_CODES.keys():
        for path, (face,) in faces.items():
            name = _FOLDER_CODES[face.class_name.casefold()]
            faces[path] = (replace(face, class_name=name),)


def _named_position(path: Folders, roles: FolderRoles) -> int | None:
    """Return the position of the class folder that the user or the name of an emotion determines.

    If the user chose no folder of the path as a class, it is the last folder with the name of an
    emotion. Return None if there is no such folder.
    """
    role_position, role = roles.role_of(path) or (None, None)
    if role == "class":
        return role_position
    emotions = [
        position
        for position, folder in enumerate(path)
        if (emotion_of_folder(folder) is not None or _emotion_and_split(folder) is not None)
        and not _has_other_role(path, position, roles)
    ]
    return emotions[-1] if emotions else None


def _has_other_role(path: Folders, position: int, roles: FolderRoles) -> bool:
    """Return True if the user gave a folder a role other than class: a split, or left out."""
    role_position, role = roles.role_of(path[: position + 1]) or (None, None)
    return role_position == position and role != "class"


def _is_split(path: Folders, position: int, roles: FolderRoles) -> bool:
    """Return True if a folder is a split, or if the user left the folder out.

    The name of the folder counts only if the user gave the folder no role.
    """
    role_position, role = roles.role_of(path[: position + 1]) or (None, None)
    if role_position == position:
        return role != "class"
    return split_from_name(path[position]) is not None


def _position_below_split(path: Folders, roles: FolderRoles) -> int | None:
    """Return the position of the folder directly below the last split; None if there is none."""
    splits = [position for position in range(len(path)) if _is_split(path, position, roles)]
    return splits[-1] + 1 if splits and splits[-1] + 1 < len(path) else None


def _positions_below_splits(
    paths: Collection[Folders], roles: FolderRoles
) -> dict[Folders, int | None]:
    """Return the position of the folder of the class in each path with a split."""
    positions = {
        path: position
        for path in paths
        if (position := _position_below_split(path, roles)) is not None
    }
    # A folder with the same name below each split is not a class: "train/images/cat".
    while (
        len({class_key(path[position]) for path, position in positions.items()}) == 1
        and len({path[:position] for path, position in positions.items()}) > 1
        and all(len(path) > position + 1 for path, position in positions.items())
    ):
        positions = {path: position + 1 for path, position in positions.items()}
    return dict(positions)


def _shared_folder_count(paths: Collection[Folders]) -> int:
    """Return the number of folders that all paths have in common at their start.

    If the source has only one class, the folder of this class is not counted. A path that is
    shorter than the shared folders is ignored.
    """
    level = 0
    while True:
        deeper = [path for path in paths if len(path) > level]
        is_shared = len({path[level] for path in deeper}) == 1
        if not is_shared or max(map(len, deeper)) == level + 1:
            return level
        level += 1


def _repeated_level(paths: Collection[Folders], shared_count: int) -> int | None:
    """Return the level of the classes if folders with the same names are in several folders.

    An example is ``a/cat``, ``a/dog``, ``b/cat``, ``b/dog``, where a and b are splits with unknown
    names. Return None if there are no such folders. Also return None if these folders may be
    persons, because the same persons may be in the folders of all classes.

    Args:
        paths: The folders that contain pictures.
        shared_count: The result of ``_shared_folder_count``.
    """
    level = shared_count + 1
    while True:
        # The names of the folders at this level, by the outermost folder that is not shared.
        names_by_top_folder: dict[str, set[str]] = defaultdict(set)
        for path in paths:
            if len(path) > level:
                names_by_top_folder[path[shared_count]].add(path[level])
        if len(names_by_top_folder) < 2 or any(shared_count < len(path) <= level for path in paths):
            return None
        common_names = set.intersection(*names_by_top_folder.values())
        all_names = set.union(*names_by_top_folder.values())
        if len(all_names) > 1:
            break
        level += 1  # each folder contains only a folder of the same name: "a/images", "b/images"
    if len(common_names) < 2 or 2 * len(common_names) < len(all_names):
        return None
    if are_persons(all_names) and not _are_class_numbers(all_names):
        return None
    # If the folders above are numbered like emotions, they are the classes.
    has_numbers_above = _are_class_numbers(names_by_top_folder.keys())
    may_be_persons = common_names != all_names and are_persons(all_names)
    return None if has_numbers_above or may_be_persons else level


def _are_class_numbers(names: Collection[str]) -> bool:
    """Return True if names are the consecutive numbers of 6 to 11 classes, from 0 or 1."""
    numbers = sorted(-1 if (number := class_number(name)) is None else number for name in names)
    is_complete = numbers in (list(range(len(numbers))), list(range(1, len(numbers) + 1)))
    return is_complete and 6 <= len(numbers) <= 11


def _possible_class_folders(
    positions: dict[Folders, int | None], roles: FolderRoles
) -> Iterator[Folders]:
    """Yield the folders for which the user has to decide whether they are classes.

    They contain pictures, have no role and are next to a folder of a split. Neither these folders
    nor their siblings share a name with a class folder inside a split.
    """
    class_keys: set[str] = set()
    split_parents: set[Folders] = set()
    siblings: dict[Folders, set[str]] = defaultdict(set)
    for path, position in positions.items():
        splits = [level for level in range(len(path)) if _is_split(path, level, roles)]
        split_parents |= {path[:level] for level in splits}
        if position is not None and splits and splits[0] < position:
            class_keys.add(class_key(path[position]))
        for level, folder in enumerate(path):
            siblings[path[:level]].add(class_key(folder))
    for path, position in positions.items():
        if position != len(path) - 1 or path[:position] not in split_parents:
            continue
        role_position, _ = roles.role_of(path) or (None, None)
        has_role = role_position == position
        if not has_role and class_keys.isdisjoint(siblings[path[:position]]):
            yield path
