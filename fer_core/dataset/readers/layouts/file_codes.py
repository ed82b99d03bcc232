"""Read datasets whose file names contain the class, such as JAFFE's ``KA.AN1.39.tiff``."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fer_core.dataset.folder_emotions import emotion_of_folder
from fer_core.dataset.readers.layouts.layout import AnnotatedFace, Folders, Layout, folders_of
from fer_core.dataset.readers.problems import ProblemLog, SkipReason
from fer_core.emotions import EMOTIONS8, emotion_from_name

#: A source has codes in its file names if at least this share of the file names contains a code.
_MIN_SHARE = 0.6

_NO_SINGLE_EMOTION = SkipReason("has a file name that does not contain exactly one emotion")


@dataclass(frozen=True)
class _Codes:
    """The codes of one dataset.

    Attributes:
        title: The name of the dataset.
        pattern: Matches the start of a file name; its only capturing group matches the code.
        classes: The classes by their codes; the codes are in lower case.
    """

    title: str
    pattern: re.Pattern[str]
    classes: dict[str, str]

    def class_of(self, file_name: str) -> str | None:
        """Return the class of a file; None if its name does not begin with a known code."""
        match = self.pattern.match(file_name)
        return None if match is None else self.classes.get(match[1].lower())


def _codes(title: str, pattern: str, classes: str) -> _Codes:
    """Return the codes of a dataset; ``classes`` has the form ``"an=angry di=disgust"``."""
    pairs = (pair.partition("=")[::2] for pair in classes.split())
    return _Codes(title, re.compile(pattern, re.IGNORECASE), dict(pairs))


#: By dataset: the pattern of its file names, and the meaning of its codes.
_DATASETS = (
    # Initials, expression with its number, running number: KA.AN1.39.tiff
    _codes(
        "JAFFE",
        r"[A-Z]{2}[.\-_](AN|DI|FE|HA|NE|SA|SU)\d[.\-_]\d+(?!\d)",
        "an=angry di=disgust fe=fear ha=happy ne=neutral sa=sad su=surprise",
    ),
    # Session, sex, number, expression, view: AF01ANS.JPG
    _codes(
        "KDEF",
        r"[AB][FM]\d{2}(AF|AN|DI|HA|NE|SA|SU)(?:FL|FR|HL|HR|S)(?![A-Z])",
        "af=fear an=angry di=disgust ha=happy ne=neutral sa=sad su=surprise",
    ),
    # Number, age group, sex, expression, set: 004_o_m_a_a.jpg
    _codes(
        "FACES",
        r"\d{3}_[ymo]_[mf]_([adfhns])_[ab](?![A-Z0-9])",
        "a=angry d=disgust f=fear h=happy n=neutral s=sad",
    ),
    # Number and sex, expression, open or closed mouth: 01F_AN_C.BMP
    _codes(
        "NimStim",
        r"\d{2}[FM]_(AN|CA|DI|FE|HA|NE|SA|SP|SU)_[COX](?![A-Z0-9])",
        "an=angry ca=calm di=disgust fe=fear ha=happy ne=neutral sa=sad sp=surprise su=surprise",
    ),
    # Group, number, photo, expression: CFD-WM-001-014-HC.jpg
    _codes(
        "CFD",
        r"CFD-[A-Z]{2}-\d{3}-\d{3}-(N|A|F|HC|HO)(?![A-Z0-9])",
        "n=neutral a=angry f=fear hc=happy ho=happy",
    ),
    # Modality, channel, emotion, intensity, statement, repetition, actor: 02-01-06-01-02-01-12.jpg
    _codes(
        "RAVDESS",
        r"0[1-3]-0[12]-(0[1-8])-\d{2}-\d{2}-\d{2}-\d{2}(?!\d)",
        "01=neutral 02=calm 03=happy 04=sad 05=angry 06=fear 07=disgust 08=surprise",
    ),
)


def read_file_codes(pictures: Sequence[str], problems: ProblemLog) -> Layout | None:
    """Read pictures whose file names contain a code or the name of their emotion.

    The codes are those of public datasets. Names of emotions are recognized as parts of the file
    name (``happy_001.jpg``, ``1001_DFA_ANG_XX.jpg``). A file name with several emotions states no
    class.

    Args:
        pictures: The paths of the pictures.
        problems: Collects the pictures whose file name states no class.

    Returns:
        The layout; None if too few file names state a class, or if there are no codes and all file
        names state the same emotion.
    """
    for codes in _DATASETS:
        classes = _classes_of(pictures, codes.class_of)
        if len(classes) >= _MIN_SHARE * len(pictures):
            title = f"the codes of {codes.title}"
            no_class = SkipReason(f"has a file name without {title}")
            return _layout(pictures, classes, title, no_class, problems)
    classes = _classes_of(pictures, _named_emotion)
    if len(classes) >= _MIN_SHARE * len(pictures) and len(set(classes.values())) > 1:
        return _layout(pictures, classes, "the names of emotions", _NO_SINGLE_EMOTION, problems)
    return None


def _classes_of(pictures: Sequence[str], class_of: Callable[[str], str | None]) -> dict[str, str]:
    """Return the class of each picture whose file name contains one."""
    classes = ((name, class_of(name.rpartition("/")[2])) for name in pictures)
    return {name: class_name for name, class_name in classes if class_name is not None}


def _layout(
    pictures: Sequence[str],
    classes: dict[str, str],
    title: str,
    no_class: SkipReason,
    problems: ProblemLog,
) -> Layout:
    """Return the layout of a source whose file names state the classes.

    Args:
        pictures: The paths of all pictures.
        classes: The classes of the pictures, by path.
        title: What states the class in a file name, for the note: "the codes of JAFFE".
        no_class: Why a picture that is not in ``classes`` is skipped.
        problems: Collects the skipped pictures.
    """
    # Pictures with the same class and folders share one annotation, which saves memory.
    shared_faces: dict[tuple[str, Folders], tuple[AnnotatedFace, ...]] = {}
    faces: dict[str, tuple[AnnotatedFace, ...]] = {}
    for name in pictures:
        if name in classes:
            key = classes[name], folders_of(name)
            faces[name] = shared_faces.setdefault(key, (AnnotatedFace(*key),))
        else:
            problems.add(name, no_class, class_name="")
    note = f"The classes were read from {title} in the file names."
    return Layout(faces, asks_user_about_all_folders=False, notes=[note])


def _named_emotion(file_name: str) -> str | None:
    """Return the emotion in a file name; None if the name contains none or several."""
    stem = file_name.rpartition(".")[0]
    words = re.findall(r"[^\W\d_]{3,}", stem)
    emotions = {emotion_from_name(word, EMOTIONS8) or emotion_of_folder(word) for word in words}
    emotions.discard(None)
    return emotions.pop() if len(emotions) == 1 else None
