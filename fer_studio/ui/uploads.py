"""Size limits of uploads. Browsers enforce the limit of a file field, other clients may not."""

from __future__ import annotations

import re
from collections.abc import Sequence

from streamlit.runtime.uploaded_file_manager import UploadedFile

from fer_core.errors import InputError

#: Maximum number of characters in a name: each can take four bytes in UTF-8, and file systems allow
#: 255 bytes.
_MAX_NAME_LENGTH = 60


def check_size(upload: UploadedFile, megabytes: int) -> None:
    """Check the size of a file.

    Raises:
        InputError: It is larger than the limit.
    """
    if upload.size > megabytes << 20:
        raise InputError(f"{upload.name} is larger than {megabytes} MB; provide a smaller file.")


def read_upload(upload: UploadedFile, megabytes: int) -> bytes:
    """Return the content of a file.

    Raises:
        InputError: It is larger than the limit.
    """
    check_size(upload, megabytes)
    return upload.getvalue()


def file_name(text: str) -> str:
    """Return the name of an upload as a valid file name."""
    name = re.split(r"[/\\]", text)[-1]
    name = "".join(letter for letter in name if letter.isprintable())[-_MAX_NAME_LENGTH:]
    return name if name.strip(". ") else "upload"


def uploads_within_limits(
    uploads: Sequence[UploadedFile], *, count: int, megabytes_each: int, megabytes: int
) -> tuple[list[UploadedFile], str]:
    """Return the uploads that fit the limits, in their order.

    Args:
        uploads: All uploads.
        count: Maximum number of files.
        megabytes_each: Maximum size of each.
        megabytes: Maximum total size.

    Returns:
        The files, and a sentence about those that were skipped; empty if there are none.
    """
    accepted: list[UploadedFile] = []
    remaining = megabytes << 20
    for upload in uploads:
        if (
            upload.size <= megabytes_each << 20
            and len(accepted) < count
            and upload.size <= remaining
        ):
            accepted.append(upload)
            remaining -= upload.size
    skipped = len(uploads) - len(accepted)
    if not skipped:
        return accepted, ""
    files = "1 photo was" if skipped == 1 else f"{skipped:,} photos were"
    return accepted, (
        f"{files} skipped: the limit is {count:,} photos at a time, up to {megabytes_each} MB each "
        f"and {megabytes:,} MB together. Remove some, or upload the rest afterwards."
    )
