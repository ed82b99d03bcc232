"""Readers: from whatever people have to a ``FaceSet``."""

from __future__ import annotations

import zipfile
from pathlib import Path

from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.readers.class_folders import read_class_folders
from fer_core.dataset.readers.sources import FolderSource, ZipSource
from fer_core.dataset.splitting import SplitChoice
from fer_core.errors import InputError


def read_dataset(path: Path, split_choice: SplitChoice | None = None) -> FaceSet:
    """Read a dataset from a folder or an archive, without importing it.

    Args:
        path: A folder or a ``.zip`` with pictures in ``<split>/<emotion>/`` or ``<emotion>/``.
        split_choice: How validation and test are cut where the source has none; by default a
            tenth each.

    Raises:
        InputError: There is nothing at ``path``, it is of no known kind, or nothing in it is
            usable; one sentence says which.
    """
    choice = split_choice or SplitChoice()
    if path.is_dir():
        return read_class_folders(FolderSource(path), choice)
    if not path.exists():
        raise InputError(f"{path} does not exist; give a dataset's folder or .zip.")
    # A download cut short no longer looks like an archive; by its name it is told what it lacks.
    if path.suffix.lower() == ".zip" or zipfile.is_zipfile(path):
        return read_class_folders(ZipSource(path), choice)
    raise InputError(
        f"{path.name} is neither a folder nor a .zip archive; give FER2013 as one of these, with "
        "its pictures in folders named after the emotions."
    )
