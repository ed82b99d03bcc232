"""Pictures in folders named after their emotion, such as Kaggle's FER2013."""

from __future__ import annotations

from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.dataset.persons import Person
from fer_core.dataset.readers.face_rows import FaceRows, split_from_name
from fer_core.dataset.readers.pictures import decode_face, is_picture
from fer_core.dataset.readers.problems import ProblemLog, SkipReason, shortened
from fer_core.dataset.readers.sources import Source
from fer_core.dataset.splitting import SplitChoice
from fer_core.emotions import EMOTIONS, emotion_from_name
from fer_core.errors import InputError
from fer_core.progress import ProgressReport

_NO_FOLDER = SkipReason("is not in a folder named after an emotion")


def read_class_folders(
    source: Source,
    names: list[str],
    split_choice: SplitChoice,
    problems: ProblemLog,
    report: ProgressReport | None = None,
) -> FaceSet:
    """Read ``<split>/<emotion>/picture`` or ``<emotion>/picture``, at any depth.

    A folder below that of the emotion, ``<emotion>/<subject>/picture``, names the person.

    FER2013's official splits are recognized by the prefixes of file names, which also distinguish
    the two test sets in Kaggle's ``test/`` folder; in this case missing splits stay missing. For
    any other source, missing splits are created as stratified shares of the training images.

    Args:
        source: The files.
        names: Their paths inside it.
        split_choice: How missing splits are created.
        problems: Collects the pictures that cannot be used.
        report: Called repeatedly with the number of pictures read and of all pictures.

    Raises:
        InputError: No picture in the source can be used.
    """
    usable: dict[str, tuple[int, int, bool]] = {}
    for name in names:
        label_and_split = _label_and_split(name)
        if isinstance(label_and_split, SkipReason):
            problems.add(name, label_and_split)
        elif label_and_split is not None:
            usable[name] = label_and_split

    rows = FaceRows(source.label)
    for done, (name, content) in enumerate(source.read_all(list(usable)), start=1):
        face = content if isinstance(content, SkipReason) else decode_face(content)
        if isinstance(face, SkipReason):
            problems.add(name, face)
        else:
            label, split, is_official = usable[name]
            rows.add(face, label, split, name, _person(name))
            rows.has_official_splits |= is_official
        if report is not None and (done % 500 == 0 or done == len(usable)):
            report(done, len(usable))

    if not rows:
        raise InputError(
            f"{source.label} contains no usable picture in a folder named after an emotion "
            f"({', '.join(EMOTIONS)}); arrange it as train/<emotion>/… and test/<emotion>/…"
            f"{problems.first_in_brackets()}"
        )
    return rows.to_face_set(split_choice, problems, report)


def is_in_emotion_folder(name: str) -> bool:
    """Return True if a file is a picture in a folder named after one of the seven emotions."""
    return isinstance(_label_and_split(name), tuple)


def _label_and_split(name: str) -> tuple[int, int, bool] | SkipReason | None:
    """Return label, split and whether the split is an official test set of FER2013.

    Returns:
        A reason if the picture is skipped; None if the file is not a picture (a readme, a license):
        such files are not reported.
    """
    *folders, file_name = name.split("/")
    if not is_picture(file_name):
        return None
    if not folders:
        return _NO_FOLDER
    position = _emotion_position(folders)
    if position is None:
        return SkipReason(f"is of class {shortened(folders[-1])!r}, not one of the seven emotions")
    label = EMOTIONS.index(emotion_from_name(folders[position]) or "")
    folder_split = split_from_name(folders[position - 1]) if position > 0 else None
    # A user who moves FER2013's files to another split's folder does so on purpose. Therefore the
    # file name is used only if the folder does not determine the split, such as Kaggle's test/
    # folder, which contains both test sets.
    if folder_split is None or folder_split == (SPLITS.index("test"), False):
        file_split = _official_split(file_name)
        if file_split is not None and (file_split[1] or folder_split is None):
            return label, *file_split
    return label, *(folder_split or (SPLITS.index("train"), False))


def _emotion_position(folders: list[str]) -> int | None:
    """Return the position of the last folder named after an emotion."""
    positions = [index for index, one in enumerate(folders) if emotion_from_name(one) is not None]
    return positions[-1] if positions else None


def _person(name: str) -> Person | None:
    """Return the person that a folder below that of the emotion names."""
    folders = name.split("/")[:-1]
    position = _emotion_position(folders)
    if position is None or position + 1 == len(folders):
        return None
    return Person(folders[position + 1].casefold(), "folders below the classes")


def _official_split(file_name: str) -> tuple[int, bool] | None:
    """Return the split from a file name of FER2013, and whether it is one of the test sets."""
    prefix, separator, _ = file_name.partition("_")
    if separator and prefix in ("Training", "PublicTest", "PrivateTest"):
        return split_from_name(prefix)
    return None
