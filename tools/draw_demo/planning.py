"""Labels, splits and injected errors of all rows, decided before anything is drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.demo.injected_errors import Copy, InjectedErrors, WrongLabel
from fer_core.dataset.face_set import SPLITS
from fer_core.emotions import EMOTIONS
from tools.draw_demo.chance import generator_for

#: Images per split and emotion: the proportions of FER2013, at about a tenth of its size.
COUNTS: dict[str, tuple[int, ...]] = {
    "train": (394, 43, 404, 711, 476, 313, 490),
    "validation": (46, 6, 49, 88, 64, 41, 60),
    "test": (48, 6, 52, 87, 59, 41, 62),
}

#: Number of rows for each kind of error, by split; a plain number is for the train split.
_DUPLICATES = 40
_CONFLICTS = 12
_LEAKS = {"validation": 12, "test": 10}
_NEAR_DUPLICATES = {"train": 24, "validation": 4, "test": 4}
_WRONG_LABELS = {"train": 73, "validation": 5}
_BLANKS = {"train": 6, "validation": 1, "test": 1}
_NON_FACES = {"train": 10, "validation": 2, "test": 2}

#: Every n-th duplicate shares its source with an earlier one of the same label, if there is one, as
#: in real datasets.
_TRIPLET_EVERY = 5

_SEED = 48_2015


@dataclass(frozen=True)
class Plan:
    """The demo set without its images.

    Attributes:
        labels: int8 ``[n]``, as given in the data.
        drawn: int8 ``[n]``, the drawn emotion: the correct one if the label is wrong.
        splits: int8 ``[n]``, indices into ``SPLITS``.
        errors: The errors to inject.
    """

    labels: NDArray[np.int8]
    drawn: NDArray[np.int8]
    splits: NDArray[np.int8]
    errors: InjectedErrors


def make_plan() -> Plan:
    """Return labels, splits and errors of all rows; always the same."""
    generator = generator_for(_SEED)
    labels_per_split = [
        generator.permutation(np.repeat(np.arange(len(EMOTIONS)), COUNTS[split]))
        for split in SPLITS
    ]
    labels = np.concatenate(labels_per_split).astype(np.int8)
    splits = np.repeat(np.arange(len(SPLITS)), [len(part) for part in labels_per_split])
    allocator = _RowAllocator(generator, labels, splits)

    wrong = [
        WrongLabel(row, int(labels[row]), _other_label(generator, labels, int(labels[row])))
        for split, count in _WRONG_LABELS.items()
        for row in allocator.take(split, count)
    ]
    duplicates: list[Copy] = []
    for number, row in enumerate(allocator.take("train", _DUPLICATES)):
        shared = None
        if number % _TRIPLET_EVERY == _TRIPLET_EVERY - 1:
            shared = next(
                (copy.source for copy in duplicates if labels[copy.source] == labels[row]), None
            )
        source = allocator.take_source(int(labels[row])) if shared is None else shared
        duplicates.append(Copy(row, source))
    conflicts = []
    for row in allocator.take("train", _CONFLICTS):
        true = _other_label(generator, labels, int(labels[row]))
        conflicts.append(Copy(row, allocator.take_source(true)))
        wrong.append(WrongLabel(row, int(labels[row]), true))

    def copies_of_the_same_label(counts: dict[str, int]) -> tuple[Copy, ...]:
        return tuple(
            Copy(row, allocator.take_source(int(labels[row])))
            for split, count in counts.items()
            for row in allocator.take(split, count)
        )

    errors = InjectedErrors(
        duplicates=tuple(duplicates),
        conflicts=tuple(conflicts),
        leaks=copies_of_the_same_label(_LEAKS),
        near_duplicates=copies_of_the_same_label(_NEAR_DUPLICATES),
        wrong_labels=tuple(sorted(wrong, key=lambda entry: entry.row)),
        blanks=allocator.take_all(_BLANKS),
        non_faces=allocator.take_all(_NON_FACES),
    )
    drawn = labels.copy()
    for entry in errors.wrong_labels:
        drawn[entry.row] = entry.true
    return Plan(labels, drawn, splits.astype(np.int8), errors)


class _RowAllocator:
    """Returns each row at most once, so that no row is chosen for two kinds of errors."""

    def __init__(
        self,
        generator: np.random.Generator,
        labels: NDArray[np.int8],
        splits: NDArray[np.intp],
    ) -> None:
        self._labels = labels
        self._splits = splits
        self._free = [int(row) for row in generator.permutation(len(labels))]

    def take(self, split: str, count: int) -> list[int]:
        """Return rows of a split, in random order."""
        index = SPLITS.index(split)
        rows = [row for row in self._free if self._splits[row] == index][:count]
        self._free = [row for row in self._free if row not in set(rows)]
        return rows

    def take_all(self, counts: dict[str, int]) -> tuple[int, ...]:
        """Return rows of several splits, sorted."""
        rows = [row for split, count in counts.items() for row in self.take(split, count)]
        return tuple(sorted(rows))

    def take_source(self, label: int) -> int:
        """Return a training row with this label, to copy."""
        row = next(
            row for row in self._free if self._splits[row] == 0 and self._labels[row] == label
        )
        self._free.remove(row)
        return row


def _other_label(generator: np.random.Generator, labels: NDArray[np.int8], label: int) -> int:
    """Return another emotion; frequent ones are more likely."""
    others = labels[labels != label]
    return int(others[int(generator.integers(len(others)))])
