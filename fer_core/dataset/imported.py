"""The files of an imported dataset: the faces, and the record, which an import writes last."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fer_core.classes import validated_classes
from fer_core.emotions import EMOTIONS
from fer_core.files import read_json

#: The record of a dataset: how it was imported, its classes, and the skipped files.
RECORD_FILE = "dataset.json"
FACES_FILE = "faces.npz"


def is_imported(folder: Path) -> bool:
    """Return True if a folder contains an imported dataset; False if it cannot be read."""
    try:
        return (folder / RECORD_FILE).is_file()
    except PermissionError:
        return False


def classes_of_record(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the class list in the record of a dataset.

    Records of earlier versions contain no class list, because all datasets had the seven emotions.

    Raises:
        ValueError: The class list is not valid.
    """
    classes = record.get("classes")
    if classes is None:
        return EMOTIONS
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise ValueError("classes should be a list of names")
    # Return the same object for the most common list, because comparisons are then fast.
    return EMOTIONS if tuple(classes) == EMOTIONS else validated_classes(classes)


def stored_classes(folder: Path) -> tuple[str, ...]:
    """Return the class list of an imported dataset; the seven emotions if no list can be read."""
    try:
        return classes_of_record(read_json(folder / RECORD_FILE))
    except (OSError, ValueError, AttributeError):
        return EMOTIONS
