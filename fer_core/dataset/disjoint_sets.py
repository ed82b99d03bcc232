"""Disjoint groups of rows that can be joined: a union-find structure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class DisjointSets:
    """Rows 0 to ``count - 1``, each in a group of its own at first.

    The root of a group is its smallest row, so that the order of the joins does not matter.
    """

    def __init__(self, count: int) -> None:
        self._parents = np.arange(count)

    def root(self, row: int) -> int:
        """Return the smallest row of the group of a row."""
        parents = self._parents
        root = row
        while (parent := int(parents[root])) != root:
            root = parent
        while row != root:
            row, parents[row] = int(parents[row]), root
        return root

    def roots(self, rows: NDArray[np.intp] | None = None) -> NDArray[np.intp]:
        """Return the smallest row of the group of each row; by default of all rows."""
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
            keys: One per row, ``[k]``.
            rows: The rows, ``[k]``; by default all rows.
        """
        rows = np.arange(len(self._parents)) if rows is None else rows
        order = np.argsort(keys, kind="stable")
        for position in np.flatnonzero(np.diff(keys[order]) == 0):
            self.join(int(rows[order[position]]), int(rows[order[position + 1]]))
