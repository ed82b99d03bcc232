"""``EvaluationResult``: what a model says of every image of a split."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fer_core.bundle import PREDICTIONS_FILE, Bundle
from fer_core.dataset.duplicates import content_keys, leaked_rows
from fer_core.dataset.face_set import FaceSet
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError, first_line
from fer_core.evaluation.cache import CachedPrediction, cache_key, read_cached, write_cached
from fer_core.evaluation.facts import ResultFacts, facts_on_dataset, facts_on_own_predictions
from fer_core.files import read_arrays
from fer_core.metrics import apply_temperature
from fer_core.predictor import Predictor, check_network_file, load_predictor
from fer_core.progress import ProgressReport
from fer_core.settings import Settings

#: Images between two reports of progress: a tenth of a second or so, in whole batches.
_IMAGES_AT_ONCE = 128


@dataclass(frozen=True, eq=False)
class EvaluationResult:
    """A bundle's probabilities for the images of a split, beside the truth.

    Attributes:
        bundle_name: The model.
        dataset_name: The data; None for the validation predictions that lie in the bundle, which
            come without pictures.
        split: ``train``, ``validation``, ``test`` or ``all``.
        labels: True labels, int8 ``[n]``.
        raw_probabilities: float32 ``[n, 7]``, **before** temperature.
        temperature: The bundle's, in force.
        rows: The images' rows in their dataset, ``[n]``; 0 to n - 1 without one.
        names: Where each image came from; empty without a dataset.
        is_leaked: Which images also stand in train, bool ``[n]``; None where that is not known.
        data_fingerprint: The dataset's; empty where unknown.
        facts: What a reader must be told.

    Raises:
        ValueError: Shapes differ from these.
    """

    bundle_name: str
    dataset_name: str | None
    split: str
    labels: NDArray[np.int8]
    raw_probabilities: NDArray[np.float32]
    temperature: float
    rows: NDArray[np.intp]
    names: tuple[str, ...]
    is_leaked: NDArray[np.bool_] | None
    data_fingerprint: str
    facts: ResultFacts

    def __post_init__(self) -> None:
        count = len(self.labels)
        if self.raw_probabilities.shape != (count, len(EMOTIONS)):
            raise ValueError(
                f"raw_probabilities should be [{count}, {len(EMOTIONS)}]. "
                f"Received: {list(self.raw_probabilities.shape)}"
            )
        if self.rows.shape != (count,) or (self.names and len(self.names) != count):
            raise ValueError(
                f"rows and names should be {count}. Received: {len(self.rows)}, {len(self.names)}"
            )

    @property
    def n(self) -> int:
        """Number of images."""
        return len(self.labels)

    @cached_property
    def probabilities(self) -> NDArray[np.float32]:
        """After temperature, float32 ``[n, 7]``."""
        return apply_temperature(self.raw_probabilities, self.temperature)

    @cached_property
    def predicted(self) -> NDArray[np.intp]:
        """The most probable emotions, ``[n]``."""
        return np.asarray(self.probabilities.argmax(axis=1))

    @cached_property
    def confidence(self) -> NDArray[np.float32]:
        """Their probabilities, float32 ``[n]``."""
        return np.asarray(self.probabilities.max(axis=1, initial=0))

    @cached_property
    def is_correct(self) -> NDArray[np.bool_]:
        """Whether they are the true ones, bool ``[n]``."""
        return np.asarray(self.predicted == self.labels)


def evaluate_split(
    bundle: Bundle,
    face_set: FaceSet,
    split: str,
    settings: Settings,
    *,
    dataset_name: str,
    is_demo_data: bool = False,
    curation: str | None = None,
    predictor: Predictor | None = None,
    report: ProgressReport | None = None,
) -> EvaluationResult:
    """Predict a split's images, or read what was predicted for them before.

    Predictions are kept by content: of the network and how it is fed, of the data, the split and
    the curation. Whoever asks for one that is just being made waits for it.

    Args:
        bundle: The model.
        face_set: The data.
        split: ``train``, ``validation``, ``test`` or ``all``.
        settings: Where predictions are kept.
        dataset_name: What to call the data.
        is_demo_data: Whether they are the drawn demo set.
        curation: A fingerprint of how the data were curated; None if they were not.
        predictor: The bundle's, if it is open already.
        report: Takes the progress.

    Raises:
        InputError: The split does not exist or has no images, or the network cannot be used.
    """
    rows = face_set.rows(split)
    if not len(rows):
        raise InputError(f"The dataset has no {split} images; choose another split.")
    labels = face_set.labels[rows]
    check_network_file(bundle.served_network, bundle.name)
    key = cache_key(bundle, face_set.fingerprint, split, curation)
    with _alone_with(key):
        prediction = read_cached(settings, key, labels)
        if prediction is None:
            probabilities = _predict(
                predictor or load_predictor(bundle), face_set.images, rows, report
            )
            prediction = CachedPrediction(labels, probabilities, _leak_flags(face_set, rows))
            write_cached(settings, key, prediction)
    return EvaluationResult(
        bundle_name=bundle.name,
        dataset_name=dataset_name,
        split=split,
        labels=labels,
        raw_probabilities=prediction.raw_probabilities,
        temperature=bundle.temperature,
        rows=rows,
        names=tuple(face_set.names[row] for row in rows),
        is_leaked=prediction.is_leaked,
        data_fingerprint=face_set.fingerprint,
        facts=facts_on_dataset(bundle, face_set, split, is_demo_data=is_demo_data),
    )


def own_predictions(bundle: Bundle) -> EvaluationResult:
    """The validation predictions that lie in a bundle: all but the pictures.

    Raises:
        InputError: The bundle has none, or they are damaged.
    """
    path = bundle.folder / PREDICTIONS_FILE
    try:
        arrays = read_arrays(path)
        labels, probabilities = arrays["labels"], arrays["probabilities"]
    except FileNotFoundError as error:
        raise InputError(
            f"The model {bundle.name!r} brings no validation predictions ({PREDICTIONS_FILE} is "
            "missing); choose a dataset to evaluate it on."
        ) from error
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"The validation predictions in {path} are damaged ({first_line(error)}); restore the "
            "file, or choose a dataset to evaluate the model on."
        ) from error
    if not _are_predictions(labels, probabilities):
        raise InputError(
            f"{path} does not hold labels 0 to {len(EMOTIONS) - 1} and probabilities; restore the "
            "file, or choose a dataset to evaluate the model on."
        )
    return EvaluationResult(
        bundle_name=bundle.name,
        dataset_name=None,
        split="validation",
        labels=labels.astype(np.int8),
        raw_probabilities=probabilities.astype(np.float32),
        temperature=bundle.temperature,
        rows=np.arange(len(labels)),
        names=(),
        is_leaked=None,
        data_fingerprint=str(bundle.record.dataset.get("fingerprint", "")),
        facts=facts_on_own_predictions(bundle, labels),
    )


def _are_predictions(labels: NDArray[np.int8], probabilities: NDArray[np.float32]) -> bool:
    return bool(
        labels.ndim == 1
        and len(labels)
        and np.issubdtype(labels.dtype, np.integer)
        and labels.min() >= 0
        and labels.max() < len(EMOTIONS)
        and probabilities.shape == (len(labels), len(EMOTIONS))
        and np.issubdtype(probabilities.dtype, np.floating)
        # Written so that what is no number fails too.
        and (probabilities >= 0).all()
        and (np.abs(probabilities.sum(axis=1) - 1) < 0.01).all()
    )


def _predict(
    predictor: Predictor,
    images: NDArray[np.uint8],
    rows: NDArray[np.intp],
    report: ProgressReport | None,
) -> NDArray[np.float32]:
    probabilities = np.empty((len(rows), len(EMOTIONS)), dtype=np.float32)
    for start in range(0, len(rows), _IMAGES_AT_ONCE):
        if report is not None:
            report(start, len(rows))
        part = rows[start : start + _IMAGES_AT_ONCE]
        probabilities[start : start + len(part)] = predictor.probabilities(
            images[part], calibrated=False
        )
    if report is not None:
        report(len(rows), len(rows))
    return probabilities


def _leak_flags(face_set: FaceSet, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
    keys = content_keys(face_set.images)
    leaked = [leaked_rows(face_set, split, keys) for split in ("validation", "test")]
    return np.isin(rows, np.concatenate(leaked))


_guard = threading.Lock()
_working: dict[str, tuple[threading.Lock, int]] = {}


@contextmanager
def _alone_with(key: str) -> Iterator[None]:
    """Let one thread at a time work on a key; the second then finds the first one's work."""
    with _guard:
        lock, waiting = _working.get(key, (threading.Lock(), 0))
        _working[key] = lock, waiting + 1
    try:
        with lock:
            yield
    finally:
        with _guard:
            lock, waiting = _working.pop(key)
            if waiting > 1:
                _working[key] = lock, waiting - 1
