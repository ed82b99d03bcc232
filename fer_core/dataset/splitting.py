"""Create missing validation and test splits from the training images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.face_set import SPLITS
from fer_core.errors import InputError

_TRAIN = SPLITS.index("train")

#: Maximum number of passes over all groups to improve the greedy assignment. The passes end early
#: if one of them moves no group.
_MAX_PASSES = 10


@dataclass(frozen=True)
class SplitChoice:
    """How missing splits are created. The choice is made at import and stored with the dataset.

    Attributes:
        validation_share: Share of the images that becomes validation, above 0 and below 0.5.
        test_share: Share of the images that becomes test, above 0 and below 0.5.
        seed: Seed of the random choice, 0 or above.

    Raises:
        InputError: A share or the seed is out of range.
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

    def missing_shares(self, splits: NDArray[np.int8]) -> dict[int, float]:
        """Return the requested share of each split that has no images.

        Args:
            splits: int8 ``[n]``, indices into ``SPLITS``.

        Returns:
            The shares by the index of the split in ``SPLITS``.
        """
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

    Images of one group stay together. The method has three steps:

    1. Assign the groups of two or more images, the largest first. Each group is assigned to the
       split in which it most reduces the deviation from the requested class counts (chi-squared:
       squared differences divided by the requested counts).
    2. Move one group at a time to a better split, until no move reduces the deviation, in at most
       ``_MAX_PASSES`` passes over all groups.
    3. Fill up each class of each split to its rounded share with images that are in no group.

    A class never loses its last training image. A group that is much larger than a split stays in
    train. A split that would remain empty gets the smallest group that train can spare.

    Args:
        labels: int8 ``[n]``.
        splits: int8 ``[n]``, indices into ``SPLITS``.
        choice: Shares and seed. Shares are relative to the images in train.
        groups: Group number of each image, ``[n]``; None if all images are independent. Only
            training images are moved, even if a group contains images of another split.

    Returns:
        New splits, int8 ``[n]``; the same choice on the same data gives the same splits.
    """
    result = splits.copy()
    missing_shares = choice.missing_shares(splits)
    rows = np.flatnonzero(splits == _TRAIN)
    if not missing_shares or not len(rows):
        return result
    is_grouped = np.zeros(len(labels), bool)
    if groups is not None:
        _, group_numbers, sizes = np.unique(groups[rows], return_inverse=True, return_counts=True)
        is_grouped[rows] = sizes[group_numbers] > 1
        grouped_rows = rows[is_grouped[rows]]
        if len(grouped_rows):
            result[grouped_rows] = _GroupAssignment(
                labels,
                rows,
                grouped_rows,
                groups[grouped_rows],
                missing_shares=missing_shares,
                seed=choice.seed,
            ).splits()
    _assign_single_images(
        labels, rows, result, is_grouped=is_grouped, missing_shares=missing_shares, seed=choice.seed
    )
    return result


def _assign_single_images(
    labels: NDArray[np.int8],
    rows: NDArray[np.intp],
    result: NDArray[np.int8],
    *,
    is_grouped: NDArray[np.bool_],
    missing_shares: dict[int, float],
    seed: int,
) -> None:
    """Fill up each class of each missing split with images that belong to no group.

    Args:
        labels: int8 ``[n]``.
        rows: The row numbers of all images to divide.
        result: The splits after the assignment of the groups, int8 ``[n]``; changed in place.
        is_grouped: True for the images in groups of two or more, bool ``[n]``.
        missing_shares: The share of each split to create, by its index in ``SPLITS``.
        seed: Decides which images are moved.
    """
    generator = np.random.default_rng(seed)
    for label in np.unique(labels):
        members = generator.permutation(rows[labels[rows] == label])
        single = members[~is_grouped[members]]
        # If train contains no group with this class, one single image must stay in train.
        must_keep_one = not np.any(result[members[is_grouped[members]]] == _TRAIN)
        start = 0
        for split, share in missing_shares.items():
            requested = round(share * len(members)) - int(np.sum(result[members] == split))
            count = min(max(requested, 0), max(len(single) - start - int(must_keep_one), 0))
            result[single[start : start + count]] = split
            start += count


class _GroupAssignment:
    """The assignment of groups of two or more images to splits.

    The methods identify a split by a position: 0 for train, and 1 or 2 for the missing splits in
    the order of ``missing_shares``.

    Args:
        labels: int8 ``[n]``.
        rows: The row numbers of all images to divide.
        grouped_rows: The row numbers of the images in groups of two or more, ``[g]``.
        groups: The group number of each of these images, ``[g]``.
        missing_shares: The share of each split to create, by its index in ``SPLITS``.
        seed: Decides the order of groups of equal size.
    """

    def __init__(
        self,
        labels: NDArray[np.int8],
        rows: NDArray[np.intp],
        grouped_rows: NDArray[np.intp],
        groups: NDArray[np.intp],
        *,
        missing_shares: dict[int, float],
        seed: int,
    ) -> None:
        classes, class_indices = np.unique(labels[rows], return_inverse=True)
        totals = np.bincount(class_indices).astype(np.float64)
        self._splits = (_TRAIN, *missing_shares)
        # Train keeps the share that the missing splits leave.
        shares = np.array([1 - sum(missing_shares.values()), *missing_shares.values()])
        #: Requested class counts, ``[splits, classes]``.
        self._requested = shares[:, None] * totals
        self._group_of_row, sizes = np.unique(groups, return_inverse=True, return_counts=True)[1:]
        #: Class counts of each group, ``[groups, classes]``.
        self._group_counts = np.zeros((len(sizes), len(classes)))
        class_positions = np.searchsorted(classes, labels[grouped_rows])
        np.add.at(self._group_counts, (self._group_of_row, class_positions), 1)
        #: Number of single images (images that are in no group), by class.
        self._single_counts = totals - self._group_counts.sum(axis=0)
        # The single images are shuffled with ``default_rng(seed)`` (in _assign_single_images). The
        # seed [seed, 1] makes the order of the groups independent of theirs.
        shuffled = np.random.default_rng([seed, 1]).permutation(len(sizes))
        #: The groups, the largest first.
        self._order = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
        #: Position of the split of each group, ``[groups]``.
        self._position_of_group = np.zeros(len(sizes), np.intp)
        #: Class counts of the groups that were assigned to each split, ``[splits, classes]``.
        self._assigned_counts = np.zeros_like(self._requested)

    def splits(self) -> NDArray[np.int8]:
        """Return the split of each grouped image, int8 ``[g]``, an index into ``SPLITS``."""
        for group in self._order:
            self._assign(group, self._best_position(group))
        self._improve()
        self._fill_empty_splits()
        self._keep_classes_in_train()
        return np.array(self._splits, np.int8)[self._position_of_group[self._group_of_row]]

    def _assign(self, group: int, position: int) -> None:
        """Assign a group to a split."""
        self._position_of_group[group] = position
        self._assigned_counts[position] += self._group_counts[group]

    def _remove(self, group: int) -> int:
        """Remove a group from its split, and return the position of this split."""
        position = int(self._position_of_group[group])
        self._assigned_counts[position] -= self._group_counts[group]
        return position

    def _best_position(self, group: int, current: int | None = None) -> int:
        """Return the position of the split whose deviation increases least if it gets a group.

        Return ``current`` if no other split is better.
        """
        is_present = self._group_counts[group] > 0
        counts, requested = self._group_counts[group, is_present], self._requested[:, is_present]
        # ((assigned + counts - requested)² - (assigned - requested)²) / requested, simplified
        increases = (
            counts * (2 * (self._assigned_counts[:, is_present] - requested) + counts) / requested
        ).sum(axis=1)
        best = int(increases.argmin())
        # A difference below 1e-9 may be a rounding error.
        if current is not None and increases[best] >= increases[current] - 1e-9:
            return current
        return best

    def _improve(self) -> None:
        """Move one group at a time to a better split, in a limited number of passes."""
        for _ in range(_MAX_PASSES):
            moves = 0
            for group in self._order:
                current = self._remove(group)
                best = self._best_position(group, current)
                self._assign(group, best)
                moves += best != current
            if not moves:
                break

    def _fill_empty_splits(self) -> None:
        """Fill each split that would remain empty with the smallest group that train can spare."""
        for position in range(1, len(self._splits)):
            # Single images can fill the split later, but each class must keep one of them in train.
            can_fill = self._single_counts > 1
            if self._assigned_counts[position].any() or np.any(
                np.round(self._requested[position, can_fill]) > 0
            ):
                continue
            if not np.any(np.round(self._requested[position]) > 0):
                continue  # there are too few images for this split, with or without groups
            for group in self._order[::-1]:
                remaining = (
                    self._assigned_counts[0] + self._single_counts - self._group_counts[group]
                )
                is_present = self._group_counts[group] > 0
                if self._position_of_group[group] == 0 and (remaining[is_present] > 0).all():
                    self._remove(group)
                    self._assign(group, position)
                    break

    def _keep_classes_in_train(self) -> None:
        """For each class that is missing in train, move its smallest group back to train."""
        for label in np.flatnonzero((self._assigned_counts[0] == 0) & (self._single_counts == 0)):
            # A group that was moved for an earlier class may contain this class as well.
            if self._assigned_counts[0, label] == 0:
                group = next(
                    group for group in self._order[::-1] if self._group_counts[group, label]
                )
                self._remove(group)
                self._assign(group, 0)
