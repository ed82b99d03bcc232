"""Recognize the person in an image by the names of the image file and its folders."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Person:
    """The person in an image.

    Attributes:
        name: Identifies the person among all persons with the same ``source``.
        source: Where the name comes from, such as "file names of CK+"; used in messages.
    """

    name: str
    source: str


def person_from_path(path: str) -> Person | None:
    """Return the person that an image shows; None if its path does not identify the person.

    The path identifies the person in two cases: the file is named as in a dataset with a documented
    naming scheme, or the name of the file or of one of the last two folders begins with a numbered
    word such as ``subject01`` or ``person_7``.

    Args:
        path: The path of the image inside the dataset, with ``/`` between folders.
    """
    *folders, file_name = path.split("/")
    for source, pattern in _FILE_NAMES:
        match = pattern.match(file_name)
        if match:
            return Person("".join(match.groups()).upper(), f"file names of {source}")
    for text, source in (
        (file_name, "file names"),
        *((folder, "folders") for folder in folders[-2:]),
    ):
        match = _NUMBERED.match(text)
        if match:
            return Person(f"{match[1].lower()} {int(match[2])}", f"numbered {source}")
    return None


#: Patterns of file names by dataset. The captured groups of a match identify the person.
_FILE_NAMES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (source, re.compile(pattern, re.IGNORECASE))
    for source, pattern in (
        # Subject, sequence, frame: S010_004_00000017.png
        ("CK+", r"(S\d{3})_\d{3}_\d{8}(?!\d)"),
        # Initials, expression with its number, running number: KA.AN1.39.tiff
        ("JAFFE", r"([A-Z]{2})[.\-_](?:AN|DI|FE|HA|NE|SA|SU)\d[.\-_]\d+(?!\d)"),
        # Session A or B, sex, number, expression, view; both sessions show the same persons
        ("KDEF", r"[AB]([FM]\d{2})(?:AF|AN|DI|HA|NE|SA|SU)(?:FL|FR|HL|HR|S)(?![A-Z])"),
        # View, number, group, sex: Rafd090_01_Caucasian_female_angry_frontal.jpg
        ("RaFD", r"Rafd\d+_(\d+)_[A-Z]+_(?:fe)?male_"),
        # Number, age group, sex, expression, set: 004_o_m_a_a.jpg
        ("FACES", r"(\d{3})_[ymo]_[mf]_[adfhns]_[ab](?![A-Z0-9])"),
        # Number and sex, expression, open or closed mouth: 01F_AN_C.BMP
        ("NimStim", r"(\d{2}[FM])_(?:AN|CA|DI|FE|HA|NE|SA|SP|SU)_[COX](?![A-Z0-9])"),
        # Group, number, photo, expression: CFD-WM-001-014-HC.jpg
        ("CFD", r"CFD-([A-Z]{2}-\d{3})-\d{3}-(?:N|A|F|HC|HO)(?![A-Z0-9])"),
    )
)

#: A word for a person and a number: subject01, person_7.
_NUMBERED = re.compile(r"(subject|person|actor|participant)[-_ ]?(\d{1,5})(?!\d)", re.IGNORECASE)
