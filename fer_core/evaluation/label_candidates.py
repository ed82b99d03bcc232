"""Images with doubtful labels, and images that may not show a face: rankings for manual review.

Doubtful labels are found by confident learning (Northcutt, Jiang and Chuang, "Confident learning:
estimating uncertainty in dataset labels", 2021) with the authors' library ``cleanlab``. This
method needs probabilities from a model that was not trained on the labels in question. If it is
known that the user's model was not trained on the images, the predictions of this model are used.
Otherwise the images are divided into folds, and a linear classifier on the features of the user's
model predicts each fold after it was fitted to the other folds (out-of-fold predictions).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_core.bundle import BundleRecord
from fer_core.classes import positions_of
from fer_core.dataset.duplicates import content_keys, leaked_rows
from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.findings import Finding, ranked_finding
from fer_core.errors import InputError
from fer_core.evaluation.features import FaceFeatures
from fer_core.image_hashes import ImageHashes
from fer_core.metrics.formatting import percent
from fer_core.progress import ProgressReport

#: Number of folds of the out-of-fold predictions.
FOLDS = 5

#: Number of principal components for the linear classifier. More components are slower, not better.
_COMPONENTS = 96

#: Number of nearest neighbors whose mean distance is the outlier score.
_NEIGHBOR_COUNT = 10

#: Maximum number of images in which neighbors are searched; more would be slow. They are sampled
#: at random.
_MAX_REFERENCE_IMAGES = 8192

#: Width and height of the input of the face check, in pixels. The face check is a small network
#: that predicts whether an image shows a face.
_CHECK_SIDE = 32

#: The predictions of the model are used only if the model was trained on less than this share of
#: the split. The images that the model was trained on are then left out.
_MAX_TRAINED_SHARE = 0.5

#: Explanations of the finding, by the origin of the probabilities.
_HELD_OUT_EXPLANATION = (
    "A model that was not trained on these images predicts another class with confidence."
)
_OUT_OF_FOLD_EXPLANATION = (
    "A classifier that was fitted to the other images of the split predicts another class with "
    "confidence."
)

#: Maps images, uint8 ``[n, 32, 32]``, to the probability that each shows a face, float32 ``[n]``.
FaceCheckFunction = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class _TrainingOverlap:
    """What is known about the images of a split that a model has seen in its training.

    Attributes:
        is_known: True if ``is_trained_on`` is complete: the model was trained on no other images
            of the split.
        is_trained_on: True for the images that the model was trained on, as far as known, bool
            ``[n]``.
        has_validation_images: True if the checkpoint and the calibration of the model were selected
            on images of the split.
    """

    is_known: bool
    is_trained_on: NDArray[np.bool_]
    has_validation_images: bool = False

    @property
    def is_mostly_held_out(self) -> bool:
        """True if it is known that the model was trained on fewer than half of the images."""
        return self.is_known and float(self.is_trained_on.mean()) < _MAX_TRAINED_SHARE


def _training_overlap(
    record: BundleRecord, hashes: ImageHashes | None, face_set: FaceSet, split: str
) -> _TrainingOverlap:
    rows = face_set.rows(split)
    if hashes is not None and len(rows):
        keys = content_keys(face_set.images[rows])
        return _TrainingOverlap(
            hashes.is_complete,
            np.isin(keys, hashes.all_train),
            bool(np.isin(keys, hashes.validation).any()),
        )
    is_same_data = bool(len(rows)) and record.dataset.get("fingerprint") == face_set.fingerprint
    if split == "train" or not is_same_data or record.recipe is None:
        return _TrainingOverlap(False, np.full(len(rows), is_same_data and split == "train"))
    # The bundle has no hashes, but its record says that the model was trained on the train split of
    # exactly this dataset. It has therefore seen the images of another split that have a copy in
    # train, unless the setting ``exclude_leaks`` removed these copies from the training images.
    leaked = np.zeros(0, np.intp)
    if not record.config.get("exclude_leaks"):
        leaked = leaked_rows(face_set, split)
    return _TrainingOverlap(True, np.isin(rows, leaked), split == "validation")


def find_label_candidates(
    face_set: FaceSet,
    features: FaceFeatures,
    record: BundleRecord,
    split: str,
    *,
    hashes: ImageHashes | None = None,
    report: ProgressReport | None = None,
) -> Finding:
    """Rank the images of a split by how probably their labels are wrong.

    Args:
        face_set: The data.
        features: The features of the images, computed by a model.
        record: The record of the model, which says what the model was trained on.
        split: ``train``, ``validation`` or ``test``.
        hashes: The images that the model has seen; None if they are not recorded.
        report: Called with the number of finished steps and their total.

    Returns:
        A finding of kind *mislabelled*. The most doubtful label is first, and the predicted class
        is suggested as the new label. The explanation and the notes of the finding say where the
        probabilities come from.

    Raises:
        InputError: ``split`` is ``all`` or unknown, or has too few images in total or per class.
    """
    rows = face_set.rows(split)
    if split == "all":
        raise InputError(
            "Doubtful labels are searched in a single split; choose train, validation or test."
        )
    notes: list[str] = []
    columns = _columns_of(record, face_set)
    overlap = _training_overlap(record, hashes, face_set, split)
    if overlap.is_mostly_held_out and columns is not None:
        explanation = _HELD_OUT_EXPLANATION
        left_out = int(overlap.is_trained_on.sum())
        rows = rows[~overlap.is_trained_on]
        notes.append(f"Predicted by the model, which was not trained on these {split} images.")
        if left_out:
            notes.append(
                f"{_images_are(left_out)} left out, because the model was trained on "
                f"{'it' if left_out == 1 else 'them'}."
            )
        if overlap.has_validation_images:
            notes.append(
                "The checkpoint and the calibration of the model were selected on these images, "
                "so the model depends slightly on their labels."
            )
        labels = face_set.labels[rows]
        probabilities = features.probabilities[rows[:, None], columns]
        if report is not None:
            report(FOLDS, FOLDS + 1)
    else:
        explanation = _OUT_OF_FOLD_EXPLANATION
        labels = face_set.labels[rows]
        _check_enough_images(labels, len(face_set.classes), split)
        probabilities = _out_of_fold(
            features.values[rows],
            labels,
            content_keys(face_set.images, rows),
            len(face_set.classes),
            report=report,
        )
        notes.append(
            f"Out-of-fold predictions of a linear classifier on the features of the model, "
            f"{FOLDS} folds; copies of an image are in the same fold."
        )
        if overlap.is_trained_on.any():
            notes.append(
                "The features were learned from these images and their labels, so some wrong "
                "labels may not be found."
            )
        elif not overlap.is_known:
            notes.append(
                "The model may have been trained on these images without a record of it, so its "
                "own predictions are not used. Its features may have been learned from these "
                "labels, so some wrong labels may not be found."
            )
    positions, label_quality = _find_doubtful(labels, probabilities)
    doubtful_rows = rows[positions]
    suggested = probabilities[positions].argmax(axis=1).astype(np.int8)
    given_labels = labels[positions]
    if report is not None:
        report(FOLDS + 1, FOLDS + 1)
    return ranked_finding(
        "mislabelled",
        f"Doubtful labels in {split}",
        explanation,
        score_name="confidence in the given label (0 to 1; low: doubtful)",
        rows=doubtful_rows,
        scores=label_quality,
        reasons=[
            f"{percent(probability[new])} {face_set.classes[new]}, "
            f"{percent(probability[old])} {face_set.classes[old]}"
            for probability, new, old in zip(
                probabilities[positions], suggested, given_labels, strict=True
            )
        ],
        suggested=suggested,
        notes=notes,
    )


def _images_are(count: int) -> str:
    return "1 image is" if count == 1 else f"{count:,} images are"


def _columns_of(record: BundleRecord, face_set: FaceSet) -> list[int] | None:
    """Return the index of each dataset class among the model's classes; None if one is missing."""
    try:
        return positions_of(face_set.classes, record.classes)
    except ValueError:
        return None


