"""The files of an imported dataset; an import writes the record last."""

from __future__ import annotations

from pathlib import Path

RECORD_FILE = "dataset.json"
FACES_FILE = "faces.npz"


def is_imported(folder: Path) -> bool:
    """Return True if a folder contains an imported dataset; False if it cannot be read."""
    try:
        return (folder / RECORD_FILE).is_file()
    except PermissionError:
        return False
