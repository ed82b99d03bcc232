"""Disjoint groups of rows that can be joined: a union-find structure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class DisjointSets:
    """Groups of the rows 0 to ``count - 1``. At first each row is a group of its own.

    Each group is a tree, whose root is the smallest row of the group. Therefore the roots do not
    depend on the order in which groups are joined.
    """

    def __init__(self, count: int) -> None:
        self._parents = np.arange(count)

    def root(self, row: int) -> int:
        """Return the root of a row's group, which is the smallest row of the group."""
        parents = self._parents
        root = row
        while (parent := int(parents[root])) != root:
            root = parent
        # Make the root the parent of all rows on the way, so that later calls need one step only.
        while row != root:
            parent = int(parents[row])
            parents[row] = root
            row = parent
        return root

    def roots(self, rows: NDArray[np.intp] | None = None) -> NDArray[np.intp]:
        """Return, for each of ``rows``, the root of its group; by default for all rows."""
        rows = np.arange(len(self._parents)) if rows is None else rows
        roots: NDArray[np.intp] = self._parents[rows]
        while True:
            parents = self._parents[roots]
            if np.array_equal(parents, roots):
                break
            roots = parents
        self._parents[rows] = roots
        return roots

    def join(self, first: int, second: int) -> None:
        """Join the groups of two rows."""
        smaller, larger = sorted((self.root(first), self.root(second)))
        self._parents[larger] = smaller

    def join_equal(self, keys: NDArray[np.int64], rows: NDArray[np.intp] | None = None) -> None:
        """Join the groups of all rows with the same key.

        Args:
            keys: int64 ``[k]``, the key of each of ``rows``.
            rows: intp ``[k]``, row numbers; by default all rows.
        """
        rows = np.arange(len(self._parents)) if rows is None else rows
        order = np.argsort(keys, kind="stable")
        for position in np.flatnonzero(np.diff(keys[order]) == 0):
            self.join(int(rows[order[position]]), int(rows[order[position + 1]]))
