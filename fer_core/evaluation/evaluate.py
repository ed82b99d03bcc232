"""Create an ``EvaluationResult``: predict the images of a split, or read cached predictions."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fer_core.bundle import PREDICTIONS_FILE, Bundle
from fer_core.dataset.curation import CuratedFaceSet
from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.dataset.ferplus import VOTE_COLUMNS
from fer_core.dataset.near_search import copies_of_train
from fer_core.errors import InputError, first_line
from fer_core.evaluation.cache import CachedPrediction, cache_key, read_cached, write_cached
from fer_core.evaluation.class_matching import match_rows
from fer_core.evaluation.facts import facts_on_dataset, facts_on_stored_predictions
from fer_core.evaluation.result import EvaluationResult
from fer_core.evaluation.seen_images import seen_images
from fer_core.files import read_arrays
from fer_core.image_hashes import IMAGE_HASHES_FILE, ImageHashes, read_image_hashes
from fer_core.predictor import Predictor, check_network_file, load_predictor
from fer_core.progress import ProgressReport
from fer_core.settings import Settings

#: Number of images that are predicted between two progress reports, in about a tenth of a second.
#: The number is a multiple of the batch size.
_CHUNK_SIZE = 128


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
    """Evaluate a bundle on a split. Predictions that are in the cache are not computed again.

    Classes are matched by name. Images of classes that the model does not have are left out, and a
    warning says how many images are left out.

    The cache key depends on the network and its input settings, the data, the split and the
    curation. If another thread computes the same predictions, this call waits for them.

    Args:
        bundle: The model.
        face_set: The data.
        split: ``train``, ``validation``, ``test`` or ``all``.
        settings: Contains the cache folder.
        dataset_name: The name of the data, for messages and reports.
        is_demo_data: True if the data is the drawn demo set.
        curation: Fingerprint of the curation that was applied to ``face_set``; None if there is
            none.
        predictor: The predictor of the bundle; None to open it if it is needed.
        report: Called with the number of predicted images and their total.

    Raises:
        InputError: The split does not exist or has no images, the model has none of the classes of
            these images, or the network or the image hashes of the model cannot be used.
    """
    return _evaluate(
        bundle,
        face_set,
        split,
        settings,
        dataset_name=dataset_name,
        is_demo_data=is_demo_data,
        curation=curation,
        predictor=predictor,
        report=report,
        imported=face_set,
    )


def _evaluate(
    bundle: Bundle,
    face_set: FaceSet,
    split: str,
    settings: Settings,
    *,
    dataset_name: str,
    is_demo_data: bool,
    curation: str | None,
    predictor: Predictor | None,
    report: ProgressReport | None,
    imported: FaceSet,
) -> EvaluationResult:
    """Evaluate a bundle on a split of imported or curated data; see ``evaluate_split``.

    If ``face_set`` is curated, ``imported`` is the data before the curation. Otherwise, both are
    the same object.
    """
    classes = bundle.record.classes
    matched = match_rows(face_set, _rows_of(face_set, split), classes, bundle.name)
    rows, labels = matched.rows, matched.labels
    check_network_file(bundle.served_network, bundle.name)
    key = cache_key(bundle, face_set.fingerprint, split, curation)
    hashes = read_image_hashes(bundle.folder / IMAGE_HASHES_FILE)
    with _locked_key(key):
        prediction = read_cached(settings, key, labels, len(classes))
        if prediction is None:
            probabilities = _predict(
                predictor or load_predictor(bundle), face_set.images, rows, len(classes), report
            )
            flags = _leak_flags(face_set, rows, hashes)
            prediction = CachedPrediction(labels, probabilities, *flags)
            write_cached(settings, key, prediction)
        elif not _is_complete(prediction, hashes is not None):
            flags = _leak_flags(face_set, rows, hashes)
            prediction = CachedPrediction(labels, prediction.raw_probabilities, *flags)
            write_cached(settings, key, prediction)
    seen = seen_images(
        bundle,
        face_set,
        rows,
        is_leaked=prediction.is_leaked,
        is_near_duplicate=prediction.is_near_duplicate,
        is_near_duplicate_of_trained=prediction.is_near_duplicate_of_trained,
        imported=imported,
    )
    facts = facts_on_dataset(
        bundle, face_set, split, is_demo_data=is_demo_data, matched=matched, seen=seen
    )
    return EvaluationResult(
        bundle_name=bundle.name,
        dataset_name=dataset_name,
        split=split,
        labels=labels,
        unscaled_probabilities=bundle.calibration.adjusted(prediction.raw_probabilities),
        temperature=bundle.temperature,
        rows=rows,
        names=tuple(face_set.names[row] for row in rows),
        # The cache marks only images outside train as leaked. The result also marks all images in
        # train.
        is_leaked=prediction.is_leaked | _in_train(face_set, rows),
        is_near_duplicate=prediction.is_near_duplicate,
        data_fingerprint=face_set.fingerprint,
        facts=facts,
        seen=seen,
        classes=classes,
    )


def has_cached_predictions(
    bundle: Bundle,
    face_set: FaceSet,
    split: str,
    settings: Settings,
    *,
    curation: str | None = None,
) -> bool:
    """Return True if the cache contains everything that ``evaluate_split`` needs.

    Args:
        bundle: The model.
        face_set: The data.
        split: See ``evaluate_split``.
        settings: Contains the cache folder.
        curation: See ``evaluate_split``.
    """
    if not bundle.served_network.is_file():
        return False
    try:
        matched = match_rows(
            face_set, _rows_of(face_set, split), bundle.record.classes, bundle.name
        )
    except InputError:
        return False
    key = cache_key(bundle, face_set.fingerprint, split, curation)
    prediction = read_cached(settings, key, matched.labels, len(bundle.record.classes))
    has_hashes = (bundle.folder / IMAGE_HASHES_FILE).is_file()
    return prediction is not None and _is_complete(prediction, has_hashes)


def evaluate_curated(
    bundle: Bundle,
    imported: FaceSet,
    curated: CuratedFaceSet,
    split: str,
    settings: Settings,
    *,
    dataset_name: str,
    is_demo_data: bool = False,
    predictor: Predictor | None = None,
    report: ProgressReport | None = None,
) -> EvaluationResult:
    """Evaluate a bundle on a split after the curation decisions were applied.

    The rows of the result are rows of ``curated.faces``. The name of the dataset ends with
    "(curated)", and a warning says what the curation changed, because metrics on curated images
    cannot be compared with metrics on the published images.

    Args:
        bundle: The model.
        imported: The data as imported. The fingerprint of these data shows whether the model was
            trained on them.
        curated: The data after curation.
        split: ``train``, ``validation``, ``test`` or ``all``.
        settings: Contains the cache folder.
        dataset_name: The name of the data.
        is_demo_data: True if the data is the drawn demo set.
        predictor: The predictor of the bundle; None to open it if it is needed.
        report: Called with the number of predicted images and their total.

    Raises:
        InputError: As for ``evaluate_split``.
    """
    result = _evaluate(
        bundle,
        curated.faces,
        split,
        settings,
        dataset_name=f"{dataset_name} (curated)",
        is_demo_data=is_demo_data,
        curation=curated.fingerprint,
        predictor=predictor,
        report=report,
        imported=imported,
    )
    warnings = (curation_summary(curated, split), *result.facts.warnings)
    return replace(result, facts=replace(result.facts, warnings=warnings))


def curation_summary(curated: CuratedFaceSet, split: str) -> str:
    """Return one to three sentences about what the curation changed.

    Args:
        curated: The data after curation.
        split: The split that the sentences are about, or ``all``.
    """
    splits = SPLITS if split == "all" else (split,)
    dropped = sum(curated.dropped[name] for name in splits)
    relabeled = sum(curated.relabeled[name] for name in splits)
    images_text = f"{split} images" if split != "all" else "images"
    if not dropped and not relabeled:
        return f"The curation is applied; it does not change the {images_text}."
    return (
        f"The curation is applied: of the {images_text} {dropped:,} "
        f"{'is' if dropped == 1 else 'are'} left out and {relabeled:,} "
        f"{'has' if relabeled == 1 else 'have'} a new label. These metrics cannot be compared "
        "with metrics on the published data"
        + (
            ". If a model suggested new labels, the metrics favor this model and similar models."
            if any(curated.relabeled[name] for name in splits if name != "train")
            else "."
        )
    )


def evaluate_predictor(predictor: Predictor, face_set: FaceSet, split: str) -> EvaluationResult:
    """Evaluate a predictor that is not a stored bundle, without the cache.

    Args:
        predictor: The model.
        face_set: The data.
        split: ``train``, ``validation``, ``test`` or ``all``.

    Raises:
        InputError: The split does not exist or has no images, or the model has none of the classes
            of these images.
    """
    matched = match_rows(face_set, _rows_of(face_set, split), predictor.classes, "this model")
    rows = matched.rows
    is_leaked, is_near_duplicate, _ = _leak_flags(face_set, rows, None)
    return EvaluationResult(
        bundle_name="",
        dataset_name=None,
        split=split,
        labels=matched.labels,
        unscaled_probabilities=predictor.calibration.adjusted(
            _predict(predictor, face_set.images, rows, len(predictor.classes), None)
        ),
        temperature=predictor.temperature,
        rows=rows,
        is_leaked=is_leaked | _in_train(face_set, rows),
        is_near_duplicate=is_near_duplicate,
        classes=predictor.classes,
    )


def evaluate_stored_predictions(bundle: Bundle) -> EvaluationResult:
    """Evaluate the validation predictions that are stored in a bundle. No images are needed.

    Raises:
        InputError: The bundle has no predictions, or they are damaged.
    """
    path = bundle.folder / PREDICTIONS_FILE
    try:
        arrays = read_arrays(path)
        labels, probabilities = arrays["labels"], arrays["probabilities"]
    except FileNotFoundError as error:
        raise InputError(
            f"The model {bundle.name!r} contains no validation predictions ({PREDICTIONS_FILE} is "
            "missing); choose a dataset to evaluate it on."
        ) from error
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"The validation predictions in {path} are damaged ({first_line(error)}); restore the "
            "file, or choose a dataset to evaluate the model on."
        ) from error
    classes = bundle.record.classes
    if not _are_predictions(labels, probabilities, len(classes)):
        raise InputError(
            f"{path} does not contain labels 0 to {len(classes) - 1} and probabilities; restore "
            "the file, or choose a dataset to evaluate the model on."
        )
    return EvaluationResult(
        bundle_name=bundle.name,
        dataset_name=None,
        split="validation",
        labels=labels.astype(np.int8),
        unscaled_probabilities=bundle.calibration.adjusted(probabilities.astype(np.float32)),
        temperature=bundle.temperature,
        rows=np.arange(len(labels)),
        data_fingerprint=str(bundle.record.dataset.get("fingerprint", "")),
        facts=facts_on_stored_predictions(bundle, labels),
        classes=classes,
    )


def stored_votes(bundle: Bundle) -> NDArray[np.uint8] | None:
    """Return the annotator votes that a bundle contains for its predictions, uint8 ``[n, 10]``.

    The result is None if the bundle contains no votes, or votes of another shape or type, or if the
    file cannot be read. Only the bundle of a model that was trained on votes contains votes.
    """
    try:
        arrays = read_arrays(bundle.folder / PREDICTIONS_FILE)
    except (OSError, ValueError):
        return None
    votes, count = arrays.get("votes"), len(arrays.get("labels", ()))
    if votes is None or votes.dtype != np.uint8 or votes.shape != (count, len(VOTE_COLUMNS)):
        return None
    return votes


def _rows_of(face_set: FaceSet, split: str) -> NDArray[np.intp]:
    rows = face_set.rows(split)
    if not len(rows):
        raise InputError(f"The dataset has no {split} images; choose another split.")
    return rows


def _are_predictions(
    labels: NDArray[np.int8], probabilities: NDArray[np.float32], class_count: int
) -> bool:
    return bool(
        labels.ndim == 1
        and len(labels)
        and np.issubdtype(labels.dtype, np.integer)
        and labels.min() >= 0
        and labels.max() < class_count
        and probabilities.shape == (len(labels), class_count)
        and np.issubdtype(probabilities.dtype, np.floating)
        # Comparisons with NaN are False, so NaN fails both checks.
        and (probabilities >= 0).all()
        and (np.abs(probabilities.sum(axis=1) - 1) < 0.01).all()
    )


def _predict(
    predictor: Predictor,
    images: NDArray[np.uint8],
    rows: NDArray[np.intp],
    class_count: int,
    report: ProgressReport | None,
) -> NDArray[np.float32]:
    """Return probabilities before logit adjustment and temperature scaling.

    Returns:
        float32 ``[n, classes]``.
    """
    probabilities = np.empty((len(rows), class_count), dtype=np.float32)
    for start in range(0, len(rows), _CHUNK_SIZE):
        if report is not None:
            report(start, len(rows))
        chunk = rows[start : start + _CHUNK_SIZE]
        probabilities[start : start + len(chunk)] = predictor.probabilities(
            images[chunk], calibrated=False
        )
    if report is not None:
        report(len(rows), len(rows))
    return probabilities


def _leak_flags(
    face_set: FaceSet, rows: NDArray[np.intp], hashes: ImageHashes | None
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_] | None]:
    """Compute the three attributes of ``CachedPrediction`` about copies in train.

    Args:
        face_set: The data.
        rows: The evaluated images, ``[n]``.
        hashes: The hashes of the images that the model was trained on; None if unknown.

    Returns:
        ``is_leaked``, ``is_near_duplicate`` and ``is_near_duplicate_of_trained``. The last one is
        None without hashes.
    """
    is_held_out = ~_in_train(face_set, rows)
    is_exact_copy, is_near_duplicate, is_near_duplicate_of_trained = np.zeros((3, len(rows)), bool)
    (
        is_exact_copy[is_held_out],
        is_near_duplicate[is_held_out],
        is_near_duplicate_of_trained[is_held_out],
    ) = copies_of_train(
        face_set.images,
        rows[is_held_out],
        face_set.rows("train"),
        None if hashes is None else hashes.all_train,
    )
    return (
        is_exact_copy | is_near_duplicate,
        is_near_duplicate,
        None if hashes is None else is_near_duplicate_of_trained,
    )


def _is_complete(prediction: CachedPrediction, has_hashes: bool) -> bool:
    """Return False if ``is_near_duplicate_of_trained`` is missing and should be computed.

    The attribute is missing in files of earlier versions. It can be computed only with hashes of
    the training images, and it is needed only if there are near-duplicates.
    """
    is_known = prediction.is_near_duplicate_of_trained is not None
    return is_known or not has_hashes or not prediction.is_near_duplicate.any()


def _in_train(face_set: FaceSet, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
    return np.asarray(face_set.splits[rows] == SPLITS.index("train"))


_in_flight_lock = threading.Lock()
#: For each key, a lock and the number of threads that hold the lock or wait for it.
_in_flight: dict[str, tuple[threading.Lock, int]] = {}


@contextmanager
def _locked_key(key: str) -> Iterator[None]:
    """Make other threads with the same key wait, so that they find the result in the cache."""
    with _in_flight_lock:
        lock, thread_count = _in_flight.get(key, (threading.Lock(), 0))
        _in_flight[key] = lock, thread_count + 1
    try:
        with lock:
            yield
    finally:
        with _in_flight_lock:
            lock, thread_count = _in_flight.pop(key)
            if thread_count > 1:
                _in_flight[key] = lock, thread_count - 1
