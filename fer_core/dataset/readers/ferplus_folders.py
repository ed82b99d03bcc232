"""Read FER+: the faces of FER2013 as PNGs, each with the votes of ten annotators."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.dataset.ferplus import NO_EMOTION, VOTE_COLUMNS
from fer_core.dataset.readers.class_register import ClassRegister
from fer_core.dataset.readers.face_rows import FaceRows
from fer_core.dataset.readers.layouts.layout import Box
from fer_core.dataset.readers.picture_names import has_picture_suffix
from fer_core.dataset.readers.picture_reading import read_pictures
from fer_core.dataset.readers.pictures import decode_gray, to_face
from fer_core.dataset.readers.problems import ProblemLog, SkipReason, error_text
from fer_core.dataset.readers.read_meter import ReadMeter
from fer_core.dataset.readers.sources import Source
from fer_core.dataset.readers.table_columns import split_line
from fer_core.dataset.readers.text_lines import text_lines
from fer_core.dataset.splitting import SplitChoice
from fer_core.errors import InputError
from fer_core.progress import ProgressReport

_SPLIT_FOLDERS = {"fer2013train": "train", "fer2013valid": "validation", "fer2013test": "test"}
_LABEL_FILE = "label.csv"

_TIE = SkipReason("has no label with more votes than all others")
_NO_VOTES = SkipReason("has no votes")
_BAD_VOTES = SkipReason("has votes that are not numbers of 0 or more")
_BAD_BOX = SkipReason("has a box outside its picture")
_NO_ROW = SkipReason("has no row in label.csv")
_NO_PICTURE = SkipReason("names a picture that does not exist")
_REPEATED = SkipReason("repeats a picture; only its first row counts")


@dataclass(frozen=True)
class VotedFace:
    """A picture with a label that has more votes than all others.

    Attributes:
        label: As ``ClassRegister.count_and_label`` returns it.
        split: Index into ``SPLITS``.
        box: The position of the face in the picture.
    """

    label: int
    split: int
    box: Box


def find_vote_tables(names: list[str]) -> list[str]:
    """Return the paths of the ``label.csv`` files in FER+'s folders, such as ``FER2013Train/``."""
    return [name for name in names if _split_of_folder(name) and _file_name(name) == _LABEL_FILE]


def read_ferplus_folders(
    source: Source,
    names: list[str],
    split_choice: SplitChoice,
    register: ClassRegister,
    problems: ProblemLog,
    *,
    report: ProgressReport | None = None,
) -> FaceSet:
    """Read ``FER2013Train/``, ``FER2013Valid/`` and ``FER2013Test/`` with their ``label.csv``.

    A table and its pictures may be in two different folders that have the same name.

    The class of a face is the answer with the most votes. Faces with a tie, or with most votes for
    "unknown" or "not a face", are skipped and reported as problems.

    Args:
        source: Contains the files.
        names: The paths of the files in the source.
        split_choice: How missing splits are created if there is only ``FER2013Train/``.
        register: Gives the classes their labels.
        problems: Collects the pictures and rows that cannot be used.
        report: Called repeatedly with the number of pictures read and the total.

    Raises:
        InputError: No picture can be used, or a ``label.csv`` is damaged.
    """
    votes = _Votes(names, register, problems)
    for table in find_vote_tables(names):
        votes.read(source, table)
    voted_faces = votes.faces
    for name in names:
        if has_picture_suffix(name) and name not in votes.mentioned:
            problems.add(name, _NO_ROW, class_name="")

    rows = FaceRows(source.label)
    for name, picture in read_pictures(source, sorted(voted_faces), decode_gray, report):
        voted_face = voted_faces[name]
        image = picture if isinstance(picture, SkipReason) else _crop(picture, voted_face.box)
        if isinstance(image, SkipReason):
            problems.add(name, image)
        else:
            rows.add(image, voted_face.label, voted_face.split, name)
            rows.has_official_splits |= voted_face.split != SPLITS.index("train")
    if not rows:
        register.report_left_out(problems)
        raise InputError(
            f"{source.label} has FER+'s votes, but no usable picture; create the "
            f"pictures with FER+'s generate_training_data.py{problems.first_in_brackets()}"
        )
    return rows.to_face_set(split_choice, register, problems, report)


def register_vote_classes(source: Source, names: list[str], register: ClassRegister) -> None:
    """Count the faces of each class without reading the pictures.

    Raises:
        InputError: A ``label.csv`` is damaged.
    """
    votes = _Votes(names, register, ProblemLog())
    for table in find_vote_tables(names):
        votes.read(source, table)


def _file_name(name: str) -> str:
    """Return the file name of a path, in lower case."""
    return PurePosixPath(name).name.lower()


def _split_of_folder(name: str) -> str | None:
    """Return the split of the folder of a file; None if it is not one of FER+'s folders."""
    return _SPLIT_FOLDERS.get(_folder_name(name))


def _folder_name(name: str) -> str:
    """Return the name of the folder of a file, in lower case."""
    return PurePosixPath(name).parent.name.lower()


