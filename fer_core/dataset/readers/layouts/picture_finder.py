"""Find the pictures that the lists and tables of a source name by their paths."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence

from fer_core.dataset.readers.layouts.layout import Folders, folders_of
from fer_core.dataset.readers.problems import SkipReason
from fer_core.dataset.readers.split_names import split_from_name

NO_PICTURE = SkipReason("names a picture that does not exist")
_SEVERAL_PICTURES = SkipReason("names a picture that exists several times; give its whole path")


class PictureFinder:
    """Finds the pictures that lists and tables name.

    If RAF-DB's aligned and original pictures (``a_aligned.jpg`` and ``a.jpg``) are both in the
    source, the aligned pictures are found, unless a path leads exactly to an original picture.

    Args:
        pictures: The paths of the pictures in the source.
    """

    def __init__(self, pictures: Sequence[str]) -> None:
        self._known = set(pictures)
        self._by_stem: dict[str, list[str]] = defaultdict(list)
        for picture in pictures:
            self._by_stem[_stem(_key(picture.rpartition("/")[2]))].append(picture)
        aligned_counts = Counter(
            folders_of(picture) for picture in pictures if _is_aligned(picture)
        )
        has_versions = any(len(group) > 1 for group in self._by_stem.values())
        #: The folder with the most aligned pictures, if some pictures have several versions;
        #: otherwise None. The versions in this folder are preferred.
        self.preferred_folder: Folders | None = None
        if aligned_counts and has_versions:
            self.preferred_folder = aligned_counts.most_common(1)[0][0]

    def find(self, list_name: str, stated_path: str) -> str | SkipReason:
        """Return the picture that a path names, or why no picture is found.

        The path is first looked up relative to the list, then relative to the source. If both
        fail, the path may come from another computer. In this case, the pictures with its file name
        are compared. The best match is the picture that shares the most folders with the path,
        counted upward from the file name; among several such pictures, it is the one nearest to the
        list. Suffix, letter case and the Unicode form of accents may differ.

        Args:
            list_name: The path of the list or table in the source.
            stated_path: The path of the picture, as the list states it: with ``/`` or backslashes,
                with or without a suffix.
        """
        path = stated_path.replace("\\", "/")
        if "://" in path:
            path = re.split(r"[?#]", path)[0]
        folder = list_name.rpartition("/")[0]
        candidates = (f"{folder}/{path}" if folder else path, path)
        # Most paths match without being normalized.
        for candidate in (*candidates, *map(posixpath.normpath, candidates)):
            if candidate in self._known:
                return candidate
        parts = [part for part in _key(path).split("/") if part not in ("", ".", "..")]
        if not parts:
            return NO_PICTURE
        *parents, name = parts
        # If the list omits suffixes and a name contains a dot, the whole name is the stem.
        group = self._by_stem.get(_stem(name)) or self._by_stem.get(name, [])
        group = [picture for picture in group if not _is_other_split(parents, picture)]
        preferred = [picture for picture in group if folders_of(picture) == self.preferred_folder]
        if len(preferred) == 1:
            return preferred[0]
        same_name = [picture for picture in group if _key(picture.rpartition("/")[2]) == name]
        return _best_match(parents, same_name or group, folders_of(list_name))

    def has_other_versions(self, picture: str) -> bool:
        """Return True if there is a ``preferred_folder`` and another picture has the same stem."""
        stem = _stem(_key(picture.rpartition("/")[2]))
        return self.preferred_folder is not None and len(self._by_stem[stem]) > 1


def _best_match(
    parents: Sequence[str], group: Sequence[str], list_folder: Folders
) -> str | SkipReason:
    """Return the picture that shares the most folders with a path, and then with a list.

    Args:
        parents: The folders of the path.
        group: The pictures with the name in the path.
        list_folder: The folders of the list that contains the path.

    Returns:
        The picture, or why no picture is found: there is no picture with the name, or several
        pictures match equally well.
    """
    if not group:
        return NO_PICTURE
    if len(group) == 1:
        return group[0]
    ranks = [
        (
            _common_start_length(parents[::-1], folders_of(_key(picture))[::-1]),
            _common_start_length(list_folder, folders_of(picture)),
        )
        for picture in group
    ]
    best_rank = max(ranks)
    best = [picture for picture, rank in zip(group, ranks, strict=True) if rank == best_rank]
    return best[0] if len(best) == 1 else _SEVERAL_PICTURES


def _is_other_split(parents: Sequence[str], picture: str) -> bool:
    """Return True if a path and a picture of the same name are in folders of different splits."""
    path_splits = {split[0] for folder in parents if (split := split_from_name(folder))}
    picture_splits = {
        split[0] for folder in folders_of(picture) if (split := split_from_name(folder))
    }
    return bool(path_splits and picture_splits) and path_splits.isdisjoint(picture_splits)


def _common_start_length(first: Sequence[str], second: Sequence[str]) -> int:
    """Return the number of parts at the start that two paths have in common."""
    length = 0
    for first_part, second_part in zip(first, second, strict=False):
        if first_part != second_part:
            break
        length += 1
    return length


def _key(path: str) -> str:
    """Return a path in the form in which paths are compared.

    Letter case does not matter, and neither does the Unicode form of accents: macOS decomposes
    accented letters.
    """
    return path.lower() if path.isascii() else unicodedata.normalize("NFC", path).casefold()


def _stem(key: str) -> str:
    """Return the name without its suffix, and without RAF-DB's mark of aligned pictures."""
    return (key.rpartition(".")[0] or key).removesuffix("_aligned")


def _is_aligned(picture: str) -> bool:
    name = picture.rpartition("/")[2].lower()
    return (name.rpartition(".")[0] or name).endswith("_aligned")
