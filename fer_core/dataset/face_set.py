"""``FaceSet``: a dataset in memory, in the form that all other modules use."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fer_core.classes import validated_classes
from fer_core.dataset.class_mapping import SourceClass
from fer_core.dataset.split_record import SplitGroups
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError

#: The splits of a dataset. FER2013 calls them Training, PublicTest and PrivateTest, in this order.
SPLITS: tuple[str, ...] = ("train", "validation", "test")

#: Width and height of a face, in pixels.
FACE_SIZE = 48


@dataclass(frozen=True)
class Problem:
    """A file or row of a source that was skipped, or several of them.

    Attributes:
        name: The file or row, or the class or folder that was left out as a whole. If more than a
            thousand files or rows were skipped for one kind of reason, the name "… and 5,178 more"
            stands for all others.
        reason: Why the file or row was skipped, in a few words.
        count: Number of files or rows.
    """

    name: str
    reason: str
    count: int = 1


@dataclass(frozen=True)
class SkippedFiles:
    """The number of skipped files with a certain class, suffix and reason.

    Attributes:
        class_name: The name of the files' class in the source; empty if unknown.
        suffix: The suffix of the files in lower case, with the dot; empty if they have none.
        reason: Why the files were skipped, in a few words.
        count: Number of files.
    """

    class_name: str
    suffix: str
    reason: str
    count: int


@dataclass(frozen=True)
class FaceSet:
    """Faces with their labels.

    Attributes:
        images: uint8 ``[n, 48, 48]``, pixel intensities.
        labels: int8 ``[n]``, indices into ``classes``.
        splits: int8 ``[n]``, indices into ``SPLITS``.
        names: The origin of each of the ``n`` images, such as the path of its file in the source.
        problems: The files and rows that were skipped on reading, and why. For each kind of reason,
            at most a thousand files and rows are listed; one more entry counts the others.
        skipped_files: The skipped files in ``problems``, counted by class, suffix and reason.
        targets: float32 ``[n, classes]``, training targets instead of the labels, such as the
            distribution of annotator votes; a row sums to 1, or to 0 for an image without a target.
            None if models are trained on the labels.
        split_groups: How the images were grouped for splits that the import created; None if the
            splits come from the source, or if an earlier version of FER Studio created them.
        classes: The names of the classes, in the order of the values of ``labels`` and the columns
            of ``targets``.
        source_classes: The classes of the source, each with the class of the dataset to which it
            was mapped; empty if unknown.
        notes: Sentences about how the source was read.

    Raises:
        ValueError: A shape, dtype or range is not as described.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int8]
    splits: NDArray[np.int8]
    names: tuple[str, ...]
    problems: tuple[Problem, ...] = ()
    targets: NDArray[np.float32] | None = None
    split_groups: SplitGroups | None = None
    classes: tuple[str, ...] = EMOTIONS
    source_classes: tuple[SourceClass, ...] = ()
    notes: tuple[str, ...] = ()
    skipped_files: tuple[SkippedFiles, ...] = ()

    def __post_init__(self) -> None:
        if self.classes is not EMOTIONS and validated_classes(self.classes) != self.classes:
            raise ValueError("the names of the classes should be as validated_classes returns them")
        count = len(self.names)
        if self.images.shape != (count, FACE_SIZE, FACE_SIZE) or self.images.dtype != np.uint8:
            raise ValueError(
                f"images should be uint8 [{count}, {FACE_SIZE}, {FACE_SIZE}]. "
                f"Received: {self.images.dtype} {list(self.images.shape)}"
            )
        for field, values, bound in (
            ("labels", self.labels, len(self.classes)),
            ("splits", self.splits, len(SPLITS)),
        ):
            if values.shape != (count,) or values.dtype != np.int8:
                raise ValueError(
                    f"{field} should be int8 [{count}]. "
                    f"Received: {values.dtype} {list(values.shape)}"
                )
            if count and not (values.min() >= 0 and values.max() < bound):
                raise ValueError(f"{field} should be in 0 to {bound - 1}")
        if self.targets is not None:
            self._check_targets(self.targets)

    def _check_targets(self, targets: NDArray[np.float32]) -> None:
        expected = (len(self.names), len(self.classes))
        if targets.shape != expected or targets.dtype != np.float32:
            raise ValueError(
                f"targets should be float32 {list(expected)}. "
                f"Received: {targets.dtype} {list(targets.shape)}"
            )
        sums = targets.sum(axis=1)
        if (targets < 0).any() or not ((np.abs(sums - 1) < 1e-4) | (sums == 0)).all():
            raise ValueError("each row of targets should be a distribution, or zeros")

    def __len__(self) -> int:
        return len(self.names)

    @property
    def skipped(self) -> int:
        """Number of files and rows that were skipped on reading."""
        return sum(problem.count for problem in self.problems)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over images, labels, splits and classes.

        Targets are not included, because votes are an optional addition to a dataset.
        """
        digest = hashlib.sha256()
        for values in (self.images, self.labels, self.splits):
            digest.update(np.ascontiguousarray(values).data)
        # Earlier versions knew only the seven emotions, and their fingerprints did not include the
        # classes. Fingerprints stored by these versions must stay valid.
        if self.classes != EMOTIONS:
            digest.update(json.dumps(self.classes).encode())
        return digest.hexdigest()

    def rows(self, split: str) -> NDArray[np.intp]:
        """Return the row numbers of the images in a split, or of all images for ``"all"``.

        Raises:
            InputError: ``split`` is neither one of ``SPLITS`` nor ``"all"``.
        """
        if split == "all":
            return np.arange(len(self))
        if split not in SPLITS:
            raise InputError(f"There is no split {split!r}; choose train, validation, test or all.")
        return np.flatnonzero(self.splits == SPLITS.index(split))

    def class_of(self, row: int) -> str:
        """Return the name of an image's class."""
        return self.classes[int(self.labels[row])]

    @cached_property
    def present_splits(self) -> tuple[str, ...]:
        """The splits that have images, in the order of ``SPLITS``."""
        return tuple(
            split for index, split in enumerate(SPLITS) if bool((self.splits == index).any())
        )

    def count_by_split(self, selection: NDArray[np.intp] | NDArray[np.bool_]) -> dict[str, int]:
        """Return the number of selected images in each split.

        Args:
            selection: Row numbers, or a mask, bool ``[n]``.
        """
        counts = np.bincount(self.splits[selection], minlength=len(SPLITS))
        return dict(zip(SPLITS, counts.tolist(), strict=True))

    def subset(self, rows: NDArray[np.intp]) -> FaceSet:
        """Return the images of these rows, in this order.

        The result has no problems, skipped files or source classes, because these describe the
        whole source.
        """
        return replace(
            self,
            images=self.images[rows],
            labels=self.labels[rows],
            splits=self.splits[rows],
            names=tuple(self.names[row] for row in rows),
            problems=(),
            skipped_files=(),
            source_classes=(),
            targets=None if self.targets is None else self.targets[rows],
        )
