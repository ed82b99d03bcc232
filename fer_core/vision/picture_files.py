"""The pictures in a folder, without what programs store next to them."""

from __future__ import annotations

from pathlib import Path

#: Folders of operating systems and programs. Folders whose name begins with a dot are skipped too.
_OTHER_FOLDERS = frozenset(("__macosx", "$recycle.bin", "system volume information", "@eadir"))
_OTHER_FILES = frozenset(("thumbs.db", "ehthumbs.db", "desktop.ini"))
_THUMBNAIL_FOLDERS = frozenset(("thumbnails", "thumbs", "_thumbs"))


def files_in(folder: Path) -> list[Path]:
    """Return the files in a folder at any depth, sorted.

    Hidden files and folders, ``__MACOSX``, ``.ipynb_checkpoints`` and thumbnails are skipped.

    Args:
        folder: The folder.
    """
    found = []
    for path in folder.rglob("*"):
        *folders, name = path.relative_to(folder).parts
        if name.startswith(".") or name.lower() in _OTHER_FILES or not path.is_file():
            continue
        if not any(
            part.startswith(".") or part.lower() in _OTHER_FOLDERS | _THUMBNAIL_FOLDERS
            for part in folders
        ):
            found.append(path)
    return sorted(found)
