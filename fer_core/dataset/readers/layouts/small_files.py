"""Read the small text files of a layout: lists, labels, configurations."""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Iterable

from fer_core.dataset.readers.layouts.layout import folders_of
from fer_core.dataset.readers.problems import SkipReason, reading_failed
from fer_core.dataset.readers.sources import Source

#: Maximum size of a list with one line per picture.
MAX_LIST_BYTES = 64 * 2**20
#: Maximum number of files of one kind in a folder. If a folder contains more, each of them probably
#: belongs to one picture.
_MAX_IN_FOLDER = 12


def files_about_many_pictures(names: Iterable[str], suffixes: tuple[str, ...]) -> list[str]:
    """Return the files with one of the suffixes, without files that belong to a single picture.

    If a folder contains many files with these suffixes, each of them probably belongs to one
    picture, so that none of them is returned.

    Args:
        names: The paths of the files.
        suffixes: The suffixes, in lower case.
    """
    matches = [name for name in names if name.lower().endswith(suffixes)]
    counts = Counter(folders_of(name) for name in matches)
    return [name for name in matches if counts[folders_of(name)] <= _MAX_IN_FOLDER]


def read_text(source: Source, name: str, limit: int = MAX_LIST_BYTES) -> str | SkipReason:
    """Return the text of a file, or why it cannot be read.

    Args:
        source: Contains the file.
        name: The path of the file.
        limit: Maximum size in bytes.
    """
    try:
        with source.open(name) as stream:
            content = stream.file.read(limit + 1)
    except Exception as error:  # a damaged archive raises many types of errors
        return reading_failed(error)
    if len(content) > limit:
        return SkipReason(f"is larger than {limit / 2**20:.3g} MB")
    is_utf_16 = content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    for encoding in ("utf-8-sig", *(["utf-16"] if is_utf_16 else [])):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode("latin-1")  # never fails
