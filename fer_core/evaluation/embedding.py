"""Two-dimensional embedding of faces: t-SNE or PCA of the features of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.face_set import FaceSet
from fer_core.errors import InputError
from fer_core.evaluation.features import FaceFeatures
from fer_core.evaluation.label_candidates import principal_components
from fer_core.progress import ProgressReport

#: Maximum number of images. With more images, points would overlap, and t-SNE would take very long.
MAX_SAMPLE_SIZE = 5000

#: Number of principal components to which t-SNE is applied.
_COMPONENTS = 30
_MIN_IMAGES = 10
#: Number of optimization steps of t-SNE.
_ITERATIONS = 500


@dataclass(frozen=True)
class Embedding:
    """Embedded images.

    Attributes:
        rows: Rows of the images, intp ``[m]``, ascending.
        coordinates: The position of each image in two dimensions, float32 ``[m, 2]``.
        method: ``tsne`` or ``pca``.
        note: Sentences on how to interpret the coordinates.
    """

    rows: NDArray[np.intp]
    coordinates: NDArray[np.float32]
    method: str
    note: str


def embed(
    face_set: FaceSet,
    features: FaceFeatures,
    *,
    method: Literal["tsne", "pca"] = "tsne",
    split: str = "all",
    sample_size: int = 2000,
    seed: int = 0,
    report: ProgressReport | None = None,
) -> Embedding:
    """Embed a sample of the images in two dimensions.

    t-SNE (van der Maaten and Hinton, "Visualizing data using t-SNE", 2008) preserves neighborhoods:
    it shows the clusters of each class, and single images of other classes in them. It is applied
    to the first 30 principal components and initialized with the first two, so the result is
    deterministic. It is slow, so only a sample is embedded. PCA (the first two principal
    components) is fast, and preserves large distances instead of neighborhoods.

    Args:
        face_set: The data.
        features: The features of the images, computed by a model.
        method: ``tsne`` or ``pca``.
        split: The split to embed, or ``all``.
        sample_size: Number of images in the sample, up to 5,000. The sample is stratified by class.
            For each class that would be missing from the sample, one image is added.
        seed: Seed of the sample and of t-SNE.
        report: Called with the number of finished steps and their total.

    Raises:
        InputError: The split has fewer than ten images.
        ValueError: ``method`` is unknown.
    """
    if method not in ("tsne", "pca"):
        raise ValueError(f"method should be either 'tsne' or 'pca'. Received: {method!r}")
    all_rows = face_set.rows(split)
    if len(all_rows) < _MIN_IMAGES:
        raise InputError(
            f"An embedding needs at least {_MIN_IMAGES} images, and {split} has {len(all_rows)}; "
            "choose another split."
        )
    rows = _stratified(face_set.labels, all_rows, min(sample_size, MAX_SAMPLE_SIZE), seed)
    steps = 2
    components = principal_components(features.values[rows], _COMPONENTS)
    if report is not None:
        report(1, steps)
    if method == "pca":
        coordinates, note = components[:, :2], "The axes are the first two principal components"
    else:
        coordinates = _tsne(components, seed)
        note = "Close points have similar features; distances between clusters have no meaning"
    if report is not None:
        report(steps, steps)
    if coordinates.shape[1] < 2:
        coordinates = np.pad(coordinates, ((0, 0), (0, 2 - coordinates.shape[1])))
    selection = "Stratified sample of" if len(rows) < len(all_rows) else "All"
    note += f". {selection} {len(rows):,} images."
    return Embedding(rows, np.asarray(coordinates, np.float32), method, note)


def _stratified(
    labels: NDArray[np.int8], rows: NDArray[np.intp], count: int, seed: int
) -> NDArray[np.intp]:
    """Return a stratified sample of the rows, in ascending order.

    The sample has ``count`` rows, plus one for each class of ``rows`` that would be missing.
    """
    if len(rows) <= count:
        return rows
    generator = np.random.default_rng(seed)
    shuffled = generator.permutation(rows)
    shuffled = shuffled[np.argsort(labels[shuffled], kind="stable")]
    # Evenly spaced positions in rows sorted by class are a stratified sample.
    sampled = shuffled[np.linspace(0, len(rows) - 1, count).round().astype(np.intp)]
    missing = np.setdiff1d(labels[rows], labels[sampled])
    extra = [shuffled[labels[shuffled] == label][0] for label in missing]
    return np.unique(np.concatenate([sampled, np.array(extra, np.intp)]))


def _tsne(components: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    # As in scikit-learn, the initial points are close together: the standard deviation on the first
    # axis is 0.0001.
    deviation = max(float(components[:, 0].std()), 1e-6)
    initial = components[:, :2] / deviation * 1e-4
    if initial.shape[1] < 2:
        initial = np.pad(initial, ((0, 0), (0, 1)))
    projection = TSNE(
        perplexity=min(30, (len(components) - 1) / 3),  # below the usual 30 for few images
        init=initial.astype(np.float32),
        learning_rate="auto",
        max_iter=_ITERATIONS,
        random_state=seed,
    )
    # The threads of t-SNE wait for each other at every step: on shared cores one thread is faster.
    with threadpool_limits(limits=1):
        return np.asarray(projection.fit_transform(components), np.float32)
