"""Find the pictures among the files of a source, by their suffix or by their first bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from fer_core.dataset.readers.archive_names import is_archive
from fer_core.dataset.readers.sources import Source
from fer_core.picture_header import HEADER_BYTES, picture_format

#: Suffixes of pictures. A file with such a suffix is reported if it cannot be read as a picture.
PICTURE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".jfi", ".png", ".apng", ".gif", ".bmp", ".dib"),
    *(".webp", ".tif", ".tiff", ".pgm", ".ppm", ".pbm", ".pnm", ".pam", ".pfm", ".mpo"),
    *(".avif", ".avifs", ".heic", ".heics", ".heif", ".hif", ".jp2", ".j2k"),
)

#: Suffixes of data and text files that often accompany pictures. Files with these suffixes that are
#: not pictures are skipped without a report.
DATA_SUFFIXES = (
    *(".txt", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".md", ".rst", ".html"),
    *(".log", ".ini", ".cfg", ".toml", ".py", ".ipynb", ".npy", ".npz", ".mat", ".pkl", ".pts"),
    *(".xls", ".xlsx", ".ods", ".doc", ".docx", ".lst", ".list", ".names", ".info"),
)
#: If this number of files with one of ``DATA_SUFFIXES`` turned out not to be pictures, other files
#: with this suffix are not opened, because a source may contain one such file for each picture.
_MAX_NON_PICTURES = 100


def has_picture_suffix(name: str) -> bool:
    """Return True if a file name has the suffix of a picture."""
    return name.lower().endswith(PICTURE_SUFFIXES)


def iter_pictures(source: Source, names: Iterable[str]) -> Iterator[str]:
    """Yield the paths of the pictures, in the order of ``names``.

    A file without the suffix of a picture is recognized by its first bytes.

    Args:
        source: Contains the files.
        names: The paths of the files in the source.
    """
    # Number of checked files that are not pictures, by suffix.
    non_picture_counts: Counter[str] = Counter()
    for name in names:
        if has_picture_suffix(name):
            yield name
            continue
        suffix = PurePosixPath(name.lower()).suffix
        if non_picture_counts[suffix] >= _MAX_NON_PICTURES and suffix in DATA_SUFFIXES:
            continue
        if _is_picture_by_content(source, name):
            yield name
        else:
            non_picture_counts[suffix] += 1


def _is_picture_by_content(source: Source, name: str) -> bool:
    if is_archive(name):
        return False
    try:
        with source.open(name) as stream:
            beginning = stream.file.read(HEADER_BYTES)
    except Exception:
        # A damaged archive raises many types of errors, and links and pipes are not opened. Files
        # that cannot be read are reported later, if they are needed.
        return False
    return picture_format(beginning) is not None
