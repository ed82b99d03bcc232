"""Create missing validation and test splits from the training images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.face_set import SPLITS
from fer_core.errors import InputError

_TRAIN = SPLITS.index("train")

#: Maximum number of passes that improve the greedy assignment. It ends when nothing changes.
_MAX_PASSES = 10


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

    def missing_splits(self, splits: NDArray[np.int8]) -> dict[int, float]:
        """Return the share of each split without images, by its index in ``SPLITS``."""
        shares = {"validation": self.validation_share, "test": self.test_share}
        return {
            SPLITS.index(name): share
            for name, share in shares.items()
            if not np.any(splits == SPLITS.index(name))
        }


def create_missing_splits(
    labels: NDArray[np.int8],
    splits: NDArray[np.int8],
    choice: SplitChoice,
    groups: NDArray[np.intp] | None = None,
) -> NDArray[np.int8]:
    """Move a stratified share of the training images into each split that is empty.

    Images of one group stay together. Groups of two or more images are assigned first, the largest
    first, each to the split where it reduces the deviation from the requested class counts the most
    (chi-squared: squared differences divided by the requested counts). The assignment is improved
    by moving single groups until no move reduces the deviation. Then single images fill up each
    class to its rounded share. A class never loses its last training image. A group that is larger
    than a split stays in train, and a split that would remain empty gets the smallest group that
    train can spare.

    Args:
        labels: int8 ``[n]``.
        splits: int8 ``[n]``, indices into ``SPLITS``.
        choice: Shares and seed. Shares are relative to the images in train.
        groups: Group number of each image, ``[n]``; None if all images are independent. Only
            training images are moved, even if a group reaches into another split.

    Returns:
        New splits, int8 ``[n]``; the same choice on the same data gives the same ones.
    """
    result = splits.copy()
    missing = choice.missing_splits(splits)
    rows = np.flatnonzero(splits == _TRAIN)
    if not missing or not len(rows):
        return result
    is_grouped = np.zeros(len(labels), bool)
    if groups is not None:
        _, numbers, sizes = np.unique(groups[rows], return_inverse=True, return_counts=True)
        is_grouped[rows] = sizes[numbers] > 1
        grouped = rows[is_grouped[rows]]
        if len(grouped):
            result[grouped] = _GroupAssignment(
                labels, rows, grouped, groups[grouped], missing=missing, seed=choice.seed
            ).splits()
    _assign_single_images(
        labels, rows, result, is_grouped=is_grouped, missing=missing, seed=choice.seed
    )
    return result


def _assign_single_images(
    labels: NDArray[np.int8],
    rows: NDArray[np.intp],
    result: NDArray[np.int8],
    *,
    is_grouped: NDArray[np.bool_],
    missing: dict[int, float],
    seed: int,
) -> None:
    """Fill up each class of each missing split with images that belong to no group."""
    generator = np.random.default_rng(seed)
    for label in np.unique(labels):
        members = generator.permutation(rows[labels[rows] == label])
        single = members[~is_grouped[members]]
        # If no group of this class is in train, one single image must stay there.
        needs_one = not np.any(result[members[is_grouped[members]]] == _TRAIN)
        start = 0
        for split, share in missing.items():
            requested = round(share * len(members)) - int(np.sum(result[members] == split))
            take = min(max(requested, 0), max(len(single) - start - int(needs_one), 0))
            result[single[start : start + take]] = split
            start += take


class _GroupAssignment:
    """The assignment of groups of two or more images to splits.

    Args:
        labels: int8 ``[n]``.
        rows: All images to divide.
        grouped: The images in groups of two or more.
        groups: The group of each grouped image, in the same order.
        missing: Share of each split to create, by index.
        seed: Decides the order of groups of equal size.
    """

    def __init__(
        self,
        labels: NDArray[np.int8],
        rows: NDArray[np.intp],
        grouped: NDArray[np.intp],
        groups: NDArray[np.intp],
        *,
        missing: dict[int, float],
        seed: int,
    ) -> None:
        classes, numbers = np.unique(labels[rows], return_inverse=True)
        totals = np.bincount(numbers).astype(np.float64)
        # Train is the first split; its share is the rest.
        self._splits = (_TRAIN, *missing)
        shares = np.array([1 - sum(missing.values()), *missing.values()])
        #: Requested class counts, ``[splits, classes]``.
        self._requested = shares[:, None] * totals
        self._group_of_row, sizes = np.unique(groups, return_inverse=True, return_counts=True)[1:]
        #: Class counts of each group, ``[groups, classes]``.
        self._counts = np.zeros((len(sizes), len(classes)))
        np.add.at(self._counts, (self._group_of_row, np.searchsorted(classes, labels[grouped])), 1)
        #: Number of images without a group, by class.
        self._single = totals - self._counts.sum(axis=0)
        shuffled = np.random.default_rng([seed, 1]).permutation(len(sizes))
        self._order = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
        #: Position in ``self._splits`` of each group.
        self._position = np.zeros(len(sizes), np.intp)
        self._filled = np.zeros_like(self._requested)

    def splits(self) -> NDArray[np.int8]:
        """Return the split of each grouped image, int8."""
        for group in self._order:
            self._put(group, self._best(group))
        self._improve()
        self._fill_empty_splits()
        self._keep_classes_in_train()
        return np.array(self._splits, np.int8)[self._position[self._group_of_row]]

    def _put(self, group: int, position: int) -> None:
        self._position[group] = position
        self._filled[position] += self._counts[group]

    def _take(self, group: int) -> int:
        position = int(self._position[group])
        self._filled[position] -= self._counts[group]
        return position

    def _best(self, group: int, current: int | None = None) -> int:
        """Return the position with the smallest deviation; ``current`` if none is smaller."""
        is_present = self._counts[group] > 0
        counts, requested = self._counts[group, is_present], self._requested[:, is_present]
        changes = (
            counts * (2 * (self._filled[:, is_present] - requested) + counts) / requested
        ).sum(axis=1)
        best = int(changes.argmin())
        return best if current is None or changes[best] < changes[current] - 1e-9 else current

    def _improve(self) -> None:
        for _ in range(_MAX_PASSES):
            moves = 0
            for group in self._order:
                current = self._take(group)
                best = self._best(group, current)
                self._put(group, best)
                moves += best != current
            if not moves:
                break

    def _fill_empty_splits(self) -> None:
        """Give each empty split the smallest group that train can spare."""
        for position in range(1, len(self._splits)):
            # Classes whose single images will fill the split.
            can_fill = self._single > 1
            if self._filled[position].any() or np.any(
                np.round(self._requested[position, can_fill]) > 0
            ):
                continue
            if not np.any(np.round(self._requested[position]) > 0):
                continue  # there are too few images for this split, with or without groups
            for group in self._order[::-1]:
                remaining = self._filled[0] + self._single - self._counts[group]
                is_present = self._counts[group] > 0
                if self._position[group] == 0 and (remaining[is_present] > 0).all():
                    self._take(group)
                    self._put(group, position)
                    break

    def _keep_classes_in_train(self) -> None:
        """Return the smallest group of each class without training images to train."""
        for label in np.flatnonzero((self._filled[0] == 0) & (self._single == 0)):
            if self._filled[0, label] == 0:
                group = next(group for group in self._order[::-1] if self._counts[group, label])
                self._take(group)
                self._put(group, 0)
