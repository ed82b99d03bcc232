"""What makes a folder an imported dataset: the files that an import writes, the record last."""

from __future__ import annotations

from pathlib import Path

RECORD_FILE = "dataset.json"
FACES_FILE = "faces.npz"


def is_imported(folder: Path) -> bool:
    """Whether a folder holds an imported dataset, and not only what once lay beside one."""
    return (folder / RECORD_FILE).is_file()
