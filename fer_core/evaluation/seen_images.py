"""Find the evaluated images that a model has already seen.

A model has seen the images that it was trained or validated on, and their copies. The bundle of a
model contains hashes of these images. Bundles of earlier versions contain no hashes; for them, only
a whole dataset can be recognized.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_core.bundle import Bundle
from fer_core.dataset.duplicates import content_keys, leaking_training_rows
from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.dataset.statistics import class_counts
from fer_core.image_hashes import IMAGE_HASHES_FILE, read_image_hashes

_TRAIN, _VALIDATION = SPLITS.index("train"), SPLITS.index("validation")
_SELECTED_ON_THEM = "its checkpoint and calibration were selected on them"


@dataclass(frozen=True, eq=False)
class SeenImages:
    """Which of ``n`` evaluated images a model has seen.

    An image may be both a validation image of the model and a copy of one of its training images.

    Attributes:
        is_train: True for images that the model was trained on, bool ``[n]``.
        is_validation: True for images that the model was validated on, bool ``[n]``.
        is_copy: True for images that are not training images, but copies or near-duplicates of the
            model's training images, bool ``[n]``.
        is_train_of_starting_model: True for training images of the starting model, bool ``[n]``.
            The weights of the starting model initialized the training of the model.
        starting_model: The name of the starting model, for messages. ``seen_images`` uses "another
            model" if the record of the model names no starting model.
        is_complete: False if the training images of the starting model are not recorded.
    """

    is_train: NDArray[np.bool_]
    is_validation: NDArray[np.bool_]
    is_copy: NDArray[np.bool_]
    is_train_of_starting_model: NDArray[np.bool_]
    starting_model: str = ""
    is_complete: bool = True

    @property
    def n(self) -> int:
        """Number of images."""
        return len(self.is_train)

    @property
    def is_unseen(self) -> NDArray[np.bool_]:
        """True for images that the model has not seen, bool ``[n]``."""
        return ~(
            self.is_train | self.is_validation | self.is_copy | self.is_train_of_starting_model
        )

    @property
    def includes_training_images(self) -> bool:
        """True if the weights of the model were fitted to some of the images."""
        return bool(self.is_train.any() or self.is_train_of_starting_model.any())

    def subset(self, positions: NDArray[np.intp]) -> SeenImages:
        """Return the values for the images at the given positions."""
        return SeenImages(
            self.is_train[positions],
            self.is_validation[positions],
            self.is_copy[positions],
            self.is_train_of_starting_model[positions],
            self.starting_model,
            self.is_complete,
        )

    @property
    def counts(self) -> dict[str, int]:
        """Number of images by relation to the model, with the keys of the JSON output."""
        return {
            "training": int(self.is_train.sum()),
            "validation": int(self.is_validation.sum()),
            "copies_of_training": int(self.is_copy.sum()),
            "starting_model": int(self.is_train_of_starting_model.sum()),
            "unseen": int(self.is_unseen.sum()),
        }

    @property
    def summary(self) -> str:
        """The counts as one sentence."""
        descriptions = {
            "training": "of its training images",
            "validation": "of its validation images",
            "copies_of_training": "copies or near-duplicates of its training images",
            "starting_model": f"of the training images of {self.starting_model}",
            "unseen": "unseen",
        }
        counts = self.counts
        if counts["unseen"] == self.n:
            return "The model has seen none of these images."
        parts = [f"{count:,} {descriptions[name]}" for name, count in counts.items() if count]
        return f"Of the {self.n:,} images: {', '.join(parts)}."

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences about seen images, for readers of the metrics.

        Empty if it is known that the model has seen none of the images.
        """
        sentences = []
        if self.is_train.any():
            sentences.append(
                f"{_subject(self.is_train, 'a training image', 'training images')} of the model: "
                "metrics on training images are far too optimistic."
            )
        if self.is_train_of_starting_model.any():
            training_images = _subject(
                self.is_train_of_starting_model, "a training image", "training images"
            )
            sentences.append(
                f"{training_images} of {self.starting_model}, from which the training started: "
                "metrics on them are far too optimistic."
            )
        if self.is_validation.any():
            sentences.append(
                f"{_subject(self.is_validation, 'a validation image', 'validation images')} of the "
                f"model: {_SELECTED_ON_THEM}, so expect slightly worse metrics on new images."
            )
        if self.is_copy.any():
            copies = ("a copy or near-duplicate", "copies or near-duplicates")
            sentences.append(
                f"{_subject(self.is_copy, *copies)} of training images of the model: the leak-free "
                "accuracy leaves such images out."
            )
        if not self.is_complete:
            sentences.append(
                f"The training started from {self.starting_model}, whose training images are not "
                f"recorded. If {self.starting_model} was trained on these images, the metrics are "
                "too optimistic."
            )
        return tuple(sentences)

    def to_json(self) -> dict[str, Any]:
        """Return the value of ``seen`` in the JSON output of commands."""
        return self.counts | {"is_complete": self.is_complete}


