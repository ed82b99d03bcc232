"""Read the files of a multipart request into memory."""

from __future__ import annotations

import re
from dataclasses import dataclass

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from fer_core.service.options import ServiceLimits

#: The name of the form field that contains the pictures.
FILES_FIELD = "files"

_MAX_NAME_LENGTH = 255
_ADVICE = f"send one or more pictures as multipart/form-data in the field '{FILES_FIELD}'"


@dataclass(frozen=True)
class Upload:
    """An uploaded file.

    Attributes:
        name: The file name that the client sent; used only in results and messages.
        content: Bytes of the file; None if it is larger than the limit.
    """

    name: str
    content: bytes | None


class _MemoryParser(MultiPartParser):
    """Keeps every file in memory. The limit on the size of a request also limits the files."""

    # Starlette writes files above this size to disk. No request is that large.
    spool_max_size = 2**62


async def read_uploads(request: Request, limits: ServiceLimits) -> list[Upload]:
    """Read the files of a request.

    Raises:
        HTTPException: The request is not valid; the detail is a sentence.
    """
    content_type = request.headers.get("content-type", "")
    if not content_type.lower().startswith("multipart/form-data"):
        raise HTTPException(415, f"The request is not multipart/form-data; {_ADVICE}.")
    parser = _MemoryParser(request.headers, request.stream(), max_files=limits.files, max_fields=0)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise HTTPException(
            400, _form_error_message(error, limits), {"Connection": "close"}
        ) from error
    try:
        uploads = []
        for field, value in form.multi_items():
            if field != FILES_FIELD or not isinstance(value, UploadFile):
                raise HTTPException(422, f"The form has the field {field[:64]!r}; {_ADVICE}.")
            is_too_large = (value.size or 0) > limits.file_bytes
            content = None if is_too_large else await value.read()
            uploads.append(Upload(_name_on_one_line(value.filename), content))
    finally:
        await form.close()
    if not uploads:
        raise HTTPException(422, f"The request contains no files; {_ADVICE}.")
    return uploads


def _form_error_message(error: MultiPartException, limits: ServiceLimits) -> str:
    """Return the message for a form that cannot be parsed."""
    if error.message.startswith("Too many files"):
        return (
            f"The request contains more than {limits.files:,} files; distribute them over several "
            "requests."
        )
    if error.message.startswith("Too many fields"):
        return f"The form has a field without a file; {_ADVICE}."
    return f"The request is not valid multipart/form-data; {_ADVICE}."


def _name_on_one_line(text: str | None) -> str:
    """Return the name of an upload on one line; "upload" if the client sent none."""
    name = re.sub(r"[\x00-\x1f\x7f]", " ", text or "")[:_MAX_NAME_LENGTH].strip()
    return name or "upload"
