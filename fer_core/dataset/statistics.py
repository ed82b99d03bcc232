"""Counting a dataset, and what the counts mean for a training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.emotions import EMOTIONS

#: Up to this ratio between the largest and the smallest class a dataset is called balanced.
BALANCED_RATIO = 1.5


def class_counts(face_set: FaceSet) -> dict[str, dict[str, int]]:
    """Images per split and emotion; an absent split is an empty dictionary."""
    counts: dict[str, dict[str, int]] = {}
    for index, split in enumerate(SPLITS):
        labels = face_set.labels[face_set.splits == index]
        per_class = np.bincount(labels, minlength=len(EMOTIONS))
        counts[split] = dict(zip(EMOTIONS, per_class.tolist(), strict=True)) if len(labels) else {}
    return counts


def imbalance_ratio(face_set: FaceSet) -> float | None:
    """Images of the training split's largest class for each one of its smallest.

    Classes without any image are passed over; None if there are no training images.
    """
    counts = [count for count in class_counts(face_set)["train"].values() if count]
    return max(counts) / min(counts) if counts else None


@dataclass(frozen=True)
class Overview:
    """The figures of a dataset that a person should know before training on it.

    Attributes:
        counts: Images per split and emotion; an absent split is an empty dictionary.
    """

    counts: dict[str, dict[str, int]]

    @property
    def split_sizes(self) -> dict[str, int]:
        """Images per split, absent ones included."""
        return {split: sum(counts.values()) for split, counts in self.counts.items()}

    @property
    def shares(self) -> dict[str, dict[str, float]]:
        """Each emotion's share of its split, 0 to 1, of the splits that there are."""
        return {
            split: {emotion: count / sum(counts.values()) for emotion, count in counts.items()}
            for split, counts in self.counts.items()
            if counts
        }

    @property
    def reference(self) -> str:
        """The split that the figures below are of: train, or the first that there is."""
        return next((split for split, counts in self.counts.items() if counts), "train")

    @property
    def missing(self) -> tuple[str, ...]:
        """Emotions without any image in the reference split."""
        counts = self.counts[self.reference]
        return tuple(emotion for emotion in EMOTIONS if counts and not counts[emotion])

    @property
    def largest(self) -> str | None:
        """The reference split's most frequent emotion; None without images."""
        counts = self.counts[self.reference]
        return max(counts, key=counts.__getitem__) if counts else None

    @property
    def smallest(self) -> str | None:
        """Its rarest emotion of which there is an image."""
        counts = {one: count for one, count in self.counts[self.reference].items() if count}
        return min(counts, key=counts.__getitem__) if counts else None

    @property
    def ratio(self) -> float | None:
        """Images of its largest class for each one of its smallest."""
        if self.largest is None or self.smallest is None:
            return None
        counts = self.counts[self.reference]
        return counts[self.largest] / counts[self.smallest]

    @property
    def class_weights(self) -> dict[str, float]:
        """What each image of an emotion would count in a loss that treats all classes alike.

        n / (classes * n of the class), as scikit-learn's "balanced" weights are, over the classes
        that have images.
        """
        counts = {one: count for one, count in self.counts[self.reference].items() if count}
        total = sum(counts.values())
        return {one: total / (len(counts) * count) for one, count in counts.items()}

    def majority_accuracy(self, split: str) -> float | None:
        """Accuracy on a split, 0 to 1, of always naming the reference split's largest class."""
        counts = self.counts[split]
        if not counts or self.largest is None:
            return None
        return counts[self.largest] / sum(counts.values())

    @property
    def in_words(self) -> str:
        """What the imbalance means, for someone who has never trained a network."""
        largest, smallest, ratio = self.largest, self.smallest, self.ratio
        if largest is None or smallest is None or ratio is None:
            return "There are no images."
        if len(self.class_weights) == 1:
            return f"All images show one emotion, {largest}: there is nothing to tell apart."
        judged = "validation" if self.counts.get("validation") else self.reference
        accuracy = self.majority_accuracy(judged)
        constant = (
            f"A program that says “{largest}” to every face, without looking, is right on "
            f"{100 * (accuracy or 0):.0f} % of the {judged} images"
        )
        if ratio <= BALANCED_RATIO:
            return (
                f"The emotions are about equally frequent. {constant}: a network has to do better "
                "than that."
            )
        weights = self.class_weights
        return (
            f"For every {smallest} face there are {ratio:.1f} {largest} ones. {constant}, so "
            "accuracy alone flatters: look at each emotion's recall and at macro F1 as well. To "
            f"count equally, a {smallest} face would need {weights[smallest]:.1f} times the "
            f"weight of an average image, and a {largest} one only {weights[largest]:.2f}."
        )


def overview(face_set: FaceSet) -> Overview:
    """Count a dataset."""
    return Overview(class_counts(face_set))