def _subject(mask: NDArray[np.bool_], singular: str, plural: str) -> str:
    """Return the beginning of a sentence, such as "All 30 images are training images"."""
    count, total = int(mask.sum()), len(mask)
    if count == total:
        return f"The image is {singular}" if total == 1 else f"All {total:,} images are {plural}"
    return (
        f"{count:,} of the {total:,} images {f'is {singular}' if count == 1 else f'are {plural}'}"
    )


def seen_images(
    bundle: Bundle,
    face_set: FaceSet,
    rows: NDArray[np.intp],
    *,
    is_leaked: NDArray[np.bool_],
    is_near_duplicate: NDArray[np.bool_],
    is_near_duplicate_of_trained: NDArray[np.bool_] | None = None,
    imported: FaceSet | None = None,
) -> SeenImages | None:
    """Find out which of the evaluated images a model has seen.

    Args:
        bundle: The model.
        face_set: The data.
        rows: The evaluated images, ``[n]``.
        is_leaked: True for images that are not in train, but have an exact copy or a near-duplicate
            in train, bool ``[n]``.
        is_near_duplicate: True for leaked images that have no exact copy in train, bool ``[n]``.
        is_near_duplicate_of_trained: True for near-duplicates of an image that the model was
            trained on, bool ``[n]``; by default ``is_near_duplicate``.
        imported: The data before curation; None if no curation was applied.

    Returns:
        The images that the model has seen; None if unknown.

    Raises:
        InputError: The hashes in the bundle are damaged.
    """
    hashes = read_image_hashes(bundle.folder / IMAGE_HASHES_FILE)
    if hashes is None:
        uncurated = face_set if imported is None else imported
        return _seen_without_hashes(
            bundle, face_set, rows, (is_leaked, is_near_duplicate), uncurated
        )
    starting_model = str(bundle.record.start.get("model", "another model"))
    keys = content_keys(face_set.images[rows])
    is_train, is_validation = np.isin(keys, hashes.train), np.isin(keys, hashes.validation)
    # An image that is outside train now may have the pixels of an image that the model was trained
    # on. It is a copy if these pixels also occur in train now, or in a validation image of the
    # model's training. Otherwise it is the training image itself: the dataset was split differently
    # when the model was trained.
    is_copy = is_train & (is_leaked | is_validation) & (face_set.splits[rows] != _TRAIN)
    is_train &= ~is_copy
    if is_near_duplicate_of_trained is None:
        is_near_duplicate_of_trained = is_near_duplicate
    is_copy |= is_near_duplicate_of_trained & ~is_train
    is_train_of_starting_model = np.isin(keys, hashes.start) & ~is_train & ~is_copy
    return SeenImages(
        is_train,
        is_validation,
        is_copy,
        is_train_of_starting_model,
        starting_model,
        hashes.is_complete,
    )


def _seen_without_hashes(
    bundle: Bundle,
    face_set: FaceSet,
    rows: NDArray[np.intp],
    leaks: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    uncurated: FaceSet,
) -> SeenImages | None:
    """Return the seen images for a bundle without hashes; None if unknown.

    Bundles of earlier versions and imported models have no hashes. The record of a bundle of an
    earlier version contains the fingerprint and the class counts of the datasets that the model and
    its starting model were trained on. ``uncurated`` is compared with these values. For an imported
    model, the result is None.

    Args:
        bundle: The model.
        face_set: The data.
        rows: The evaluated images, ``[n]``.
        leaks: ``is_leaked`` and ``is_near_duplicate`` of ``seen_images``.
        uncurated: The data before curation.
    """
    record = bundle.record
    is_training_data = _is_dataset(record.dataset, uncurated)
    is_starting_data = any(_is_dataset(dataset, uncurated) for dataset in record.starting_datasets)
    if not is_training_data and not is_starting_data:
        return None
    is_leaked, is_near_duplicate = leaks
    splits = face_set.splits[rows]
    in_train, all_false = splits == _TRAIN, np.zeros(len(rows), bool)
    starting_model = str(record.start.get("model", "another model"))
    if not is_training_data:
        return SeenImages(all_false, all_false, all_false, in_train, starting_model)
    is_copy = is_leaked & ~in_train
    is_train = in_train
    if record.config.get("exclude_leaks"):
        # The model was trained without the training images that appear in validation or test.
        is_copy = is_near_duplicate
        leaking = content_keys(uncurated.images[leaking_training_rows(uncurated)])
        is_train = in_train & ~np.isin(content_keys(face_set.images[rows]), leaking)
    is_complete = not record.start or is_starting_data
    return SeenImages(
        is_train, splits == _VALIDATION, is_copy, all_false, starting_model, is_complete
    )


def _is_dataset(recorded: dict[str, Any], face_set: FaceSet) -> bool:
    """Return True if a recorded dataset is ``face_set``. The order of the images may differ."""
    if not recorded.get("fingerprint"):
        return False
    return bool(
        recorded["fingerprint"] == face_set.fingerprint
        or recorded.get("counts") == class_counts(face_set)
    )
