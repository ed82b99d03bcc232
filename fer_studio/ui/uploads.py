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


def check_size(upload: UploadedFile, max_megabytes: int) -> None:
    """Check the size of a file.

    Raises:
        InputError: The file is larger than the limit.
    """
    if upload.size > max_megabytes << 20:
        raise InputError(
            f"{upload.name} is larger than {max_megabytes} MB; provide a smaller file."
        )


def read_upload(upload: UploadedFile, max_megabytes: int) -> bytes:
    """Return the content of a file.

    Raises:
        InputError: The file is larger than the limit.
    """
    check_size(upload, max_megabytes)
    return upload.getvalue()


def safe_file_name(text: str) -> str:
    """Return the name of an upload as a safe name for a new file: without folders, and not long."""
    name = re.split(r"[/\\]", text)[-1]
    # The end of a long name is kept, because it contains the suffix.
    name = "".join(letter for letter in name if letter.isprintable())[-_MAX_NAME_LENGTH:]
    return name if name.strip(". ") else "upload"


def uploads_within_limits(
    uploads: Sequence[UploadedFile],
    *,
    max_count: int,
    max_megabytes_each: int,
    max_total_megabytes: int,
) -> tuple[list[UploadedFile], dict[str, str]]:
    """Divide uploaded photos into those within the limits and those that exceed a limit.

    Args:
        uploads: All uploaded photos.
        max_count: Maximum number of files.
        max_megabytes_each: Maximum size of each file.
        max_total_megabytes: Maximum total size.

    Returns:
        The files within the limits, in their order, and a sentence for each other file by its
        ``file_id``. The sentence says which limit the file exceeds.
    """
    accepted: list[UploadedFile] = []
    rejected: dict[str, str] = {}
    remaining_bytes = max_total_megabytes << 20
    for upload in uploads:
        if upload.size > max_megabytes_each << 20:
            reason = f"is larger than {max_megabytes_each} MB; provide a smaller file."
        elif len(accepted) >= max_count:
            reason = (
                f"was not analyzed: the limit is {max_count:,} photos at a time. Remove some, or "
                "upload the rest afterwards."
            )
        elif upload.size > remaining_bytes:
            reason = (
                f"was not analyzed: the limit is {max_total_megabytes:,} MB of photos at a time. "
                "Remove some, or upload the rest afterwards."
            )
        else:
            accepted.append(upload)
            remaining_bytes -= upload.size
            continue
        rejected[upload.file_id] = f"{upload.name} {reason}"
    return accepted, rejected
