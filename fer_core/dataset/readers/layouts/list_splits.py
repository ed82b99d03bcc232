"""The splits that the names or the content of lists and tables state."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from fer_core.dataset.readers.layouts.layout import AnnotatedFace, Layout, SourceFiles, folders_of
from fer_core.dataset.readers.layouts.picture_finder import PictureFinder
from fer_core.dataset.readers.layouts.small_files import few_in_folder, read_text
from fer_core.dataset.readers.picture_names import has_picture_suffix
from fer_core.dataset.readers.problems import SkipReason, as_text
from fer_core.dataset.readers.split_names import split_from_name
from fer_core.files import parse_json

LIST_SUFFIXES = (".txt", ".lst", ".list")
#: A list gives the splits if at least this share of its paths are pictures of the source.
_MIN_SHARE = 0.5


def apply_split_lists(files: SourceFiles, layout: Layout) -> None:
    """Set the splits by lists of paths: ``train.txt`` and ``val.txt``, ``train.json``, or one JSON.

    Args:
        files: The files of the source.
        layout: The faces; those that a list names get its split.
    """
    finder: PictureFinder | None = None
    used: list[str] = []
    for name, split, paths in (*_text_lists(files), *_json_lists(files)):
        finder = finder or PictureFinder(files.pictures)
        found = [finder.find(name, path) for path in paths]
        pictures = [
            picture for picture in found if isinstance(picture, str) and picture in layout.faces
        ]
        if not pictures or len(pictures) < _MIN_SHARE * len(found):
            continue
        used.append(name)
        for picture in pictures:
            layout.faces[picture] = tuple(
                replace(face, split=split) for face in layout.faces[picture]
            )
    if used:
        shown = list(dict.fromkeys(map(as_text, used)))[:5]
        layout.notes.append(f"The splits were read from {', '.join(shown)}.")


def apply_file_name_splits(layout: Layout) -> None:
    """Set the splits by the beginnings of the file names, as in RAF-DB: ``train_1.jpg``.

    This applies only if all file names begin with a split, if there are at least two splits, and if
    nothing else names a split. FER2013's own file names are recognized on reading.

    Args:
        layout: The faces; all or none get their splits.
    """
    splits: dict[str, int] = {}
    for picture, faces in layout.faces.items():
        beginning = re.match(r"[A-Za-z]+(?=[\W\d_])", picture.rpartition("/")[2])
        named = None if beginning is None else split_from_name(beginning[0])
        if named is None or named[1] or any(_names_split(face) for face in faces):
            return
        splits[picture] = named[0]
    if len(set(splits.values())) < 2:
        return
    for picture, faces in layout.faces.items():
        layout.faces[picture] = tuple(replace(face, split=splits[picture]) for face in faces)
    layout.notes.append("The splits were read from the beginnings of the file names.")


def _names_split(face: AnnotatedFace) -> bool:
    folders = (*face.parent_folders, *face.subfolders)
    return face.split is not None or any(split_from_name(folder) for folder in folders)


def _text_lists(files: SourceFiles) -> Iterator[tuple[str, int, list[str]]]:
    """Yield the path, the split and the lines of each text that is named after a split."""
    for name in few_in_folder(files.names, LIST_SUFFIXES):
        named = split_from_name(_stem(name))
        text = None if named is None else read_text(files.source, name)
        if named is not None and isinstance(text, str):
            lines = [line.strip() for line in text.splitlines()]
            yield name, named[0], [_path_of_line(line) for line in lines if line]


def _path_of_line(line: str) -> str:
    """Return a line that is only a path; an empty text for one that says more."""
    return line if has_picture_suffix(line) or len(line.split()) == 1 else ""


def _json_lists(files: SourceFiles) -> Iterator[tuple[str, int, list[str]]]:
    """Yield the path, the split and the paths of pictures in each JSON file with splits.

    The file is named after the split (``train.json``), or its keys are (``{"train": […]}``).
    """
    for name in few_in_folder(files.names, (".json",)):
        text = read_text(files.source, name)
        try:
            document = None if isinstance(text, SkipReason) else parse_json(text)
        except ValueError:
            continue
        named = split_from_name(_stem(name))
        keys = document if isinstance(document, dict) and len(document) > 1 else {}
        splits = [split for key in keys if (split := split_from_name(key)) is not None]
        if keys and len(splits) == len(keys):
            for split, part in zip(splits, keys.values(), strict=True):
                yield name, split[0], _picture_paths(part)
        elif named is not None:
            yield name, named[0], _picture_paths(document)


def _picture_paths(document: Any) -> list[str]:
    """Return all texts in a JSON document that are paths of pictures."""
    found: list[str] = []
    pending = [document]
    while pending:
        item = pending.pop()
        if isinstance(item, str) and has_picture_suffix(item):
            found.append(item)
        elif isinstance(item, dict):
            pending += item.values()
        elif isinstance(item, list):
            pending += item
    return found


def mark_unnamed_lists(layout: Layout, lists: Mapping[str, str]) -> None:
    """Let the user decide about the split of a list such as ``more.csv`` next to ``train.csv``.

    Lists that are not named after a split are training data only if no other list has such a name.
    Pictures whose folders or rows name the split keep that split.

    Args:
        layout: The faces; their lists replace their folders.
        lists: The path of the list by that of the picture.
    """
    named = {name: split_from_name(_stem(name)) for name in set(lists.values())}
    if all(split is None for split in named.values()):
        return
    for picture, name in lists.items():
        faces = layout.faces[picture]
        is_known = named[name] is not None or any(face.split is not None for face in faces)
        if is_known or any(split_from_name(folder) for folder in folders_of(picture)):
            continue
        parent_folders = (name.rpartition("/")[2],)
        layout.unnamed_lists.add(parent_folders)
        layout.faces[picture] = tuple(
            replace(face, parent_folders=parent_folders) for face in faces
        )


def _stem(name: str) -> str:
    file_name = name.rpartition("/")[2]
    return file_name.rpartition(".")[0] or file_name
