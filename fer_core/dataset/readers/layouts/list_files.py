"""Read text files that list pictures with their classes, such as RAF-DB's."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from fer_core.dataset.class_numbers import CLASS_ORDERS
from fer_core.dataset.readers.layouts.layout import (
    AnnotatedFace,
    Box,
    Layout,
    SourceFiles,
    folders_of,
)
from fer_core.dataset.readers.layouts.list_splits import (
    LIST_SUFFIXES,
    mark_lists_without_split,
)
from fer_core.dataset.readers.layouts.picture_finder import PictureFinder
from fer_core.dataset.readers.layouts.small_files import files_about_many_pictures, read_text
from fer_core.dataset.readers.layouts.yolo_config import read_yolo_config
from fer_core.dataset.readers.picture_names import has_picture_suffix
from fer_core.dataset.readers.problems import ProblemLog, SkipReason, printable_text, shortened
from fer_core.dataset.readers.sources import Source
from fer_core.dataset.readers.split_names import split_from_name

#: Number of lines that are checked to recognize a list, and the share of them that must name a
#: picture of the source.
_CHECKED_LINES = 30
_MIN_SHARE = 0.5
_NO_LINE = SkipReason("is in no list of pictures and classes")
_REPEATED = SkipReason("repeats a picture; only its first line counts")
_BAD_CLASS = SkipReason("has a class that is not one of RAF-DB's, 1 to 7")

#: The name of RAF-DB's list, in which "partition" is misspelled. The classes in this list are the
#: numbers 1 to 7.
_RAF_LIST = re.compile(r"list_pa\w*tion_label\.txt", re.IGNORECASE)
_RAF_CLASSES = dict(zip("1234567", CLASS_ORDERS["raf-db"].names, strict=True))
_RAF_NAME = re.compile(r"(train|test)_\d+(?:_aligned)?\.\w+", re.IGNORECASE)


def read_list_files(files: SourceFiles, problems: ProblemLog) -> Layout | None:
    """Read text files with a picture and its class in each line: ``train_00001.jpg 5``.

    The class may also come first. Class numbers get their names from ``classes.txt`` if there is
    one. The split comes from the line, from the name of the list (``train.txt``), from RAF-DB's
    file names (``train_00001.jpg``), or from the folders of the picture. If RAF-DB's aligned and
    original pictures are both in the source, only the aligned pictures are read.

    Args:
        files: The files of the source.
        problems: Collects the lines and pictures that cannot be used.

    Returns:
        The layout; None if there is no list that names pictures of the source.
    """
    finder = PictureFinder(files.pictures)
    faces: dict[str, list[AnnotatedFace]] = defaultdict(list)
    list_by_picture: dict[str, str] = {}
    class_names = {
        str(number): name for number, name in read_yolo_config(files).class_names.items()
    }
    for name in files_about_many_pictures(files.names, LIST_SUFFIXES):
        for picture, face in _listed_faces(
            files.source, name, finder, faces, problems, class_names=class_names
        ):
            faces[picture].append(face)
            list_by_picture[picture] = name
    if not faces:
        return None
    for picture in files.pictures:
        if picture not in faces and not finder.has_other_versions(picture):
            problems.add(picture, _NO_LINE, class_name="")
    used_lists = sorted(set(list_by_picture.values()))
    notes = [f"The classes were read from {', '.join(map(printable_text, used_lists[:5]))}."]
    box_count = sum(face.box is not None for group in faces.values() for face in group)
    if box_count:
        notes.append(f"Faces cropped with the boxes in the lists: {box_count:,}.")
    if finder.preferred_folder is not None:
        folder = "/".join(finder.preferred_folder)
        notes.append(f"The pictures in {folder} were read; their other versions were not.")
    layout = Layout(
        {picture: tuple(group) for picture, group in faces.items()},
        asks_user_about_all_folders=False,
        notes=notes,
    )
    mark_lists_without_split(layout, list_by_picture)
    return layout


def _listed_faces(
    source: Source,
    name: str,
    finder: PictureFinder,
    known: Mapping[str, list[AnnotatedFace]],
    problems: ProblemLog,
    *,
    class_names: Mapping[str, str],
) -> Iterator[tuple[str, AnnotatedFace]]:
    """Yield the picture and the face of each valid line of a list; nothing for any other file.

    Args:
        source: Contains the files.
        name: The path of the file.
        finder: Finds the pictures of the source.
        known: The faces that were yielded so far, by picture. The caller adds each yielded face.
        problems: Collects the lines that cannot be used.
        class_names: The names of the classes, by class number.
    """
    lines = _lines(source, name)
    are_found = [isinstance(finder.find(name, line.path), str) for line in lines[:_CHECKED_LINES]]
    if not are_found or sum(are_found) < _MIN_SHARE * len(are_found):
        return
    is_raf = _RAF_LIST.fullmatch(PurePosixPath(name).name) is not None
    for line in lines:
        picture = finder.find(name, line.path)
        if isinstance(picture, SkipReason):
            problems.add(f"{name}:{line.number}", picture)
        elif picture in known and (line.box is None or line.box in _boxes(known[picture])):
            problems.add(f"{name}:{line.number}", _REPEATED)
        elif is_raf and line.label not in _RAF_CLASSES:
            problems.add(f"{name}:{line.number}", _BAD_CLASS)
        else:
            class_name = (_RAF_CLASSES if is_raf else class_names).get(line.label, line.label)
            yield picture, _face(picture, line, class_name, name)


def _boxes(faces: Sequence[AnnotatedFace]) -> list[Box | None]:
    return [face.box for face in faces]


def _face(picture: str, line: _Line, class_name: str, list_name: str) -> AnnotatedFace:
    named_split = line.split or split_from_name(PurePosixPath(list_name).stem)
    if named_split is None and (match := _RAF_NAME.fullmatch(picture.rpartition("/")[2])):
        named_split = split_from_name(match[1])
    split, is_official = named_split or (None, False)
    return AnnotatedFace(
        class_name,
        folders_of(picture),
        split=split,
        box=line.box,
        has_official_split=is_official,
    )


@dataclass(frozen=True)
class _Line:
    """The values in a line of a list.

    Attributes:
        number: The number of the line, from 1.
        path: The path of the picture.
        label: The name or the number of the class.
        split: As ``split_from_name`` returns it; None if the line names no split.
        box: The position of the face; None if the line does not state it.
    """

    number: int
    path: str
    label: str
    split: tuple[int, bool] | None = None
    box: Box | None = None


def _lines(source: Source, name: str) -> list[_Line]:
    """Return the lines of a list that name a picture and its class."""
    text = read_text(source, name)
    if isinstance(text, SkipReason):
        return []
    parsed = (_parse_line(number, line.strip()) for number, line in enumerate(text.splitlines(), 1))
    return [line for line in parsed if line is not None]


def _parse_line(number: int, line: str) -> _Line | None:
    """Return the values in a line; None if the line does not state a picture and its class."""
    expw_line = _EXPW_LINE.fullmatch(line)
    if expw_line is not None:
        top, left, right, bottom = (float(expw_line[group]) for group in range(2, 6))
        label = CLASS_ORDERS["fer2013"].names[int(expw_line[6])]
        return _Line(number, expw_line[1], label, box=Box(left, top, right, bottom))
    match = _PATH_FIRST.fullmatch(line) or _CLASS_FIRST.fullmatch(line)
    if match is None or has_picture_suffix(match["label"]):
        return None
    path = match["path"].strip("\"'").replace("\\", "/")
    label, *further_words = re.split(_SEPARATOR, match["label"])
    split = split_from_name(further_words[0]) if len(further_words) == 1 else None
    if further_words and split is None:
        # The name of a class may have several words.
        if not re.fullmatch(r"[^\W\d_]+(?: [^\W\d_]+){1,3}", match["label"]):
            return None
        label = match["label"]
    return _Line(number, path, shortened(printable_text(label), 100), split)


_SEPARATOR = r"(?:\s*[,;\t]\s*|\s+)"
_PATH = r"(?P<path>.*?\.\w{2,5}[\"']?)"
#: A path, then a class and perhaps a split, with spaces, tabs, commas or semicolons between them.
_PATH_FIRST = re.compile(rf"{_PATH}{_SEPARATOR}(?P<label>[^.]+(?:\.0*)?)")
_CLASS_FIRST = re.compile(rf"(?P<label>[^\s,;]+){_SEPARATOR}{_PATH}")
#: A line of ExpW: name, number of the face, top, left, right, bottom, confidence, and the class in
#: FER2013's order.
_EXPW_LINE = re.compile(
    r"(\S+\.\w{2,5}) \d+ (\d{1,5}) (\d{1,5}) (\d{1,5}) (\d{1,5}) \d[\d.]* ([0-6])", re.ASCII
)
