"""Find the pictures among the files of a source, by their content and not by their names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from fer_core.dataset.readers.archive_names import is_archive
from fer_core.dataset.readers.sources import Source
from fer_core.picture_header import HEADER_BYTES, picture_format

#: Suffixes of pictures. Files with one of them are pictures, or are reported if they are not.
PICTURE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".jfi", ".png", ".apng", ".gif", ".bmp", ".dib"),
    *(".webp", ".tif", ".tiff", ".pgm", ".ppm", ".pbm", ".pnm", ".pam", ".pfm", ".mpo"),
    *(".avif", ".avifs", ".heic", ".heics", ".heif", ".hif", ".jp2", ".j2k"),
)

#: Files that describe pictures. Nobody expects them to be imported.
DATA_SUFFIXES = (
    *(".txt", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".md", ".rst", ".html"),
    *(".log", ".ini", ".cfg", ".toml", ".py", ".ipynb", ".npy", ".npz", ".mat", ".pkl", ".pts"),
    *(".xls", ".xlsx", ".ods", ".doc", ".docx", ".lst", ".list", ".names", ".info"),
)
#: If the first files with a suffix of data are not pictures, the others are not either. Often there
#: is one for each picture.
_MAX_PROBED = 100


def has_picture_suffix(name: str) -> bool:
    """Return True if a file is a picture by its name."""
    return name.lower().endswith(PICTURE_SUFFIXES)


def iter_pictures(source: Source, names: Iterable[str]) -> Iterator[str]:
    """Yield the names of pictures, in their order.

    The content of files without the suffix of a picture is recognized by its first bytes.

    Args:
        source: Contains the files.
        names: Their paths in the source.
    """
    probed: Counter[str] = Counter()
    for name in names:
        if has_picture_suffix(name):
            yield name
            continue
        suffix = PurePosixPath(name.lower()).suffix
        if probed[suffix] >= _MAX_PROBED and suffix in DATA_SUFFIXES:
            continue
        if _is_picture_by_content(source, name):
            yield name
        else:
            probed[suffix] += 1


def _is_picture_by_content(source: Source, name: str) -> bool:
    if is_archive(name):
        return False
    try:
        with source.open(name) as stream:
            beginning = stream.file.read(HEADER_BYTES)
    except Exception:
        # A damaged archive raises many types of errors, and a link or a pipe is not opened. They
        # are reported where a file is needed.
        return False
    return picture_format(beginning) is not None
