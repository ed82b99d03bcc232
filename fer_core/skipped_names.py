"""Names of files that are skipped, because operating systems and programs create them.

These rules apply wherever the program lists files: in a dataset, a folder of pictures or an object
store, or for a pattern such as ``photos/*.jpg``.
"""

from __future__ import annotations

from collections.abc import Sequence

#: Folders of operating systems, file servers, programs and previews, in lower case.
#: Folders whose name begins with a dot are skipped as well, such as ``.ipynb_checkpoints``.
_FOLDERS = frozenset(
    (
        "__macosx",
        "$recycle.bin",
        "system volume information",
        "lost+found",
        "@eadir",
        "#recycle",
        "__pycache__",
        "thumbnails",
        "thumbnail",
        "thumbs",
        "_thumbs",
        "_thumbnails",
    )
)
#: Files of previews and settings, in lower case. Files whose name begins with a dot are skipped as
#: well, such as ``.DS_Store`` and ``._1.jpg``.
_FILES = frozenset(
    (
        "thumbs.db",
        "ehthumbs.db",
        "ehthumbs_vista.db",
        "desktop.ini",
        "icon\r",  # the icon of a folder on macOS
        "picasa.ini",
        "zbthumbnail.info",
    )
)


def is_skipped_folder(name: str) -> bool:
    """Return True if a folder with this name does not contain files of the user."""
    return name.startswith(".") or name.lower() in _FOLDERS


def is_skipped_file(name: str) -> bool:
    """Return True if a file with this name is not a file of the user."""
    # Windows stores the origin of the download "face.jpg" in "face.jpg:Zone.Identifier".
    return name.startswith(".") or name.lower() in _FILES or name.endswith(":Zone.Identifier")


def is_skipped_path(parts: Sequence[str]) -> bool:
    """Return True if a file is skipped because of its name or the name of one of its folders.

    Args:
        parts: The folders and the name of the file, relative to the folder that the user named.
    """
    *folders, name = parts
    return is_skipped_file(name) or any(map(is_skipped_folder, folders))
