"""Read and write the shipped demo set: ``faces.png`` and ``rows.json`` in this package.

``faces.png`` contains the images as tiles of 48x48 pixels, 60 in each row of tiles, left to right
and top to bottom. ``rows.json`` contains their labels and splits, and the injected errors. Both
files were written once by ``python -m tools.draw_demo``; the program only reads them.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.demo.injected_errors import InjectedErrors
from fer_core.dataset.face_set import FACE_SIZE, SPLITS, FaceSet
from fer_core.emotions import EMOTIONS
from fer_core.files import read_json

_FOLDER = Path(__file__).parent
_FACES_FILE = "faces.png"
_ROWS_FILE = "rows.json"

#: Number of tiles in each row of ``faces.png``.
_TILES_PER_ROW = 60


def load_demo_set() -> FaceSet:
    """Decode the shipped demo set: 3,540 faces, in about 0.2 s."""
    document = _rows_document()
    labels = np.array([int(digit) for digit in document["labels"]], dtype=np.int8)
    sizes = [document["splits"][split] for split in SPLITS]
    splits = np.repeat(np.arange(len(SPLITS), dtype=np.int8), sizes)
    encoded = np.frombuffer((_FOLDER / _FACES_FILE).read_bytes(), dtype=np.uint8)
    picture = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE), dtype=np.uint8)
    return FaceSet(_from_tiles(picture, len(labels)), labels, splits, demo_names(labels, splits))


def demo_split_sizes() -> dict[str, int]:
    """Return the number of images per split, without decoding any image."""
    sizes: dict[str, int] = _rows_document()["splits"]
    return dict(sizes)


def injected_errors() -> InjectedErrors:
    """Return the errors that the demo set contains on purpose."""
    return InjectedErrors.from_json(_rows_document()["injected_errors"])


def demo_names(labels: NDArray[np.int8], splits: NDArray[np.int8]) -> tuple[str, ...]:
    """Return the name of each image, such as ``train/happy/demo_00012``.

    Args:
        labels: int8 ``[n]``, indices into ``EMOTIONS``.
        splits: int8 ``[n]``, indices into ``SPLITS``.
    """
    return tuple(
        f"{SPLITS[split]}/{EMOTIONS[label]}/demo_{row:05}"
        for row, (split, label) in enumerate(zip(splits, labels, strict=True))
    )


def write_demo_set(faces: FaceSet, errors: InjectedErrors, folder: Path = _FOLDER) -> None:
    """Write the shipped files; only ``tools.draw_demo`` calls this.

    Args:
        faces: The demo set, its rows ordered by split.
        errors: The injected errors of the demo set.
        folder: Where to write, by default into this package.

    Raises:
        ValueError: The rows are not ordered by split.
    """
    if np.any(np.diff(faces.splits) < 0):
        raise ValueError("faces should be ordered by split")
    # The strategy "filtered" gives the smallest file: noisy images have few repeated patterns.
    options = [
        *(cv2.IMWRITE_PNG_COMPRESSION, 9),
        *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_FILTERED),
    ]
    _, encoded = cv2.imencode(".png", _to_tiles(faces.images), options)
    (folder / _FACES_FILE).write_bytes(encoded.tobytes())
    document = {
        "splits": {split: len(faces.rows(split)) for split in SPLITS},
        "labels": "".join(str(label) for label in faces.labels.tolist()),
        "injected_errors": errors.to_json(),
    }
    text = json.dumps(document, separators=(",", ":")) + "\n"
    (folder / _ROWS_FILE).write_text(text, encoding="utf-8")


@lru_cache(maxsize=1)
def _rows_document() -> dict[str, Any]:
    document: dict[str, Any] = read_json(_FOLDER / _ROWS_FILE)
    return document


def _to_tiles(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Arrange images, uint8 ``[n, 48, 48]``, as tiles of one picture.

    Unused tiles at the end of the last row are black.
    """
    # The number of rows is rounded up.
    row_count = -(-len(images) // _TILES_PER_ROW)
    tiles = np.zeros((row_count * _TILES_PER_ROW, FACE_SIZE, FACE_SIZE), dtype=np.uint8)
    tiles[: len(images)] = images
    arranged = tiles.reshape(row_count, _TILES_PER_ROW, FACE_SIZE, FACE_SIZE).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(arranged.reshape(row_count * FACE_SIZE, _TILES_PER_ROW * FACE_SIZE))


def _from_tiles(picture: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    """Return the first ``count`` tiles as images, uint8 ``[count, 48, 48]``."""
    row_count = picture.shape[0] // FACE_SIZE
    tiles = picture.reshape(row_count, FACE_SIZE, _TILES_PER_ROW, FACE_SIZE).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(tiles.reshape(-1, FACE_SIZE, FACE_SIZE)[:count])
