"""Uploads within their bounds: the browser heeds a field's limit, another program need not."""

from __future__ import annotations

import re
from collections.abc import Sequence

from streamlit.runtime.uploaded_file_manager import UploadedFile

from fer_core.errors import InputError

#: In letters, of up to four bytes each: file systems take 255 bytes.
_LONGEST_NAME = 60


def check_size(upload: UploadedFile, megabytes: int) -> None:
    """Make sure that a file is no larger than its field says.

    Raises:
        InputError: It is.
    """
    if upload.size > megabytes << 20:
        raise InputError(f"{upload.name} is larger than {megabytes} MB; give a smaller file.")


def content_within(upload: UploadedFile, megabytes: int) -> bytes:
    """A file's bytes.

    Raises:
        InputError: It is larger than its field says.
    """
    check_size(upload, megabytes)
    return upload.getvalue()


def file_name(text: str) -> str:
    """What an upload is called, as a name that a file in any folder can have."""
    name = re.split(r"[/\\]", text)[-1]
    name = "".join(letter for letter in name if letter.isprintable())[-_LONGEST_NAME:]
    return name if name.strip(". ") else "upload"


def first_within(
    uploads: Sequence[UploadedFile], *, count: int, megabytes_each: int, megabytes: int
) -> tuple[list[UploadedFile], str]:
    """Those of several files that are taken: in their order, as long as there is room.

    Args:
        uploads: What has come.
        count: How many are taken at most.
        megabytes_each: How large each may be.
        megabytes: How large they may be together.

    Returns:
        The files, and a sentence on those that are left out; empty if none is.
    """
    taken: list[UploadedFile] = []
    room = megabytes << 20
    for upload in uploads:
        if upload.size <= megabytes_each << 20 and len(taken) < count and upload.size <= room:
            taken.append(upload)
            room -= upload.size
    left_out = len(uploads) - len(taken)
    if not left_out:
        return taken, ""
    files = "1 photo is" if left_out == 1 else f"{left_out:,} photos are"
    return taken, (
        f"{files} left out: at most {count:,} are taken at a time, up to {megabytes_each} MB each "
        f"and {megabytes:,} MB together. Remove some, or give the rest afterwards."
    )
