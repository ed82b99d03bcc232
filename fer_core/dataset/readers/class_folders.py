"""Pictures in folders named after their class, such as Kaggle's FER2013."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fer_core.dataset.class_mapping import ClassChoice
from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.dataset.persons import Person
from fer_core.dataset.readers.class_register import ClassRegister
from fer_core.dataset.readers.face_rows import FaceRows, split_from_name
from fer_core.dataset.readers.pictures import decode_face, is_picture
from fer_core.dataset.readers.problems import ProblemLog, SkipReason
from fer_core.dataset.readers.sources import Source
from fer_core.dataset.splitting import SplitChoice
from fer_core.emotions import EMOTIONS8, emotion_from_name
from fer_core.errors import InputError
from fer_core.progress import ProgressReport

_NO_FOLDER = SkipReason("is not in a folder named after a class")


@dataclass(frozen=True, slots=True)
class _Place:
    """The class, split and person that the path of a picture names.

    Attributes:
        class_name: The folder of its class.
        split: Index into ``SPLITS``.
        is_official: True if the split is an official test set of FER2013.
        person: The person that a folder names; None if there is none.
    """

    class_name: str
    split: int
    is_official: bool
    person: Person | None


def read_class_folders(
    source: Source,
    names: list[str],
    split_choice: SplitChoice,
    register: ClassRegister,
    problems: ProblemLog,
    *,
    report: ProgressReport | None = None,
) -> FaceSet:
    """Read ``<split>/<class>/picture`` or ``<class>/picture``, at any depth.

    The class is the last folder named after an emotion; if there is none, the first folder below
    those that all pictures share and below the folder of the split.

    A folder below that of the class, ``<class>/<subject>/picture``, names the person.

    FER2013's official splits are recognized by the prefixes of file names, which also distinguish
    the two test sets in Kaggle's ``test/`` folder; in this case missing splits stay missing. For
    any other source, missing splits are created as stratified shares of the training images.

    Args:
        source: The files.
        names: Their paths inside it.
        split_choice: How missing splits are created.
        register: Gives the classes their labels.
        problems: Collects the pictures that cannot be used.
        report: Called repeatedly with the number of pictures read and of all pictures.

    Raises:
        InputError: No picture in the source can be used.
    """
    placed: dict[str, tuple[int, _Place]] = {}
    for name, place in _places(names):
        if isinstance(place, SkipReason):
            problems.add(name, place)
            continue
        label = register.label(place.class_name)
        if label is not None:
            placed[name] = label, place

    rows = FaceRows(source.label)
    for done, (name, content) in enumerate(source.read_all(list(placed)), start=1):
        face = content if isinstance(content, SkipReason) else decode_face(content)
        if isinstance(face, SkipReason):
            problems.add(name, face)
        else:
            label, place = placed[name]
            rows.add(face, label, place.split, name, place.person)
            rows.has_official_splits |= place.is_official
        if report is not None and (done % 500 == 0 or done == len(placed)):
            report(done, len(placed))

    if not rows:
        raise InputError(_nothing_usable(source, register, problems))
    return rows.to_face_set(split_choice, register, problems, report)


def register_class_folders(names: list[str], register: ClassRegister) -> None:
    """Count the pictures of each class without reading them."""
    for _, place in _places(names):
        if isinstance(place, _Place):
            register.label(place.class_name)


def has_class_folders(names: list[str], choice: ClassChoice) -> bool:
    """Return True if pictures are sorted into folders of classes.

    If classes are mapped to emotions, one folder with the name of an emotion is enough. If the
    names of the source are kept, there must be two or more folders.
    """
    if choice.fixed_classes is None:
        found = {place.class_name for _, place in _places(names) if isinstance(place, _Place)}
        return len(found) > 1
    return any(
        isinstance(place, _Place) and choice.target(place.class_name) is not None
        for _, place in _places(names)
    )


def _places(names: Iterable[str]) -> Iterator[tuple[str, _Place | SkipReason]]:
    """Yield the place of each picture, or why it is skipped; other files are not mentioned."""
    pictures = [name for name in names if is_picture(name.rpartition("/")[2])]
    paths = {name.rpartition("/")[0] for name in pictures}
    folders = {path: path.split("/") if path else [] for path in paths}
    shared = _shared_folders(list(folders.values()))
    positions = {path: _class_position(parts, shared) for path, parts in folders.items()}
    splits = {path: _split_folder(parts) for path, parts in folders.items()}
    persons = {path: _person(parts, positions[path]) for path, parts in folders.items()}
    for name in pictures:
        path, _, file_name = name.rpartition("/")
        position = positions[path]
        if position is None:
            yield name, _NO_FOLDER
        else:
            split, is_official = _split(splits[path], file_name)
            yield name, _Place(folders[path][position], split, is_official, persons[path])


def _shared_folders(folders: list[list[str]]) -> int:
    """Return the number of folders at the start that all folders of pictures have in common.

    The folder of the only class is not counted; pictures in a folder above are ignored.
    """
    level = 0
    while True:
        deeper = [parts for parts in folders if len(parts) > level]
        is_shared = len({parts[level] for parts in deeper}) == 1
        if not is_shared or max(map(len, deeper)) == level + 1:
            return level
        level += 1


def _class_position(folders: list[str], shared: int) -> int | None:
    """Return the position of the folder of the class; None if there is none."""
    emotions = [
        position
        for position, folder in enumerate(folders)
        if emotion_from_name(folder, EMOTIONS8) is not None
    ]
    if emotions:
        return emotions[-1]
    below = range(shared, len(folders))
    return next((level for level in below if split_from_name(folders[level]) is None), None)


def _person(folders: list[str], class_position: int | None) -> Person | None:
    """Return the person that a folder below that of the class names."""
    if class_position is None or class_position + 1 == len(folders):
        return None
    folder = folders[class_position + 1]
    if split_from_name(folder) is not None:
        return None
    return Person(folder.casefold(), "folders below the classes")


def _split_folder(folders: list[str]) -> tuple[int, bool] | None:
    splits = [split for folder in folders if (split := split_from_name(folder)) is not None]
    return splits[-1] if splits else None


def _split(folder_split: tuple[int, bool] | None, file_name: str) -> tuple[int, bool]:
    """Return the split of a picture, and whether it is an official test set of FER2013."""
    # A user who moves FER2013's files to another split's folder does so on purpose. Therefore the
    # file name is used only if the folder does not determine the split, such as Kaggle's test/
    # folder, which contains both test sets.
    if folder_split is None or folder_split == (SPLITS.index("test"), False):
        file_split = _official_split(file_name)
        if file_split is not None and (file_split[1] or folder_split is None):
            return file_split
    return folder_split or (SPLITS.index("train"), False)


def _official_split(file_name: str) -> tuple[int, bool] | None:
    """Return the split from a file name of FER2013, and whether it is one of the test sets."""
    prefix, separator, _ = file_name.partition("_")
    if separator and prefix in ("Training", "PublicTest", "PrivateTest"):
        return split_from_name(prefix)
    return None


def _nothing_usable(source: Source, register: ClassRegister, problems: ProblemLog) -> str:
    register.report_left_out(problems)
    fixed = register.choice.fixed_classes
    if fixed is None:
        return (
            f"{source.label} contains no usable picture in a folder named after a class; arrange "
            f"it as train/<class>/… and test/<class>/…{problems.first_in_brackets()}"
        )
    return (
        f"{source.label} contains no usable picture in a folder named after an emotion "
        f"({', '.join(fixed)}); arrange it as train/<emotion>/… and test/<emotion>/…, or import it "
        f"with --classes folders to keep the names of its folders{problems.first_in_brackets()}"
    )