class _Votes:
    """Collects the rows of all ``label.csv`` files, except rows whose picture does not exist.

    Args:
        names: The paths of the files in the source.
        register: Gives the classes their labels.
        problems: Collects the rows that cannot be used.
    """

    def __init__(self, names: list[str], register: ClassRegister, problems: ProblemLog) -> None:
        self._names = set(names)
        #: The pictures in the folders that FER+ names, by folder and file name.
        self._by_folder: dict[tuple[str, str], list[str]] = defaultdict(list)
        for name in names:
            if _split_of_folder(name) is not None and has_picture_suffix(name):
                self._by_folder[_folder_name(name), name.rpartition("/")[2]].append(name)
        self._register = register
        self._problems = problems
        #: The pictures with a row in a label file, even if the row cannot be used.
        self.mentioned: set[str] = set()
        #: The faces with a valid row, by the path of the picture.
        self.faces: dict[str, VotedFace] = {}

    def read(self, source: Source, table: str) -> None:
        """Add the content of one label file.

        Raises:
            InputError: The file is damaged.
        """
        split = SPLITS.index(_split_of_folder(table) or "train")
        meter = ReadMeter(source.label, 0, None)
        try:
            with source.open(table) as stream:
                for number, line in text_lines(meter.metered(stream.file)):
                    # A line that is too long is None; it is reported like an invalid row.
                    fields = split_line(line, b",") if line is not None else [b""]
                    if line != b"" and not (number == 1 and _is_header(fields)):
                        self._add(table, number, fields, split)
        except InputError:
            raise
        except Exception as error:  # a damaged archive raises many types of errors
            raise InputError(
                f"{table} in {source.label} is damaged ({error_text(error)}); download it again."
            ) from error

    def _add(self, table: str, number: int, fields: list[bytes], split: int) -> None:
        file_name = fields[0].decode("utf-8", "replace").strip()
        name = self._picture(table, file_name)
        if name is None:
            self._problems.add(f"{table}:{number}", _NO_PICTURE)
        elif name in self.mentioned:
            self._problems.add(f"{table}:{number}", _REPEATED)
        else:
            self.mentioned.add(name)
            face = self._voted_face(fields, split)
            if isinstance(face, SkipReason):
                self._problems.add(name, face)
            elif face is not None:
                self.faces[name] = face

    def _picture(self, table: str, file_name: str) -> str | None:
        """Return the path of a picture that a table names.

        The picture is next to the table, or in a folder with the same name as the table's folder.
        Return None if there is no such picture, or if several such folders contain the picture.
        """
        name = str(PurePosixPath(table).parent / file_name)
        if file_name and name in self._names:
            return name
        found = self._by_folder.get((_folder_name(table), file_name), [])
        return found[0] if len(found) == 1 else None

    def _voted_face(self, fields: list[bytes], split: int) -> VotedFace | SkipReason | None:
        """Return the face of a row with file name, box and ten counts, or why it is skipped.

        Return None if the class of the face is left out.
        """
        # The columns are identified by position, because the official file has no header.
        if len(fields) != 2 + len(VOTE_COLUMNS):
            return SkipReason(
                f"has {len(fields)} columns in label.csv instead of {2 + len(VOTE_COLUMNS)}",
                "has the wrong number of columns in label.csv",
            )
        box = _parse_box(fields[1])
        answer = _plurality([_count(field) for field in fields[2:]])
        if isinstance(box, SkipReason):
            return box
        if isinstance(answer, SkipReason):
            return answer
        label = self._register.count_and_label(answer)
        return None if label is None else VotedFace(label, split, box)


def _is_header(fields: list[bytes]) -> bool:
    return len(fields) > 2 and b"neutral" in [field.strip().lower() for field in fields]


def _parse_box(field: bytes) -> Box | SkipReason:
    numbers = re.fullmatch(rb"\(?\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*\)?", field.strip())
    # Numbers with more digits are outside any picture, and converting long numbers is slow.
    if numbers is None or any(len(number) > 6 for number in numbers.groups()):
        return _BAD_BOX
    left, top, right, bottom = (int(number) for number in numbers.groups())
    return Box(left, top, right, bottom)


def _count(field: bytes) -> float:
    """Return the number of votes in a field; NaN if the field is not a number."""
    try:
        return float(field)
    except ValueError:
        return math.nan


def _plurality(votes: list[float]) -> str | SkipReason:
    """Return the emotion with more votes than any other answer, or why the face is skipped."""
    if not all(math.isfinite(count) and count >= 0 for count in votes):
        return _BAD_VOTES
    most = max(votes)
    if most == 0:
        return _NO_VOTES
    if votes.count(most) > 1:
        return _TIE
    answer = VOTE_COLUMNS[votes.index(most)]
    if answer in NO_EMOTION:
        return SkipReason(f"is not an emotion: most annotators chose {answer.replace('_', ' ')!r}")
    return answer


def _crop(picture: NDArray[np.uint8], box: Box) -> NDArray[np.uint8] | SkipReason:
    """Return the part of a picture in a box, uint8 ``[48, 48]``, or why it is skipped."""
    height, width = picture.shape
    is_inside = box.left < box.right <= width and box.top < box.bottom <= height
    crop = box.cut(picture) if is_inside else None
    return _BAD_BOX if crop is None else to_face(crop)
