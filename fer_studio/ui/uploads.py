"""Limits of uploads. Browsers enforce the size limit of a file field, but other clients may not.

A megabyte has 2**20 bytes, as in Streamlit's ``max_upload_size``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from streamlit.runtime.uploaded_file_manager import UploadedFile

from fer_core.errors import InputError

#: Maximum number of characters in a file name. File systems allow 255 bytes, and a character has up
#: to four bytes in UTF-8.
_MAX_NAME_LENGTH = 60


def check_size(upload: UploadedFile, megabytes: int) -> None:
    """Check the size of a file.

    Raises:
        InputError: The file is larger than the limit.
    """
    if upload.size > megabytes << 20:
        raise InputError(f"{upload.name} is larger than {megabytes} MB; provide a smaller file.")


def read_upload(upload: UploadedFile, megabytes: int) -> bytes:
    """Return the content of a file.

    Raises:
        InputError: The file is larger than the limit.
    """
    check_size(upload, megabytes)
    return upload.getvalue()


def file_name(text: str) -> str:
    """Return the name of an upload as a valid file name."""
    name = re.split(r"[/\\]", text)[-1]
    # The end of a long name is kept, because it contains the suffix.
    name = "".join(letter for letter in name if letter.isprintable())[-_MAX_NAME_LENGTH:]
    return name if name.strip(". ") else "upload"


def uploads_within_limits(
    uploads: Sequence[UploadedFile], *, count: int, megabytes_each: int, megabytes: int
) -> tuple[list[UploadedFile], dict[str, str]]:
    """Divide uploaded photos into those within the limits and those beyond them.

    Args:
        uploads: All uploaded photos.
        count: Maximum number of files.
        megabytes_each: Maximum size of each file.
        megabytes: Maximum total size.

    Returns:
        The files within the limits, in their order, and a sentence for each other file by its
        ``file_id``. The sentence says which limit the file exceeds.
    """
    accepted: list[UploadedFile] = []
    rejected: dict[str, str] = {}
    remaining = megabytes << 20
    for upload in uploads:
        if upload.size > megabytes_each << 20:
            reason = f"is larger than {megabytes_each} MB; provide a smaller file."
        elif len(accepted) >= count:
            reason = (
                f"was not analyzed: the limit is {count:,} photos at a time. Remove some, or "
                "upload the rest afterwards."
            )
        elif upload.size > remaining:
            reason = (
                f"was not analyzed: the limit is {megabytes:,} MB of photos at a time. Remove "
                "some, or upload the rest afterwards."
            )
        else:
            accepted.append(upload)
            remaining -= upload.size
            continue
        rejected[upload.file_id] = f"{upload.name} {reason}"
    return accepted, rejected