def _check_enough_images(labels: NDArray[np.int8], class_count: int, split: str) -> None:
    counts = np.bincount(labels, minlength=class_count)
    present = counts[counts > 0]
    if len(present) < 2 or present.min() < FOLDS:
        raise InputError(
            f"The {split} split has too few images to find doubtful labels: at least two classes "
            f"with {FOLDS} images each are needed."
        )


def _find_doubtful(
    labels: NDArray[np.int8], probabilities: NDArray[np.float32]
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return the positions of the doubtful labels, and the confidence in each of these labels.

    The most doubtful label comes first.
    """
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    if len(np.unique(labels)) < 2:
        raise InputError("Doubtful labels can only be found with two or more classes.")
    # cleanlab expects class indices without gaps, so classes without images are removed.
    present = np.unique(labels)
    class_indices = np.searchsorted(present, labels)
    # 1e-9 is added so that no row sums to 0, because the rows are divided by their sums.
    normalized = probabilities[:, present].astype(np.float64) + 1e-9
    normalized /= normalized.sum(axis=1, keepdims=True)
    positions = find_label_issues(
        class_indices, normalized, return_indices_ranked_by="normalized_margin", n_jobs=1
    )
    label_quality = get_label_quality_scores(class_indices, normalized, method="self_confidence")
    return np.asarray(positions, np.intp), np.asarray(label_quality[positions], np.float32)


def _out_of_fold(
    values: NDArray[np.float32],
    labels: NDArray[np.int8],
    keys: NDArray[np.int64],
    class_count: int,
    *,
    report: ProgressReport | None,
) -> NDArray[np.float32]:
    """Return out-of-fold probabilities, float32 ``[n, classes]``.

    Images with the same key are copies of each other. They are in the same fold, so that no copy of
    a predicted image is fitted.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold

    # With few images most components are noise, which the standardization would amplify.
    reduced = principal_components(values, min(_COMPONENTS, max(len(values) // 5, 2)))
    reduced /= np.maximum(reduced.std(axis=0), 1e-6)
    probabilities = np.zeros((len(labels), class_count), np.float32)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    for fold, (fitted_indices, held_out_indices) in enumerate(folds.split(reduced, labels, keys)):
        classifier = LogisticRegression(C=0.01, max_iter=200, tol=1e-3)
        classifier.fit(reduced[fitted_indices], labels[fitted_indices])
        probabilities[np.ix_(held_out_indices, classifier.classes_)] = classifier.predict_proba(
            reduced[held_out_indices]
        )
        if report is not None:
            report(fold + 1, FOLDS + 1)
    return probabilities


def principal_components(values: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Return the first principal components, float32 ``[n, count]`` or fewer columns."""
    centered = values - values.mean(axis=0)
    # The covariance matrix is small, because there are many images and few features.
    covariance = centered.T @ centered / np.float32(max(len(values), 1))
    _, vectors = np.linalg.eigh(covariance.astype(np.float64))
    strongest = vectors[:, ::-1][:, :count].astype(np.float32)
    # The sign of an eigenvector is arbitrary. It is fixed, so that the result is deterministic.
    largest = strongest[np.abs(strongest).argmax(axis=0), np.arange(strongest.shape[1])]
    return np.asarray(centered @ (strongest * np.where(largest < 0, -1, 1)), np.float32)


def find_non_faces(
    face_set: FaceSet,
    features: FaceFeatures,
    *,
    face_probabilities: FaceCheckFunction | None = None,
    report: ProgressReport | None = None,
    limit: int = 500,
) -> Finding:
    """Rank the images that most probably do not show a face.

    Images are ordered by the mean of two ranks. One is the rank by the mean distance to the ten
    nearest neighbors in feature space (Kuan and Mueller, "Back to the basics: revisiting
    out-of-distribution detection baselines", 2022). The other is the rank by the probability that
    the image shows no face, which the face check predicts.

    Args:
        face_set: The data.
        features: The features of the images, computed by a model.
        face_probabilities: The face check; None to rank by distance only.
        report: Called with the number of processed images and their total.
        limit: Maximum number of images in the finding.

    Returns:
        A finding of kind *non_faces*, the least face-like image first.
    """
    count = len(face_set)
    distances = _neighbor_distances(features.values, report)
    criteria = [distances]
    non_face_probabilities = np.zeros(count, np.float32)
    if face_probabilities is not None:
        for start in range(0, count, 1024):
            batch = face_set.images[start : start + 1024]
            squares = np.stack(
                [
                    cv2.resize(face, (_CHECK_SIDE, _CHECK_SIDE), interpolation=cv2.INTER_AREA)
                    for face in batch
                ]
            )
            non_face_probabilities[start : start + len(batch)] = 1 - face_probabilities(squares)
        criteria.append(non_face_probabilities)
    ranks = np.mean([_ranks(values) for values in criteria], axis=0)
    order = np.argsort(-ranks, kind="stable")[:limit]
    return ranked_finding(
        "non_faces",
        "Possibly not a face",
        "These images differ most from all others, or the face check finds no face in them.",
        score_name="relative rank among all images (0 to 1; 1: least like a face)",
        rows=order,
        scores=ranks[order].astype(np.float32),
        reasons=[
            f"distance {distances[row]:.2f}"
            + (
                f", face check {percent(1 - non_face_probabilities[row])}"
                if face_probabilities is not None
                else ""
            )
            for row in order
        ],
        notes=(
            f"The first {len(order):,} of a ranking of all {count:,} images. Most of them may be "
            "faces.",
        ),
    )


def _ranks(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the ranks of the values, 0 to 1; equal values share a rank."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(values) / max(len(values), 1), np.float64)


def _neighbor_distances(
    values: NDArray[np.float32], report: ProgressReport | None
) -> NDArray[np.float32]:
    """Return the mean cosine distance of each image to its neighbors, float32 ``[n]``, 0 to 2."""
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    unit_vectors = values / np.maximum(lengths, 1e-12)
    generator = np.random.default_rng(0)
    count = len(values)
    reference_rows = np.sort(generator.permutation(count)[:_MAX_REFERENCE_IMAGES])
    neighbor_count = min(_NEIGHBOR_COUNT, max(len(reference_rows) - 1, 1))
    distances = np.zeros(count, np.float32)
    for start in range(0, count, 1024):
        stop = min(start + 1024, count)
        similarity = unit_vectors[start:stop] @ unit_vectors[reference_rows].T
        if count > 1:
            # An image is not its own neighbor.
            similarity[reference_rows[None, :] == np.arange(start, stop)[:, None]] = -1
        nearest = np.partition(similarity, -neighbor_count, axis=1)[:, -neighbor_count:]
        distances[start:stop] = 1 - nearest.mean(axis=1)
        if report is not None:
            report(stop, count)
    return distances
