"""List the files in a folder, and read a picture's file."""

from __future__ import annotations

from pathlib import Path

from fer_core.errors import InputError, system_reason
from fer_core.picture_header import is_video
from fer_core.skipped_names import is_skipped_path

#: Maximum size of a picture's file, in bytes.
MAX_PICTURE_BYTES = 200 * 2**20
#: Number of bytes at the start of a file that show whether the file is a video.
START_BYTES = 64


def files_in(folder: Path) -> list[Path]:
    """Return the files in a folder at any depth, sorted.

    Hidden files, thumbnails and the files of operating systems are skipped, see ``skipped_names``.

    Args:
        folder: The folder.
    """
    return sorted(
        path
        for path in folder.rglob("*")
        if not is_skipped_path(path.relative_to(folder).parts) and path.is_file()
    )


def read_picture(path: Path) -> bytes:
    """Return the content of a picture's file.

    If the file is a video, only its first ``START_BYTES`` bytes are returned. They are enough for
    ``decode_picture`` to recognize the video and to reject it.

    Raises:
        InputError: There is no readable file at the path, or the file is larger than
            ``MAX_PICTURE_BYTES`` and not a video.
    """
    try:
        if not path.is_file():
            # Reading a device or a pipe might never end.
            reason = "is not a file" if path.exists() else "does not exist"
            raise InputError(f"{path.name} {reason}; check the path.")
        with path.open("rb") as file:
            start = file.read(START_BYTES)
            # A video is rejected as such, however large it is.
            if is_video(start):
                return start
            if path.stat().st_size > MAX_PICTURE_BYTES:
                raise InputError(too_large_text(path.name))
            return start + file.read()
    except OSError as error:
        raise InputError(
            f"{path.name} cannot be read ({system_reason(error)}); check the path."
        ) from error


def too_large_text(name: str) -> str:
    """Return the message about a file that is larger than ``MAX_PICTURE_BYTES``."""
    return f"{name} is larger than {MAX_PICTURE_BYTES >> 20} MB; choose a smaller picture."
