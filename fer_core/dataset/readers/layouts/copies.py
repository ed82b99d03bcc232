"""Find folder trees that a source contains twice, such as ``images/`` inside ``images/``."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from functools import lru_cache

from fer_core.classes import class_key
from fer_core.dataset.readers.layouts.layout import Folders, Layout, folders_of
from fer_core.dataset.readers.problems import ProblemLog, SkipReason
from fer_core.dataset.readers.sources import Source
from fer_core.dataset.readers.split_names import split_from_name

#: Maximum number of files with the same name and class that are compared. If there are more, the
#: names are probably numbers that begin again in each folder.
_MAX_COPIES = 8
#: Number of pairs of files that are compared first. Different trees usually differ in all of these
#: pairs.
_SAMPLES = 3
#: Two trees are compared if at least this share of the files of the smaller tree has a file of the
#: same name and class in the larger tree.
_MIN_SHARED = 0.5


def drop_copies(layout: Layout, source: Source, problems: ProblemLog) -> list[str]:
    """Remove the pictures of trees that repeat another tree, and report each tree once.

    Two pictures are copies if they have the same name, class and content. Pictures in different
    splits are never removed: such copies are leaks, and the audit lists them.

    Args:
        layout: The faces of the source. The faces in repeated pictures are removed in place.
        source: Contains the files.
        problems: Collects the repeated trees.

    Returns:
        A sentence for each repeated tree.
    """
    contents = _Contents(source)
    dropped_counts: Counter[tuple[Folders, Folders]] = Counter()
    for (first, second), candidates in sorted(_pairs_of_trees(layout).items()):
        # The comparison of other trees may already have removed a picture.
        pairs = [pair for pair in candidates if pair[0] in layout.faces and pair[1] in layout.faces]
        if not pairs or not contents.are_alike(pairs):
            continue
        for original, repeated in pairs:
            if contents.are_equal(original, repeated):
                del layout.faces[repeated]
                dropped_counts[first, second] += 1
    sentences = []
    for (first, second), count in dropped_counts.items():
        original_tree = repr("/".join(first)) if first else "the folders next to it"
        repeated_tree = "/".join(second)
        problems.add_folder(repeated_tree, f"repeats {original_tree} and was left out", count)
        sentences.append(
            f"The folder {repeated_tree!r} repeats {original_tree} and is left out "
            f"({count:,} {'picture' if count == 1 else 'pictures'})."
        )
    return sentences


def _pairs_of_trees(layout: Layout) -> dict[tuple[Folders, Folders], list[tuple[str, str]]]:
    """Return the pairs of files with the same name and class, by the trees that contain them.

    In each pair of trees and in each pair of files, the first is the original, and the second may
    be a copy.
    """
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    class_keys: dict[str, str] = {}
    for name, faces in layout.faces.items():
        class_name = faces[0].class_name
        if class_name not in class_keys:
            class_keys[class_name] = class_key(class_name)
        groups[class_keys[class_name], name.rpartition("/")[2]].append(name)
    pairs: dict[tuple[Folders, Folders], list[tuple[str, str]]] = defaultdict(list)
    for names in groups.values():
        if 1 < len(names) <= _MAX_COPIES:
            splits = {name: _split(name, layout) for name in names}
            for original, repeated in _ordered_pairs(splits):
                pairs[_trees(original, repeated)].append((original, repeated))
    if not pairs:
        return {}
    # The number of pictures in each folder and its subfolders.
    sizes: Counter[Folders] = Counter()
    for folder, count in Counter(name.rpartition("/")[0] for name in layout.faces).items():
        folders = folders_of(f"{folder}/")  # the slash makes it the path of a file
        for level in range(len(folders) + 1):
            sizes[folders[:level]] += count
    return {
        trees: files
        for trees, files in pairs.items()
        if len(files)
        >= _MIN_SHARED * min(_exclusive_size(trees, sizes), _exclusive_size(trees[::-1], sizes))
    }


def _exclusive_size(trees: tuple[Folders, Folders], sizes: Counter[Folders]) -> int:
    """Return the number of pictures that are in the first tree, but not in the second tree."""
    first, second = trees
    is_inside = len(second) > len(first) and second[: len(first)] == first
    return sizes[first] - (sizes[second] if is_inside else 0)


def _ordered_pairs(splits: Mapping[str, int | None]) -> Iterator[tuple[str, str]]:
    """Yield the pairs of files that may be copies, the original first.

    Args:
        splits: The split of each file; None if neither a list of files, such as ``train.txt``,
            nor a folder names the split.
    """
    if len(set(splits.values()) - {None}) == len(splits):
        return  # all files are in different splits
    ranked = sorted(
        splits, key=lambda name: (splits[name] is None, name.count("/"), len(name), name)
    )
    for position, original in enumerate(ranked):
        for repeated in ranked[position + 1 :]:
            if len({splits[original], splits[repeated]} - {None}) < 2:
                yield original, repeated


def _split(name: str, layout: Layout) -> int | None:
    """Return the split that a list of files or the folders of a picture name; None without one."""
    listed_split = layout.faces[name][0].split
    return _split_of_folder(name.rpartition("/")[0]) if listed_split is None else listed_split


@lru_cache(maxsize=4096)
def _split_of_folder(folder: str) -> int | None:
    named_splits = [split for part in folder.split("/") if (split := split_from_name(part))]
    return named_splits[-1][0] if named_splits else None


def _trees(original: str, repeated: str) -> tuple[Folders, Folders]:
    """Return the folders of two files without the equal folders at the end.

    The second tree never contains the original file. For example, the trees of ``images/a/1.jpg``
    and ``images/images/a/1.jpg`` are ``images`` and ``images/images``.
    """
    original_folders = folders_of(original)
    first, second = original_folders, folders_of(repeated)
    while first and second and first[-1] == second[-1]:
        shorter = second[:-1]
        if original_folders[: len(shorter)] == shorter:
            break
        first, second = first[:-1], shorter
    return first, second


class _Contents:
    """Compares the content of files; each file is read only once.

    Args:
        source: Contains the files.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._digests: dict[str, bytes | None] = {}

    def are_alike(self, pairs: list[tuple[str, str]]) -> bool:
        """Return True if at least one of ``_SAMPLES`` pairs consists of equal files."""
        step = max(len(pairs) // _SAMPLES, 1)
        return any(self.are_equal(*pair) for pair in pairs[::step][:_SAMPLES])

    def are_equal(self, first: str, second: str) -> bool:
        """Return True if two files can be read and have the same content."""
        digest = self._digest(first)
        return digest is not None and digest == self._digest(second)

    def _digest(self, name: str) -> bytes | None:
        if name not in self._digests:
            ((_, content),) = self._source.read_all([name])
            self._digests[name] = (
                None if isinstance(content, SkipReason) else hashlib.sha256(content).digest()
            )
        return self._digests[name]
