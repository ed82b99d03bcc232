"""Collects faces while reading, in one growing block of memory."""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.face_set import FACE_SIZE, SPLITS, FaceSet
from fer_core.dataset.readers.problems import ProblemLog, as_text
from fer_core.dataset.splitting import SplitChoice, create_missing_splits
from fer_core.errors import InputError

#: Maximum number of faces. No public dataset has more, and they take 2.3 GB of memory.
MAX_FACES = 1_000_000
_FIRST_BLOCK = 4_096


class FaceRows:
    """Collects the rows of a ``FaceSet``.

    Args:
        label: The name of the source in messages.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._images = np.empty((0, FACE_SIZE, FACE_SIZE), dtype=np.uint8)
        self._labels = array("b")
        self._splits = array("b")
        self._names: list[str] = []
        #: Whether splits come from FER2013's official names; then missing splits are not created.
        self.has_official_splits = False

    def __len__(self) -> int:
        return len(self._names)

    def add(self, image: NDArray[np.uint8], label: int, split: int, name: str) -> None:
        """Append one face.

        Args:
            image: uint8 ``[48, 48]``.
            label: Index into ``EMOTIONS``.
            split: Index into ``SPLITS``.
            name: Its origin.

        Raises:
            InputError: There are more faces than the limit.
        """
        row = len(self._names)
        if row >= MAX_FACES:
            raise InputError(
                f"{self._label} contains more than {MAX_FACES:,} faces; provide fewer."
            )
        if row == len(self._images):
            # Resized in place: the system remaps a block of this size instead of copying it, so
            # that its memory is never needed twice. No other array shares the block.
            capacity = max(_FIRST_BLOCK, row + row // 4)
            self._images.resize((capacity, FACE_SIZE, FACE_SIZE), refcheck=False)
        self._images[row] = image
        self._labels.append(label)
        self._splits.append(split)
        self._names.append(as_text(name))

    def to_face_set(self, split_choice: SplitChoice, problems: ProblemLog) -> FaceSet:
        """Return the rows in their order, with missing splits created; call it only once.

        Official splits of FER2013 are kept, and missing ones stay missing.
        """
        labels = np.array(self._labels, dtype=np.int8)
        splits = np.array(self._splits, dtype=np.int8)
        if not self.has_official_splits:
            splits = create_missing_splits(labels, splits, split_choice)
        self._images.resize((len(self._names), FACE_SIZE, FACE_SIZE), refcheck=False)
        return FaceSet(self._images, labels, splits, tuple(self._names), problems.listed())


def split_from_name(name: str) -> tuple[int, bool] | None:
    """Return the split of a folder, table or Usage value, and whether it is official.

    Args:
        name: In any case, with or without spaces, dashes and underscores: ``"Public Test"``.

    Returns:
        Index into ``SPLITS``, and whether it is the official name of one of FER2013's two test
        sets; None if the name is not that of a split.
    """
    split = _SPLIT_NAMES.get(name.strip().lower().translate(_WITHOUT_GAPS))
    return None if split is None else (SPLITS.index(split[0]), split[1])


_WITHOUT_GAPS = str.maketrans("", "", " _-")
_SPLIT_NAMES: dict[str, tuple[str, bool]] = {
    "train": ("train", False),
    "training": ("train", False),
    "validation": ("validation", False),
    "valid": ("validation", False),
    "val": ("validation", False),
    "test": ("test", False),
    "testing": ("test", False),
    "publictest": ("validation", True),
    "privatetest": ("test", True),
}
