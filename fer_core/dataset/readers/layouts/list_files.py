"""Lists of pictures with their classes in a text file, such as RAF-DB's."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from fer_core.dataset.class_numbers import CLASS_ORDERS
from fer_core.dataset.readers.layouts.layout import (
    Box,
    FaceEntry,
    Folders,
    Layout,
    SourceFiles,
    folders_of,
)
from fer_core.dataset.readers.layouts.list_splits import mark_unnamed_lists
from fer_core.dataset.readers.layouts.small_files import read_text
from fer_core.dataset.readers.problems import ProblemLog, SkipReason, as_text, shortened
from fer_core.dataset.readers.sources import Source
from fer_core.dataset.readers.split_names import split_from_name

_SUFFIXES = (".txt", ".lst", ".list")
#: Number of lines that are read to recognize a list.
_PROBED_LINES = 30
_MAX_LISTS = 12
_MIN_SHARE = 0.5
_NO_LINE = SkipReason("has no line in the list of the classes")
_NO_PICTURE = SkipReason("names a picture that does not exist")
_BAD_CLASS = SkipReason("has a class that is not one of RAF-DB's, 1 to 7")

#: The name of RAF-DB's list, in which "partition" is misspelled. Its classes are the numbers 1 to
#: 7.
_RAF_LIST = re.compile(r"list_pa\w*tion_label\.txt", re.IGNORECASE)
_RAF_CLASSES = dict(zip("1234567", CLASS_ORDERS["raf-db"].names, strict=True))
_RAF_NAME = re.compile(r"(train|test)_\d+(?:_aligned)?\.\w+", re.IGNORECASE)


def read_list_files(files: SourceFiles, problems: ProblemLog) -> Layout | None:
    """Read text files with a picture and its class in each line: ``train_00001.jpg 5``.

    The split comes from the name of the list (``train.txt``), from RAF-DB's file names
    (``train_00001.jpg``), or from the folders of the picture. Of RAF-DB's aligned and original
    pictures, the aligned ones are read.

    Args:
        files: The files of the source.
        problems: Collects the lines and pictures that cannot be used.

    Returns:
        None if there is no such list.
    """
    entries: dict[str, tuple[FaceEntry, ...]] = {}
    lists: dict[str, str] = {}
    texts = [name for name in files.names if name.lower().endswith(_SUFFIXES)]
    if not texts:
        return None
    counts = Counter(folders_of(name) for name in texts)
    finder = _PictureFinder(files.pictures)
    for name in texts:
        # A folder with a text file for each picture has another layout.
        if counts[folders_of(name)] > _MAX_LISTS:
            continue
        lines = _lines(files.source, name)
        probed = [finder.find(name, path) is not None for _, path, *_ in lines[:_PROBED_LINES]]
        if not probed or sum(probed) < _MIN_SHARE * len(probed):
            continue
        is_raf = _RAF_LIST.fullmatch(PurePosixPath(name).name) is not None
        for number, path, label, box in lines:
            picture = finder.find(name, path)
            if picture is None:
                problems.add(f"{name}:{number}", _NO_PICTURE)
            elif is_raf and label not in _RAF_CLASSES:
                problems.add(f"{name}:{number}", _BAD_CLASS)
            else:
                class_name = _RAF_CLASSES[label] if is_raf else label
                entries[picture] = (_entry(picture, class_name, name, box),)
                lists[picture] = name
    if not entries:
        return None
    chosen_folder = finder.chosen_folder
    for picture in files.pictures:
        if picture not in entries and not finder.is_other_version(picture):
            problems.add(picture, _NO_LINE)
    used = sorted(set(lists.values()))
    notes = [f"The classes were read from {', '.join(map(as_text, used[:5]))}."]
    if chosen_folder is not None:
        folder = "/".join(chosen_folder)
        notes.append(f"The pictures in {folder} were read; other versions of them were not.")
    layout = Layout(entries, asks_for_folders=False, notes=notes)
    mark_unnamed_lists(layout, lists)
    return layout


def apply_split_lists(files: SourceFiles, layout: Layout) -> None:
    """Set the splits by text files of paths, such as ``train.txt`` and ``val.txt`` of YOLO.

    Args:
        files: The files of the source.
        layout: The faces; those that a list names get its split.
    """
    texts = [(name, split_from_name(PurePosixPath(name).stem)) for name in _text_files(files)]
    finder = _PictureFinder(files.pictures) if any(split for _, split in texts) else None
    used: list[str] = []
    for name, split in texts:
        if split is None or finder is None:
            continue
        text = read_text(files.source, name)
        lines = [] if isinstance(text, SkipReason) else [line.strip() for line in text.splitlines()]
        found = [finder.find(name, line.replace("\\", "/")) for line in lines if line]
        pictures = [picture for picture in found if picture in layout.entries]
        if not pictures or len(pictures) < _MIN_SHARE * len(found):
            continue
        used.append(name)
        for picture in pictures:
            if picture is not None:
                layout.entries[picture] = tuple(
                    replace(entry, split=split[0]) for entry in layout.entries[picture]
                )
    if used:
        layout.notes.append(f"The splits were read from {', '.join(map(as_text, used[:5]))}.")


def _text_files(files: SourceFiles) -> list[str]:
    """Return the text files that may be lists.

    A folder with a text file for each picture has another layout.
    """
    texts = [name for name in files.names if name.lower().endswith(_SUFFIXES)]
    counts = Counter(folders_of(name) for name in texts)
    return [name for name in texts if counts[folders_of(name)] <= _MAX_LISTS]


def _entry(picture: str, class_name: str, list_name: str, box: Box | None) -> FaceEntry:
    named = split_from_name(PurePosixPath(list_name).stem)
    if named is None and (match := _RAF_NAME.fullmatch(picture.rpartition("/")[2])):
        named = split_from_name(match[1])
    split = None if named is None else named[0]
    return FaceEntry(class_name, folders_of(picture), split=split, box=box)


def _lines(source: Source, name: str) -> list[tuple[int, str, str, Box | None]]:
    """Return number, path, class and box of each line of a list."""
    text = read_text(source, name)
    return [] if isinstance(text, SkipReason) else list(_parsed(text))


def _parsed(text: str) -> Iterator[tuple[int, str, str, Box | None]]:
    for number, line in enumerate(text.splitlines(), start=1):
        expw = _EXPW_LINE.fullmatch(line.strip())
        if expw is not None:
            top, left, right, bottom = (float(expw[position]) for position in range(2, 6))
            box = Box(left, top, right, bottom)
            yield number, expw[1], CLASS_ORDERS["fer2013"].names[int(expw[6])], box
            continue
        match = _LINE.fullmatch(line.strip())
        if match is not None:
            path = match[1].strip("\"'").replace("\\", "/")
            yield number, path, shortened(as_text(match[2]), 100), None


#: A path and one word or number, separated by spaces, a tab, a comma or a semicolon.
_LINE = re.compile(r"(.*?\.\w{2,5}[\"']?)(?:\s*[,;\t]\s*|\s+)([^\s,;]+)")
#: A line of ExpW: name, number of the face, top, left, right, bottom, confidence, and the class in
#: FER2013's order.
_EXPW_LINE = re.compile(
    r"(\S+\.\w{2,5}) \d+ (\d{1,5}) (\d{1,5}) (\d{1,5}) (\d{1,5}) \d[\d.]* ([0-6])", re.ASCII
)


class _PictureFinder:
    """Finds the pictures that the lines of lists name.

    Args:
        pictures: The paths of the pictures.
    """

    def __init__(self, pictures: Sequence[str]) -> None:
        self._known = set(pictures)
        self._by_stem: dict[str, list[str]] = defaultdict(list)
        for name in pictures:
            self._by_stem[_stem(name)].append(name)
        folders = Counter(folders_of(name) for name in pictures if _is_aligned(name))
        #: The folder of the pictures that are read, if there are several versions of them.
        self.chosen_folder: Folders | None = None
        has_versions = any(len(group) > 1 for group in self._by_stem.values())
        if folders and has_versions:
            self.chosen_folder = folders.most_common(1)[0][0]

    def find(self, list_name: str, path: str) -> str | None:
        """Return the picture that a list names by its path or by its file name."""
        path = re.sub(r"^(?:\.{0,2}/)+", "", path)
        parent = str(PurePosixPath(list_name).parent)
        for candidate in (path, path if parent == "." else f"{parent}/{path}"):
            if candidate in self._known:
                return candidate
        group = self._by_stem.get(_stem(path), [])
        chosen = [name for name in group if folders_of(name) == self.chosen_folder]
        ends = [name for name in group if name.endswith(f"/{path}")]
        return next((found[0] for found in (chosen, ends, group) if len(found) == 1), None)

    def is_other_version(self, picture: str) -> bool:
        """Return True if another version of a picture is read."""
        return self.chosen_folder is not None and len(self._by_stem[_stem(picture)]) > 1


def _stem(name: str) -> str:
    return _file_stem(name).removesuffix("_aligned")


def _is_aligned(name: str) -> bool:
    return _file_stem(name).endswith("_aligned")


def _file_stem(name: str) -> str:
    """Return the file name without its suffix in lower case; much faster than with a path."""
    file_name = name.rpartition("/")[2].lower()
    return file_name.rpartition(".")[0] or file_name
