"""The classes and splits in the configuration of a YOLO dataset, ``data.yaml``."""

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
    """The configuration of a dataset.

    Attributes:
        class_names: The names of the classes by their number; empty if no file has them.
        split_folders: The folder of each split, and the index of the split in ``SPLITS``.
        split_pictures: The pictures in the lists of the splits, and the index of the split.
        several_splits: The folders that are named for several splits, which says nothing.
        file_name: The path of the file that names the splits; empty if there is none.
    """

    class_names: dict[int, str] = field(default_factory=dict)
    split_folders: dict[Folders, int] = field(default_factory=dict)
    split_pictures: dict[str, int] = field(default_factory=dict)
    several_splits: tuple[str, ...] = ()
    file_name: str = ""

    def split_of(self, picture: str) -> int | None:
        """Return the split of a picture; None if the configuration does not name it."""
        if picture in self.split_pictures:
            return self.split_pictures[picture]
        folders = folders_of(picture)
        for level in range(len(folders), -1, -1):
            if folders[:level] in self.split_folders:
                return self.split_folders[folders[:level]]
        return None


def read_yolo_config(files: SourceFiles) -> YoloConfig:
    """Return the names of the classes and the folders of the splits.

    The names are in ``data.yaml`` or in ``classes.txt``, the splits in ``data.yaml``.

    Args:
        files: The files of the source.
    """
    config = YoloConfig()
    for name in sorted(files.names, key=lambda name: name.count("/")):
        file_name = name.rpartition("/")[2].lower()
        is_list = file_name in ("classes.txt", "obj.names", "_darknet.labels")
        if not is_list and not file_name.endswith((".yaml", ".yml")):
            continue
        text = read_text(files.source, name, _MAX_CONFIGURATION_BYTES)
        if isinstance(text, SkipReason):
            continue
        if not config.class_names:
            lines = [line.strip() for line in text.splitlines() if line.strip()]
            class_names = dict(enumerate(lines)) if is_list else names_in_yaml(text)
            config = replace(config, class_names=class_names)
        if not is_list and not config.file_name:
            config = _with_splits(config, text, name, files)
    return config


def names_in_yaml(text: str) -> dict[int, str]:
    """Return ``names`` of a ``data.yaml``; empty if there is none."""
    names = {}
    for position, item in enumerate(_items_of(text, "names")):
        match = re.fullmatch(r"\s*['\"]?(\d{1,3})['\"]?\s*:\s*(.+)", item.strip(), re.DOTALL)
        number, name = (int(match[1]), match[2]) if match else (position, item)
        names[number] = _unquoted(name)
    return names


def _with_splits(config: YoloConfig, text: str, name: str, files: SourceFiles) -> YoloConfig:
    """Return the configuration with the splits that ``train``, ``val`` and ``test`` state.

    Each names a folder, a list of pictures, or several of them.
    """
    known = {
        folders[:level]
        for folders in {folders_of(picture) for picture in files.pictures}
        for level in range(len(folders) + 1)
    }
    root = _unquoted(next(iter(_items_of(text, "path")), ""))
    splits: dict[Folders, set[int]] = defaultdict(set)
    pictures: dict[str, int] = {}
    for key, split in _SPLIT_KEYS.items():
        for value in map(_unquoted, _items_of(text, key)):
            if value.lower().endswith(".txt"):
                listed = _listed_pictures(value, root, name, files)
                pictures |= dict.fromkeys(listed, SPLITS.index(split))
            elif (folder := _folder(value, root, name, known)) is not None:
                splits[folder].add(SPLITS.index(split))
    folders = {folder: split for folder, (split, *more) in splits.items() if not more}
    several = tuple("/".join(folder) for folder in splits if folder not in folders)
    is_used = bool(splits or pictures)
    return replace(
        config,
        split_folders=folders,
        split_pictures=pictures,
        several_splits=several,
        file_name=name if is_used else "",
    )


def _listed_pictures(value: str, root: str, config: str, files: SourceFiles) -> list[str]:
    """Return the pictures that a list of a split names."""
    base = posixpath.dirname(config)
    paths = [posixpath.join(base, root, value), posixpath.join(base, value), value]
    normal = [posixpath.normpath(path.replace("\\", "/")) for path in paths]
    name = next((path for path in normal if path in set(files.names)), None)
    text = SkipReason("") if name is None else read_text(files.source, name)
    if name is None or isinstance(text, SkipReason):
        return []
    finder = PictureFinder(files.pictures)
    found = [finder.find(name, line.strip()) for line in text.splitlines() if line.strip()]
    return [picture for picture in found if isinstance(picture, str)]


def _folder(value: str, root: str, config: str, known: Collection[Folders]) -> Folders | None:
    """Return the folder of pictures that a path in a configuration names.

    Paths are relative to ``path`` or to the configuration, and often those of another computer.
    """
    base = posixpath.dirname(config)
    for path in (posixpath.join(base, root, value), posixpath.join(base, value), value):
        folders = _parts(posixpath.normpath(path.replace("\\", "/")))
        if folders and folders in known:
            return folders
    parts = tuple(part for part in _parts(value.replace("\\", "/")) if part not in (".", ".."))
    for start in range(len(parts)):
        if start and parts[start:] == ("images",):
            return None  # every split may have a folder of this name
        ends = [folders for folders in known if folders[-len(parts[start:]) :] == parts[start:]]
        if ends:
            return ends[0] if len(ends) == 1 else None
    return None


def _parts(path: str) -> Folders:
    return tuple(part for part in path.split("/") if part)


def _items_of(text: str, key: str) -> list[str]:
    """Return the value of a key: a text, a list in brackets or in lines, or pairs in braces.

    Only the keys that are needed are parsed, and not YAML as a whole.
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
    """Split at commas outside quotes."""
    return [item for item in re.findall(r"(?:'[^']*'|\"[^\"]*\"|[^,'\"])+", text) if item.strip()]


def _unquoted(text: str) -> str:
    return text.strip().strip("'\"").strip()
