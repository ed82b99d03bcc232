"""Read the small text files of a layout: lists, labels, configurations."""

from __future__ import annotations

from fer_core.dataset.readers.problems import SkipReason, error_text
from fer_core.dataset.readers.sources import Source

#: Maximum size of a list with one line per picture.
MAX_LIST_BYTES = 64 * 2**20


def read_text(source: Source, name: str, limit: int = MAX_LIST_BYTES) -> str | SkipReason:
    """Return the text of a file, or why it cannot be read.

    Args:
        source: The files.
        name: The path of the file.
        limit: Maximum size in bytes.
    """
    try:
        with source.open(name) as stream:
            content = stream.file.read(limit + 1)
    except Exception as error:  # a damaged archive raises many types of errors
        return SkipReason(f"cannot be read ({error_text(error)})", "cannot be read")
    if len(content) > limit:
        return SkipReason(f"is larger than {limit / 2**20:.3g} MB")
    for encoding in ("utf-8-sig", "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else ""):
        try:
            return content.decode(encoding) if encoding else content.decode("latin-1")
        except UnicodeDecodeError:
            continue
    return content.decode("latin-1")
