"""Set the splits that the names or the content of lists and tables state."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from fer_core.dataset.readers.layouts.layout import AnnotatedFace, Layout, SourceFiles, folders_of
from fer_core.dataset.readers.layouts.picture_finder import PictureFinder
from fer_core.dataset.readers.layouts.small_files import files_about_many_pictures, read_text
from fer_core.dataset.readers.picture_names import has_picture_suffix
from fer_core.dataset.readers.problems import SkipReason, printable_text
from fer_core.dataset.readers.split_names import split_from_name
from fer_core.files import parse_json

LIST_SUFFIXES = (".txt", ".lst", ".list")
#: A list is used if at least this share of its lines or paths name a picture in the layout.
_MIN_SHARE = 0.5


def apply_split_lists(files: SourceFiles, layout: Layout) -> None:
    """Set the splits of the pictures whose paths are in a list.

    The lists are text or JSON files that are named after a split (``train.txt``, ``val.json``), or
    one JSON file with all splits.

    Args:
        files: The files of the source.
        layout: The faces of the source. All faces in a listed picture get the split of the list.
    """
    finder: PictureFinder | None = None
    used_lists: list[str] = []
    for name, (split, is_official), paths in (*_text_lists(files), *_json_lists(files)):
        finder = finder or PictureFinder(files.pictures)
        results = [finder.find(name, path) for path in paths]
        pictures = [
            picture for picture in results if isinstance(picture, str) and picture in layout.faces
        ]
        if not pictures or len(pictures) < _MIN_SHARE * len(results):
            continue
        used_lists.append(name)
        for picture in pictures:
            layout.faces[picture] = tuple(
                replace(face, split=split, has_official_split=is_official)
                for face in layout.faces[picture]
            )
    if used_lists:
        names = list(dict.fromkeys(map(printable_text, used_lists)))[:5]
        layout.notes.append(f"The splits were read from {', '.join(names)}.")


def apply_file_name_splits(layout: Layout) -> None:
    """Set the splits by the beginnings of the file names, as in RAF-DB: ``train_1.jpg``.

    The splits are set only if all file names begin with a split, if there are at least two splits,
    and if nothing else states a split. The official file names of FER2013 are recognized later,
    when the pictures are read.

    Args:
        layout: The faces of the source. Either all faces get a split, or none of them.
    """
    splits: dict[str, int] = {}
    for picture, faces in layout.faces.items():
        beginning = re.match(r"[A-Za-z]+(?=[\W\d_])", picture.rpartition("/")[2])
        named_split = None if beginning is None else split_from_name(beginning[0])
        if named_split is None or any(_has_split(face) for face in faces):
            return
        split, is_official = named_split
        if is_official:
            return
        splits[picture] = split
    if len(set(splits.values())) < 2:
        return
    for picture, faces in layout.faces.items():
        layout.faces[picture] = tuple(replace(face, split=splits[picture]) for face in faces)
    layout.notes.append("The splits were read from the beginnings of the file names.")


def _has_split(face: AnnotatedFace) -> bool:
    """Return True if a list, a table or a folder states the split of a face."""
    folders = (*face.parent_folders, *face.subfolders)
    return face.split is not None or any(split_from_name(folder) for folder in folders)


def _text_lists(files: SourceFiles) -> Iterator[tuple[str, tuple[int, bool], list[str]]]:
    """Yield each text file that is named after a split: its path, the split, and the listed paths.

    The split is in the form that ``split_from_name`` returns.

    A line that is not a path alone is yielded as an empty string, and counts as an unknown path.
    """
    for name in files_about_many_pictures(files.names, LIST_SUFFIXES):
        named_split = split_from_name(_stem(name))
        if named_split is None:
            continue
        text = read_text(files.source, name)
        if isinstance(text, str):
            lines = [line.strip() for line in text.splitlines()]
            yield name, named_split, [_path_of_line(line) for line in lines if line]


def _path_of_line(line: str) -> str:
    """Return a line if it contains only a path; otherwise an empty string."""
    return line if has_picture_suffix(line) or len(line.split()) == 1 else ""


def _json_lists(files: SourceFiles) -> Iterator[tuple[str, tuple[int, bool], list[str]]]:
    """Yield each JSON file with splits: its path, the split, and the listed paths of pictures.

    Either the file is named after a split (``train.json``), or its keys are the names of splits
    (``{"train": […], "test": […]}``). A file with such keys is yielded once for each key. The split
    is in the form that ``split_from_name`` returns.
    """
    for name in files_about_many_pictures(files.names, (".json",)):
        text = read_text(files.source, name)
        try:
            document = None if isinstance(text, SkipReason) else parse_json(text)
        except ValueError:
            continue
        entries = document if isinstance(document, dict) and len(document) > 1 else {}
        key_splits = [split for key in entries if (split := split_from_name(key)) is not None]
        named_split = split_from_name(_stem(name))
        if entries and len(key_splits) == len(entries):
            for split, value in zip(key_splits, entries.values(), strict=True):
                yield name, split, _picture_paths(value)
        elif named_split is not None:
            yield name, named_split, _picture_paths(document)


def _picture_paths(document: Any) -> list[str]:
    """Return all strings in a JSON document that are paths of pictures."""
    paths: list[str] = []
    pending = [document]
    while pending:
        item = pending.pop()
        if isinstance(item, str) and has_picture_suffix(item):
            paths.append(item)
        elif isinstance(item, dict):
            pending += item.values()
        elif isinstance(item, list):
            pending += item
    return paths


def mark_lists_without_split(layout: Layout, list_by_picture: Mapping[str, str]) -> None:
    """Mark the lists whose split the user has to choose.

    If at least one list is named after a split, such as ``train.csv``, the user has to choose the
    split of the others, such as ``more.csv``. If no list is named after a split, no list is marked.
    Pictures whose folders or rows state a split keep that split.

    Args:
        layout: The faces of the source, which are changed in place. If a face is in a list whose
            split the user has to choose, the file name of the list replaces the parent folders.
        list_by_picture: The path of the list or table that names each picture, by the path of the
            picture.
    """
    split_of_list = {name: split_from_name(_stem(name)) for name in set(list_by_picture.values())}
    if all(split is None for split in split_of_list.values()):
        return
    for picture, name in list_by_picture.items():
        faces = layout.faces[picture]
        is_known = split_of_list[name] is not None or any(face.split is not None for face in faces)
        if is_known or any(split_from_name(folder) for folder in folders_of(picture)):
            continue
        parent_folders = (name.rpartition("/")[2],)
        layout.lists_without_split.add(parent_folders)
        layout.faces[picture] = tuple(
            replace(face, parent_folders=parent_folders) for face in faces
        )


def _stem(name: str) -> str:
    """Return the file name of a path without its suffix."""
    file_name = name.rpartition("/")[2]
    return file_name.rpartition(".")[0] or file_name
