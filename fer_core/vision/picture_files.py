"""The pictures in a folder, without what programs store next to them."""

from __future__ import annotations

from pathlib import Path

from fer_core.skipped_names import is_skipped_path


def files_in(folder: Path) -> list[Path]:
    """Return the files in a folder at any depth, sorted.

    Hidden files and folders, ``__MACOSX``, ``.ipynb_checkpoints`` and thumbnails are skipped.

    Args:
        folder: The folder.
    """
    return sorted(
        path
        for path in folder.rglob("*")
        if not is_skipped_path(path.relative_to(folder).parts) and path.is_file()
    )
