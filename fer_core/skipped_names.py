"""The files that operating systems and programs store next to the files of the user.

One rule for datasets, folders of pictures, patterns and object stores.
"""

from __future__ import annotations

from collections.abc import Sequence

#: Folders of operating systems, file servers, programs and previews, in lower case.
#: Folders whose name begins with a dot are skipped as well, such as ``.ipynb_checkpoints``.
_FOLDERS = frozenset(
    (
        *("__macosx", "$recycle.bin", "system volume information", "lost+found", "@eadir"),
        *("#recycle", "__pycache__", "thumbnails", "thumbnail", "thumbs", "_thumbs", "_thumbnails"),
    )
)
#: Files of previews and settings, in lower case. Files whose name begins with a dot are skipped as
#: well, such as ``.DS_Store`` and ``._1.jpg``.
_FILES = frozenset(
    (
        *("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r"),
        *("picasa.ini", "zbthumbnail.info"),
    )
)


def is_skipped_folder(name: str) -> bool:
    """Return True if the files in a folder of this name are not the user's."""
    return name.startswith(".") or name.lower() in _FOLDERS


def is_skipped_file(name: str) -> bool:
    """Return True if a file of this name is not the user's."""
    # Windows stores where a download comes from in "face.jpg:Zone.Identifier".
    return name.startswith(".") or name.lower() in _FILES or name.endswith(":Zone.Identifier")


def is_skipped_path(parts: Sequence[str]) -> bool:
    """Return True if a file is skipped by its name or by one of its folders.

    Args:
        parts: The folders and the name of the file, relative to the folder that the user named.
    """
    *folders, name = parts
    return is_skipped_file(name) or any(map(is_skipped_folder, folders))
