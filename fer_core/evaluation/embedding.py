"""A map of the faces: a model's features in two dimensions, so that what looks alike lies close."""

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

#: More points hide each other, and t-SNE's time grows faster than their number.
MAX_SAMPLE = 5000

_COMPONENTS = 30
_LEAST_IMAGES = 10
_ITERATIONS = 500


@dataclass(frozen=True)
class Embedding:
    """Points of a map.

    Attributes:
        rows: Which images, intp ``[m]``, rising.
        points: float32 ``[m, 2]``.
        method: ``tsne`` or ``pca``.
        note: How to read it, in words.
    """

    rows: NDArray[np.intp]
    points: NDArray[np.float32]
    method: str
    note: str


def embed(
    face_set: FaceSet,
    features: FaceFeatures,
    *,
    method: Literal["tsne", "pca"] = "tsne",
    split: str = "all",
    sample: int = 2000,
    seed: int = 0,
    report: ProgressReport | None = None,
) -> Embedding:
    """Draw the map of a sample of the images.

    t-SNE (van der Maaten and Hinton, "Visualizing data using t-SNE", 2008) keeps neighbours
    together, which is what a person looks for in such a map: islands of one class, and faces of
    another among them. It is applied to the first 30 principal components, which begin the map
    too, so that it is the same each time. Its time allows a sample only. The first two principal
    components alone are there at once and keep large distances instead.

    Args:
        face_set: The data.
        features: What a model sees in them.
        method: ``tsne`` or ``pca``.
        split: The split to draw, or ``all``.
        sample: Images to draw at most, up to 5,000; each class gives its share.
        seed: Of the sample.
        report: Takes the steps done and their number.

    Raises:
        InputError: The split has fewer than ten images.
        ValueError: ``method`` is neither.
    """
    if method not in ("tsne", "pca"):
        raise ValueError(f"method should be either 'tsne' or 'pca'. Received: {method!r}")
    rows = face_set.rows(split)
    if len(rows) < _LEAST_IMAGES:
        raise InputError(
            f"A map needs at least {_LEAST_IMAGES} images, and {split} has {len(rows)}; choose "
            "another split."
        )
    rows = _stratified(face_set.labels, rows, min(sample, MAX_SAMPLE), seed)
    steps = 2
    components = principal_components(features.values[rows], _COMPONENTS)
    if report is not None:
        report(1, steps)
    if method == "pca":
        points, note = components[:, :2], "Distances are as in the model's strongest two directions"
    else:
        points = _tsne(components, seed)
        note = "Neighbours look alike to the model; how far islands lie apart means nothing"
    if report is not None:
        report(steps, steps)
    if points.shape[1] < 2:
        points = np.pad(points, ((0, 0), (0, 2 - points.shape[1])))
    note += f". Drawn are {len(rows):,} images, each class by its share."
    return Embedding(rows, np.asarray(points, np.float32), method, note)


def _stratified(
    labels: NDArray[np.int8], rows: NDArray[np.intp], count: int, seed: int
) -> NDArray[np.intp]:
    """Up to ``count`` rows, each class by its share and at least one of each, rising."""
    if len(rows) <= count:
        return rows
    generator = np.random.default_rng(seed)
    shuffled = generator.permutation(rows)
    shuffled = shuffled[np.argsort(labels[shuffled], kind="stable")]
    # Evenly spaced places in the order of the classes give each class its share.
    even = shuffled[np.linspace(0, len(rows) - 1, count).round().astype(np.intp)]
    missing = np.setdiff1d(labels[rows], labels[even])
    extra = [shuffled[labels[shuffled] == label][0] for label in missing]
    return np.unique(np.concatenate([even, np.array(extra, np.intp)]))


def _tsne(components: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    spread = max(float(components[:, 0].std()), 1e-6)
    begin = components[:, :2] / spread * 1e-4
    if begin.shape[1] < 2:
        begin = np.pad(begin, ((0, 0), (0, 1)))
    projection = TSNE(
        perplexity=min(30, (len(components) - 1) / 3),
        init=begin.astype(np.float32),
        learning_rate="auto",
        max_iter=_ITERATIONS,
        random_state=seed,
    )
    # Its threads wait for each other at every step: on cores that others use too, one is faster.
    with threadpool_limits(limits=1):
        return np.asarray(projection.fit_transform(components), np.float32)
