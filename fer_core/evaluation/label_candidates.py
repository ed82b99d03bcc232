"""Images whose label is doubtful, and images that may be no faces: ranked for a person to look at.

Doubtful labels are found by confident learning (Northcutt, Jiang and Chuang, "Confident learning:
estimating uncertainty in dataset labels", 2021) with the authors' library ``cleanlab``. It needs
probabilities from a model that has not seen the labels in question. On train these are made out of
fold: the images are divided, and a linear classifier on a model's features judges each part after
it was fitted to the others. On validation and test the model's own are used if its record says that
it was trained on this very dataset, whose training images alone it has then seen.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_core.bundle import BundleRecord
from fer_core.dataset.duplicates import content_keys, leaked_rows
from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.findings import Finding, ranked_finding
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.evaluation.features import FaceFeatures
from fer_core.progress import ProgressReport

FOLDS = 5

#: Principal components that the linear classifier sees: more take longer and tell no more.
_COMPONENTS = 96

#: Nearest faces whose mean distance tells how far off an image lies.
_NEIGHBOURS = 10

#: Faces among which the nearest are looked for.
_REFERENCE = 8192

#: Side of the squares that the face check judges, in pixels.
_CHECK_SIDE = 32

#: From squares, uint8 ``[n, 32, 32]``, to how probably each shows a face, float32 ``[n]``.
FaceJudge = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def has_not_seen(record: BundleRecord, face_set: FaceSet, split: str) -> bool:
    """Whether a model's record says that it was not trained on a split of these very data."""
    return (
        split in ("validation", "test")
        and record.recipe is not None
        and record.dataset.get("fingerprint") == face_set.fingerprint
    )


def find_label_candidates(
    face_set: FaceSet,
    features: FaceFeatures,
    record: BundleRecord,
    split: str,
    *,
    report: ProgressReport | None = None,
) -> Finding:
    """Rank the images of a split whose label is probably wrong.

    Args:
        face_set: The data.
        features: What a model sees in them.
        record: That model's record, which says what it was trained on.
        split: ``train``, ``validation`` or ``test``.
        report: Takes the steps done and their number.

    Returns:
        A finding of kind *mislabelled*, the most doubtful first, with the label that the model
        would give; its notes say where the probabilities come from.

    Raises:
        InputError: The split has too few images, or too few of a class, to judge any.
    """
    rows = face_set.rows(split)
    if split == "all":
        raise InputError("Doubtful labels are looked for in one split; choose one of the three.")
    notes: list[str] = []
    if has_not_seen(record, face_set, split):
        if not record.config.get("exclude_leaks"):
            is_leaked = np.isin(rows, leaked_rows(face_set, split))
            rows = rows[~is_leaked]
            if is_leaked.any():
                notes.append(
                    f"{is_leaked.sum():,} images that also stand in train are left out: the model "
                    "may have learnt their labels."
                )
        labels, probabilities = face_set.labels[rows], features.probabilities[rows]
        notes.insert(
            0, f"Judged by the model itself, which has not been trained on {split} images."
        )
        if report is not None:
            report(FOLDS, FOLDS + 1)
    else:
        labels = face_set.labels[rows]
        _check_enough(labels, split)
        probabilities = _out_of_fold(
            features.values[rows], labels, content_keys(face_set.images[rows]), report
        )
        notes.append(
            f"Judged out of fold: a linear classifier on the model's features, fitted {FOLDS} "
            "times to the other images; copies of an image are judged together."
        )
        if split == "train" and record.dataset.get("fingerprint") == face_set.fingerprint:
            notes.append(
                "The features themselves were learnt from these training images, so some wrong "
                "labels may pass for right ones."
            )
        elif split != "train":
            notes.append(
                "The model's record does not say that it has not seen these images, so its own "
                "probabilities are not used, and its features may know them."
            )
    positions, quality = _doubtful(labels, probabilities)
    found = rows[positions]
    suggested = probabilities[positions].argmax(axis=1).astype(np.int8)
    given = labels[positions]
    if report is not None:
        report(FOLDS + 1, FOLDS + 1)
    return ranked_finding(
        "mislabelled",
        f"Doubtful labels in {split}",
        "A model that has not seen these labels is confident of another emotion.",
        score_name="confidence in the given label (0 to 1; low: doubtful)",
        rows=found,
        scores=quality,
        reasons=[
            f"{probability[new]:.0%} {EMOTIONS[new]}, {probability[old]:.0%} {EMOTIONS[old]}"
            for probability, new, old in zip(
                probabilities[positions], suggested, given, strict=True
            )
        ],
        suggested=suggested,
        notes=notes,
    )


def _check_enough(labels: NDArray[np.int8], split: str) -> None:
    counts = np.bincount(labels, minlength=len(EMOTIONS))
    present = counts[counts > 0]
    if len(present) < 2 or present.min() < FOLDS:
        raise InputError(
            f"The {split} split has too few images for doubtful labels to be found: at least two "
            f"emotions with {FOLDS} images each are needed."
        )


