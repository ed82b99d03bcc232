"""Read the classes and splits from the configuration of a YOLO dataset, ``data.yaml``."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field, replace

from fer_core.dataset.face_set import SPLITS
from fer_core.dataset.readers.layouts.layout import Folders, SourceFiles, folders_of
from fer_core.dataset.readers.layouts.picture_finder import PictureFinder
from fer_core.dataset.readers.layouts.small_files import read_text
from fer_core.dataset.readers.problems import SkipReason

_MAX_CONFIGURATION_BYTES = 2**20
_SPLIT_KEYS = {"train": "train", "val": "validation", "valid": "validation", "test": "test"}


@dataclass(frozen=True)
class YoloConfig:
    """The classes and splits that the configuration of a YOLO dataset states.

    Attributes:
        class_names: The names of the classes by their number; empty if no file states them.
        split_folders: Index into ``SPLITS`` by folder.
        split_pictures: Index into ``SPLITS`` by picture, for splits that are lists of pictures.
        ambiguous_folders: The folders that the configuration names for several splits, so that
            their split is not known.
        splits_file: The path of the file that states the splits; empty if no file states them.
    """

    class_names: dict[int, str] = field(default_factory=dict)
    split_folders: dict[Folders, int] = field(default_factory=dict)
    split_pictures: dict[str, int] = field(default_factory=dict)
    ambiguous_folders: tuple[str, ...] = ()
    splits_file: str = ""

    def split_of(self, picture: str) -> int | None:
        """Return the split of a picture; None if the configuration does not state it."""
        if picture in self.split_pictures:
            return self.split_pictures[picture]
        folders = folders_of(picture)
        for level in range(len(folders), -1, -1):
            if folders[:level] in self.split_folders:
                return self.split_folders[folders[:level]]
        return None


def read_yolo_config(files: SourceFiles) -> YoloConfig:
    """Return the names of the classes and the folders of the splits.

    The names are in ``data.yaml``, or in a list such as ``classes.txt``; the splits are in
    ``data.yaml``.

    Args:
        files: The files of the source.
    """
    config = YoloConfig()
    for name in sorted(files.names, key=lambda name: name.count("/")):
        file_name = name.rpartition("/")[2].lower()
        is_class_list = file_name in ("classes.txt", "obj.names", "_darknet.labels")
        if not is_class_list and not file_name.endswith((".yaml", ".yml")):
            continue
        text = read_text(files.source, name, _MAX_CONFIGURATION_BYTES)
        if isinstance(text, SkipReason):
            continue
        if not config.class_names:
            lines = [line.strip() for line in text.splitlines() if line.strip()]
            class_names = dict(enumerate(lines)) if is_class_list else names_in_yaml(text)
            config = replace(config, class_names=class_names)
        if not is_class_list and not config.splits_file:
            config = _with_splits(config, text, name, files)
    return config


def names_in_yaml(text: str) -> dict[int, str]:
    """Return the class names by number from the key ``names``; empty without this key."""
    names = {}
    for position, item in enumerate(_items_of(text, "names")):
        match = re.fullmatch(r"\s*['\"]?(\d{1,3})['\"]?\s*:\s*(.+)", item.strip(), re.DOTALL)
        number, name = (int(match[1]), match[2]) if match else (position, item)
        names[number] = _unquoted(name)
    return names


def _with_splits(config: YoloConfig, text: str, name: str, files: SourceFiles) -> YoloConfig:
    """Return the configuration with the splits that ``train``, ``val`` and ``test`` state.

    The value of each key is a folder, a list of pictures, or several folders and lists.
    """
    picture_folders = {
        folders[:level]
        for folders in {folders_of(picture) for picture in files.pictures}
        for level in range(len(folders) + 1)
    }
    root = _unquoted(next(iter(_items_of(text, "path")), ""))
    splits_of_folder: dict[Folders, set[int]] = defaultdict(set)
    pictures: dict[str, int] = {}
    for key, split in _SPLIT_KEYS.items():
        for value in map(_unquoted, _items_of(text, key)):
            if value.lower().endswith(".txt"):
                listed = _listed_pictures(value, root, name, files)
                pictures |= dict.fromkeys(listed, SPLITS.index(split))
            elif (folder := _folder(value, root, name, picture_folders)) is not None:
                splits_of_folder[folder].add(SPLITS.index(split))
    split_folders = {
        folder: split for folder, (split, *others) in splits_of_folder.items() if not others
    }
    ambiguous_folders = (folder for folder in splits_of_folder if folder not in split_folders)
    is_used = bool(splits_of_folder or pictures)
    return replace(
        config,
        split_folders=split_folders,
        split_pictures=pictures,
        ambiguous_folders=tuple(map("/".join, ambiguous_folders)),
        splits_file=name if is_used else "",
    )


def _listed_pictures(value: str, root: str, config_path: str, files: SourceFiles) -> list[str]:
    """Return the pictures that the list of a split names; arguments as for ``_folder``."""
    base = posixpath.dirname(config_path)
    paths = [posixpath.join(base, root, value), posixpath.join(base, value), value]
    normal = [posixpath.normpath(path.replace("\\", "/")) for path in paths]
    name = next((path for path in normal if path in set(files.names)), None)
    if name is None:
        return []
    text = read_text(files.source, name)
    if isinstance(text, SkipReason):
        return []
    finder = PictureFinder(files.pictures)
    found = [finder.find(name, line.strip()) for line in text.splitlines() if line.strip()]
    return [picture for picture in found if isinstance(picture, str)]


def _folder(
    value: str, root: str, config_path: str, picture_folders: Collection[Folders]
) -> Folders | None:
    """Return the folder that a path in a configuration names.

    The path is relative to the value of the key ``path``, to the folder of the configuration, or
    to the source. If none of these folders exists, the path may come from another computer. The
    last parts of the path are then compared with the ends of the folders in the source. Return None
    if no folder matches, or if several folders match.

    Args:
        value: The path.
        root: The value of ``path`` in the configuration; empty if it has none.
        config_path: The path of the configuration in the source.
        picture_folders: The folders of the source with pictures in them or in their subfolders.
    """
    base = posixpath.dirname(config_path)
    for path in (posixpath.join(base, root, value), posixpath.join(base, value), value):
        folders = _parts(posixpath.normpath(path.replace("\\", "/")))
        if folders and folders in picture_folders:
            return folders
    parts = tuple(part for part in _parts(value.replace("\\", "/")) if part not in (".", ".."))
    for start in range(len(parts)):
        if start and parts[start:] == ("images",):
            return None  # every split may have a folder of this name
        end = parts[start:]
        matches = [folders for folders in picture_folders if folders[-len(end) :] == end]
        if matches:
            return matches[0] if len(matches) == 1 else None
    return None


def _parts(path: str) -> Folders:
    return tuple(part for part in path.split("/") if part)


def _items_of(text: str, key: str) -> list[str]:
    """Return the items in the value of a key; empty if the key is missing.

    The value is a string (one item), a list in brackets or with one item in each line, or pairs in
    braces. Only this value is parsed, so that other parts of the file may be invalid.
    """
    match = re.search(rf"^{key}\s*:[ \t]*(.*)$", text, re.MULTILINE)
    if match is None:
        return []
    value, rest = _without_comment(match[1]), text[match.end() :]
    if value.startswith(("[", "{")):
        inside = re.match(r"[\[{](.*?)[\]}]", value + rest, re.DOTALL)
        return [] if inside is None else _separated(inside[1])
    if value:
        return [value]
    block = []
    for line in rest.splitlines():
        content = _without_comment(line)
        if content and not line[0].isspace() and not content.startswith("-"):
            break
        if content:
            block.append(content.removeprefix("-").strip())
    return block


def _without_comment(line: str) -> str:
    return re.sub(r"(^|\s)#.*$", "", line).strip()


def _separated(text: str) -> list[str]:
    """Return the items of a text that are separated by commas outside quotes."""
    return [item for item in re.findall(r"(?:'[^']*'|\"[^\"]*\"|[^,'\"])+", text) if item.strip()]


def _unquoted(text: str) -> str:
    return text.strip().strip("'\"").strip()
