"""Creation of missing validation and test splits from the training images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.face_set import SPLITS
from fer_core.errors import InputError


@dataclass(frozen=True)
class SplitChoice:
    """How missing splits are created: chosen at import and recorded.

    Attributes:
        validation_share: Share of the images that becomes validation, above 0 and below 0.5.
        test_share: Share of the images that becomes test, above 0 and below 0.5.
        seed: Seed of the random choice, 0 or above.
    """

    validation_share: float = 0.1
    test_share: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        for name, share in (
            ("validation share", self.validation_share),
            ("test share", self.test_share),
        ):
            if not 0 < share < 0.5:
                raise InputError(f"The {name} should be above 0 and below 0.5; received {share}.")
        if self.seed < 0:
            raise InputError(f"The seed of the split should be 0 or above; received {self.seed}.")


def create_missing_splits(
    labels: NDArray[np.int8], splits: NDArray[np.int8], choice: SplitChoice
) -> NDArray[np.int8]:
    """Move a stratified share of the training images into each split that is empty.

    Args:
        labels: int8 ``[n]``.
        splits: int8 ``[n]``, indices into ``SPLITS``.
        choice: Shares and seed. Shares are relative to the images in train. Each class
            contributes its rounded share, but never its last image.

    Returns:
        New splits, int8 ``[n]``; the same choice on the same data gives the same ones.
    """
    result = splits.copy()
    missing = [
        (SPLITS.index(name), share)
        for name, share in (("validation", choice.validation_share), ("test", choice.test_share))
        if not np.any(splits == SPLITS.index(name))
    ]
    generator = np.random.default_rng(choice.seed)
    for label in np.unique(labels):
        rows = np.flatnonzero((labels == label) & (splits == SPLITS.index("train")))
        rows = generator.permutation(rows)
        start = 0
        for split, share in missing:
            take = min(round(share * len(rows)), max(len(rows) - start - 1, 0))
            result[rows[start : start + take]] = split
            start += take
    return result