def _doubtful(
    labels: NDArray[np.int8], probabilities: NDArray[np.float32]
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Positions of doubtful labels, the most doubtful first, and the confidence in each."""
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    if len(np.unique(labels)) < 2:
        raise InputError("Doubtful labels can be found only among two or more emotions.")
    # cleanlab wants classes without gaps: an emotion that no image has is left out.
    present = np.unique(labels)
    classes = np.searchsorted(present, labels)
    shares = probabilities[:, present].astype(np.float64) + 1e-9
    shares /= shares.sum(axis=1, keepdims=True)
    positions = find_label_issues(
        classes, shares, return_indices_ranked_by="normalized_margin", n_jobs=1
    )
    quality = get_label_quality_scores(classes, shares, method="self_confidence")
    return np.asarray(positions, np.intp), np.asarray(quality[positions], np.float32)


def _out_of_fold(
    values: NDArray[np.float32],
    labels: NDArray[np.int8],
    keys: NDArray[np.int64],
    report: ProgressReport | None,
) -> NDArray[np.float32]:
    """Probabilities, float32 ``[n, 7]``, each from a classifier that was fitted without it."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold

    # With few images most components are noise, which the next step would enlarge.
    reduced = principal_components(values, min(_COMPONENTS, max(len(values) // 5, 2)))
    reduced /= np.maximum(reduced.std(axis=0), 1e-6)
    probabilities = np.zeros((len(labels), len(EMOTIONS)), np.float32)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    for fold, (others, judged) in enumerate(folds.split(reduced, labels, keys)):
        classifier = LogisticRegression(C=0.01, max_iter=200, tol=1e-3)
        classifier.fit(reduced[others], labels[others])
        probabilities[np.ix_(judged, classifier.classes_)] = classifier.predict_proba(
            reduced[judged]
        )
        if report is not None:
            report(fold + 1, FOLDS + 1)
    return probabilities


def principal_components(values: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """The first principal components, float32 ``[n, count]`` or fewer, the strongest first."""
    centred = values - values.mean(axis=0)
    # By the small matrix of covariances: images are many, features few.
    covariance = centred.T @ centred / np.float32(max(len(values), 1))
    _, vectors = np.linalg.eigh(covariance.astype(np.float64))
    strongest = vectors[:, ::-1][:, :count].astype(np.float32)
    # An eigenvector's sign is chance: the same data should give the same map.
    largest = strongest[np.abs(strongest).argmax(axis=0), np.arange(strongest.shape[1])]
    return np.asarray(centred @ (strongest * np.where(largest < 0, -1, 1)), np.float32)


def find_non_faces(
    face_set: FaceSet,
    features: FaceFeatures,
    *,
    face_probabilities: FaceJudge | None = None,
    report: ProgressReport | None = None,
    limit: int = 500,
) -> Finding:
    """Rank the images that are most probably no faces.

    By two signs, each turned into a rank and the ranks averaged: how far an image lies from its
    ten nearest others in feature space (Kuan and Mueller, "Back to the basics: revisiting
    out-of-distribution detection baselines", 2022), and how improbable the face check finds it.

    Args:
        face_set: The data.
        features: What a model sees in them.
        face_probabilities: The face check; without it the distance alone decides.
        report: Takes the images done and their number.
        limit: Images to name at most.

    Returns:
        A finding of kind *non_faces*, the least face-like first.
    """
    count = len(face_set)
    distances = _neighbour_distances(features.values, report)
    signs = [distances]
    doubts = np.zeros(count, np.float32)
    if face_probabilities is not None:
        for start in range(0, count, 1024):
            part = face_set.images[start : start + 1024]
            squares = np.stack(
                [cv2.resize(face, (_CHECK_SIDE, _CHECK_SIDE), None, 0, 0, 3) for face in part]
            )
            doubts[start : start + len(part)] = 1 - face_probabilities(squares)
        signs.append(doubts)
    ranks = np.mean([_ranks(sign) for sign in signs], axis=0)
    order = np.argsort(-ranks, kind="stable")[:limit]
    return ranked_finding(
        "non_faces",
        "Perhaps no faces",
        "These lie far from all other images, or our face check sees no face: look at them first.",
        score_name="rank among all images by both signs (1: least like a face)",
        rows=order,
        scores=ranks[order].astype(np.float32),
        reasons=[
            f"distance {distances[row]:.2f}"
            + (f", face check {1 - doubts[row]:.0%}" if len(signs) > 1 else "")
            for row in order
        ],
        notes=(
            f"The {len(order):,} first of a ranking of all {count:,} images, not a verdict: most "
            "of them may be faces.",
        ),
    )


def _ranks(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Each value's place among all, 0 to 1, equal ones sharing theirs."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(values) / max(len(values), 1), np.float64)


def _neighbour_distances(
    values: NDArray[np.float32], report: ProgressReport | None
) -> NDArray[np.float32]:
    """Mean cosine distance to the nearest others, float32 ``[n]``, 0 to 2."""
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    unit = values / np.maximum(lengths, 1e-12)
    generator = np.random.default_rng(0)
    count = len(values)
    chosen = np.sort(generator.permutation(count)[:_REFERENCE])
    neighbours = min(_NEIGHBOURS, max(len(chosen) - 1, 1))
    distances = np.zeros(count, np.float32)
    for start in range(0, count, 1024):
        stop = min(start + 1024, count)
        similarity = unit[start:stop] @ unit[chosen].T
        # An image is not its own neighbour.
        own = (chosen[None, :] == np.arange(start, stop)[:, None]) if count > 1 else False
        similarity[own] = -1
        nearest = np.partition(similarity, -neighbours, axis=1)[:, -neighbours:]
        distances[start:stop] = 1 - nearest.mean(axis=1)
        if report is not None:
            report(stop, count)
    return distances
