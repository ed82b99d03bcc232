"""Lists and tables of pictures next to others that are named after their splits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fer_core.dataset.readers.layouts.layout import Layout, folders_of
from fer_core.dataset.readers.split_names import split_from_name


def mark_unnamed_lists(layout: Layout, lists: Mapping[str, str]) -> None:
    """Let the user decide about the split of a list such as ``more.csv`` next to ``train.csv``.

    Lists that are not named after a split are training data only if no other list has such a name.
    Pictures whose folders or rows name the split keep that split.

    Args:
        layout: The faces; their lists take the place of their folders.
        lists: The path of the list by that of the picture.
    """
    named = {name: split_from_name(_stem(name)) for name in set(lists.values())}
    if all(split is None for split in named.values()):
        return
    for picture, name in lists.items():
        entries = layout.entries[picture]
        is_known = named[name] is not None or any(entry.split is not None for entry in entries)
        if is_known or any(split_from_name(folder) for folder in folders_of(picture)):
            continue
        parents = (name.rpartition("/")[2],)
        layout.unnamed_lists.add(parents)
        layout.entries[picture] = tuple(replace(entry, parents=parents) for entry in entries)


def _stem(name: str) -> str:
    file_name = name.rpartition("/")[2]
    return file_name.rpartition(".")[0] or file_name
