"""Pictures in folders named after their emotion: Kaggle's FER2013 and whatever is laid out so."""

from __future__ import annotations

from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.dataset.readers.face_rows import FaceRows, split_from_name
from fer_core.dataset.readers.pictures import decode_face, is_picture
from fer_core.dataset.readers.problems import Fault, ProblemLog, shortened
from fer_core.dataset.readers.sources import Source
from fer_core.dataset.splitting import SplitChoice
from fer_core.emotions import EMOTIONS, emotion_from_name
from fer_core.errors import InputError
from fer_core.progress import ProgressReport

_NO_FOLDER = Fault("lies in no folder that names its emotion")


def read_class_folders(
    source: Source,
    names: list[str],
    split_choice: SplitChoice,
    problems: ProblemLog,
    report: ProgressReport | None = None,
) -> FaceSet:
    """Read ``<split>/<emotion>/picture`` or ``<emotion>/picture``, at any depth, by their names.

    FER2013's official splits are told apart by the file names' prefixes, also inside Kaggle's
    common ``test/`` folder, and then nothing is cut: a split that is absent stays so. Any other
    source gets the splits it lacks as stratified shares of its training images.

    Args:
        source: The files.
        names: Their paths inside it.
        split_choice: How missing splits are cut.
        problems: Takes the pictures that cannot be used.
        report: Called now and then with the number of pictures read and their number in all.

    Raises:
        InputError: No picture in the source is usable.
    """
    placed: dict[str, tuple[int, int, bool]] = {}
    for name in names:
        place = _place(name)
        if isinstance(place, Fault):
            problems.add(name, place)
        elif place is not None:
            placed[name] = place

    rows = FaceRows(source.label)
    for done, (name, content) in enumerate(source.read_all(list(placed)), start=1):
        face = content if isinstance(content, Fault) else decode_face(content)
        if isinstance(face, Fault):
            problems.add(name, face)
        else:
            label, split, is_official = placed[name]
            rows.add(face, label, split, name)
            rows.official_splits |= is_official
        if report is not None and (done % 500 == 0 or done == len(placed)):
            report(done, len(placed))

    if not rows:
        raise InputError(
            f"{source.label} holds no usable picture in a folder named after an emotion "
            f"({', '.join(EMOTIONS)}); lay it out as train/<emotion>/… and test/<emotion>/…"
            f"{problems.first_in_brackets()}"
        )
    return rows.to_face_set(split_choice, problems)


def names_an_emotion(name: str) -> bool:
    """Whether a file is a picture in a folder that is named after one of the seven emotions."""
    return isinstance(_place(name), tuple)


def _place(name: str) -> tuple[int, int, bool] | Fault | None:
    """Label, split and whether the split is FER2013's own; or what is wrong; or None for not ours.

    Files that are no pictures (a readme, a licence) are nobody's loss and pass in silence.
    """
    *folders, file_name = name.split("/")
    if not is_picture(file_name):
        return None
    if not folders:
        return _NO_FOLDER
    emotion = emotion_from_name(folders[-1])
    if emotion is None:
        return Fault(f"is of class {shortened(folders[-1])!r}, none of the seven emotions")
    label = EMOTIONS.index(emotion)
    folder_split = split_from_name(folders[-2]) if len(folders) > 1 else None
    # Someone who has moved FER2013's files to other folders has meant it: the names count only
    # where the folder does not tell, as in Kaggle's common test/.
    if folder_split is None or folder_split == (SPLITS.index("test"), False):
        file_split = _official_split(file_name)
        if file_split is not None and (file_split[1] or folder_split is None):
            return label, *file_split
    return label, *(folder_split or (SPLITS.index("train"), False))


def _official_split(file_name: str) -> tuple[int, bool] | None:
    """The split that a file name of FER2013 tells, and whether it is one of the test sets."""
    prefix, separator, _ = file_name.partition("_")
    if separator and prefix in ("Training", "PublicTest", "PrivateTest"):
        return split_from_name(prefix)
    return None
