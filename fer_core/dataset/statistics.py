"""Class counts of a dataset, and what they mean for training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fer_core.dataset.face_set import SPLITS, FaceSet

#: A dataset is called balanced if its largest class is at most this many times as large as its
#: smallest class.
BALANCED_RATIO = 1.5


def class_counts(face_set: FaceSet) -> dict[str, dict[str, int]]:
    """Count the images per split and class. A split without images has an empty dictionary."""
    counts: dict[str, dict[str, int]] = {}
    for index, split in enumerate(SPLITS):
        labels = face_set.labels[face_set.splits == index]
        per_class = np.bincount(labels, minlength=len(face_set.classes))
        names = face_set.classes
        counts[split] = dict(zip(names, per_class.tolist(), strict=True)) if len(labels) else {}
    return counts


def imbalance_ratio(face_set: FaceSet) -> float | None:
    """Return the ratio between the largest and the smallest class of the training split.

    Classes without images are ignored. The result is None if there are no training images.
    """
    counts = [count for count in class_counts(face_set)["train"].values() if count]
    return max(counts) / min(counts) if counts else None


@dataclass(frozen=True)
class Overview:
    """The statistics of a dataset that matter before training on it.

    Attributes:
        counts: Number of images per split and class. A split without images has an empty
            dictionary.
    """

    counts: dict[str, dict[str, int]]

    @property
    def split_sizes(self) -> dict[str, int]:
        """Number of images per split, 0 for a split without images."""
        return {split: sum(counts.values()) for split, counts in self.counts.items()}

    @property
    def shares(self) -> dict[str, dict[str, float]]:
        """Share of each class in each split that has images, 0 to 1."""
        return {
            split: {name: count / sum(counts.values()) for name, count in counts.items()}
            for split, counts in self.counts.items()
            if counts
        }

    @property
    def reference_split(self) -> str:
        """The split that the class statistics describe: train, or the first split with images."""
        return next((split for split, counts in self.counts.items() if counts), "train")

    @property
    def missing_classes(self) -> tuple[str, ...]:
        """Classes without an image in the reference split."""
        counts = self.counts[self.reference_split]
        return tuple(name for name, count in counts.items() if not count)

    @property
    def largest_class(self) -> str | None:
        """The most frequent class of the reference split; None without images."""
        counts = self.counts[self.reference_split]
        return max(counts, key=counts.__getitem__) if counts else None

    @property
    def smallest_class(self) -> str | None:
        """The rarest class that has images in the reference split; None without images."""
        counts = {name: count for name, count in self.counts[self.reference_split].items() if count}
        return min(counts, key=counts.__getitem__) if counts else None

    @property
    def imbalance_ratio(self) -> float | None:
        """Ratio between the largest and the smallest class of the reference split.

        Classes without images are ignored. The value is None if there are no images.
        """
        if self.largest_class is None or self.smallest_class is None:
            return None
        counts = self.counts[self.reference_split]
        return counts[self.largest_class] / counts[self.smallest_class]

    @property
    def class_weights(self) -> dict[str, float]:
        """Weight of each class that has images, for a loss in which all classes count equally.

        The weight is images / (classes * images of the class), as in scikit-learn with
        ``class_weight="balanced"``.
        """
        counts = {name: count for name, count in self.counts[self.reference_split].items() if count}
        total = sum(counts.values())
        return {name: total / (len(counts) * count) for name, count in counts.items()}

    def majority_accuracy(self, split: str) -> float | None:
        """Return the accuracy of the majority-class baseline, which predicts only one class.

        Args:
            split: The split to measure on. The class that the baseline predicts is the largest
                class of the reference split.

        Returns:
            0 to 1; None for a split without images.
        """
        counts = self.counts[split]
        if not counts or self.largest_class is None:
            return None
        return counts[self.largest_class] / sum(counts.values())

    @property
    def summary(self) -> str:
        """The meaning of the class imbalance, for users who have never trained a network."""
        largest, smallest, ratio = self.largest_class, self.smallest_class, self.imbalance_ratio
        if largest is None or smallest is None or ratio is None:
            return "There are no images."
        if len(self.class_weights) == 1:
            return (
                f"All {self.reference_split} images have one class, {largest}: a model cannot "
                "learn to distinguish classes."
            )
        evaluated_split = "validation" if self.counts.get("validation") else self.reference_split
        accuracy = self.majority_accuracy(evaluated_split)
        baseline_text = (
            f"A model that always predicts “{largest}” is right on "
            f"{100 * (accuracy or 0):.0f} % of the {evaluated_split} images "
            "(majority-class baseline)"
        )
        if ratio <= BALANCED_RATIO:
            return (
                f"The classes are about equally frequent. {baseline_text}; a useful model has to "
                "do better."
            )
        weights = self.class_weights
        return (
            f"For every {smallest} face there are {ratio:.1f} {largest} faces. {baseline_text}, so "
            "accuracy alone is misleading: also check the recall of each class and macro F1. For "
            f"all classes to count equally, a {smallest} face needs {weights[smallest]:.1f} times "
            f"the weight of an average image, and a {largest} face only {weights[largest]:.2f}."
        )


def overview(face_set: FaceSet) -> Overview:
    """Return the statistics of a dataset."""
    return Overview(class_counts(face_set))
